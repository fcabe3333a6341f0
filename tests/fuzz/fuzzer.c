/* SPDX-License-Identifier: MIT */
/*
 * Between libFuzzer and a target: sets the target back to its first state before each input. See
 * fuzzer.h. Not a part of what it sets back.
 */
#include "tests/fuzz/fuzzer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sanitizer/lsan_interface.h>

/* libFuzzer calls these. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

/* node.ld's sections. */
extern char __start_node_data[], __stop_node_data[], __start_node_bss[], __stop_node_bss[];

static char *first_data;

/* Past the address sanitizer, which knows the gaps between variables as poisoned. */
static void copy(char *to, const char *from, size_t bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static void clear(char *to, size_t bytes)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
}

void fuzz_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

/* --- Memory: the linker leads the calls of the sources under test to here --- */

#define BUCKET_COUNT      4096u
#define LEAK_CHECK_INPUTS 1000u

struct block {
    struct block *next;
    uintptr_t hidden; /* the complement of its address: the leak sanitizer looks for addresses */
};

static struct block *buckets[BUCKET_COUNT];
static size_t block_count;

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *memory);

static struct block **bucket_of(const void *memory)
{
    return &buckets[((uintptr_t)memory >> 4 ^ (uintptr_t)memory >> 16) % BUCKET_COUNT];
}

static void *note(void *memory)
{
    if (memory != NULL) {
        struct block **bucket = bucket_of(memory);
        struct block *block = malloc(sizeof(*block));

        if (block == NULL) {
            abort();
        }
        *block = (struct block){.next = *bucket, .hidden = ~(uintptr_t)memory};
        *bucket = block;
        block_count++;
    }
    return memory;
}

/* What the host's library has allocated by itself is not noted. */
static void forget(const void *memory)
{
    for (struct block **at = bucket_of(memory); *at != NULL; at = &(*at)->next) {
        struct block *block = *at;

        if (block->hidden == ~(uintptr_t)memory) {
            *at = block->next;
            free(block);
            block_count--;
            return;
        }
    }
}

void *__wrap_malloc(size_t bytes)
{
    return note(malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return note(calloc(count, bytes));
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    void *moved = realloc(memory, bytes);

    if (moved != NULL) {
        forget(memory);
        (void)note(moved);
    }
    return moved;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return note(aligned_alloc(alignment, bytes));
}

char *__wrap_strdup(const char *text)
{
    return note(strdup(text));
}

char *__wrap_strndup(const char *text, size_t bytes)
{
    return note(strndup(text, bytes));
}

void __wrap_free(void *memory)
{
    forget(memory);
    free(memory);
}

size_t fuzz_block_count(void)
{
    return block_count;
}

static void release_all(void)
{
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        while (buckets[i] != NULL) {
            struct block *block = buckets[i];

            buckets[i] = block->next;
            free((void *)~block->hidden);
            free(block);
        }
    }
    block_count = 0;
}

/* Blocks that nothing points to any more; a search takes as long as some hundred inputs. */
static void look_for_leaks(void)
{
    static unsigned input_count;

    if (input_count++ % LEAK_CHECK_INPUTS == 0 && __lsan_do_recoverable_leak_check() != 0) {
        abort();
    }
}

/* --- One input --- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t bytes = (size_t)(__stop_node_data - __start_node_data);

    (void)argc;
    (void)argv;
    /* What the fakes of the unit tests find wrong ends the program as all else does. */
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    first_data = malloc(bytes);
    if (first_data == NULL) {
        abort();
    }
    copy(first_data, __start_node_data, bytes);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    copy(__start_node_data, first_data, (size_t)(__stop_node_data - __start_node_data));
    clear(__start_node_bss, (size_t)(__stop_node_bss - __start_node_bss));
    errno = 0;
    fuzz_one(input, bytes);
    look_for_leaks();
    release_all();
    return 0;
}

/* --- The input as a program --- */

uint8_t fuzz_take8(struct fuzz_input *input)
{
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

uint16_t fuzz_take16(struct fuzz_input *input)
{
    uint16_t low = fuzz_take8(input);

    return (uint16_t)(low | fuzz_take8(input) << 8);
}

uint32_t fuzz_take32(struct fuzz_input *input)
{
    uint32_t low = fuzz_take16(input);

    return low | (uint32_t)fuzz_take16(input) << 16;
}

const uint8_t *fuzz_take_bytes(struct fuzz_input *input, size_t most, size_t *count)
{
    const uint8_t *bytes = input->at;

    *count = most < input->left ? most : input->left;
    input->at += *count;
    input->left -= *count;
    return bytes;
}
