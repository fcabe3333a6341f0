/* SPDX-License-Identifier: MIT */
/*
 * Registers of a virtio device in a slot, which is on no bus, by those that it has on PCI. Numbers
 * of their own: not the driver's.
 */
#pragma once

#include "kernel/base.h"

/* Where each of the common registers is on PCI, or UINT32_MAX. */
static inline uint32_t slot_place_on_pci(uint32_t offset)
{
    static const uint8_t places[][2] = {
        {0x10, 0x04}, {0x14, 0x00}, {0x30, 0x16}, {0x34, 0x18}, {0x38, 0x18},
        {0x44, 0x1C}, {0x70, 0x14}, {0x80, 0x20}, {0x84, 0x24}, {0x90, 0x28},
        {0x94, 0x2C}, {0xA0, 0x30}, {0xA4, 0x34},
    };

    if (offset >= 0x100) {
        return 0x2000 + offset - 0x100;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
        if (places[i][0] == offset) {
            return places[i][1];
        }
    }
    return UINT32_MAX;
}

/* Magic number, version, kind. */
static inline uint32_t slot_identity(uint32_t offset)
{
    return offset == 0x00 ? 0x74726976 : offset == 0x04 ? 2 : 1;
}
