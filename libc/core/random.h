/* SPDX-License-Identifier: MIT */
/*
 * Random numbers for secrets, out of whatever is put in. A pool keeps a key of 256 bits. What is
 * put in is mixed into the key by ChaCha20's block function (RFC 8439 2.3), so that no source can
 * undo what others have given; each draw makes a new key besides, so that the pool does not tell
 * what it gave before (Bernstein, "Fast-key-erasure random-number generators", 2017). Numbers are
 * as hard to guess as all that was put in is together.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RANDOM_KEY_WORDS  8u
#define RANDOM_TAKE_WORDS 4u /* drawn at a time */

/* Zeroed at the start. */
struct random_pool {
    uint32_t key[RANDOM_KEY_WORDS];
    uint64_t drawn[RANDOM_TAKE_WORDS];
    unsigned drawn_count; /* of these, not given out yet: the first */
};

/* Put in so many bytes, whatever they are. What has been drawn is forgotten. */
void random_add(struct random_pool *pool, const void *bytes, size_t length);
/* Take a number. */
uint64_t random_take(struct random_pool *pool);
/* The same; the first draw puts in this seed, which is wiped, and each one `now`: when a number is
 * asked for nobody can plan. */
uint64_t random_take_seeded(struct random_pool *pool, void *seed, size_t length, uint64_t now);

/* RFC 8439 2.3: counter and nonce are the last four words of the input. */
void chacha20_block(const uint32_t key[RANDOM_KEY_WORDS], const uint32_t input[4],
                    uint32_t output[16]);
