/* SPDX-License-Identifier: MIT */
/*
 * A content's hash, from which its entity tag is made (RFC 9110 8.8.3).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The same on every node and after every boot. Reads all of it, and lets others run meanwhile. */
uint64_t tag_of_content(const uint8_t *content, size_t bytes);

/* Room for a tag with its quotes and a zero. */
#define TAG_TEXT_BYTES 19
void tag_print(uint64_t tag, char text[TAG_TEXT_BYTES]);

/* Bytes are hashed eight at a time: the hash of what came before, with one word more. */
static inline uint64_t tag_mix(uint64_t hash, uint64_t word)
{
    /* By a multiplication with an odd constant (the golden ratio's fraction) and a shift that
     * brings the high bits down. */
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    return hash ^ hash >> 32;
}
