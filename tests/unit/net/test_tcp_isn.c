/* SPDX-License-Identifier: MIT */
/* sources: net/transport/hash.c net/transport/tcp/cookie.c net/transport/tcp/options.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c kernel/message/channel.c kernel/message/status.c */
/*
 * Tests initial sequence numbers, of entries (RFC 6528) and of cookies, for structure: whoever sees
 * some of them shall know nothing of the next. Everything is seeded, so that what passes once
 * passes always. Good generators miss a bound in one of 500 million times, and there are 15,000.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base.h"
#include "libc/core/bytes.h"
#include "net/packet.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/cookie.h"
#include "net/transport/tcp/options.h"
#include "tests/unit/world/fake_platform.h"

#define NUMBER_COUNT 65536u

static uint32_t numbers[NUMBER_COUNT];

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(1, 2);
    flow_hash_initialise();
    cookie_initialise();
    return 0;
}

/* As a client opens one connection after the other: port by port, then address by address. */
static struct flow flow_of(unsigned number)
{
    return (struct flow){
        .remote_address = swap32(0x0A000001u + number / 16384),
        .local_address = 0x0100000A,
        .remote_port = swap16((uint16_t)(32768 + number % 16384)),
        .local_port = swap16(80),
    };
}

/* --- Sources of numbers --- */

static void number_entries(void)
{
    for (unsigned i = 0; i < NUMBER_COUNT; i++) {
        struct flow flow = flow_of(i);

        numbers[i] = flow_initial_sequence(&flow, 0);
    }
}

static void number_cookies(void)
{
    const struct tcp_options options = {
        .mss = 1460, .scale = 7, .has_scale = true, .is_sack_permitted = true};

    for (unsigned i = 0; i < NUMBER_COUNT; i++) {
        struct packet syn = {.flow = flow_of(i), .sequence = 1000};

        numbers[i] = cookie_make(&syn, &options, 0);
    }
}

/* The same flow, and the peer counts its own number up. */
static void number_cookies_of_one_flow(void)
{
    const struct tcp_options options = {.mss = 536};

    for (unsigned i = 0; i < NUMBER_COUNT; i++) {
        struct packet syn = {.flow = flow_of(0), .sequence = i};

        numbers[i] = cookie_make(&syn, &options, 0);
    }
}

/* --- Tests of them --- */

/* How far a chi-square of so many degrees lies above its mean, in deviations (Wilson and Hilferty's
 * approximation). */
static double excess(double chi_square, double degrees)
{
    double variance = 2 / (9 * degrees);

    return (cbrt(chi_square / degrees) - (1 - variance)) / sqrt(variance);
}

#define EXCESS_MAX 6.0 /* deviations of a normal distribution */

static double chi_square_of(const unsigned counts[256])
{
    double expected = NUMBER_COUNT / 256.0;
    double chi_square = 0;

    for (unsigned i = 0; i < 256; i++) {
        chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    return chi_square;
}

/* All values of each byte come equally often, but not more so than by chance. */
static void assert_bytes_are_even(void)
{
    for (unsigned byte = 0; byte < 4; byte++) {
        unsigned counts[256] = {0};

        for (unsigned i = 0; i < NUMBER_COUNT; i++) {
            counts[numbers[i] >> 8 * byte & 0xFF]++;
        }
        assert_true(fabs(excess(chi_square_of(counts), 255)) < EXCESS_MAX);
    }
}

/* Each bit, and each pair of them, of a number or of the difference of neighbours; but for one
 * pair, if they are cookies: the two of them say by which secret (cookie.c), which is the same for
 * all. */
static void assert_bits_are_unrelated(const uint32_t *values, unsigned count, bool are_cookies)
{
    double deviation = sqrt(count) / 2;

    for (unsigned left = 0; left < 32; left++) {
        for (unsigned right = left; right < 32; right++) {
            unsigned set_count = 0;

            for (unsigned i = 0; i < count; i++) {
                uint32_t value = values[i];

                set_count += (value >> left ^ (left == right ? 0 : value >> right)) & 1;
            }
            assert_true(fabs(set_count - count / 2.0) < EXCESS_MAX * deviation ||
                        (are_cookies && left == 7 && right == 31));
        }
    }
}

/* Neighbours: a bit of one says nothing of any bit of the next. */
static void assert_neighbours_are_unrelated(unsigned distance)
{
    static uint32_t differences[NUMBER_COUNT];
    unsigned count = NUMBER_COUNT - distance;
    double mean = 0, covariance = 0, variance = 0;

    for (unsigned i = 0; i < count; i++) {
        differences[i] = numbers[i] - numbers[i + distance];
    }
    assert_bits_are_unrelated(differences, count, false);
    for (unsigned rotation = 0; rotation < 32; rotation++) {
        unsigned counts[32] = {0};

        for (unsigned i = 0; i < count; i++) {
            uint32_t next = numbers[i + distance];
            uint32_t both =
                numbers[i] ^ (rotation == 0 ? next : next << rotation | next >> (32 - rotation));

            for (unsigned bit = 0; bit < 32; bit++) {
                counts[bit] += both >> bit & 1;
            }
        }
        for (unsigned bit = 0; bit < 32; bit++) {
            assert_true(fabs(counts[bit] - count / 2.0) < EXCESS_MAX * sqrt(count) / 2);
        }
    }
    for (unsigned i = 0; i < NUMBER_COUNT; i++) {
        mean += numbers[i];
    }
    mean /= NUMBER_COUNT;
    for (unsigned i = 0; i < count; i++) {
        covariance += (numbers[i] - mean) * (numbers[i + distance] - mean);
        variance += (numbers[i] - mean) * (numbers[i] - mean);
    }
    assert_true(fabs(covariance / variance) < EXCESS_MAX / sqrt(count));
}

static int compare(const void *left, const void *right)
{
    uint32_t values[2];

    memcpy(&values[0], left, sizeof(values[0]));
    memcpy(&values[1], right, sizeof(values[1]));
    return (values[0] > values[1]) - (values[0] < values[1]);
}

/* By the birthday paradox: of n numbers n^2 / 2^33 pairs are equal, half a pair here. */
static void assert_hardly_any_are_equal(void)
{
    static uint32_t sorted[NUMBER_COUNT];
    unsigned equal_count = 0;

    memcpy(sorted, numbers, sizeof(sorted));
    qsort(sorted, NUMBER_COUNT, sizeof(sorted[0]), compare);
    for (unsigned i = 1; i < NUMBER_COUNT; i++) {
        equal_count += sorted[i] == sorted[i - 1];
    }
    assert_in_range(equal_count, 0, 7);
}

static void assert_no_structure(bool are_cookies)
{
    assert_bytes_are_even();
    assert_bits_are_unrelated(numbers, NUMBER_COUNT, are_cookies);
    assert_neighbours_are_unrelated(1);
    assert_neighbours_are_unrelated(2);
    assert_neighbours_are_unrelated(16384); /* the same port of the next address */
    assert_hardly_any_are_equal();
}

static void numbers_of_entries_have_no_structure(void **state)
{
    (void)state;
    number_entries();
    assert_no_structure(false);
}

/* Though what eight of their bits say is the same in all. */
static void cookies_have_no_structure(void **state)
{
    (void)state;
    number_cookies();
    assert_no_structure(true);
}

static void cookies_of_one_flow_have_no_structure(void **state)
{
    (void)state;
    number_cookies_of_one_flow();
    assert_no_structure(true);
}

/* That the bounds above can be missed: by a bit that is set in one byte of eight. */
static void numbers_with_a_little_structure_are_found_out(void **state)
{
    unsigned counts[256] = {0};

    (void)state;
    number_entries();
    for (unsigned i = 0; i < NUMBER_COUNT; i++) {
        counts[(numbers[i] & 0xFF) | (i % 8 == 0 ? 0x80 : 0)]++;
    }
    assert_true(fabs(excess(chi_square_of(counts), 255)) >= EXCESS_MAX);
}

/* RFC 6528 3: a clock of about 4 us beside the hash, the same for all; so one flow's numbers only
 * grow, for the 4.9 hours until they wrap. */
static void the_numbers_of_a_flow_grow_by_the_clock(void **state)
{
    struct flow flow = flow_of(7);
    struct flow other = flow_of(8);
    uint32_t first = flow_initial_sequence(&flow, 0);
    uint32_t first_of_other = flow_initial_sequence(&other, 0);

    (void)state;
    for (uint64_t s = 1; s < 8000; s += 100) {
        uint32_t grown = flow_initial_sequence(&flow, s * NS_PER_S) - first;

        assert_int_equal(grown, (uint32_t)(s * NS_PER_S / 4096));
        assert_int_equal(flow_initial_sequence(&other, s * NS_PER_S) - first_of_other, grown);
    }
    assert_int_equal(flow_initial_sequence(&flow, 4096ull << 32), first);
}

/* What an attacker sees from his own address is of no use for another one. */
static void the_distance_of_two_flows_is_another_for_each_pair(void **state)
{
    (void)state;
    number_entries();
    for (unsigned i = 0; i + 1 < NUMBER_COUNT; i++) {
        numbers[i] = numbers[i + 1] - numbers[i];
    }
    numbers[NUMBER_COUNT - 1] = 0x12345678;
    assert_bytes_are_even();
    assert_hardly_any_are_equal();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_of_entries_have_no_structure, set_up),
        cmocka_unit_test_setup(cookies_have_no_structure, set_up),
        cmocka_unit_test_setup(cookies_of_one_flow_have_no_structure, set_up),
        cmocka_unit_test_setup(numbers_with_a_little_structure_are_found_out, set_up),
        cmocka_unit_test_setup(the_numbers_of_a_flow_grow_by_the_clock, set_up),
        cmocka_unit_test_setup(the_distance_of_two_flows_is_another_for_each_pair, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
