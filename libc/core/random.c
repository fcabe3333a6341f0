/* SPDX-License-Identifier: MIT */
/*
 * A pool on ChaCha20. Blocks that mix and blocks that are drawn differ in their first input word.
 */
#include "libc/core/random.h"

#include <string.h>

#define ROUNDS    20u
#define KEY_BYTES (RANDOM_KEY_WORDS * sizeof(uint32_t))

static uint32_t rotate_left(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

/* RFC 8439 2.1 */
static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate_left(*d ^ *a, 16);
    *c += *d;
    *b = rotate_left(*b ^ *c, 12);
    *a += *b;
    *d = rotate_left(*d ^ *a, 8);
    *c += *d;
    *b = rotate_left(*b ^ *c, 7);
}

void chacha20_block(const uint32_t key[RANDOM_KEY_WORDS], const uint32_t input[4],
                    uint32_t output[16])
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646E, 0x79622D32, 0x6B206574};
    uint32_t start[16];
    uint32_t *s = output;

    memcpy(start, constants, sizeof(constants));
    memcpy(start + 4, key, KEY_BYTES);
    memcpy(start + 12, input, 4 * sizeof(uint32_t));
    memcpy(s, start, sizeof(start));
    for (unsigned i = 0; i < ROUNDS; i += 2) {
        quarter_round(&s[0], &s[4], &s[8], &s[12]);
        quarter_round(&s[1], &s[5], &s[9], &s[13]);
        quarter_round(&s[2], &s[6], &s[10], &s[14]);
        quarter_round(&s[3], &s[7], &s[11], &s[15]);
        quarter_round(&s[0], &s[5], &s[10], &s[15]);
        quarter_round(&s[1], &s[6], &s[11], &s[12]);
        quarter_round(&s[2], &s[7], &s[8], &s[13]);
        quarter_round(&s[3], &s[4], &s[9], &s[14]);
    }
    for (unsigned i = 0; i < 16; i++) {
        s[i] += start[i];
    }
}

void random_add(struct random_pool *pool, const void *bytes, size_t length)
{
    const uint8_t *next = bytes;

    memset(pool->drawn, 0, sizeof(pool->drawn));
    pool->drawn_count = 0;
    while (length > 0) {
        size_t chunk_bytes = length < KEY_BYTES ? length : KEY_BYTES;
        /* With its length, so that zeros at the end make a difference. */
        const uint32_t input[4] = {(uint32_t)chunk_bytes, 0, 0, 0};
        uint32_t chunk[RANDOM_KEY_WORDS] = {0};
        uint32_t block[16];

        memcpy(chunk, next, chunk_bytes);
        for (unsigned i = 0; i < RANDOM_KEY_WORDS; i++) {
            pool->key[i] ^= chunk[i];
        }
        chacha20_block(pool->key, input, block);
        memcpy(pool->key, block, KEY_BYTES);
        next += chunk_bytes;
        length -= chunk_bytes;
    }
}

uint64_t random_take(struct random_pool *pool)
{
    if (pool->drawn_count == 0) {
        const uint32_t input[4] = {0};
        uint32_t block[16];

        chacha20_block(pool->key, input, block);
        memcpy(pool->key, block, KEY_BYTES);
        memcpy(pool->drawn, block + RANDOM_KEY_WORDS, sizeof(pool->drawn));
        pool->drawn_count = RANDOM_TAKE_WORDS;
    }
    uint64_t number = pool->drawn[--pool->drawn_count];

    pool->drawn[pool->drawn_count] = 0;
    return number;
}

uint64_t random_take_seeded(struct random_pool *pool, void *seed, size_t length, uint64_t now)
{
    if (pool->drawn_count == 0) {
        random_add(pool, seed, length);
        memset(seed, 0, length); /* once, and gone */
        random_add(pool, &now, sizeof(now));
    }
    return random_take(pool);
}
