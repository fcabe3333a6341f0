/* SPDX-License-Identifier: MIT */
/*
 * Memory that a device changes or watches: its registers, and descriptors that it reads and writes
 * by DMA. The only home of `volatile`: each call is one access of that width, none is merged,
 * repeated or left out, and they stay in program order, on x86 uncached ones in the core, too. What
 * orders descriptors against registers is the driver's matter.
 *
 * Unit tests that play the device define MMIO_FAKE and supply the functions themselves.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef MMIO_FAKE
#define MMIO_ACCESS(bits)                                                                          \
    uint##bits##_t mmio_read##bits(const void *base, size_t offset);                               \
    void mmio_write##bits(void *base, size_t offset, uint##bits##_t value);
#else
#define MMIO_ACCESS(bits)                                                                          \
    static inline uint##bits##_t mmio_read##bits(const void *base, size_t offset)                  \
    {                                                                                              \
        return *(const volatile uint##bits##_t *)((const uint8_t *)base + offset);                 \
    }                                                                                              \
    static inline void mmio_write##bits(void *base, size_t offset, uint##bits##_t value)           \
    {                                                                                              \
        *(volatile uint##bits##_t *)((uint8_t *)base + offset) = value;                            \
    }
#endif

MMIO_ACCESS(8)
MMIO_ACCESS(16)
MMIO_ACCESS(32)
MMIO_ACCESS(64)

#undef MMIO_ACCESS
