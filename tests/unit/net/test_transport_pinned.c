/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/tcp/pinned.c over the whole transport server: peers of one address that do
 * not acknowledge, close their windows or open them by a byte keep memory, and others are served.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/transport/counters.h"
#include "net/transport/stream.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define MEMORY_BYTES (16 * MIB)
#define QUEUE_BYTES  (MEMORY_BYTES / 8)

#define HOARDER  0x0100000Au /* 10.0.0.1: behind the gateway, as OTHER */
#define OTHER    0x0200000Au
#define HOARDERS 32u
#define PIECE    4000u

static struct client hoarders[HOARDERS];
static struct client other;

static int set_up(void **state)
{
    wire_memory_bytes = MEMORY_BYTES;
    return wire_set_up(state);
}

static int tear_down(void **state)
{
    wire_client_address = WIRE_CLIENT_ADDRESS;
    return wire_tear_down(state);
}

static void send_copy(const struct client *client, uint32_t length_bytes)
{
    static const uint8_t bytes[PIECE];

    while (length_bytes != 0) {
        uint32_t piece = length_bytes < PIECE ? length_bytes : PIECE;

        wire_application_send(client, bytes, piece);
        wire_run();
        length_bytes -= piece;
    }
    wire_clear();
}

static void take_messages(void)
{
    while (fake_take_message(NODE_APPLICATION) != NULL) {
    }
}

/* Each asks for as much as an application may have under way. Returns how many have been reset. */
static unsigned hoard(void)
{
    uint64_t before = wire_counted(COUNTER_PINNED_RESET);

    wire_client_address = HOARDER;
    for (unsigned i = 0; i < HOARDERS; i++) {
        (void)wire_accept(&hoarders[i], wire_new_port());
        send_copy(&hoarders[i], SEND_WINDOW_BYTES / 2);
        take_messages();
    }
    return (unsigned)(wire_counted(COUNTER_PINNED_RESET) - before);
}

static void reset_all(void)
{
    for (unsigned i = 0; i < HOARDERS; i++) {
        wire_client_address = HOARDER;
        wire_send(&hoarders[i], WIRE_RST, NULL, 0);
        wire_run();
        take_messages();
        wire_application_close(&hoarders[i], 0, CLOSE_BOTH);
        wire_run();
    }
    wire_clear();
}

static void assert_other_is_served(uint32_t length_bytes)
{
    uint32_t taken = 0;
    struct segment segment;

    wire_client_address = OTHER;
    (void)wire_accept(&other, wire_new_port());
    for (uint32_t sent = 0; sent < length_bytes; sent += PIECE) {
        wire_application_send(&other, (const uint8_t[PIECE]){0}, PIECE);
        wire_run();
        while (wire_take(&segment)) {
            if (segment.client_port == other.port) {
                taken += segment.length;
                other.receive_next = segment.sequence + segment.length;
            }
        }
        wire_send(&other, WIRE_ACK, NULL, 0);
        wire_run();
        take_messages();
    }
    assert_true(taken >= length_bytes);
    wire_finish(&other);
}

/* Nobody acknowledges: 4 MiB are asked for, where all connections have two. */
static void responses_that_one_address_does_not_take_leave_memory_to_others(void **state)
{
    unsigned reset_count = hoard();

    (void)state;
    assert_in_range(reset_count, HOARDERS / 2, HOARDERS - 4);
    assert_true(queue_memory_bytes() < QUEUE_BYTES * 3 / 4);
    assert_other_is_served(100 * PIECE);
    wire_advance_ns(3 * NS_PER_S); /* time-outs find the same */
    wire_clear();
    assert_true(queue_memory_bytes() < QUEUE_BYTES * 3 / 4);
    assert_other_is_served(100 * PIECE);
    reset_all();
    wire_advance_ns(NS_PER_S);
    assert_int_equal(wire_counted(COUNTER_PINNED_BYTES), 0);
}

/* The same without others' need: they may keep what there is. */
static void as_long_as_there_is_memory_an_address_keeps_what_it_wants(void **state)
{
    uint64_t before = wire_counted(COUNTER_PINNED_RESET);

    (void)state;
    wire_client_address = HOARDER;
    for (unsigned i = 0; i < 6; i++) {
        (void)wire_accept(&hoarders[i], wire_new_port());
        send_copy(&hoarders[i], SEND_WINDOW_BYTES / 2);
        take_messages();
    }
    wire_advance_ns(5 * NS_PER_S);
    assert_true(wire_counted(COUNTER_PINNED_BYTES) >= 6 * SEND_WINDOW_BYTES / 2);
    assert_int_equal(wire_counted(COUNTER_PINNED_RESET), before);
    for (unsigned i = 0; i < 6; i++) {
        wire_send(&hoarders[i], WIRE_RST, NULL, 0);
        wire_run();
        take_messages();
        wire_application_close(&hoarders[i], 0, CLOSE_BOTH);
        wire_run();
    }
}

/* Who keeps little beside those that keep much is not the one who is reset. */
static void connections_below_the_average_of_their_address_stay(void **state)
{
    struct client modest;

    (void)state;
    wire_client_address = HOARDER;
    (void)wire_accept(&modest, wire_new_port());
    wire_application_send(&modest, "little", 6);
    wire_run();
    wire_clear();
    assert_true(hoard() > 0);
    for (unsigned i = 0; i < 50; i++) {
        wire_advance_ns(100 * NS_PER_MS);
        wire_clear();
    }
    assert_int_equal(wire_tcb_of(&modest)->state, TCB_ESTABLISHED);
    wire_send(&modest, WIRE_RST, NULL, 0);
    wire_run();
    take_messages();
    wire_application_close(&modest, 0, CLOSE_BOTH);
    reset_all();
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_long_as_there_is_memory_an_address_keeps_what_it_wants),
        TEST(responses_that_one_address_does_not_take_leave_memory_to_others),
        TEST(connections_below_the_average_of_their_address_stay),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
