/* SPDX-License-Identifier: MIT */
/*
 * Where virtio devices may be that are on no bus: what ACPI's tables name, and words of the command
 * line, as hypervisors write them.
 */
#pragma once

#include "boot/boot_info.h"

/*
 * Check what the tables have put into machine->virtio_slots, and add what the words
 * `virtio_mmio.device=SIZE@BASE:IRQ` name: SIZE and BASE are decimal, or hexadecimal behind 0x,
 * with K or M for 1024 and its square; an `:ID` may follow, and means nothing.
 *
 * A range that lies in memory, where another device is, beyond the processor's addresses, or that
 * is too short, is left out; so is a word that cannot be read. Each is logged. What is left may be
 * mapped as a device, and no hole contains it. The devices of the tables must be known before.
 */
void virtio_slots_read(struct machine *machine, const struct boot_info *info,
                       unsigned address_bits);
