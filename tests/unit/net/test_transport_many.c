/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * A hundred thousand connections of a transport server, in virtual time: what idle ones cost, and
 * that they are as good as new when the clock of microseconds has wrapped, which it does after 71
 * minutes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/expect.h"
#include "net/transport/server.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define MANY          100000u
#define PORTS_EACH    50000u
#define FIRST_ADDRESS 0x0100000Au /* 10.0.0.1 */
#define ADDRESS_STEP  0x01000000u
#define WRAP_NS       ((uint64_t)NS_PER_US << 32)
#define SETTLED_NS    (10 * NS_PER_S)
#define ANSWER_BYTES  100u
#define SOME_OF_ALL   97u /* every so many-th is asked */

static struct client clients[MANY];
static unsigned empty_hour_count; /* wake-ups of a server without connections */

static struct client *select_client(unsigned number)
{
    wire_client_address = FIRST_ADDRESS + number / PORTS_EACH * ADDRESS_STEP;
    return &clients[number];
}

/* Answered as a request is; the peer acknowledges. */
static void exchange(struct client *client)
{
    static const uint8_t answer[ANSWER_BYTES];
    struct segment segment;

    wire_send(client, WIRE_ACK | WIRE_PSH, "ask", 3);
    client->send_next += 3;
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    wire_application_consumed(client, 3);
    wire_application_send(client, answer, sizeof(answer));
    wire_run();
    segment = wire_expect(client);
    assert_int_equal(segment.sequence, client->receive_next);
    assert_int_equal(segment.length, ANSWER_BYTES);
    assert_int_equal(segment.acknowledgement, client->send_next);
    client->receive_next += ANSWER_BYTES;
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
}

/* Sleep from deadline to deadline as the node does, until then. Returns how often it woke up. */
static unsigned sleep_until(uint64_t end_ns)
{
    unsigned count = 0;

    for (;;) {
        uint64_t next_ns = timer_next_deadline_ns();

        if (next_ns >= end_ns) {
            fake_advance_ns(end_ns - platform_now_ns());
            return count;
        }
        wire_advance_ns(next_ns - platform_now_ns());
        count++;
    }
}

static int open_all(void **state)
{
    wire_memory_bytes = 256 * MIB;
    if (wire_set_up(state) != 0) {
        return -1;
    }
    empty_hour_count = sleep_until(platform_now_ns() + 3600 * NS_PER_S);
    for (unsigned i = 0; i < MANY; i++) {
        (void)wire_accept(select_client(i), (uint16_t)(1 + i % PORTS_EACH));
        exchange(&clients[i]);
    }
    assert_int_equal(wire_connection_count(), MANY);
    return 0;
}

/* The timers of what was exchanged run out, and nothing follows them, no tick and no segment: but
 * for what lwIP's ARP and a server without connections would do, too. */
static void an_hour_of_idle_connections_wakes_the_node_for_no_one(void **state)
{
    (void)state;
    (void)sleep_until(platform_now_ns() + SETTLED_NS);
    for (unsigned i = 0; i < MANY; i++) {
        assert_false(wheel_is_set(&wire_tcb_of(&clients[i])->timer));
    }
    assert_in_range(sleep_until(platform_now_ns() + 3600 * NS_PER_S), empty_hour_count - 1,
                    empty_hour_count + 1); /* where the hour begins */
    wire_expect_silence();
    assert_int_equal(wire_connection_count(), MANY);
}

/* Half the clock's span later, when what is earlier looks later, and after the whole of it. */
static void they_are_as_good_as_new_however_the_clock_stands(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        (void)sleep_until((platform_now_ns() / (WRAP_NS / 2) + 1) * (WRAP_NS / 2) - 20 * NS_PER_MS);
        for (unsigned i = round; i < MANY; i += SOME_OF_ALL) {
            exchange(select_client(i));
            if (i % 16 == 0) {
                wire_advance_ns(NS_PER_MS);
            }
        }
        (void)sleep_until(platform_now_ns() + SETTLED_NS);
        wire_expect_silence();
    }
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), 0);
}

static void expect_none(uint32_t stream_index, enum expect_step step)
{
    fail_msg("stream %u of another node, step %d", stream_index, step);
}

/* Whatever the frames are: of connections, of none, too short to say. */
static void to_expect_frames_changes_nothing(void **state)
{
    static uint8_t bytes[40][FRAME_BUFFER_BYTES];
    static struct frame frames[40];
    struct frame *pointers[40];

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(frames); i++) {
        const struct segment segment = {.client_port = (uint16_t)(1 + i), .flags = WIRE_ACK};

        (void)select_client(i % 2 == 0 ? 0 : MANY - 1);
        frames[i] = (struct frame){.data = bytes[i],
                                   .length_bytes = (uint16_t)wire_build(bytes[i], &segment)};
        if (i % 5 == 0) {
            frames[i].length_bytes = (uint16_t)(i + 14);
        }
        pointers[i] = &frames[i];
    }
    net_register_expecter(expect_none);
    transport_server_expect(pointers, ARRAY_COUNT(frames));
    transport_server_expect(pointers, 1);
    wire_run();
    wire_expect_silence();
    assert_int_equal(wire_connection_count(), MANY);
}

static int close_all(void **state)
{
    for (unsigned i = 0; i < MANY; i++) {
        wire_finish(select_client(i));
    }
    return wire_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_of_idle_connections_wakes_the_node_for_no_one),
        cmocka_unit_test(to_expect_frames_changes_nothing),
        cmocka_unit_test(they_are_as_good_as_new_however_the_clock_stands),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
