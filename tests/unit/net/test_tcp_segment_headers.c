/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_card.c */
/*
 * Tests what headers a connection's segments have (net/transport/tcp/segment_block.h), which are
 * made of what the connection and the neighbour's entry have ready: each byte is the one that a
 * specification wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "libc/core/bytes.h"
#include "net/headers.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/tcp_card.h"

#define CONNECTIONS 20000u

static struct tcb tcb;
static uint64_t seed;

void blocked_add(struct tcb *of)
{
    (void)of;
    assert_true(false);
}

static uint32_t any(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

static int set_up(void **state)
{
    (void)state;
    card_reset();
    queue_initialise();
    segment_out_initialise();
    seed = 1;
    return 0;
}

static void be_connection(struct flow flow)
{
    memset(&tcb, 0, sizeof(tcb));
    tcb.flow = flow;
    tcb.flow_sum = segment_flow_sum(&flow);
    tcb.mss = CARD_MSS;
    tcb.cwnd = 1 << 20;
    tcb.rcv_nxt = any();
}

static int tear_down(void **state)
{
    (void)state;
    card_complete(card_unread_count());
    assert_int_equal(queue_memory_bytes(), 0);
    return 0;
}

/* --- Field by field, from what the specifications say --- */

static uint8_t *put(uint8_t *at, uint32_t value, unsigned bytes)
{
    while (bytes-- != 0) {
        *at++ = (uint8_t)(value >> 8 * bytes);
    }
    return at;
}

/* RFC 1071 4.1. */
static uint16_t sum_of(const uint8_t *words, unsigned bytes)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < bytes; i += 2) {
        sum += (uint32_t)words[i] << 8 | words[i + 1];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint16_t pseudo_sum(const struct flow *flow, unsigned tcp_bytes)
{
    uint8_t pseudo[12], *at = pseudo;

    at = put(at, swap32(flow->local_address), 4);
    at = put(at, swap32(flow->remote_address), 4);
    at = put(at, IPV4_PROTOCOL_TCP, 2);
    (void)put(at, tcp_bytes, 2);
    return sum_of(pseudo, sizeof(pseudo));
}

static void write_headers(uint8_t headers[SEGMENT_HEADERS_BYTES], const uint8_t *mac,
                          uint32_t sequence, uint32_t payload_bytes, uint8_t flags, bool is_cut)
{
    const struct flow *flow = &tcb.flow;
    uint8_t *at = headers;

    memcpy(at, mac, 6);
    memcpy(at + 6, interface_mac(), 6);
    at = put(at + 12, 0x0800, 2);
    at = put(at, 0x4500, 2);
    at = put(at, 40 + payload_bytes, 2);
    at = put(at, 0x4000, 4); /* no identification; DF */
    at = put(at, 64 << 8 | 6, 2);
    at = put(at, 0, 2);
    at = put(at, swap32(flow->local_address), 4);
    at = put(at, swap32(flow->remote_address), 4);
    at = put(at, swap16(flow->local_port), 2);
    at = put(at, swap16(flow->remote_port), 2);
    at = put(at, sequence, 4);
    at = put(at, tcb.rcv_nxt, 4);
    at = put(at, 0x5000u | TCP_FLAG_ACK | flags, 2);
    at = put(at, card_window, 2);
    at = put(at, pseudo_sum(flow, is_cut ? 0 : 20 + payload_bytes), 2);
    at = put(at, 0, 2);
    assert_ptr_equal(at, headers + SEGMENT_HEADERS_BYTES);
}

static void expect_headers(uint32_t sequence, uint32_t payload_bytes, uint8_t flags)
{
    const struct card_frame *frame = card_expect();
    uint8_t headers[SEGMENT_HEADERS_BYTES], mac[6] = {2, 0xFF};
    uint32_t next_hop = interface_next_hop(tcb.flow.remote_address);

    memcpy(mac + 2, &next_hop, 4);
    write_headers(headers, mac, sequence, payload_bytes, flags, payload_bytes > CARD_MSS);
    assert_int_equal(frame->headers_bytes, sizeof(headers));
    assert_memory_equal(frame->headers, headers, sizeof(headers));
    assert_int_equal(frame->length_bytes, payload_bytes);
}

/* --- The tests --- */

/* Without payload, with some in front of which they stand, and with so much that it is cut. */
static void send_all_kinds(void)
{
    uint32_t first = any(), copied = 1 + any() % 300, cut = CARD_MSS + 1 + any() % 4 * CARD_MSS;
    uint8_t flags = any() % 2 != 0 ? TCP_FLAG_FIN : 0, bytes[300] = {0};

    queue_open(&tcb, first);
    card_window = (uint16_t)any();
    assert_int_equal(segment_out_send(&tcb, NULL, first, 0, flags), 0);
    expect_headers(first, 0, flags);
    assert_true(queue_append_copy(&tcb, bytes, copied));
    assert_true(queue_append_archive(&tcb, card_archive, cut));
    assert_int_equal(segment_out_send(&tcb, tcb.queue_head, first, copied, TCP_FLAG_PSH | flags),
                     0);
    expect_headers(first, copied, TCP_FLAG_PSH | flags);
    assert_int_equal(segment_out_send(&tcb, tcb.queue_head, first, copied + cut, flags), 0);
    expect_headers(first, copied + cut, flags);
    queue_drop(&tcb);
    card_complete(card_unread_count());
}

static void headers_of_any_connection_are_those_of_the_specifications(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        be_connection((struct flow){any(), any(), (uint16_t)any(), (uint16_t)any()});
        send_all_kinds();
    }
}

static void so_they_are_through_another_nodes_link_server(void **state)
{
    card_is_remote = true;
    headers_of_any_connection_are_those_of_the_specifications(state);
}

/* Whatever the addresses are: those whose sums carry, and carry again. */
static void the_sum_of_the_pseudo_header_is_right_for_all_addresses(void **state)
{
    static const uint32_t addresses[] = {0xFFFFFFFF, 0xFFFFFFFE, 0,          1,
                                         0xFFFF0000, 0x0000FFFF, 0x80000000, 0x7FFFFFFF,
                                         0xF9FFFFFF, 0xFFE5FFFF, 0xFFF90000, 0xEBFF0000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++) {
        for (unsigned j = 0; j < ARRAY_COUNT(addresses); j++) {
            be_connection((struct flow){addresses[i], addresses[j], 1, 2});
            send_all_kinds();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(headers_of_any_connection_are_those_of_the_specifications,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_they_are_through_another_nodes_link_server, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_sum_of_the_pseudo_header_is_right_for_all_addresses,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
