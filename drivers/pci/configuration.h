/* SPDX-License-Identifier: MIT */
/*
 * Accesses to configuration space in memory. As libc/core/mmio.h's, and each is a move by al, ax
 * or eax: family 10h of AMD passes on no other (BKDG for family 10h, 2.11).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* clang-format off: a macro of functions */
#ifdef MMIO_FAKE
#define CONFIGURATION_ACCESS(bits, move)                                                           \
    uint##bits##_t configuration_read##bits(const void *base, size_t offset);                      \
    void configuration_write##bits(void *base, size_t offset, uint##bits##_t value);
#else
#define CONFIGURATION_ACCESS(bits, move)                                                           \
    static inline uint##bits##_t configuration_read##bits(const void *base, size_t offset)         \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        __asm__ volatile(move " (%1), %0" : "=a"(value) : "r"((const uint8_t *)base + offset));    \
        return value;                                                                              \
    }                                                                                              \
    static inline void configuration_write##bits(void *base, size_t offset, uint##bits##_t value)  \
    {                                                                                              \
        __asm__ volatile(move " %0, (%1)" : : "a"(value), "r"((uint8_t *)base + offset));          \
    }
#endif
/* clang-format on */

CONFIGURATION_ACCESS(8, "movb")
CONFIGURATION_ACCESS(16, "movw")
CONFIGURATION_ACCESS(32, "movl")

#undef CONFIGURATION_ACCESS
