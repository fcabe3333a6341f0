/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic of the 82599 that needs neither device state nor QEMU: hashes, bit reversal and
 * the Internet checksum. Compiles on its own, so that unit tests check it against the
 * published vectors.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IXGBE_RSS_KEY_BYTES 40

/* Words of the flow director's hash input, in the order of ixgbe_fdir_hash(). */
#define IXGBE_FDIR_HASH_WORDS 11

/* Bit k becomes bit 15 - k: the flow director's port masks are stored that way round. */
uint16_t ixgbe_reverse16(uint16_t value);

/*
 * Receive-side scaling's Toeplitz hash of `bytes` bytes of input, at most 36 (two IPv6 addresses
 * and two ports), in network order.
 */
uint32_t ixgbe_toeplitz(const uint8_t key[IXGBE_RSS_KEY_BYTES], const uint8_t *input,
                        size_t bytes);

/*
 * The flow director's hash, 15 bits: of the bucket with FDIRHKEY, of the signature with FDIRSKEY.
 *
 * word[0]      pool << 24 | flow type << 16 | VLAN tag
 * word[1..4]   destination address, word[5..8] source address; IPv4 in any one of the four
 * word[9]      source port << 16 | destination port
 * word[10]     flexible bytes << 16
 *
 * All of them hold masked fields as big-endian numbers.
 */
uint16_t ixgbe_fdir_hash(uint32_t key, const uint32_t word[IXGBE_FDIR_HASH_WORDS]);

/*
 * Add big-endian 16-bit words to a ones-complement sum; an odd last byte counts as the high
 * half of a word. Take the result through ixgbe_checksum_fold() in the end.
 */
uint64_t ixgbe_checksum_add(uint64_t sum, const uint8_t *data, size_t bytes);

/* The 16-bit ones-complement sum, not yet complemented. */
uint16_t ixgbe_checksum_fold(uint64_t sum);
