/* SPDX-License-Identifier: MIT */
/* sources: net/steering.c net/configuration.c net/placement.c tests/unit/world/panic.c */
/*
 * Tests net/steering.{c,h}: the scheme that steer= names, and what xor6 promises.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/steering.h"

#define SHARES STEERING_XOR6_TS_MAX

static struct configuration configuration;
static char reason[128];

/* Transport server i is node i. */
static int configure(unsigned ts_count, const char *words)
{
    reason[0] = '\0';
    memset(&configuration, 0, sizeof(configuration));
    configuration.ts_count = (uint16_t)ts_count;
    for (unsigned i = 0; i < ts_count; i++) {
        configuration.ts[i] = configuration.flow_owners[i] = (node_id_t)i;
    }
    return steering_parse(&configuration, words, reason, sizeof(reason));
}

static node_id_t owner_of(unsigned remote_port, unsigned local_port)
{
    return steering_owner(&configuration, steering_group(&configuration, (uint16_t)remote_port,
                                                         (uint16_t)local_port));
}

static void the_scheme_is_source12_unless_xor6_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(configure(4, "net=dhcp"), 0);
    assert_int_equal(configuration.steering, STEERING_SOURCE12);
    assert_int_equal(configure(4, "steer=xor6 pika=TS4LS4CM4"), 0);
    assert_int_equal(configuration.steering, STEERING_XOR6);
    assert_int_equal(configure(4, "steer=source12"), 0);
    assert_int_equal(configuration.steering, STEERING_SOURCE12);
    assert_int_equal(configure(4, "-- steer=xor6"), 0);
    assert_int_equal(configuration.steering, STEERING_SOURCE12);
    assert_string_equal(reason, "");
}

static void wrong_words_are_refused_with_a_reason(void **state)
{
    static const char *const words[] = {
        "steer=",     "steer=xor",           "steer=xor66",
        "steer=XOR6", "steer=source12,xor6", "steer=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        assert_int_equal(configure(4, words[i]), -EINVAL);
        assert_string_equal(reason, "steer=: source12 or xor6 is expected");
        assert_int_equal(configuration.steering, STEERING_SOURCE12);
    }
    assert_int_equal(configure(SHARES, "steer=xor6"), 0);
    assert_int_equal(configure(SHARES + 1, "steer=xor6"), -EINVAL);
    assert_non_null(strstr(reason, "there are 65"));
    assert_int_equal(configuration.steering, STEERING_SOURCE12);
}

/* A group is what the NIC tells apart: it must say who owns the flow, and no two groups are one. */
static void every_group_is_the_low_bits_of_both_ports(void **state)
{
    static bool is_seen[STEERING_GROUP_COUNT];

    (void)state;
    assert_int_equal(configure(7, "steer=xor6"), 0);
    assert_int_equal(steering_grouping(&configuration).source_port_bits, 6);
    assert_int_equal(steering_grouping(&configuration).destination_port_bits, 6);
    for (unsigned remote = 0; remote < 64; remote++) {
        for (unsigned local = 0; local < 64; local++) {
            unsigned group = steering_group(&configuration, (uint16_t)remote, (uint16_t)local);

            assert_int_equal(group, remote | local << 6);
            assert_false(is_seen[group]);
            is_seen[group] = true;
            assert_int_equal(steering_group(&configuration, (uint16_t)(remote + 64 * 777),
                                            (uint16_t)(local + 64 * 123)),
                             group);
            assert_int_equal(owner_of(remote, local), owner_of(remote ^ local, 0));
        }
    }
    assert_int_equal(configure(7, "steer=source12"), 0);
    assert_int_equal(steering_grouping(&configuration).source_port_bits, 12);
    assert_int_equal(steering_grouping(&configuration).destination_port_bits, 0);
    assert_int_equal(steering_group(&configuration, 0xFABC, 0xFFFF), 0xABC);
}

/* Those of one listening port, whichever it is; equal to within one of 64 shares. */
static void clients_of_a_port_are_shared_out_among_all_servers(void **state)
{
    static const uint16_t local_ports[] = {80, 443, 8080, 1, 65535};

    (void)state;
    for (unsigned ts_count = 1; ts_count <= SHARES; ts_count++) {
        assert_int_equal(configure(ts_count, "steer=xor6"), 0);
        for (unsigned i = 0; i < ARRAY_COUNT(local_ports); i++) {
            unsigned counts[SHARES] = {0};

            for (unsigned remote = 40000; remote < 40000 + SHARES; remote++) {
                counts[owner_of(remote, local_ports[i])]++;
            }
            for (unsigned ts = 0; ts < ts_count; ts++) {
                assert_in_range(counts[ts], SHARES / ts_count, SHARES / ts_count + 1);
            }
        }
    }
}

/* As Linux numbers its clients' ports: only even ones. Then there are 32 shares. */
static void even_ports_reach_all_of_up_to_16_servers(void **state)
{
    (void)state;
    for (unsigned ts_count = 2; ts_count <= 16; ts_count++) {
        unsigned counts[SHARES] = {0};

        assert_int_equal(configure(ts_count, "steer=xor6"), 0);
        for (unsigned i = 0; i < 256; i++) {
            counts[owner_of(32768 + 2 * i, 80)]++;
        }
        for (unsigned ts = 0; ts < ts_count; ts++) {
            assert_in_range(counts[ts], 256 / ts_count / 2, 256 / ts_count * 3 / 2 + 8);
        }
    }
}

/* What comes back from a service has the service's port as its source. Who opens the connection
 * has, in any 64 ports in a row, some by which it comes back to itself. By source12 it has none, or
 * all. */
static void answers_return_to_who_picked_the_port(void **state)
{
    static const uint16_t services[] = {80, 443, 53, 8080, 1, 65535};

    (void)state;
    for (unsigned ts_count = 1; ts_count <= SHARES; ts_count++) {
        assert_int_equal(configure(ts_count, "steer=xor6"), 0);
        for (unsigned i = 0; i < ARRAY_COUNT(services); i++) {
            bool can_reach[SHARES] = {false};

            for (unsigned local = 50021; local < 50021 + SHARES; local++) {
                can_reach[owner_of(services[i], local)] = true;
            }
            for (unsigned ts = 0; ts < ts_count; ts++) {
                assert_true(can_reach[ts]);
            }
        }
    }
    assert_int_equal(configure(4, "steer=source12"), 0);
    for (unsigned local = 50021; local < 50021 + SHARES; local++) {
        assert_int_equal(owner_of(443, local), owner_of(443, 50021));
    }
}

/* The next living server has them, by the same function on every node. */
static void a_dead_servers_flows_are_the_next_ones(void **state)
{
    struct configuration before;

    (void)state;
    assert_int_equal(
        configuration_parse(&configuration, "pika=TS4LS4CM4 app=none", 4, reason, sizeof(reason)),
        0);
    assert_int_equal(steering_parse(&configuration, "steer=xor6", reason, sizeof(reason)), 0);
    before = configuration;
    configuration_lose_node(&configuration, 2);
    assert_int_equal(configuration.steering, STEERING_XOR6);
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        node_id_t owner = steering_owner(&before, group);

        assert_int_equal(steering_owner(&configuration, group), owner == 2 ? 3 : owner);
    }
}

/* With more link servers than transport servers, of which each has some, all their queues get
 * flows: equal parts of what their transport server has, by either scheme. */
static void all_link_servers_get_flows(void **state)
{
    static const char *const schemes[] = {"steer=source12", "steer=xor6"};
    static const struct {
        const char *words;
        unsigned ts_count, ls_count;
    } cases[] = {{"pika=TS2LS4CM1 app=none", 2, 4},
                 {"pika=TS1LS7CM1 app=none", 1, 7},
                 {"pika=TS3LS8CM2 app=none", 3, 8},
                 {"pika=TS8LS8CM8 app=none", 8, 8},
                 {"pika=LS16+TS4+CM1 app=none", 4, 16}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases) * ARRAY_COUNT(schemes); i++) {
        unsigned number = i / ARRAY_COUNT(schemes);
        unsigned counts[NODE_MAX] = {0};
        unsigned most = cases[number].ls_count / cases[number].ts_count +
                        (cases[number].ls_count % cases[number].ts_count != 0);
        unsigned least = STEERING_GROUP_COUNT / cases[number].ts_count / most;

        assert_int_equal(
            configuration_parse(&configuration, cases[number].words, 32, reason, sizeof(reason)),
            0);
        assert_int_equal(steering_parse(&configuration, schemes[i % ARRAY_COUNT(schemes)], reason,
                                        sizeof(reason)),
                         0);
        for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
            node_id_t ls = steering_ls(&configuration, group);

            assert_true(
                configuration_is_ls_of(&configuration, ls, steering_owner(&configuration, group)));
            counts[ls]++;
        }
        for (unsigned ls = 0; ls < cases[number].ls_count; ls++) {
            /* One share of 64 more or less where there are no more. */
            assert_true(counts[configuration.ls[ls]] + STEERING_GROUP_COUNT / 64 >= least);
        }
    }
}

/* Packets that come in say the same. */
static void packets_go_to_their_owner_by_both_ports(void **state)
{
    (void)state;
    assert_int_equal(configure(5, "steer=xor6"), 0);
    for (unsigned i = 0; i < 5000; i++) {
        unsigned remote = i * 7919 % 65536, local = i * 104729 % 65536;
        struct packet packet = {
            .kind = PACKET_SEGMENT,
            .flow = {.remote_port = __builtin_bswap16((uint16_t)remote),
                     .local_port = __builtin_bswap16((uint16_t)local)},
        };

        assert_int_equal(steering_packet_owner(&configuration, &packet), owner_of(remote, local));
    }
}

/* Where the cards of the machine tell 128 groups apart, so do all nodes: shares differ by a group,
 * and ports in steps still reach all servers. */
static void folded_groups_are_shared_out_and_follow_the_ports(void **state)
{
    static const char *const schemes[] = {"", "steer=xor6"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        unsigned counts[4] = {0};

        assert_int_equal(configure(4, schemes[i]), 0);
        steering_fold(&configuration);
        assert_true(steering_is_folded(&configuration));
        assert_int_equal(steering_group_count(&configuration), 128);
        assert_int_equal(steering_goes_by_both_ports(&configuration), i == 1);
        for (unsigned port = 0; port < 4096; port += 32) {
            counts[owner_of(port, 80)]++;
        }
        for (unsigned ts = 0; ts < 4; ts++) {
            assert_int_equal(counts[ts], 32);
        }
        assert_int_equal(steering_group(&configuration, 0x1234, 0x0050),
                         nic_fold(i == 0 ? 0x1234 : 0x1264));
    }
    assert_int_equal(configure(STEERING_FOLDED_TS_MAX + 1, ""), 0);
    steering_fold(&configuration);
    assert_false(steering_is_folded(&configuration));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scheme_is_source12_unless_xor6_is_asked_for),
        cmocka_unit_test(wrong_words_are_refused_with_a_reason),
        cmocka_unit_test(every_group_is_the_low_bits_of_both_ports),
        cmocka_unit_test(clients_of_a_port_are_shared_out_among_all_servers),
        cmocka_unit_test(even_ports_reach_all_of_up_to_16_servers),
        cmocka_unit_test(answers_return_to_who_picked_the_port),
        cmocka_unit_test(a_dead_servers_flows_are_the_next_ones),
        cmocka_unit_test(all_link_servers_get_flows),
        cmocka_unit_test(packets_go_to_their_owner_by_both_ports),
        cmocka_unit_test(folded_groups_are_shared_out_and_follow_the_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
