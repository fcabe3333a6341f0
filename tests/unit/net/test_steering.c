/* SPDX-License-Identifier: MIT */
/* sources: net/steering.c tests/unit/world/panic.c */
/*
 * Tests net/steering.c: groups to owners, and packets to servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/steering.h"

#define TS_COUNT 4

static struct configuration configuration;

/* TS i on node i; LSs from the other end of the node numbers. */
static void configure(unsigned ts_count)
{
    memset(&configuration, 0, sizeof(configuration));
    configuration.ts_count = configuration.ls_count = (uint16_t)ts_count;
    for (unsigned i = 0; i < ts_count; i++) {
        configuration.ts[i] = configuration.flow_owners[i] = (node_id_t)(i);
        configuration.own_ls[i] = (node_id_t)(NODE_MAX - 1 - i);
    }
}

static int set_up(void **state)
{
    (void)state;
    configure(TS_COUNT);
    return 0;
}

static void groups_are_shared_out_equally_for_every_number_of_servers(void **state)
{
    (void)state;
    for (unsigned ts_count = 1; ts_count <= NODE_MAX; ts_count++) {
        unsigned counts[NODE_MAX] = {0};

        configure(ts_count);
        for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
            node_id_t owner = steering_owner(&configuration, group);

            assert_true(owner < ts_count);
            counts[owner]++;
            assert_int_equal(steering_ls(&configuration, group), NODE_MAX - 1 - owner);
        }
        for (unsigned i = 0; i < ts_count; i++) {
            assert_in_range(counts[i], STEERING_GROUP_COUNT / ts_count,
                            STEERING_GROUP_COUNT / ts_count + 1);
        }
    }
}

/* Linux takes only every second port, address translators every fourth or eighth. Of 256
 * connections in such a row each server gets its share, within a quarter. */
static void ports_in_steps_reach_all_servers(void **state)
{
    (void)state;
    for (unsigned ts_count = 2; ts_count <= 16; ts_count++) {
        configure(ts_count);
        for (unsigned step = 1; step <= 16; step++) {
            unsigned counts[NODE_MAX] = {0};

            for (unsigned i = 0; i < 256; i++) {
                counts[steering_owner(
                    &configuration,
                    steering_group(&configuration, (uint16_t)(32768 + i * step), 80))]++;
            }
            for (unsigned i = 0; i < ts_count; i++) {
                assert_in_range(counts[i], 256 / ts_count * 3 / 4 - 1, 256 / ts_count * 5 / 4 + 2);
            }
        }
    }
}

/* --- Packets --- */

static void tcp_goes_to_the_owner_of_its_source_port(void **state)
{
    (void)state;
    for (unsigned port = 0; port <= UINT16_MAX; port += 7) {
        for (unsigned kind = PACKET_SEGMENT; kind <= PACKET_SYN; kind++) {
            struct packet packet = {
                .kind = (uint8_t)kind,
                .flow = {.remote_port = __builtin_bswap16((uint16_t)port), .local_port = 80},
            };

            assert_int_equal(steering_packet_owner(&configuration, &packet),
                             steering_owner(&configuration, port & 0xFFF));
        }
    }
}

/* Whatever the other fields hold. */
static void all_else_goes_to_the_speaker(void **state)
{
    (void)state;
    configuration.speaker = configuration.ts[2];
    for (unsigned port = 0; port <= UINT16_MAX; port += 7) {
        struct packet packet = {
            .kind = PACKET_OTHER,
            .flow = {.remote_port = __builtin_bswap16((uint16_t)port), .local_port = 80},
        };

        assert_int_equal(steering_packet_owner(&configuration, &packet), configuration.ts[2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_shared_out_equally_for_every_number_of_servers),
        cmocka_unit_test(ports_in_steps_reach_all_servers),
        cmocka_unit_test_setup(tcp_goes_to_the_owner_of_its_source_port, set_up),
        cmocka_unit_test_setup(all_else_goes_to_the_speaker, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
