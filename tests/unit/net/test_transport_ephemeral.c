/* SPDX-License-Identifier: MIT */
/* sources: net/transport/ephemeral.c net/transport/hash.c net/transport/tcp/timewait.c net/steering.c net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c */
/* sources: kernel/message/channel.c kernel/message/status.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/ephemeral.c: blocks of ports, their order (RFC 6056), and that TIME-WAIT does
 * not use them up. What is drawn is seeded, so that what passes once passes always.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/steering.h"
#include "net/transport/ephemeral.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_platform.h"

#define RANGE 32768u

static struct configuration configuration;
static uint8_t used[65536];
static uint64_t now_ns;

/* --- What the module calls --- */

const struct configuration *configuration_current(void)
{
    return &configuration;
}

void segment_out_send_bare(const struct bare_segment *segment)
{
    (void)segment;
    assert_true(false);
}

static bool is_used(const struct flow *flow)
{
    return used[swap16(flow->local_port)] != 0;
}

/* --- The test's side --- */

static void start(const char *words, unsigned node_count, node_id_t node)
{
    char reason[128];

    fake_platform_reset(node, node_count);
    assert_int_equal(configuration_parse(&configuration, words, node_count, reason, sizeof(reason)),
                     0);
    assert_int_equal(steering_parse(&configuration, words, reason, sizeof(reason)), 0);
    flow_hash_initialise();
    ephemeral_initialise(&configuration);
    timewait_initialise();
    memset(used, 0, sizeof(used));
    now_ns = NS_PER_S;
}

static struct flow flow_to(uint32_t number, uint16_t port)
{
    return (struct flow){.remote_address = 0x0A000000u + number,
                         .local_address = 0x0100000Au,
                         .remote_port = swap16(port)};
}

/* In machine's order; 0: there is none. */
static uint16_t choose(uint32_t number, uint16_t port, int expected)
{
    struct flow flow = flow_to(number, port);
    uint32_t least_iss;
    int state = ephemeral_choose(&flow, is_used, now_ns, &least_iss);

    assert_int_equal(state, expected);
    return state < 0 ? 0 : swap16(flow.local_port);
}

static void every_port_of_the_range_is_one_servers(void **state)
{
    static const unsigned counts[] = {1, 2, 3, 7, 64};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
        char words[32];
        unsigned ports[64] = {0};

        (void)snprintf(words, sizeof(words), "pika=TS%uLS%uCM%u", counts[i], counts[i], counts[i]);
        start(words, counts[i] + 1, 0);
        assert_int_equal(ephemeral_owner(32767), NODE_NONE);
        assert_int_equal(ephemeral_owner(80), NODE_NONE);
        for (unsigned port = RANGE; port < 2 * RANGE; port++) {
            ports[ephemeral_owner((uint16_t)port)]++;
        }
        for (unsigned ts = 0; ts < counts[i]; ts++) {
            assert_in_range(ports[ts], RANGE / counts[i], RANGE / counts[i] + 1);
        }
        for (node_id_t ts = 0; ts < counts[i]; ts++) {
            start(words, counts[i] + 1, ts);
            for (unsigned j = 0; j < 50; j++) {
                assert_int_equal(ephemeral_owner(choose(j, 443, 0)), ts);
            }
        }
    }
}

/* With source12 nobody can choose; with xor6 all answers come back, until there is no such port. */
static void answers_come_to_who_has_opened(void **state)
{
    const unsigned own_ports = RANGE / 4 / 4;

    (void)state;
    for (node_id_t ts = 0; ts < 4; ts++) {
        start("pika=TS4LS4CM4 steer=xor6", 5, ts);
        for (unsigned i = 0; i < own_ports + 10; i++) {
            uint16_t port = choose(1, 8080, 0);
            unsigned group = steering_group(&configuration, 8080, port);

            assert_int_equal(ephemeral_owner(port), ts);
            assert_int_equal(steering_owner(&configuration, group) == ts, i < own_ports);
            assert_int_equal(used[port], 0);
            used[port] = 1;
        }
    }
}

/* RFC 6056 3.3.4: for one peer one after the other; where that begins nobody can tell by another
 * peer's, nor by the last boot's. */
static void ports_of_one_peer_tell_nothing_of_anothers(void **state)
{
    static unsigned buckets[64];
    unsigned repeated = 0;
    double chi_square = 0;
    uint16_t previous = 0;

    (void)state;
    start("pika=TS1LS1CM1", 2, 0);
    memset(buckets, 0, sizeof(buckets));
    for (uint32_t peer = 0; peer < 6400; peer++) {
        uint16_t first = choose(peer, 80, 0);
        uint16_t second = choose(peer, 80, 0);

        assert_int_equal(second, first == 65535 ? RANGE : first + 1u);
        buckets[(first - RANGE) / 512]++;
        repeated += (uint16_t)(first - previous) <= 8;
        previous = first;
    }
    for (unsigned i = 0; i < 64; i++) {
        chi_square += ((double)buckets[i] - 100) * ((double)buckets[i] - 100) / 100;
    }
    /* 63 degrees of freedom: 127 is passed once in a million. A step of up to 8 comes by chance
     * in 1.7 cases. */
    assert_true(chi_square < 127);
    assert_true(repeated < 20);
}

static void a_counter_of_one_peer_moves_few_others(void **state)
{
    unsigned moved = 0;

    (void)state;
    start("pika=TS1LS1CM1", 2, 0);
    for (uint32_t peer = 1; peer <= 256; peer++) {
        uint16_t first = choose(peer, 80, 0);

        for (unsigned i = 0; i < 5; i++) {
            (void)choose(0, 80, 0); /* somebody else is asked often */
        }
        moved += choose(peer, 80, 0) != (first == 65535 ? RANGE : first + 1u);
    }
    assert_true(moved < 10); /* one of 256 shares its counter, by chance */
}

/* 10,000 connections a second to one server, each a minute in TIME-WAIT: 600,000 of them, and 4,096
 * ports whose answers come here. */
static void time_wait_does_not_use_up_the_ports(void **state)
{
    static uint32_t last_iss[65536], last_use[65536];
    unsigned reopened = 0, soonest = UINT32_MAX;

    (void)state;
    start("pika=TS2LS2CM2 steer=xor6", 3, 0);
    memset(last_use, 0, sizeof(last_use));
    for (uint32_t i = 1; i <= 100000; i++) {
        struct flow flow = flow_to(1, 80);
        uint32_t least_iss = 0, iss;
        int state_of_it = ephemeral_choose(&flow, is_used, now_ns, &least_iss);
        uint16_t port = swap16(flow.local_port);

        assert_in_range(state_of_it, 0, 1);
        assert_int_equal(steering_owner(&configuration, steering_group(&configuration, 80, port)),
                         0);
        iss = flow_initial_sequence(&flow, now_ns);
        if (state_of_it == 1) {
            reopened++;
            assert_true(sequence_is_after(least_iss, last_iss[port]));
            if (sequence_is_before(iss, least_iss)) {
                iss = least_iss;
            }
            soonest = i - last_use[port] < soonest ? i - last_use[port] : soonest;
            timewait_forget(&flow);
        }
        last_iss[port] = iss + 2000; /* what it has sent */
        last_use[port] = i;
        timewait_add(&flow, (struct timewait_numbers){.rcv_nxt = i, .snd_nxt = last_iss[port]},
                     now_ns);
        now_ns += 100 * NS_PER_US;
    }
    assert_true(reopened > 90000);
    assert_true(soonest > 4096); /* the one that was used longest ago */
}

static void what_is_in_use_or_waits_for_a_fin_is_not_taken(void **state)
{
    struct flow flow = flow_to(1, 80);
    uint32_t least_iss = 0;

    (void)state;
    start("pika=TS1LS1CM1", 2, 0);
    flow.local_port = swap16(5555);
    assert_int_equal(ephemeral_take(&flow, is_used, now_ns, &least_iss), 0);
    used[5555] = 1;
    assert_int_equal(ephemeral_take(&flow, is_used, now_ns, &least_iss), -EADDRNOTAVAIL);
    used[5555] = 0;
    timewait_add(&flow, (struct timewait_numbers){.snd_nxt = 1000, .is_fin_awaited = true}, now_ns);
    assert_int_equal(ephemeral_take(&flow, is_used, now_ns, &least_iss), -EADDRNOTAVAIL);
    timewait_forget(&flow);
    timewait_add(&flow, (struct timewait_numbers){.snd_nxt = 1000}, now_ns);
    assert_int_equal(ephemeral_take(&flow, is_used, now_ns, &least_iss), 1);
    assert_true(least_iss > 1000);
    assert_int_equal(ephemeral_take(&flow, is_used, now_ns + 62 * NS_PER_S, &least_iss), 0);

    memset(used, 1, sizeof(used));
    (void)choose(1, 80, -EADDRNOTAVAIL);
    used[50000] = 0;
    assert_int_equal(choose(1, 80, 0), 50000);
}

/* A program may name a port of another server's block, which may be about to open the same flow. */
static void a_named_port_of_anothers_block_is_refused_while_that_one_lives(void **state)
{
    struct flow flow = {.remote_address = 1, .remote_port = swap16(80)};
    uint32_t iss;

    (void)state;
    start("pika=TS2LS2CM2", 2, 0);
    memset(used, 0, sizeof(used));
    flow.local_port = swap16(32768);
    assert_int_equal(ephemeral_take(&flow, is_used, 0, &iss), 0);
    flow.local_port = swap16(65535);
    assert_int_equal(ephemeral_take(&flow, is_used, 0, &iss), -EADDRNOTAVAIL);
    flow.local_port = swap16(1024); /* in nobody's */
    assert_int_equal(ephemeral_take(&flow, is_used, 0, &iss), 0);
    node_set_add(&configuration.dead, 1);
    flow.local_port = swap16(65535);
    assert_int_equal(ephemeral_take(&flow, is_used, 0, &iss), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_port_of_the_range_is_one_servers),
        cmocka_unit_test(answers_come_to_who_has_opened),
        cmocka_unit_test(ports_of_one_peer_tell_nothing_of_anothers),
        cmocka_unit_test(a_counter_of_one_peer_moves_few_others),
        cmocka_unit_test(time_wait_does_not_use_up_the_ports),
        cmocka_unit_test(what_is_in_use_or_waits_for_a_fin_is_not_taken),
        cmocka_unit_test(a_named_port_of_anothers_block_is_refused_while_that_one_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
