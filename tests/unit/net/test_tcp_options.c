/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/options.c tests/unit/world/panic.c */
/*
 * Tests the options of TCP: whatever stands there is read, and never beyond its end. Each test
 * gives them in a block of their own length, so that the address sanitizer sees a byte too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base.h"
#include "libc/core/bytes.h"
#include "net/transport/tcp/options.h"

static struct tcp_options parse(const void *bytes, size_t length)
{
    uint8_t *block = malloc(length != 0 ? length : 1);
    struct tcp_options options;

    memset(&options, 0xEE, sizeof(options)); /* as they may lie on the stack */
    memcpy(block, bytes, length);
    tcp_options_parse(&options, length != 0 ? block : block + 1, (unsigned)length);
    free(block);
    return options;
}

#define PARSE(...) parse((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void assert_nothing(struct tcp_options options)
{
    assert_int_equal(options.mss, 0);
    assert_int_equal(options.scale, 0);
    assert_false(options.has_scale);
    assert_false(options.is_sack_permitted);
    assert_false(options.has_timestamps);
    assert_int_equal(options.sack_count, 0);
}

/* As Linux and Windows send them. */
static void options_of_usual_syns_are_read(void **state)
{
    struct tcp_options options =
        PARSE(2, 4, 5, 0xB4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7);

    (void)state;
    assert_int_equal(options.mss, 1460);
    assert_true(options.has_scale);
    assert_int_equal(options.scale, 7);
    assert_true(options.is_sack_permitted);
    assert_true(options.has_timestamps);
    assert_int_equal(options.timestamp, 0x01020304);
    assert_int_equal(options.timestamp_echo, 0x05060708);
    assert_int_equal(options.sack_count, 0);

    options = PARSE(2, 4, 5, 0xB4, 1, 3, 3, 8, 1, 1, 4, 2);
    assert_int_equal(options.mss, 1460);
    assert_int_equal(options.scale, 8);
    assert_true(options.is_sack_permitted);
    assert_false(options.has_timestamps);
}

static void no_options_say_nothing(void **state)
{
    (void)state;
    assert_nothing(parse("", 0));
    assert_nothing(PARSE(0));
    assert_nothing(PARSE(1, 1, 1, 1));
    assert_nothing(PARSE(0, 2, 4, 5, 0xB4)); /* behind the end */
}

/* RFC 9293 3.7.1 has no floor; one byte a segment would be 40 of headers for each. */
static void a_small_segment_size_is_taken_for_the_least(void **state)
{
    (void)state;
    assert_int_equal(PARSE(2, 4, 0, 0).mss, TCP_OPTION_MSS_LEAST);
    assert_int_equal(PARSE(2, 4, 0, 1).mss, TCP_OPTION_MSS_LEAST);
    assert_int_equal(PARSE(2, 4, 0, 215).mss, TCP_OPTION_MSS_LEAST);
    assert_int_equal(PARSE(2, 4, 0, 216).mss, 216);
    assert_int_equal(PARSE(2, 4, 0, 217).mss, 217);
    assert_int_equal(PARSE(2, 4, 0xFF, 0xFF).mss, 0xFFFF);
}

/* RFC 7323 2.3. */
static void a_scale_above_14_is_14(void **state)
{
    (void)state;
    for (unsigned scale = 0; scale < 256; scale++) {
        struct tcp_options options = PARSE(3, 3, (uint8_t)scale);

        assert_true(options.has_scale);
        assert_int_equal(options.scale, scale < 14 ? scale : 14);
    }
}

static void a_length_of_0_or_1_ends_the_list(void **state)
{
    (void)state;
    assert_nothing(PARSE(2, 0, 5, 0xB4));
    assert_nothing(PARSE(2, 1, 5, 0xB4));
    assert_nothing(PARSE(99, 0, 3, 3, 7));
    assert_nothing(PARSE(99, 1, 3, 3, 7));
    assert_int_equal(PARSE(3, 3, 7, 99, 0, 2, 4, 5, 0xB4).scale, 7); /* what stood before counts */
    assert_int_equal(PARSE(3, 3, 7, 99, 0, 2, 4, 5, 0xB4).mss, 0);
}

static void what_is_longer_than_the_list_ends_it(void **state)
{
    (void)state;
    assert_nothing(PARSE(2));
    assert_nothing(PARSE(2, 4));
    assert_nothing(PARSE(2, 4, 5));
    assert_nothing(PARSE(3));
    assert_nothing(PARSE(3, 3));
    assert_nothing(PARSE(4));
    assert_nothing(PARSE(8, 10, 1, 2, 3, 4, 5, 6, 7));
    assert_nothing(PARSE(5, 10, 1, 2, 3, 4, 5, 6, 7));
    assert_nothing(PARSE(99, 255, 2, 4, 5, 0xB4));
}

static void an_option_of_another_length_than_its_own_is_passed_over(void **state)
{
    struct tcp_options options = PARSE(2, 3, 5, 2, 5, 5, 0xB4, 0, 3, 2, 3, 4, 7, 7, 4, 3, 0, 8, 2);

    (void)state;
    assert_nothing(options);
    options = PARSE(2, 3, 5, 3, 3, 9); /* and the next one is found */
    assert_int_equal(options.mss, 0);
    assert_int_equal(options.scale, 9);
    assert_nothing(PARSE(8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

static void what_is_unknown_is_passed_over(void **state)
{
    /* Fast open (RFC 7413), MD5 (RFC 2385), and one of two bytes. */
    struct tcp_options options = PARSE(34, 6, 1, 2, 3, 4, 19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                       0, 0, 0, 0, 0, 77, 2, 2, 4, 5, 0xB4);

    (void)state;
    assert_int_equal(options.mss, 1460);
    assert_false(options.has_scale);
}

static void of_repeated_options_the_last_counts(void **state)
{
    struct tcp_options options = PARSE(2, 4, 5, 0xB4, 3, 3, 2, 4, 2, 4, 2, 3, 3, 9, 2, 4, 2, 0x18);

    (void)state;
    assert_int_equal(options.mss, 536);
    assert_int_equal(options.scale, 9);
    assert_true(options.is_sack_permitted);
    options = PARSE(5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4);
    assert_int_equal(options.sack_count, 1);
    assert_int_equal(options.sack[0][0], 3);
    assert_int_equal(options.sack[0][1], 4);
}

/* RFC 2018 3: up to four, three beside timestamps. */
static void selective_acknowledgements_are_read_as_they_stand(void **state)
{
    uint8_t bytes[40] = {1, 1, 5};

    (void)state;
    for (unsigned count = 1; count <= TCP_OPTION_SACK_BLOCKS_MAX; count++) {
        struct tcp_options options;

        bytes[3] = (uint8_t)(2 + 8 * count);
        for (unsigned i = 0; i < count; i++) {
            store_be32(bytes + 4 + 8 * i, 0xFFFFFF00u + i);
            store_be32(bytes + 8 + 8 * i, 100 + i);
        }
        options = parse(bytes, 4 + 8 * count);
        assert_int_equal(options.sack_count, count);
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(options.sack[i][0], 0xFFFFFF00u + i);
            assert_int_equal(options.sack[i][1], 100 + i);
        }
    }
    assert_int_equal(PARSE(5, 2).sack_count, 0);
    assert_int_equal(PARSE(5, 9, 1, 2, 3, 4, 5, 6, 7).sack_count, 0);
    assert_int_equal(PARSE(5, 14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).sack_count, 0);
}

/* What is read at once is what is read one by one: with a byte of padding, or one that differs.
 */
static void usual_options_are_read_as_others_are(void **state)
{
    uint8_t bytes[22] = {1, 2, 4, 5, 0xB4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7, 0};
    struct tcp_options usual, padded;

    (void)state;
    for (unsigned i = 0; i < 65536; i += 77) {
        store_be16(bytes + 3, (uint16_t)i);
        bytes[20] = (uint8_t)i;
        usual = parse(bytes + 1, 20);
        padded = parse(bytes, 21);
        assert_int_equal(usual.mss, padded.mss);
        assert_int_equal(usual.has_scale, padded.has_scale);
        assert_int_equal(usual.scale, padded.scale);
        assert_int_equal(usual.is_sack_permitted, padded.is_sack_permitted);
        assert_int_equal(usual.timestamp, padded.timestamp);
        assert_int_equal(usual.timestamp_echo, padded.timestamp_echo);
    }
    for (unsigned at = 1; at <= 19; at++) {
        uint8_t kept = bytes[at];

        if (at == 3 || at == 4 || (at >= 9 && at < 17)) {
            continue; /* what is said, not which option it is */
        }
        bytes[at] = 77;
        usual = parse(bytes + 1, 20);
        padded = parse(bytes, 21);
        bytes[at] = kept;
        assert_int_equal(usual.mss, padded.mss);
        assert_int_equal(usual.has_scale, padded.has_scale);
        assert_int_equal(usual.is_sack_permitted, padded.is_sack_permitted);
        assert_int_equal(usual.has_timestamps, padded.has_timestamps);
        assert_false(usual.mss != 0 && usual.has_scale && usual.is_sack_permitted &&
                     usual.has_timestamps);
    }
}

/* Seeded. What is wrong is seen by the sanitizers, and by the bounds of what comes out. */
static void any_bytes_are_read_within_their_bounds(void **state)
{
    uint32_t random = 12345;
    uint8_t bytes[40];

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        size_t length = i % 41;
        struct tcp_options options;

        for (size_t at = 0; at < length; at++) {
            random = random * 1664525 + 1013904223;
            /* Mostly kinds and lengths that mean something. */
            bytes[at] = (uint8_t)(random >> 24 < 200 ? random >> 16 & 15 : random >> 16);
        }
        options = parse(bytes, length);
        assert_true(options.mss == 0 || options.mss >= TCP_OPTION_MSS_LEAST);
        assert_true(options.scale <= TCP_OPTION_SCALE_MAX);
        assert_true(options.sack_count <= TCP_OPTION_SACK_BLOCKS_MAX);
    }
}

static void a_syn_ack_offers_what_the_peer_has_offered(void **state)
{
    const uint8_t all[] = {2, 4, 5, 0xB4, 1, 3, 3, 7, 1, 1, 4, 2};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool has_scale = (i & 1) != 0;
        bool has_sack = (i & 2) != 0;
        uint8_t bytes[TCP_OPTION_SYN_ACK_MAX_BYTES];
        unsigned length = tcp_options_put_syn_ack(bytes, 1460, has_scale, 7, has_sack);
        struct tcp_options options = parse(bytes, length);

        assert_int_equal(length % 4, 0);
        assert_int_equal(length, 4u + 4 * has_scale + 4 * has_sack);
        assert_int_equal(options.mss, 1460);
        assert_int_equal(options.has_scale, has_scale);
        assert_int_equal(options.scale, has_scale ? 7 : 0);
        assert_int_equal(options.is_sack_permitted, has_sack);
        assert_false(options.has_timestamps);
        if (i == 3) {
            assert_memory_equal(bytes, all, sizeof(all));
        }
    }
}

static void a_scale_that_no_peer_would_take_is_not_offered(void **state)
{
    uint8_t bytes[TCP_OPTION_SYN_ACK_MAX_BYTES];

    (void)state;
    expect_assert_failure((void)tcp_options_put_syn_ack(bytes, 1460, true, 15, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_usual_syns_are_read),
        cmocka_unit_test(no_options_say_nothing),
        cmocka_unit_test(a_small_segment_size_is_taken_for_the_least),
        cmocka_unit_test(a_scale_above_14_is_14),
        cmocka_unit_test(a_length_of_0_or_1_ends_the_list),
        cmocka_unit_test(what_is_longer_than_the_list_ends_it),
        cmocka_unit_test(an_option_of_another_length_than_its_own_is_passed_over),
        cmocka_unit_test(what_is_unknown_is_passed_over),
        cmocka_unit_test(of_repeated_options_the_last_counts),
        cmocka_unit_test(selective_acknowledgements_are_read_as_they_stand),
        cmocka_unit_test(usual_options_are_read_as_others_are),
        cmocka_unit_test(any_bytes_are_read_within_their_bounds),
        cmocka_unit_test(a_syn_ack_offers_what_the_peer_has_offered),
        cmocka_unit_test(a_scale_that_no_peer_would_take_is_not_offered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
