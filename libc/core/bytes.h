/* SPDX-License-Identifier: MIT */
/*
 * Integers in a stated byte order, as devices, firmware tables and packets have them. They may lie
 * at any address: each function is one move, with a byte swap where the order is not the core's.
 */
#pragma once

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian is the core's own order");

/* The same bytes in reverse order: from network order to the core's, and back. */
static inline uint16_t swap16(uint16_t value)
{
    return __builtin_bswap16(value);
}

static inline uint32_t swap32(uint32_t value)
{
    return __builtin_bswap32(value);
}

static inline uint64_t swap64(uint64_t value)
{
    return __builtin_bswap64(value);
}

static inline uint16_t load_le16(const void *bytes)
{
    uint16_t value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t load_le32(const void *bytes)
{
    uint32_t value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t load_le64(const void *bytes)
{
    uint64_t value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint16_t load_be16(const void *bytes)
{
    return swap16(load_le16(bytes));
}

static inline uint32_t load_be32(const void *bytes)
{
    return swap32(load_le32(bytes));
}

static inline uint64_t load_be64(const void *bytes)
{
    return swap64(load_le64(bytes));
}

static inline void store_le16(void *bytes, uint16_t value)
{
    __builtin_memcpy(bytes, &value, sizeof(value));
}

static inline void store_le32(void *bytes, uint32_t value)
{
    __builtin_memcpy(bytes, &value, sizeof(value));
}

static inline void store_le64(void *bytes, uint64_t value)
{
    __builtin_memcpy(bytes, &value, sizeof(value));
}

static inline void store_be16(void *bytes, uint16_t value)
{
    store_le16(bytes, swap16(value));
}

static inline void store_be32(void *bytes, uint32_t value)
{
    store_le32(bytes, swap32(value));
}

static inline void store_be64(void *bytes, uint64_t value)
{
    store_le64(bytes, swap64(value));
}
