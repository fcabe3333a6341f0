/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hashes, bit reversal and checksum: see the header.
 */
#include "ixgbe82599_hash.h"

#include <string.h>

uint16_t ixgbe_reverse16(uint16_t value)
{
    uint16_t reversed = 0;

    for (int bit = 0; bit < 16; bit++) {
        reversed |= ((value >> bit) & 1) << (15 - bit);
    }
    return reversed;
}

uint32_t ixgbe_toeplitz(const uint8_t key[IXGBE_RSS_KEY_BYTES], const uint8_t *input,
                        size_t bytes)
{
    /* The 32 key bits at the current input bit stand in the window's upper half. */
    uint64_t window = 0;
    uint32_t hash = 0;

    for (int i = 0; i < 8; i++) {
        window = window << 8 | key[i];
    }
    for (size_t i = 0; i < bytes; i++) {
        for (int bit = 7; bit >= 0; bit--) {
            if (input[i] >> bit & 1) {
                hash ^= window >> 32;
            }
            window <<= 1;
        }
        window |= i + 8 < IXGBE_RSS_KEY_BYTES ? key[i + 8] : 0;
    }
    return hash;
}

uint16_t ixgbe_fdir_hash(uint32_t key, const uint32_t word[IXGBE_FDIR_HASH_WORDS])
{
    uint32_t low, high = 0, hash = 0;

    for (int i = 1; i < IXGBE_FDIR_HASH_WORDS; i++) {
        high ^= word[i];
    }
    low = high >> 16 | high << 16;
    high ^= word[0] ^ word[0] >> 16;
    if (key & 1) {
        hash ^= low;
    }
    if (key >> 16 & 1) {
        hash ^= high;
    }
    /* Only now: the tag and the flow type enter the low half's bits 1 to 15, not bit 0. */
    low ^= word[0] ^ word[0] << 16;
    for (int bit = 1; bit < 16; bit++) {
        if (key >> bit & 1) {
            hash ^= low >> bit;
        }
        if (key >> (bit + 16) & 1) {
            hash ^= high >> bit;
        }
    }
    return hash & 0x7fff;
}

uint64_t ixgbe_checksum_add(uint64_t sum, const uint8_t *data, size_t bytes)
{
    uint64_t native = 0;
    uint32_t chunk;
    uint16_t folded;

    /*
     * Sum in the host's byte order, four bytes at a time, and swap once: a ones-complement sum
     * of swapped words is the swapped sum (RFC 1071 2).
     */
    while (bytes >= 4) {
        memcpy(&chunk, data, 4);
        native += chunk;
        data += 4;
        bytes -= 4;
    }
    chunk = 0;
    memcpy(&chunk, data, bytes);
    native += chunk;
    folded = ixgbe_checksum_fold(native);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    folded = folded << 8 | folded >> 8;
#endif
    return sum + folded;
}

uint16_t ixgbe_checksum_fold(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}
