/* SPDX-License-Identifier: MIT */
/* sources: net/capture/reader.c net/capture/filter.c tests/unit/world/application_world.c tests/unit/world/fake_return.c */
/*
 * Tests net/capture/reader.c: frames of two link servers, which the test plays, come in order of
 * time, whatever the servers say, or do not say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/capture/reader.h"
#include "net/returning.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"

#define LS_COUNT 2
#define UNTIL_NS 1000000u

static struct capture_reader *reader;
static unsigned wake_count;

static void wake(void *context)
{
    assert_ptr_equal(context, &wake_count);
    wake_count++;
}

static struct capture_reader *open_reader(void)
{
    struct capture_filter filter = capture_filter_all();
    const struct capture_peer peer = {.address = 7, .port = 9};

    filter.snap_bytes = 100;
    filter.host = 5;
    filter.port = 6;
    return capture_reader_open(&filter, &peer, UNTIL_NS, wake, &wake_count);
}

static int start(void **state)
{
    (void)state;
    start_application_node();
    returning_start();
    capture_reader_initialise();
    wake_count = 0;
    reader = open_reader();
    assert_non_null(reader);
    return 0;
}

static int end(void **state)
{
    (void)state;
    capture_reader_close(reader);
    return 0;
}

/* --- What link servers are asked, and say --- */

static uint32_t asked[LS_COUNT]; /* the last number */

static void expect_question(node_id_t ls, uint64_t first_number)
{
    const struct capture_read *read = fake_expect_message(ls, CAPTURE_READ);

    assert_int_equal(read->first_number, first_number);
    assert_int_equal(read->until_ns, UNTIL_NS);
    assert_int_equal(read->room_bytes, CAPTURE_ROOM_MAX_BYTES);
    assert_int_equal(read->host, 5);
    assert_int_equal(read->port, 6);
    assert_int_equal(read->snap_bytes, 100);
    assert_int_equal(read->peer_address, 7);
    assert_int_equal(read->peer_port, 9);
    assert_int_equal(read->protocols, CAPTURE_PROTOCOLS);
    assert_int_equal(read->directions, CAPTURE_DIRECTIONS);
    assert_int_not_equal(read->request_number, 0);
    asked[ls] = read->request_number;
}

static struct captured_frame frame_of(node_id_t ls, uint64_t number, uint64_t time_ns)
{
    return (struct captured_frame){.header.type = CAPTURED_FRAME,
                                   .time_ns = time_ns,
                                   .number = number,
                                   .request_number = asked[ls],
                                   .original_bytes = 1500,
                                   .direction = CAPTURE_IN};
}

static void tell_with(node_id_t ls, struct captured_frame frame, size_t bytes)
{
    static uint8_t data[3000];

    memset(data, (int)frame.time_ns, sizeof(data));
    fake_deliver_payload(ls, &frame.header, sizeof(frame), data, bytes);
    dispatch_round();
}

static void tell(node_id_t ls, uint64_t number, uint64_t time_ns)
{
    tell_with(ls, frame_of(ls, number, time_ns), 60);
}

static struct capture_told end_of(node_id_t ls, uint64_t next_number, uint64_t complete_ns)
{
    return (struct capture_told){
        .header = {.type = CAPTURE_TOLD, .length_bytes = sizeof(struct capture_told)},
        .next_number = next_number,
        .complete_ns = complete_ns,
        .seen_count = 10000,
        .recorded_count = 9000,
        .request_number = asked[ls],
    };
}

static void tell_end_as(node_id_t ls, struct capture_told told)
{
    fake_deliver(ls, &told.header);
    dispatch_round();
}

/* That is all it has up to now. */
static void tell_end(node_id_t ls, uint64_t next_number, uint64_t complete_ns)
{
    struct capture_told told = end_of(ls, next_number, complete_ns);

    told.recorded_count = next_number;
    tell_end_as(ls, told);
}

static void die(node_id_t ls)
{
    fake_set_node_state(ls, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) { /* so often are others looked at */
        (void)dispatch_round();
    }
}

/* --- What the reader gets --- */

static void expect_frame(unsigned interface, uint64_t time_ns, uint64_t lost_count)
{
    struct captured frame;

    assert_int_equal(capture_reader_next(reader, &frame), CAPTURE_HAS_FRAME);
    assert_int_equal(frame.interface, interface);
    assert_int_equal(frame.time_ns, time_ns);
    assert_int_equal(frame.lost_count, lost_count);
    assert_int_equal(frame.original_bytes, 1500);
    assert_int_equal(frame.bytes, 60);
    for (unsigned i = 0; i < frame.bytes; i++) {
        assert_int_equal(frame.data[i], (uint8_t)time_ns);
    }
}

static void expect_wait(void)
{
    struct captured frame;

    assert_int_equal(capture_reader_next(reader, &frame), CAPTURE_WAITS);
    dispatch_round();
}

static void expect_end(void)
{
    struct captured frame;

    assert_int_equal(capture_reader_next(reader, &frame), CAPTURE_IS_OVER);
    fake_expect_no_message(0);
    fake_expect_no_message(1);
}

static void begin(void)
{
    expect_wait();
    expect_question(0, 0);
    expect_question(1, 0);
}

static uint64_t refused_count(void)
{
    return counter_read(NODE, COUNTER_DROP_BAD_MESSAGE);
}

/* --- Tests --- */

static void frames_of_all_come_in_order_of_time(void **state)
{
    (void)state;
    begin();
    tell(0, 0, 10);
    tell(0, 1, 30);
    tell_end(0, 2, UNTIL_NS + 1);
    assert_int_equal(wake_count, 1);
    expect_wait(); /* the other one may have older ones */
    tell(1, 0, 20);
    expect_wait(); /* of an answer that is not whole */
    tell(1, 1, 40);
    tell_end(1, 2, UNTIL_NS + 1);
    assert_int_equal(wake_count, 2);
    expect_frame(0, 10, 0);
    expect_frame(1, 20, 0);
    expect_frame(0, 30, 0);
    expect_frame(1, 40, 0);
    expect_end();
    assert_int_equal(capture_interface_count(reader), LS_COUNT);
    assert_int_equal(capture_interface(reader, 1).node, 1);
    assert_int_equal(capture_interface(reader, 1).read_count, 2);
    assert_int_equal(capture_interface(reader, 1).recorded_count, 2);
    assert_int_equal(capture_interface(reader, 1).seen_count, 10000);
    assert_int_equal(capture_interface(reader, 1).end, CAPTURE_ENDED_WELL);
}

/* One that had nothing is asked again only when that is needed: for a frame that waits, at once;
 * for nothing, after a while. */
static void who_has_nothing_is_asked_when_it_is_needed(void **state)
{
    (void)state;
    begin();
    tell_end(0, 0, 50);
    tell_end(1, 0, 60);
    expect_wait();
    fake_expect_no_message(0);
    fake_expect_no_message(1);
    fake_advance_ns(CAPTURE_WAIT_NS);
    expect_wait();
    expect_question(0, 0);
    expect_question(1, 0);
    tell(0, 4, 100);
    tell_end(0, 5, 110);
    tell_end(1, 0, 99);
    expect_wait();
    expect_question(1, 0); /* it may have one of time 99 */
    fake_expect_no_message(0);
    tell_end(1, 0, 100);
    expect_frame(0, 100, 0);
}

/* Whatever it is: it is asked on at once while it has more than fits. */
static void more_than_there_is_room_for_is_asked_for_in_turn(void **state)
{
    uint64_t number = 0;

    (void)state;
    begin();
    tell_end(1, 0, UNTIL_NS + 1);
    for (unsigned turn = 0; turn < 5; turn++) {
        unsigned count = CAPTURE_ROOM_MAX_BYTES / CAPTURE_FRAME_ROOM(60);
        uint64_t first = number;
        uint64_t refused = refused_count();

        for (unsigned i = 0; i < count; i++, number++) {
            tell(0, number, number);
        }
        tell(0, number, number); /* one more than was asked for */
        assert_int_equal(refused_count(), refused + 1);
        tell_end_as(0, end_of(0, number, number));
        for (uint64_t expected = first; expected < number; expected++) {
            expect_frame(0, expected, 0);
        }
        expect_wait();
        expect_question(0, number);
    }
}

static void losses_are_told_with_the_next_frame(void **state)
{
    struct capture_told told;

    (void)state;
    begin();
    told = end_of(0, 40, 100);
    told.lost_count = 40; /* before it began */
    tell_end_as(0, told);
    tell_end(1, 0, UNTIL_NS + 1);
    expect_wait();
    expect_question(0, 40);
    told = end_of(0, 45, 200);
    told.lost_count = 5; /* and no frame behind them yet */
    tell_end_as(0, told);
    expect_wait();
    expect_question(0, 45);
    tell(0, 48, 300);
    tell(0, 49, 301);
    told = end_of(0, 50, UNTIL_NS + 1);
    told.lost_count = 3;
    tell_end_as(0, told);
    expect_frame(0, 300, 8);
    expect_frame(0, 301, 0);
    expect_end();
    assert_int_equal(capture_interface(reader, 0).early_count, 40);
    assert_int_equal(capture_interface(reader, 0).lost_count, 8);
}

static void who_dies_is_waited_for_no_longer(void **state)
{
    (void)state;
    begin();
    tell(0, 0, 10);
    tell_end(0, 1, UNTIL_NS + 1);
    tell(1, 0, 5); /* before the end of its answer */
    expect_wait();
    die(1);
    assert_int_equal(wake_count, 2);
    expect_frame(1, 5, 0); /* what it has told counts */
    expect_frame(0, 10, 0);
    expect_end();
    assert_int_equal(capture_interface(reader, 1).end, CAPTURE_NODE_DEAD);
}

static void who_is_dead_at_the_beginning_is_not_asked(void **state)
{
    (void)state;
    capture_reader_close(reader);
    die(0);
    reader = open_reader();
    expect_wait();
    fake_expect_no_message(0);
    expect_question(1, 0);
    tell_end(1, 0, UNTIL_NS + 1);
    expect_end();
    assert_int_equal(capture_interface(reader, 0).end, CAPTURE_NODE_DEAD);
}

static void who_is_silent_is_waited_for_no_longer(void **state)
{
    (void)state;
    begin();
    tell(0, 0, 10);
    tell_end(0, 1, UNTIL_NS + 1);
    for (unsigned i = 0; i < 49; i++) {
        fake_advance_ns(NS_PER_S / 10);
        expect_wait();
    }
    fake_advance_ns(NS_PER_S / 10);
    expect_wait();
    expect_frame(0, 10, 0);
    expect_end();
    assert_int_equal(capture_interface(reader, 1).end, CAPTURE_NODE_SILENT);
}

/* Each of these would make the file wrong, or write where there is no room. */
static void frames_that_cannot_be_are_refused(void **state)
{
    uint64_t before = refused_count();
    struct captured_frame frame;

    (void)state;
    begin();
    tell(0, 7, 70);
    tell(0, 7, 70); /* the same number */
    tell(0, 6, 70);
    tell(0, 8, 69); /* earlier */
    tell(0, 8, UNTIL_NS + 1);
    tell(0, UINT64_MAX, 70);
    frame = frame_of(0, 8, 70);
    tell_with(0, frame, 101); /* longer than it was asked for */
    frame.original_bytes = 59;
    tell_with(0, frame, 60);
    frame = frame_of(0, 8, 70);
    frame.direction = 0;
    tell_with(0, frame, 60);
    frame.direction = CAPTURE_IN | CAPTURE_OUT;
    tell_with(0, frame, 60);
    assert_int_equal(refused_count(), before + 9);
    frame = frame_of(1, 8, 70); /* another's request */
    tell_with(0, frame, 60);
    frame.request_number = 0;
    tell_with(0, frame, 60);
    assert_int_equal(refused_count(), before + 9); /* it may have crossed an end */
    tell_end(0, 8, UNTIL_NS + 1);
    tell_end(1, 0, UNTIL_NS + 1);
    expect_frame(0, 70, 0);
    expect_end();
}

static void assert_end_refused(struct capture_told told)
{
    uint64_t before = refused_count();

    tell_end_as(0, told);
    assert_int_equal(refused_count(), before + 1);
    tell_end(1, 0, UNTIL_NS + 1);
    expect_end();
    assert_int_equal(capture_interface(reader, 0).end, CAPTURE_NODE_WRONG);
    capture_reader_close(reader);
    reader = open_reader();
    begin();
}

static void an_end_that_cannot_be_ends_what_its_node_tells(void **state)
{
    struct capture_told told;

    (void)state;
    begin();
    told = end_of(0, 9001, 100); /* more than it has */
    assert_end_refused(told);
    told = end_of(0, 9000, 100);
    told.seen_count = 8999;
    assert_end_refused(told);
    told = end_of(0, 5, 100);
    told.lost_count = 6;
    assert_end_refused(told);
    tell(0, 5, 70);
    told = end_of(0, 5, 70); /* the one that it has just told */
    tell_end_as(0, told);
    assert_int_equal(capture_interface(reader, 0).end, CAPTURE_NODE_WRONG);
    tell_end(1, 0, UNTIL_NS + 1);
    expect_frame(0, 70, 0);
    expect_end();
}

static void readers_are_bounded_and_do_not_mix(void **state)
{
    struct capture_reader *others[CAPTURE_READER_MAX];

    (void)state;
    for (unsigned i = 1; i < CAPTURE_READER_MAX; i++) {
        others[i] = open_reader();
        assert_non_null(others[i]);
    }
    assert_null(open_reader());
    begin();
    capture_reader_close(reader); /* with questions under way */
    reader = others[1];
    tell(0, 0, 10);
    tell_end(0, 1, UNTIL_NS + 1);
    begin();
    tell_end(0, 0, UNTIL_NS + 1);
    tell_end(1, 0, UNTIL_NS + 1);
    expect_end();
    for (unsigned i = 2; i < CAPTURE_READER_MAX; i++) {
        capture_reader_close(others[i]);
    }
}

static void without_memory_there_is_no_reader(void **state)
{
    (void)state;
    fake_fail_allocations_after(0);
    assert_null(open_reader());
    fake_fail_allocations_after(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONSERVED_TEST(frames_of_all_come_in_order_of_time, start, end),
        CONSERVED_TEST(who_has_nothing_is_asked_when_it_is_needed, start, end),
        CONSERVED_TEST(more_than_there_is_room_for_is_asked_for_in_turn, start, end),
        CONSERVED_TEST(losses_are_told_with_the_next_frame, start, end),
        CONSERVED_TEST(who_dies_is_waited_for_no_longer, start, end),
        CONSERVED_TEST(who_is_dead_at_the_beginning_is_not_asked, start, end),
        CONSERVED_TEST(who_is_silent_is_waited_for_no_longer, start, end),
        CONSERVED_TEST(frames_that_cannot_be_are_refused, start, end),
        CONSERVED_TEST(an_end_that_cannot_be_ends_what_its_node_tells, start, end),
        CONSERVED_TEST(readers_are_bounded_and_do_not_mix, start, end),
        CONSERVED_TEST(without_memory_there_is_no_reader, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
