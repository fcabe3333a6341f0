/* SPDX-License-Identifier: MIT */
/*
 * x86's I/O ports, for who drives what a PC has there: boot/ and drivers/.
 *
 * Unit tests that play the machine define CPU_FAKE and supply the functions themselves.
 */
#pragma once

#include <stdint.h>

#ifdef CPU_FAKE
#define PORT_ACCESS(bits, suffix)                                                                  \
    uint##bits##_t port_read##bits(uint16_t port);                                                 \
    void port_write##bits(uint16_t port, uint##bits##_t value);
#else
#define PORT_ACCESS(bits, suffix)                                                                  \
    static inline uint##bits##_t port_read##bits(uint16_t port)                                    \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port));                        \
        return value;                                                                              \
    }                                                                                              \
    static inline void port_write##bits(uint16_t port, uint##bits##_t value)                       \
    {                                                                                              \
        __asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port));                       \
    }
#endif

PORT_ACCESS(8, "b")
PORT_ACCESS(16, "w")
PORT_ACCESS(32, "l")

#undef PORT_ACCESS
