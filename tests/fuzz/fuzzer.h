/* SPDX-License-Identifier: MIT */
/*
 * What all fuzz targets share. A target is a file fuzz_<name>.c with one function, fuzz_one().
 *
 * Each input begins in the same state. All variables of the target and of the sources that it names
 * lie in sections of their own (node.ld), which are set back to what the linker put there, and the
 * memory that they have allocated is released. So an input that fails does so alone, and a node
 * that nobody can stop is started anew thousands of times a second.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Run one input, `bytes` long: what goes wrong aborts. The input ends where its allocation does. */
void fuzz_one(const uint8_t *input, size_t bytes);

/* The condition holds, whatever the input is. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fuzz_fail(__FILE__, __LINE__, #condition);                                             \
        }                                                                                          \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *condition);

/* A variable that keeps what it has from input to input: what is made once and never changes. */
#define FUZZ_KEPT __attribute__((section("fuzz_kept")))

/* Blocks that the sources under test have allocated and not released. */
size_t fuzz_block_count(void);

/* --- The input as a program: numbers and bytes from its front --- */

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

/* 0 once the input has ended. Little-endian. */
uint8_t fuzz_take8(struct fuzz_input *input);
uint16_t fuzz_take16(struct fuzz_input *input);
uint32_t fuzz_take32(struct fuzz_input *input);
/* So many bytes, or what is left of the input. Returns where they lie; *count says how many. */
const uint8_t *fuzz_take_bytes(struct fuzz_input *input, size_t most, size_t *count);
