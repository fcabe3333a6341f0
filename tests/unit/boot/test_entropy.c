/* SPDX-License-Identifier: MIT */
/* sources: boot/entropy.c libc/core/random.c */
/* flags: -DCPU_FAKE */
/*
 * boot/entropy.c on processors whose generators work, are missing or stuck.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "boot/entropy.h"
#include "boot/hardware_random.h"
#include "kernel/log.h"

#define DRAWS 16

static bool has_rdrand, has_rdseed;
static bool is_silent;
static const uint64_t *given; /* over and over */
static unsigned given_count;
static unsigned draw_count;
static char logged[1024];

uint64_t cpu_read_tsc(void)
{
    static uint64_t tsc;

    return ++tsc;
}

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    switch (leaf) {
    case 0:
        return (struct cpuid){.eax = 7};
    case 1:
        return (struct cpuid){.ecx = has_rdrand ? 1u << 30 : 0};
    case 7:
        return (struct cpuid){.ebx = has_rdseed ? 1u << 18 : 0};
    default:
        fail_msg("leaf %u", leaf);
        return (struct cpuid){0};
    }
}

static bool draw(uint64_t *value)
{
    *value = given[draw_count++ % given_count];
    return !is_silent;
}

bool hardware_rdrand(uint64_t *value)
{
    assert_true(has_rdrand);
    return draw(value);
}

bool hardware_rdseed(uint64_t *value)
{
    assert_true(has_rdseed);
    return draw(value);
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(logged);

    (void)subsystem;
    assert_int_equal(level, LOG_WARNING);
    va_start(arguments, format);
    vsnprintf(logged + length, sizeof(logged) - length, format, arguments);
    va_end(arguments);
}

static const uint64_t sound[DRAWS] = {
    0x8a3, 0x77c1, 0x1be55, 0x9001, 0x1f, 0xaaaa5, 0x3, 0xc0ffee,
    0x51,  0x9,    0x7331,  0xdead, 0x42, 0xf00d,  0x6, 0xbeef,
};

static int begin(void **state)
{
    (void)state;
    has_rdrand = has_rdseed = true;
    is_silent = false;
    given = sound;
    given_count = DRAWS;
    draw_count = 0;
    logged[0] = '\0';
    return 0;
}

static void boot(void)
{
    entropy_start();
    entropy_report();
}

static void generators_that_work_need_no_word(void **state)
{
    (void)state;
    boot();
    assert_int_equal(draw_count, 2 * DRAWS);
    assert_string_equal(logged, "");
    has_rdseed = false;
    boot();
    assert_string_equal(logged, "");
}

static void a_missing_generator_is_told_of(void **state)
{
    (void)state;
    has_rdrand = has_rdseed = false;
    boot();
    assert_string_equal(logged, "no RDRAND: secrets rest on the jitter of clocks");
}

/* As after some processors' sleep: valid by its own word, and always the same. */
static void a_stuck_generator_is_told_of(void **state)
{
    static const uint64_t ones[] = {UINT64_MAX}, zeros[] = {0}, same[] = {0x1234},
                          late[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15};
    static const struct {
        const uint64_t *values;
        unsigned count;
    } stuck[] = {{ones, 1}, {zeros, 1}, {same, 1}, {late, DRAWS}};

    (void)state;
    has_rdseed = false;
    for (unsigned i = 0; i < 4; i++) {
        logged[0] = '\0';
        draw_count = 0;
        given = stuck[i].values;
        given_count = stuck[i].count;
        boot();
        assert_non_null(strstr(logged, "RDRAND is stuck"));
        assert_non_null(strstr(logged, "no generator that works: secrets rest"));
    }
}

static void a_silent_generator_is_asked_a_bounded_number_of_times(void **state)
{
    (void)state;
    is_silent = true;
    boot();
    assert_in_range(draw_count, 20, 1000);
    assert_non_null(strstr(logged, "RDRAND gives nothing"));
    assert_non_null(strstr(logged, "RDSEED gives nothing"));
}

/* The TSC alone tells boots and nodes apart: the rest is the same here. */
static void no_two_seeds_are_alike_even_with_stuck_generators(void **state)
{
    static const uint64_t ones[] = {UINT64_MAX};
    uint64_t seeds[64][ENTROPY_SEED_WORDS];

    (void)state;
    given = ones;
    given_count = 1;
    for (unsigned i = 0; i < 64; i++) {
        if (i % 8 == 0) {
            boot();
        }
        entropy_draw(seeds[i]);
        for (unsigned word = 0; word < ENTROPY_SEED_WORDS; word++) {
            for (unsigned other = 0; other < i; other++) {
                assert_int_not_equal(seeds[i][word], seeds[other][word]);
            }
        }
    }
}

/* What boot keeps changes with each, and is no seed. */
static void a_nodes_next_seeds_are_unlike_each_other_and_what_is_kept(void **state)
{
    static const uint64_t ones[] = {UINT64_MAX};
    uint64_t kept[ENTROPY_SEED_WORDS], words[2 * 16 * ENTROPY_SEED_WORDS];
    unsigned count = 0;

    (void)state;
    given = ones;
    given_count = 1;
    boot();
    entropy_draw(kept);
    draw_count = 0;
    while (count < ARRAY_COUNT(words)) {
        entropy_renew(kept, words + count);
        count += ENTROPY_SEED_WORDS;
        memcpy(words + count, kept, sizeof(kept));
        count += ENTROPY_SEED_WORDS;
    }
    for (unsigned i = 0; i < count; i++) {
        for (unsigned other = 0; other < i; other++) {
            assert_int_not_equal(words[i], words[other]);
        }
    }
    assert_int_equal(draw_count, 0); /* it is stuck */
}

static void a_generator_that_works_goes_into_the_next_seed(void **state)
{
    uint64_t kept[ENTROPY_SEED_WORDS] = {0}, seed[ENTROPY_SEED_WORDS];

    (void)state;
    boot();
    draw_count = 0;
    entropy_renew(kept, seed);
    assert_int_equal(draw_count, ENTROPY_SEED_WORDS);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(generators_that_work_need_no_word),
        TEST(a_missing_generator_is_told_of),
        TEST(a_stuck_generator_is_told_of),
        TEST(a_silent_generator_is_asked_a_bounded_number_of_times),
        TEST(no_two_seeds_are_alike_even_with_stuck_generators),
        TEST(a_nodes_next_seeds_are_unlike_each_other_and_what_is_kept),
        TEST(a_generator_that_works_goes_into_the_next_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
