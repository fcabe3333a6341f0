/* SPDX-License-Identifier: MIT */
/* sources: libc/core/random.c */
/*
 * Tests libc/core/random.c: ChaCha20 as RFC 8439 has it, and a pool in which all that is put in
 * counts and which does not tell what it gave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/random.h"

static struct random_pool pool_of(const char *text)
{
    struct random_pool pool = {0};

    random_add(&pool, text, strlen(text));
    return pool;
}

/* RFC 8439 2.3.2: key 00 01 .. 1f, nonce 000000090000004a00000000, counter 1. */
static void a_block_is_the_one_of_the_rfc(void **state)
{
    static const uint32_t expected[16] = {
        0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033,
        0x9aaa2204, 0x4e6cd4c3, 0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
        0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
    };
    static const uint32_t input[4] = {1, 0x09000000, 0x4a000000, 0};
    uint8_t key_bytes[32];
    uint32_t key[8], block[16];

    (void)state;
    for (unsigned i = 0; i < sizeof(key_bytes); i++) {
        key_bytes[i] = (uint8_t)i;
    }
    memcpy(key, key_bytes, sizeof(key));
    chacha20_block(key, input, block);
    assert_memory_equal(block, expected, sizeof(expected));
}

static void all_that_is_put_in_counts(void **state)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "b",
                                        "ab",
                                        "a\x01",
                                        "0123456789012345678901234567890a",
                                        "0123456789012345678901234567890ab",
                                        "0123456789012345678901234567890ac"};
    uint64_t numbers[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct random_pool pool = pool_of(texts[i]);

        numbers[i] = random_take(&pool);
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(numbers[i], numbers[j]);
        }
    }
    /* Zeros count, too, and so does the order. */
    struct random_pool one = {0}, two = {0}, ab = pool_of("a"), ba = pool_of("b");

    random_add(&one, "\0", 1);
    random_add(&two, "\0\0", 2);
    random_add(&ab, "b", 1);
    random_add(&ba, "a", 1);
    assert_int_not_equal(random_take(&one), random_take(&two));
    assert_int_not_equal(random_take(&ab), random_take(&ba));
}

/* A source that knows the pool's state cannot bring it back to what it was without the others. */
static void a_later_source_does_not_undo_an_earlier_one(void **state)
{
    struct random_pool with = pool_of("secret"), without = pool_of("");

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        random_add(&with, "known", 5);
        random_add(&without, "known", 5);
        assert_memory_not_equal(with.key, without.key, sizeof(with.key));
    }
}

static void numbers_do_not_repeat_and_half_of_their_bits_are_set(void **state)
{
    struct random_pool pool = pool_of("seed");
    uint64_t numbers[1000];
    unsigned ones = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        numbers[i] = random_take(&pool);
        ones += (unsigned)__builtin_popcountll(numbers[i]);
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(numbers[i], numbers[j]);
        }
    }
    assert_in_range(ones, 31000, 33000); /* of 64,000: eight standard deviations */
}

static void the_pool_does_not_tell_what_it_gave(void **state)
{
    struct random_pool pool = pool_of("seed");
    uint8_t bytes[sizeof(pool)];

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        uint64_t number = random_take(&pool);

        memcpy(bytes, &pool, sizeof(pool));
        for (size_t at = 0; at + sizeof(number) <= sizeof(bytes); at++) {
            assert_memory_not_equal(bytes + at, &number, sizeof(number));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_the_one_of_the_rfc),
        cmocka_unit_test(all_that_is_put_in_counts),
        cmocka_unit_test(a_later_source_does_not_undo_an_earlier_one),
        cmocka_unit_test(numbers_do_not_repeat_and_half_of_their_bits_are_set),
        cmocka_unit_test(the_pool_does_not_tell_what_it_gave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
