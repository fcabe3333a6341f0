/* SPDX-License-Identifier: MIT */
/* sources: net/steering.c tests/unit/world/panic.c */
/*
 * Tests net/steering.c: groups to owners, and frames to servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/steering.h"

#define FIN      0x01
#define SYN      0x02
#define RST      0x04
#define ACK      0x10
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

/* --- Frames --- */

struct tcp_frame {
    uint8_t bytes[128];
    size_t length_bytes;
};

static struct tcp_frame tcp_frame(uint16_t source_port, uint8_t flags)
{
    struct tcp_frame frame = {.length_bytes = 14 + 20 + 20};
    uint8_t *ip = frame.bytes + 14;
    uint8_t *tcp = ip + 20;

    frame.bytes[12] = 0x08;
    ip[0] = 0x45;
    ip[3] = 40;
    ip[6] = 0x40; /* do not fragment */
    ip[9] = 6;
    tcp[0] = (uint8_t)(source_port >> 8);
    tcp[1] = (uint8_t)source_port;
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    return frame;
}

/* On a copy of exactly that length, so that the address sanitizer sees a read beyond it. */
static node_id_t classify_part(const struct tcp_frame *frame, size_t length_bytes,
                               enum frame_kind *kind)
{
    uint8_t *copy = malloc(length_bytes);
    node_id_t owner;

    assert_non_null(copy);
    memcpy(copy, frame->bytes, length_bytes);
    owner = steering_classify(&configuration, copy, length_bytes, kind);
    free(copy);
    return owner;
}

static node_id_t classify(const struct tcp_frame *frame, enum frame_kind *kind)
{
    return classify_part(frame, frame->length_bytes, kind);
}

/* A port whose owner is not TS 0, so that the two answers differ. */
static uint16_t port_of_another_ts(void)
{
    for (unsigned port = 40000;; port++) {
        if (steering_owner(&configuration, steering_group(&configuration, (uint16_t)port, 80)) !=
            0) {
            return (uint16_t)port;
        }
    }
}

static void assert_goes_to_first_ts(const struct tcp_frame *frame)
{
    enum frame_kind kind = FRAME_SYN;

    assert_int_equal(classify(frame, &kind), configuration.ts[0]);
    assert_int_equal(kind, FRAME_PLAIN);
}

static void tcp_goes_to_the_owner_of_its_source_port(void **state)
{
    enum frame_kind kind;

    (void)state;
    for (unsigned port = 0; port <= UINT16_MAX; port += 7) {
        struct tcp_frame frame = tcp_frame((uint16_t)port, ACK);

        assert_int_equal(classify(&frame, &kind), steering_owner(&configuration, port & 0xFFF));
        assert_int_equal(kind, FRAME_BARE_ACK);
    }
}

static void flags_tell_syn_and_bare_ack(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 256; flags++) {
        struct tcp_frame frame = tcp_frame(40000, (uint8_t)flags);
        enum frame_kind kind;

        classify(&frame, &kind);
        assert_int_equal(kind == FRAME_SYN, (flags & (SYN | ACK | FIN | RST)) == SYN);
        assert_int_equal(kind == FRAME_BARE_ACK, flags == ACK);
    }
}

static void ip_options_are_skipped(void **state)
{
    uint16_t port = port_of_another_ts();
    struct tcp_frame frame = tcp_frame(port, SYN);
    enum frame_kind kind;

    (void)state;
    memmove(frame.bytes + 14 + 60, frame.bytes + 14 + 20, 20);
    memset(frame.bytes + 14 + 20, 1, 40);
    frame.bytes[14] = 0x4F;
    frame.bytes[14 + 3] = 80;
    frame.length_bytes += 40;
    assert_int_equal(classify(&frame, &kind), steering_owner(&configuration, port & 0xFFF));
    assert_int_equal(kind, FRAME_SYN);
}

static void padding_behind_the_packet_is_no_harm(void **state)
{
    uint16_t port = port_of_another_ts();
    struct tcp_frame frame = tcp_frame(port, ACK);
    enum frame_kind kind;

    (void)state;
    frame.length_bytes = 60;
    assert_int_equal(classify(&frame, &kind), steering_owner(&configuration, port & 0xFFF));
}

static void fragments_go_to_the_first_ts(void **state)
{
    struct tcp_frame frame = tcp_frame(port_of_another_ts(), SYN);

    (void)state;
    frame.bytes[14 + 6] = 0x20; /* more follow */
    assert_goes_to_first_ts(&frame);
    frame.bytes[14 + 6] = 0;
    frame.bytes[14 + 7] = 1; /* not the first */
    assert_goes_to_first_ts(&frame);
}

static void all_that_is_not_tcp_over_ipv4_goes_to_the_first_ts(void **state)
{
    struct tcp_frame frame = tcp_frame(port_of_another_ts(), SYN);

    (void)state;
    frame.bytes[14 + 9] = 17; /* UDP */
    assert_goes_to_first_ts(&frame);
    frame.bytes[14 + 9] = 1; /* ICMP */
    assert_goes_to_first_ts(&frame);
    frame.bytes[14 + 9] = 6;
    frame.bytes[13] = 0x06; /* ARP */
    assert_goes_to_first_ts(&frame);
    frame.bytes[12] = 0x81; /* a VLAN tag */
    frame.bytes[13] = 0x00;
    assert_goes_to_first_ts(&frame);
    frame.bytes[12] = 0x86; /* IPv6 */
    frame.bytes[13] = 0xDD;
    assert_goes_to_first_ts(&frame);
}

static void headers_that_contradict_the_length_go_to_the_first_ts(void **state)
{
    uint16_t port = port_of_another_ts();
    struct tcp_frame frame = tcp_frame(port, SYN);

    (void)state;
    frame.bytes[14] = 0x44; /* IP header too short */
    assert_goes_to_first_ts(&frame);
    frame.bytes[14] = 0x46; /* longer than the packet leaves room for */
    assert_goes_to_first_ts(&frame);
    frame.bytes[14] = 0x65; /* version 6 */
    assert_goes_to_first_ts(&frame);
    frame = tcp_frame(port, SYN);
    frame.bytes[14 + 3] = 41; /* IP length beyond the frame */
    assert_goes_to_first_ts(&frame);
    frame.bytes[14 + 3] = 39; /* or too short for TCP */
    assert_goes_to_first_ts(&frame);
    frame = tcp_frame(port, SYN);
    frame.bytes[34 + 12] = 4 << 4; /* TCP header too short */
    assert_goes_to_first_ts(&frame);
    frame.bytes[34 + 12] = 6 << 4; /* or beyond the packet */
    assert_goes_to_first_ts(&frame);
}

static void a_frame_cut_anywhere_goes_to_the_first_ts(void **state)
{
    struct tcp_frame frame = tcp_frame(port_of_another_ts(), SYN);
    enum frame_kind kind;

    (void)state;
    for (size_t length_bytes = 1; length_bytes < frame.length_bytes; length_bytes++) {
        assert_int_equal(classify_part(&frame, length_bytes, &kind), configuration.ts[0]);
        assert_int_equal(kind, FRAME_PLAIN);
    }
}

static void ack_with_data_or_options_is_not_bare(void **state)
{
    struct tcp_frame frame = tcp_frame(40000, ACK);
    enum frame_kind kind;

    (void)state;
    frame.length_bytes++;
    frame.bytes[14 + 3]++; /* a byte of data */
    (void)classify(&frame, &kind);
    assert_int_equal(kind, FRAME_PLAIN);
    frame = tcp_frame(40000, ACK);
    frame.length_bytes += 4;
    frame.bytes[14 + 3] += 4;
    frame.bytes[34 + 12] = 6 << 4; /* an option of TCP */
    (void)classify(&frame, &kind);
    assert_int_equal(kind, FRAME_PLAIN);
}

static struct tcp_frame ack_of(uint32_t acknowledgment)
{
    struct tcp_frame frame = tcp_frame(40000, ACK);

    for (unsigned i = 0; i < 4; i++) {
        frame.bytes[34 + 8 + i] = (uint8_t)(acknowledgment >> (24 - 8 * i));
    }
    return frame;
}

static bool supersedes(uint32_t later, uint32_t earlier)
{
    return steering_supersedes(ack_of(later).bytes, ack_of(earlier).bytes);
}

/* In the arithmetic of sequence numbers. The same number again is a duplicate, which TCP counts. */
static void only_an_ack_of_more_supersedes(void **state)
{
    (void)state;
    assert_true(supersedes(1001, 1000));
    assert_true(supersedes(1000u + INT32_MAX, 1000));
    assert_true(supersedes(5, UINT32_MAX - 5));
    assert_false(supersedes(1000, 1000));
    assert_false(supersedes(999, 1000));
    assert_false(supersedes(UINT32_MAX - 5, 5));
    assert_false(supersedes(1001u + INT32_MAX, 1000));
}

static void ack_supersedes_only_in_its_own_flow_with_nothing_sent_between(void **state)
{
    static const unsigned fields[] = {14 + 12, 14 + 19, 34, 35, 36, 37, 34 + 4, 34 + 7};
    struct tcp_frame earlier = ack_of(1000);

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(fields); i++) {
        struct tcp_frame later = ack_of(2000);

        later.bytes[fields[i]] ^= 1;
        assert_false(steering_supersedes(later.bytes, earlier.bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_shared_out_equally_for_every_number_of_servers),
        cmocka_unit_test(ports_in_steps_reach_all_servers),
        cmocka_unit_test_setup(tcp_goes_to_the_owner_of_its_source_port, set_up),
        cmocka_unit_test_setup(flags_tell_syn_and_bare_ack, set_up),
        cmocka_unit_test_setup(ack_with_data_or_options_is_not_bare, set_up),
        cmocka_unit_test_setup(only_an_ack_of_more_supersedes, set_up),
        cmocka_unit_test_setup(ack_supersedes_only_in_its_own_flow_with_nothing_sent_between,
                               set_up),
        cmocka_unit_test_setup(ip_options_are_skipped, set_up),
        cmocka_unit_test_setup(padding_behind_the_packet_is_no_harm, set_up),
        cmocka_unit_test_setup(fragments_go_to_the_first_ts, set_up),
        cmocka_unit_test_setup(all_that_is_not_tcp_over_ipv4_goes_to_the_first_ts, set_up),
        cmocka_unit_test_setup(headers_that_contradict_the_length_go_to_the_first_ts, set_up),
        cmocka_unit_test_setup(a_frame_cut_anywhere_goes_to_the_first_ts, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
