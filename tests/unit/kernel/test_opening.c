/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/opening.c: channels that come into being when they are first used, and end
 * with their nodes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

#define LINE_COUNT (CHANNEL_RING_MIN_BYTES / CHANNEL_LINE_BYTES)
#define TIMEOUT_NS (WATCH_GIVE_UP_DEFAULT_MS * NS_PER_MS)

static uint64_t offered(node_id_t from)
{
    return fake_status_page(NODE)->for_nodes[from].channel_ring;
}

static void request(node_id_t from)
{
    fake_status_page(from)->for_nodes[NODE].is_channel_requested = 1;
    fake_send_attention();
}

static void run(void)
{
    while (dispatch_round() != 0) {
    }
    dispatch_sleep();
    while (dispatch_round() != 0) {
    }
}

static void sleep_on(void)
{
}

static int start(void **state)
{
    (void)start_dispatcher(state);
    fake_on_sleep(sleep_on);
    return 0;
}

/* --- As the sender --- */

static int start_without_rings(void **state)
{
    (void)start(state);
    fake_close_ring(2);
    fake_close_ring(3);
    return 0;
}

static void nobody_is_asked_for_a_channel_that_is_not_used(void **state)
{
    (void)state;
    run();
    for (node_id_t node = 0; node < 4; node++) {
        assert_int_equal(fake_status_page(NODE)->for_nodes[node].is_channel_requested, 0);
        assert_int_equal(fake_attentions(node), 0);
        assert_false(fake_is_attached(node));
    }
}

static void first_send_asks_once_and_waits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(send_number(2, i), 0);
        assert_false(message_ask_for_room(2, 64));
        (void)dispatch_round();
    }
    assert_int_equal(fake_status_page(NODE)->for_nodes[2].is_channel_requested, 1);
    assert_int_equal(fake_status_page(NODE)->for_nodes[3].is_channel_requested, 0);
    assert_int_equal(fake_attentions(2), 1);
    fake_open_ring(2);
    assert_int_equal(send_number(2, 3), 0); /* behind those that came before */
    run();
    for (unsigned i = 0; i < 4; i++) {
        expect_number(2, i);
    }
    assert_true(message_ask_for_room(2, 64));
    assert_int_equal(fake_attentions(2), 1);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNEL_FULL), 0);
}

static void release_loan(void *context)
{
    ++*(unsigned *)context;
}

static void lent_bytes_are_copied_to_wait_for_a_channel(void **state)
{
    uint8_t bytes[3000];
    unsigned releases = 0;
    const struct message_loan loan = {bytes, sizeof(bytes), release_loan, &releases};

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    assert_non_null(message_reserve_loan(2, TYPE, sizeof(struct number), &loan));
    assert_int_equal(releases, 0);
    message_publish();
    assert_int_equal(releases, 1);
    memset(bytes, 'b', sizeof(bytes)); /* they are the lender's again */
    fake_open_ring(2);
    run();
    assert_int_equal(releases, 1);
    struct message_payload payload =
        fake_payload(fake_expect_message(2, TYPE), sizeof(struct number));
    memset(bytes, 'a', sizeof(bytes));
    assert_int_equal(payload.length_bytes, sizeof(bytes));
    assert_memory_equal(payload.bytes, bytes, sizeof(bytes));
}

/* As a whole frame is: it fits no line. */
static int send_frame(uint32_t number)
{
    uint8_t frame[1500];
    struct number message = {.header = {.type = TYPE}, .number = number};

    memset(frame, (int)number, sizeof(frame));
    return send_copy_with(2, &message.header, sizeof(message), frame, sizeof(frame));
}

static void expect_frame(uint32_t number)
{
    const struct number *message;
    struct message_payload payload;
    uint8_t frame[1500];

    (void)dispatch_round(); /* there is room behind what has been taken */
    message = fake_expect_message(2, TYPE);
    payload = fake_payload(message, sizeof(*message));
    memset(frame, (int)number, sizeof(frame));
    assert_int_equal(message->number, number);
    assert_int_equal(payload.length_bytes, sizeof(frame));
    assert_memory_equal(payload.bytes, frame, sizeof(frame));
}

/* More than a ring takes, and no more: it is as with a full channel then. */
static void the_first_messages_wait_up_to_a_bound(void **state)
{
    unsigned count = 0;

    (void)state;
    while (send_frame(count) == 0) {
        count++;
    }
    assert_int_equal(count, 64);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNEL_FULL), 1);
    post_number(2, 1000); /* what must not be lost still waits */
    run();
    fake_expect_no_message(2);
    fake_open_ring(2);
    for (unsigned i = 0; i < count; i++) {
        expect_frame(i);
    }
    (void)dispatch_round();
    expect_number(2, 1000);
}

static void without_memory_no_message_waits_for_a_channel(void **state)
{
    (void)state;
    fake_fail_allocations_after(0);
    assert_int_equal(send_frame(1), -EAGAIN);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNEL_FULL), 1);
    fake_fail_allocations_after(-1);
    assert_int_equal(send_frame(2), 0);
    fake_open_ring(2);
    expect_frame(2);
}

static void what_is_posted_before_the_channel_is_there_goes_out_in_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        post_number(2, i);
        post_number(3, 100 + i);
    }
    run();
    fake_expect_no_message(2);
    fake_open_ring(2);
    (void)dispatch_round();
    fake_open_ring(3);
    (void)dispatch_round();
    for (unsigned i = 0; i < 10; i++) {
        expect_number(2, i);
        expect_number(3, 100 + i);
    }
}

static void open_ring_of_2(void)
{
    assert_int_equal(fake_status_page(NODE)->sleep, NODE_SLEEPS_FOR_ROOM);
    fake_open_ring(2);
    fake_on_sleep(sleep_on);
}

static void sender_sleeps_for_a_channel_and_says_so(void **state)
{
    (void)state;
    run(); /* and looks at all others for the first time */
    post_number(2, 1);
    (void)dispatch_round();
    unsigned before = fake_sleeps();
    fake_on_sleep(open_ring_of_2);
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), before + 1);
    (void)dispatch_round();
    expect_number(2, 1);
}

/* It came between the node's last try and its sleep: nobody would ring. */
static void ring_that_comes_before_the_sleep_keeps_the_node_awake(void **state)
{
    (void)state;
    post_number(2, 1);
    (void)dispatch_round();
    fake_open_ring(2);
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 0);
    (void)dispatch_round();
    expect_number(2, 1);
}

/* More than a ring, from a line in its middle. */
static void messages_keep_their_order_over_the_end_of_a_ring(void **state)
{
    (void)state;
    assert_int_not_equal(channel_first_line(NODE, 2) % LINE_COUNT, 0);
    for (unsigned i = 0; i < 3 * LINE_COUNT; i++) {
        assert_int_equal(send_number(2, i), 0);
        expect_number(2, i);
    }
}

static void rings_of_a_node_start_in_different_sets_of_a_cache(void **state)
{
    bool is_taken_in[64] = {false};
    bool is_taken_out[64] = {false};

    (void)state;
    for (node_id_t node = 0; node < 64; node++) {
        uint32_t in = channel_first_line(node, 5) % 64;
        uint32_t out = channel_first_line(5, node) % 64;

        assert_false(is_taken_in[in] || is_taken_out[out]);
        is_taken_in[in] = is_taken_out[out] = true;
    }
}

/* Each is counted once however often the node tries, and a true one is taken afterwards. */
static void words_that_name_no_ring_of_that_node_are_refused(void **state)
{
    uint64_t ring = fake_status_page(2)->for_nodes[NODE].channel_ring;
    uint64_t place = ring & ~(uint64_t)0xFFF;
    const uint64_t words[] = {
        1,
        place,
        place | 11,
        place | 13,
        place | 15,
        place | 19,
        place | 31,
        place | 32,
        place | 63,
        place | 0xFFF,
        14,
        UINT64_MAX,
        (place + PAGE_BYTES) | 14,
        (place - PAGE_BYTES) | 14,
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        fake_status_page(2)->for_nodes[NODE].channel_ring = words[i];
        assert_false(message_ask_for_room(2, 64));
        assert_false(message_ask_for_room(2, 64));
        assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_RING), i + 1);
        assert_false(fake_is_attached(2));
        assert_false(opening_has_come(2));
    }
    fake_status_page(2)->for_nodes[NODE].channel_ring = ring;
    assert_true(opening_has_come(2));
    assert_int_equal(send_number(2, 42), 0);
    expect_number(2, 42);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_RING), sizeof(words) / sizeof(words[0]));
}

/* What the other says later is not looked at: the ring stays where it is. */
static void word_that_changes_under_an_open_channel_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(send_number(2, 1), 0);
    fake_status_page(2)->for_nodes[NODE].channel_ring = UINT64_MAX;
    for (unsigned i = 2; send_number(2, i) == 0; i++) {
    }
    expect_number(2, 1);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_RING), 0);
}

static void run_for_ns(uint64_t duration_ns)
{
    uint64_t end_ns = platform_now_ns() + duration_ns;

    while (platform_now_ns() < end_ns) {
        uint64_t before_ns = platform_now_ns();

        run();
        if (platform_now_ns() == before_ns) {
            fake_advance_ns(TIMEOUT_NS / 16); /* something else wakes it */
        }
    }
}

static void node_that_opens_no_channel_is_asked_again_and_given_up_in_the_end(void **state)
{
    (void)state;
    post_number(2, 1);
    run_for_ns(TIMEOUT_NS / 2);
    assert_true(fake_attentions(2) > 1);
    assert_int_equal(fake_stops(2), 0);
    run_for_ns(TIMEOUT_NS);
    assert_true(fake_stops(2) >= 1);
    assert_int_equal(send_number(2, 1), -ENODEV);
    assert_int_equal(fake_stops(3), 0);
}

static void node_that_dies_before_its_channel_is_there_is_asked_for_nothing_more(void **state)
{
    (void)state;
    post_number(2, 1);
    fake_set_node_state(2, NODE_DEAD);
    run();
    assert_int_equal(send_number(2, 1), -ENODEV);
    assert_int_equal(fake_status_page(NODE)->for_nodes[2].is_channel_requested, 0);
    fake_open_ring(2); /* the answer was on its way */
    run();
    assert_false(fake_is_attached(2));
    fake_expect_no_message(2);
}

/* Memory of a dead node may become something else: nothing of it stays mapped. */
static void channel_to_a_node_that_died_is_unmapped(void **state)
{
    (void)state;
    assert_int_equal(send_number(2, 1), 0);
    assert_int_equal(send_number(3, 1), 0);
    assert_true(fake_is_attached(2));
    fake_set_node_state(2, NODE_DEAD);
    run();
    assert_false(fake_is_attached(2));
    assert_true(fake_is_attached(3));
    assert_int_equal(fake_status_page(NODE)->for_nodes[2].is_channel_requested, 0);
}

/* --- As the receiver --- */

static void who_asks_gets_a_ring_and_nobody_else(void **state)
{
    (void)state;
    request(2);
    run();
    assert_int_not_equal(offered(2), 0);
    assert_int_equal(offered(0), 0);
    assert_int_equal(offered(3), 0);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNELS_OPEN), 1);
    deliver_number(2, 5);
    run();
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].from, 2);
}

static void two_that_ask_at_once_get_two_rings(void **state)
{
    (void)state;
    fake_status_page(3)->for_nodes[NODE].is_channel_requested = 1;
    request(2);
    run();
    assert_int_not_equal(offered(2), 0);
    assert_int_not_equal(offered(3), 0);
    assert_int_not_equal(offered(2), offered(3));
    deliver_number(3, 3);
    deliver_number(2, 2);
    run();
    assert_int_equal(handled_count, 2);
    assert_int_equal(handled[0].from + handled[1].from, 5);
}

/* Both ask each other at the same time: neither waits for the other. */
static void both_directions_open_at_once(void **state)
{
    (void)state;
    fake_close_ring(2);
    post_number(2, 1);
    request(2);
    run();
    assert_int_not_equal(offered(2), 0);
    fake_open_ring(2);
    run();
    expect_number(2, 1);
}

static void ask_from_2(void)
{
    request(2);
    fake_on_sleep(sleep_on);
}

static void receiver_that_sleeps_is_woken_by_the_request(void **state)
{
    (void)state;
    fake_on_sleep(ask_from_2);
    run();
    assert_int_equal(fake_sleeps(), 1);
    assert_int_not_equal(offered(2), 0);
}

/* It takes no interrupt while it works. */
static void receiver_that_never_sleeps_looks_now_and_then(void **state)
{
    (void)state;
    fake_status_page(2)->for_nodes[NODE].is_channel_requested = 1;
    for (unsigned i = 0; offered(2) == 0; i++) {
        assert_true(i < 1000);
        (void)dispatch_round();
    }
}

static void who_sleeps_for_a_channel_is_rung_and_who_is_awake_is_not(void **state)
{
    (void)state;
    fake_status_page(3)->sleep = NODE_SLEEPS_FOR_ROOM;
    request(2);
    request(3);
    run();
    assert_int_equal(fake_doorbells(2), 0);
    assert_int_equal(fake_doorbells(3), 1);
}

static void a_request_that_stands_opens_no_second_ring(void **state)
{
    uint64_t first;

    (void)state;
    request(2);
    run();
    first = offered(2);
    request(2);
    run();
    assert_int_equal(offered(2), first);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNELS_OPEN), 1);
}

static void without_memory_the_request_is_counted_and_met_when_there_is_some(void **state)
{
    uint64_t failures = fake_memory_counts("channel_ring")->failures;

    (void)state;
    fake_status_page(NODE)->memory_bytes = UINT64_MAX; /* enough for the longest ring */
    dispatch_initialise();
    fake_rings.longest_bytes = 0;
    request(2);
    run();
    assert_int_equal(offered(2), 0);
    fake_rings.longest_bytes = SIZE_MAX;
    fake_send_attention(); /* the sender asks again when it looks who takes nothing */
    run();
    assert_int_not_equal(offered(2), 0);
    assert_int_equal(fake_memory_counts("channel_ring")->failures, failures + 1);
}

static size_t offered_bytes(node_id_t from)
{
    return (size_t)1 << offered(from) % PAGE_BYTES;
}

static void rings_follow_the_nodes_memory(void **state)
{
    (void)state;
    fake_status_page(NODE)->memory_bytes = 8 * MIB; /* 512 KiB for channels of 4 nodes */
    dispatch_initialise();
    request(2);
    run();
    assert_int_equal(offered_bytes(2), 128 * KIB);
    fake_rings.longest_bytes = 64 * KIB;
    request(3);
    run();
    assert_int_equal(offered_bytes(3), 64 * KIB);
    fake_status_page(NODE)->memory_bytes = UINT64_MAX;
    dispatch_initialise();
    fake_rings.longest_bytes = SIZE_MAX;
    request(0);
    run();
    assert_int_equal(offered_bytes(0), CHANNEL_RING_MAX_BYTES);
}

static void channel_from_a_node_that_died_is_closed(void **state)
{
    (void)state;
    deliver_number(2, 1);
    run();
    deliver_number(2, 2);
    fake_set_node_state(2, NODE_DEAD);
    dispatch_sleep();
    handled_count = 0;
    run();
    assert_int_equal(handled_count, 0);
    assert_int_equal(offered(2), 0);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNELS_OPEN), 0);
}

/* Who says so might be wrong, and what a node that hangs writes when it goes on is no other's. */
static void ring_of_a_dead_node_is_left_to_it(void **state)
{
    uint64_t place;

    (void)state;
    deliver_number(2, 1);
    run();
    place = offered(2);
    fake_set_node_state(2, NODE_DEAD);
    run();
    assert_int_equal(offered(2), 0);
    request(3);
    run();
    assert_int_not_equal(offered(3), 0);
    assert_int_not_equal(offered(3), place);
    deliver_number(3, 5);
    run();
    assert_int_equal(handled[handled_count - 1].number, 5);
}

static void a_dead_nodes_request_opens_nothing(void **state)
{
    (void)state;
    fake_set_node_state(2, NODE_DEAD);
    run();
    request(2);
    run();
    assert_int_equal(offered(2), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish_dispatcher)
#define TEST_WITHOUT_RINGS(name)                                                                   \
    cmocka_unit_test_setup_teardown(name, start_without_rings, finish_dispatcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_asked_for_a_channel_that_is_not_used),
        TEST_WITHOUT_RINGS(first_send_asks_once_and_waits),
        TEST_WITHOUT_RINGS(lent_bytes_are_copied_to_wait_for_a_channel),
        TEST_WITHOUT_RINGS(the_first_messages_wait_up_to_a_bound),
        TEST_WITHOUT_RINGS(without_memory_no_message_waits_for_a_channel),
        TEST_WITHOUT_RINGS(what_is_posted_before_the_channel_is_there_goes_out_in_order),
        TEST_WITHOUT_RINGS(sender_sleeps_for_a_channel_and_says_so),
        TEST_WITHOUT_RINGS(ring_that_comes_before_the_sleep_keeps_the_node_awake),
        TEST(messages_keep_their_order_over_the_end_of_a_ring),
        TEST(rings_of_a_node_start_in_different_sets_of_a_cache),
        TEST(words_that_name_no_ring_of_that_node_are_refused),
        TEST(word_that_changes_under_an_open_channel_changes_nothing),
        TEST_WITHOUT_RINGS(node_that_opens_no_channel_is_asked_again_and_given_up_in_the_end),
        TEST_WITHOUT_RINGS(node_that_dies_before_its_channel_is_there_is_asked_for_nothing_more),
        TEST(channel_to_a_node_that_died_is_unmapped),
        TEST(who_asks_gets_a_ring_and_nobody_else),
        TEST(two_that_ask_at_once_get_two_rings),
        TEST(both_directions_open_at_once),
        TEST(receiver_that_sleeps_is_woken_by_the_request),
        TEST(receiver_that_never_sleeps_looks_now_and_then),
        TEST(who_sleeps_for_a_channel_is_rung_and_who_is_awake_is_not),
        TEST(a_request_that_stands_opens_no_second_ring),
        TEST(without_memory_the_request_is_counted_and_met_when_there_is_some),
        TEST(rings_follow_the_nodes_memory),
        TEST(channel_from_a_node_that_died_is_closed),
        TEST(ring_of_a_dead_node_is_left_to_it),
        TEST(a_dead_nodes_request_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
