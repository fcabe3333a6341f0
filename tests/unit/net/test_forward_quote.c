/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/forward_world.c tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/forward/quote.c over a whole transport server: what a router says of a
 * segment that was sent on reaches who has sent it, as if it were about that one's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/counters.h"
#include "net/transport/forward/flow.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/forward_world.h"

#define ROUTER 0x0100630Au /* 10.99.0.1 */
#define IP     ETHERNET_HEADER_BYTES
#define ICMP   (IP + IPV4_HEADER_MIN_BYTES)
#define QUOTED (ICMP + ICMP_HEADER_BYTES)

static int start(void **state)
{
    (void)wire_set_up(state);
    forward_tell_usual();
    return 0;
}

static int leave(void **state)
{
    (void)state;
    forward_flow_end_all();
    wire_clear();
    return 0;
}

/* A segment goes through. Returns it as it has gone on. */
static struct host_segment send_through(const struct host_segment *segment)
{
    host_send(segment);
    return host_expect();
}

/* A router's word of that segment, with so much of it from IP's header on. */
static void tell(const struct host_segment *of, unsigned quoted_bytes, uint8_t type, uint8_t code,
                 uint16_t mtu)
{
    uint8_t frame[FRAME_MAX_BYTES] = {0}, quoted[FRAME_MAX_BYTES];

    (void)host_build(frame, of);
    (void)host_build(quoted, of);
    store_be16(frame + IP + IPV4_LENGTH_OFFSET,
               (uint16_t)(IPV4_HEADER_MIN_BYTES + ICMP_HEADER_BYTES + quoted_bytes));
    store_be16(frame + IP + IPV4_FRAGMENT_OFFSET, 0);
    frame[IP + IPV4_PROTOCOL_OFFSET] = 1;
    memcpy(frame + IP + IPV4_SOURCE_OFFSET, &(uint32_t){ROUTER}, 4);
    memcpy(frame + IP + IPV4_DESTINATION_OFFSET, &(uint32_t){WIRE_OWN_ADDRESS}, 4);
    memset(frame + ICMP, 0, ICMP_HEADER_BYTES);
    frame[ICMP] = type;
    frame[ICMP + 1] = code;
    store_be16(frame + ICMP + ICMP_MTU_OFFSET, mtu);
    memcpy(frame + QUOTED, quoted + IP, quoted_bytes);
    wire_seal(frame);
    wire_receive_frame(frame, QUOTED + quoted_bytes, FRAME_IP_CHECKSUM_GOOD);
    wire_run();
}

/* The message has come to who sent that segment, and quotes it as it was. */
static void expect(const struct host_segment *sent, unsigned quoted_bytes, uint8_t type,
                   uint8_t code, uint16_t mtu)
{
    uint8_t wanted[FRAME_MAX_BYTES], sealed[FRAME_MAX_BYTES];
    struct host_segment arrived = *sent;
    size_t length;
    const uint8_t *frame = host_expect_other(&length);

    arrived.ttl--; /* where it was quoted */
    (void)host_build(wanted, &arrived);
    assert_int_equal(length, QUOTED + quoted_bytes);
    assert_int_equal(frame[IP + IPV4_PROTOCOL_OFFSET], 1);
    assert_memory_equal(frame + IP + IPV4_SOURCE_OFFSET, &sent->destination, 4);
    assert_memory_equal(frame + IP + IPV4_DESTINATION_OFFSET, &sent->source, 4);
    assert_int_equal(frame[ICMP], type);
    assert_int_equal(frame[ICMP + 1], code);
    assert_int_equal(load_be16(frame + ICMP + ICMP_MTU_OFFSET), mtu);
    assert_memory_equal(frame + QUOTED, wanted + IP, quoted_bytes);
    memcpy(sealed, frame, length);
    wire_seal(sealed);
    assert_memory_equal(sealed + ICMP, frame + ICMP, length - ICMP);
}

static void a_narrow_path_behind_it_is_told_to_the_sender_of_either_side(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment sides[2] = {connection.from_client, connection.from_backend};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct host_segment gone;

        sides[i].flags = WIRE_ACK;
        sides[i].payload_bytes = 1400;
        gone = send_through(&sides[i]);
        tell(&gone, 28, 3, 4, 1300);
        expect(&sides[i], 28, 3, 4, 1300);
        /* With all of TCP's header its checksum is as it was, too. */
        tell(&gone, 40, 3, 4, 1200);
        expect(&sides[i], 40, 3, 4, 1200);
        tell(&gone, 548, 3, 4, 1200);
        expect(&sides[i], 548, 3, 4, 1200);
    }
    forwarded_pass(&connection, true, WIRE_ACK, "x", 1);
}

static void other_errors_are_told_likewise(void **state)
{
    static const uint8_t errors[][2] = {{3, 0}, {3, 1}, {3, 3}, {3, 13}, {11, 0}, {12, 0}};
    struct forwarded connection = forwarded_begin(wire_new_port());
    struct host_segment syn = connection.from_client, gone;
    uint64_t errors_before = wire_counted(COUNTER_FORWARD_ERRORS);

    (void)state;
    syn.sequence--;
    syn.flags = WIRE_SYN;
    gone = send_through(&syn);
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        tell(&gone, 28, errors[i][0], errors[i][1], 0);
        expect(&syn, 28, errors[i][0], errors[i][1], 0);
    }
    assert_int_equal(wire_counted(COUNTER_FORWARD_ERRORS) - errors_before,
                     sizeof(errors) / sizeof(errors[0]));
}

static void what_is_about_no_such_flow_goes_nowhere(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment gone = connection.from_backend, other;

    (void)state;
    gone.flags = WIRE_ACK;
    gone = send_through(&gone);
    other = gone;
    other.destination_port++;
    tell(&other, 28, 3, 4, 1300);
    tell(&other, 28, 11, 0, 0);
    other = gone;
    other.source = ROUTER;
    tell(&other, 28, 3, 1, 0);
    tell(&gone, 27, 3, 4, 1300); /* too little to know */
    tell(&gone, 28, 4, 0, 0);    /* source quench (RFC 6633) */
    host_expect_silence();
}

#define TEST(name) cmocka_unit_test_teardown(name, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_narrow_path_behind_it_is_told_to_the_sender_of_either_side),
        TEST(other_errors_are_told_likewise),
        TEST(what_is_about_no_such_flow_goes_nowhere),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
