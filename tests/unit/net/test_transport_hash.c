/* SPDX-License-Identifier: MIT */
/* sources: net/transport/hash.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/hash.h"
#include "tests/unit/world/fake_platform.h"

/* The vector of the paper's appendix A: key 00 01 .. 0f, input 00 01 .. 0e. */
static void siphash_agrees_with_the_published_vector(void **state)
{
    const struct siphash_key key = siphash_key_of(0x0706050403020100, 0x0F0E0D0C0B0A0908);
    uint8_t input[15];

    (void)state;
    for (unsigned i = 0; i < sizeof(input); i++) {
        input[i] = (uint8_t)i;
    }
    assert_int_equal(siphash(&key, input, sizeof(input)), 0xA129CA6149BE45E5);
    assert_int_equal(siphash(&key, input, 0), 0x726FDB47DD0E0E31);
    assert_int_equal(siphash(&key, input, 8), 0x93F5F5799A932462);
}

/* What is written out for the length of a flow is the same function. */
static void a_flows_hash_is_that_of_its_bytes(void **state)
{
    const struct siphash_key key = siphash_key_of(0x0123456789ABCDEF, 0xFEDCBA9876543210);
    struct {
        struct flow flow;
        uint32_t number;
    } input = {{0x0100000A, 0x0200000A, 0x1234, 0x5000}, 0x89ABCDEF};

    (void)state;
    for (unsigned bit = 0; bit < 8 * sizeof(input); bit++) {
        ((uint8_t *)&input)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(flow_siphash(&key, &input.flow, input.number),
                         siphash(&key, &input, sizeof(input)));
    }
}

static void initial_sequence_numbers_grow_with_time_and_differ_between_flows(void **state)
{
    struct flow flow = {0x0100000A, 0x0200000A, 0x1234, 0x5000};
    struct flow other = flow;
    uint32_t first;

    (void)state;
    fake_platform_reset(0, 1);
    flow_hash_initialise();
    first = flow_initial_sequence(&flow, 0);
    /* About 250,000 a second (RFC 9293 3.4.1). */
    assert_int_equal(flow_initial_sequence(&flow, NS_PER_S) - first, NS_PER_S / 4096);
    other.remote_port++;
    assert_int_not_equal(flow_initial_sequence(&other, 0), first);
}

/* What is kept of one port's hash is no other's, and none of the last boot's. */
static void initial_sequence_numbers_are_the_same_in_any_order(void **state)
{
    struct flow flows[3] = {{0x0100000A, 0x0200000A, 0x1234, 0x5000}};
    uint32_t numbers[ARRAY_COUNT(flows)];

    (void)state;
    flows[1] = flows[2] = flows[0];
    flows[1].local_port++;
    flows[2].local_address++;
    for (unsigned i = 0; i < ARRAY_COUNT(flows); i++) {
        fake_platform_reset(0, 1);
        flow_hash_initialise();
        numbers[i] = flow_initial_sequence(&flows[i], 0); /* the first that is asked for */
    }
    for (unsigned i = 0; i < 3 * ARRAY_COUNT(flows); i++) {
        unsigned turn = (i ^ i / 3) % ARRAY_COUNT(flows);

        assert_int_equal(flow_initial_sequence(&flows[turn], 0), numbers[turn]);
    }
    assert_true(numbers[0] != numbers[1] && numbers[0] != numbers[2] && numbers[1] != numbers[2]);
}

/* RFC 6528 3: whoever sees the numbers of his own connections learns nothing of another's. Each bit
 * of a flow changes about half of the number's, whichever bit it is, and so does another boot. */
static void initial_sequence_numbers_of_different_flows_are_unrelated(void **state)
{
    const unsigned flow_count = 64;
    unsigned changed[32] = {0};
    unsigned pair_count = 0;

    (void)state;
    fake_platform_reset(0, 1);
    flow_hash_initialise();
    for (unsigned i = 0; i < flow_count; i++) {
        struct flow flow = {0x0100000A + (i << 24), 0x0200000A, (uint16_t)(0x0100 * i), 0x5000};
        uint32_t number = flow_initial_sequence(&flow, 0);

        for (unsigned bit = 0; bit < 8 * sizeof(flow); bit++, pair_count++) {
            struct flow other = flow;
            uint32_t difference;

            ((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1u << bit % 8);
            difference = flow_initial_sequence(&other, 0) ^ number;
            assert_in_range(__builtin_popcount(difference), 2, 30);
            for (unsigned j = 0; j < 32; j++) {
                changed[j] += difference >> j & 1;
            }
        }
    }
    for (unsigned j = 0; j < 32; j++) {
        assert_in_range(changed[j], pair_count * 45 / 100, pair_count * 55 / 100);
    }
}

/* The number of a flow alone does not repeat from one boot to the next. */
static void another_boot_has_other_initial_sequence_numbers(void **state)
{
    const struct flow flow = {0x0100000A, 0x0200000A, 0x1234, 0x5000};
    uint32_t first;

    (void)state;
    fake_platform_reset(0, 1);
    flow_hash_initialise();
    first = flow_initial_sequence(&flow, 0);
    flow_hash_initialise();
    assert_int_not_equal(flow_initial_sequence(&flow, 0), first);
}

/* Clients number their ports one after the other; chains must stay short nevertheless. */
static void neighbouring_ports_spread_over_buckets(void **state)
{
    static uint8_t counts[1024];
    struct flow flow = {0x0100000A, 0x0200000A, 0, 0x5000};

    (void)state;
    fake_platform_reset(0, 1);
    flow_hash_initialise();
    for (unsigned port = 1024; port < 2048; port++) {
        flow.remote_port = __builtin_bswap16((uint16_t)port);
        counts[flow_hash(&flow) & 1023]++;
    }
    for (unsigned i = 0; i < 1024; i++) {
        assert_true(counts[i] < 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_agrees_with_the_published_vector),
        cmocka_unit_test(a_flows_hash_is_that_of_its_bytes),
        cmocka_unit_test(initial_sequence_numbers_grow_with_time_and_differ_between_flows),
        cmocka_unit_test(initial_sequence_numbers_are_the_same_in_any_order),
        cmocka_unit_test(initial_sequence_numbers_of_different_flows_are_unrelated),
        cmocka_unit_test(another_boot_has_other_initial_sequence_numbers),
        cmocka_unit_test(neighbouring_ports_spread_over_buckets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
