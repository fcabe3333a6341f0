/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/memory_nic.c tests/unit/world/kept_log.c */
/*
 * Tests net/link/capture.c over a card in memory: what is recorded of frames in and out, and what
 * other nodes are told of it, whatever they ask. Each test goes on where the one before it stopped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/capture/filter.h"
#include "net/link/server.h"
#include "net/messages.h"
#include "net/watching_counters.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/memory_nic.h"

#define APPLICATION 2
#define ROLES       "pika=TS2LS2CM2 app=httpd:2"
#define LINE        ROLES " capture=64K,snap=200"

static uint32_t request_number;

static struct capture_read everything(uint64_t first_number)
{
    return (struct capture_read){
        .header.type = CAPTURE_READ,
        .header.length_bytes = sizeof(struct capture_read),
        .first_number = first_number,
        .until_ns = UINT64_MAX,
        .request_number = ++request_number,
        .room_bytes = CAPTURE_ROOM_MAX_BYTES,
        .snap_bytes = CAPTURE_SNAP_MAX_BYTES,
        .protocols = CAPTURE_PROTOCOLS,
        .directions = CAPTURE_DIRECTIONS,
    };
}

static void ask(struct capture_read request)
{
    fake_deliver(APPLICATION, &request.header);
    settle();
}

static struct captured_frame expect_frame(uint64_t number, unsigned direction,
                                          uint32_t original_bytes, const void *data, size_t bytes)
{
    const struct captured_frame *frame = fake_expect_message(APPLICATION, CAPTURED_FRAME);
    struct message_payload payload = fake_payload(frame, sizeof(*frame));

    assert_int_equal(frame->number, number);
    assert_int_equal(frame->request_number, request_number);
    assert_int_equal(frame->direction, direction);
    assert_int_equal(frame->original_bytes, original_bytes);
    assert_int_equal(payload.length_bytes, bytes);
    assert_memory_equal(payload.bytes, data, bytes);
    return *frame;
}

static struct capture_told expect_end(uint64_t next_number, uint64_t lost_count)
{
    struct capture_told told =
        *(const struct capture_told *)fake_expect_message(APPLICATION, CAPTURE_TOLD);

    assert_int_equal(told.request_number, request_number);
    assert_int_equal(told.next_number, next_number);
    assert_int_equal(told.lost_count, lost_count);
    fake_expect_no_message(APPLICATION);
    return told;
}

static void receive_one(const struct test_frame *frame)
{
    received_count = 0;
    assert_true(memory_nic_receive(frame->bytes, frame->length_bytes));
    settle();
    if (received_count == 1) {
        received->release(received);
    }
}

static int send_pieces(const void *first, uint32_t first_bytes, const void *second,
                       uint32_t second_bytes)
{
    struct frame_to_send frame = {
        .fragments = {{first, first_bytes}, {second, second_bytes}},
        .fragment_count = 2,
        .length_bytes = (uint16_t)(first_bytes + second_bytes),
    };
    int result = link_server_transmit(&frame);

    settle();
    return result;
}

static void take_sent(void)
{
    struct memory_nic_sent sent;
    struct test_frame frame = tcp_frame(0, 0x18);

    receive_one(&frame); /* a round, which flushes */
    while (memory_nic_transmit(&sent)) {
    }
    settle();
}

/* The number of the next one. */
static uint64_t recorded(void)
{
    return counter_read(0, COUNTER_CAPTURE_IN) + counter_read(0, COUNTER_CAPTURE_OUT);
}

/* --- Tests --- */

static void the_log_says_that_it_is_on(void **state)
{
    (void)state;
    memory_nic_reset();
    kept_log_clear();
    start_link_server_on(0, LINE);
    settle();
    assert_true(is_logged("frames are recorded, and shown to whoever asks for /capture: in and "
                          "out, 200 bytes each; 76 KiB for each link server"));
    ask(everything(0));
    expect_end(0, 0);
}

static void frames_in_and_out_are_told_in_their_order(void **state)
{
    static const uint8_t headers[54] = {1, 2, 3}, body[500] = {4, 5, 6};
    struct test_frame frame = tcp_frame(0, 0x18);
    struct captured_frame first, second;
    struct capture_told told;
    uint8_t sent[200] = {1, 2, 3};
    uint64_t before_ns = platform_now_ns();

    (void)state;
    memcpy(sent + 54, body, 146);
    receive_one(&frame);
    assert_int_equal(received_count, 1);
    assert_int_equal(send_pieces(headers, 54, body, 500), 0);
    ask(everything(0));
    first = expect_frame(0, CAPTURE_IN, 60, frame.bytes, 60);
    second = expect_frame(1, CAPTURE_OUT, 554, sent, 200); /* the first ones, of both pieces */
    told = expect_end(2, 0);
    assert_true(before_ns <= first.time_ns && first.time_ns <= second.time_ns);
    assert_true(second.time_ns <= told.complete_ns && told.complete_ns <= platform_now_ns());
    assert_int_equal(told.seen_count, 2);
    assert_int_equal(told.recorded_count, 2);
    assert_int_equal(counter_read(0, COUNTER_CAPTURE_IN), 1);
    assert_int_equal(counter_read(0, COUNTER_CAPTURE_OUT), 1);
    take_sent();
}

/* One stands still for so long that others' clocks are ahead: all go by what they have in common.
 */
static void times_are_those_on_which_nodes_agree(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x18);
    uint64_t next = recorded();
    struct captured_frame told;

    (void)state;
    fake_set_standstill_ns(NS_PER_S);
    receive_one(&frame);
    ask(everything(next));
    told = expect_frame(next, CAPTURE_IN, 60, frame.bytes, 60);
    assert_in_range(told.time_ns, NS_PER_S, NS_PER_S + platform_now_ns());
    expect_end(next + 1, 0);
}

/* What the driver does not take has not been sent. */
static void a_frame_that_the_card_refuses_is_not_recorded(void **state)
{
    static const uint8_t bytes[60] = {0};
    uint64_t next = recorded();
    uint64_t out = counter_read(0, COUNTER_CAPTURE_OUT);

    (void)state;
    memory_nic_setting.is_blocked = true;
    assert_int_equal(send_pieces(bytes, 20, bytes, 40), -EAGAIN);
    memory_nic_setting.is_blocked = false;
    assert_int_equal(recorded(), next);
    assert_int_equal(counter_read(0, COUNTER_CAPTURE_OUT), out);
}

static void a_request_chooses(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x18), other = tcp_frame(0, 0x18);
    uint64_t next = recorded();
    struct capture_read request;

    (void)state;
    other.bytes[14 + 15] = 9; /* from 192.0.2.9 */
    receive_one(&frame);
    receive_one(&other);
    request = everything(next);
    memcpy(&request.host, (uint8_t[]){192, 0, 2, 9}, 4);
    request.snap_bytes = 40;
    ask(request);
    expect_frame(next + 1, CAPTURE_IN, 60, other.bytes, 40);
    expect_end(next + 2, 0);
    request = everything(next);
    request.directions = CAPTURE_OUT;
    ask(request);
    expect_end(next + 2, 0);
    request = everything(next);
    request.peer_port = port_owned_by(0);
    memcpy(&request.peer_address, (uint8_t[]){192, 0, 2, 9}, 4);
    ask(request);
    expect_frame(next, CAPTURE_IN, 60, frame.bytes, 60);
    expect_end(next + 2, 0);
}

/* Until a time, and no more than there is room for: the end tells where to go on. */
static void what_is_told_has_bounds(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x18);
    uint64_t next = recorded();
    struct capture_read request;
    struct captured_frame second;
    struct capture_told told;

    (void)state;
    receive_one(&frame);
    fake_advance_ns(NS_PER_MS);
    receive_one(&frame);
    fake_advance_ns(NS_PER_MS);
    receive_one(&frame);
    request = everything(next);
    request.snap_bytes = 60;
    request.room_bytes = CAPTURE_FRAME_ROOM(60) + 8;
    ask(request);
    expect_frame(next, CAPTURE_IN, 60, frame.bytes, 60);
    told = expect_end(next + 1, 0);
    request = everything(next + 1);
    request.until_ns = told.complete_ns; /* the second one's */
    ask(request);
    second = expect_frame(next + 1, CAPTURE_IN, 60, frame.bytes, 60);
    assert_int_equal(second.time_ns, told.complete_ns);
    told = expect_end(next + 2, 0);
    assert_true(told.complete_ns > request.until_ns);
}

/* By a node that reads too slowly, or has made the number up. */
static void frames_that_are_no_longer_there_are_counted(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x18);
    uint64_t lost = counter_read(0, COUNTER_CAPTURE_LOST);
    uint64_t next = recorded();
    struct capture_read request = everything(1);

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        receive_one(&frame);
    }
    next += 1000;
    request.directions = CAPTURE_OUT; /* none is told */
    request.request_number = ++request_number;
    ask(request);
    expect_end(next, next - 512 - 1); /* 64 KiB have 512 entries */
    assert_int_equal(counter_read(0, COUNTER_CAPTURE_LOST), lost + next - 512 - 1);
    request.first_number = 0; /* what was there before somebody began is not his loss */
    request.request_number = ++request_number;
    ask(request);
    expect_end(next, next - 512);
    assert_int_equal(counter_read(0, COUNTER_CAPTURE_LOST), lost + next - 512 - 1);
}

/* The channel has less room than was asked for: what fits is told, and the end. */
static void a_full_channel_delays_frames_and_loses_none(void **state)
{
    uint64_t first = recorded() - 512, next = first;

    (void)state;
    for (unsigned turn = 0; next != recorded(); turn++) {
        const struct message *message;

        assert_true(turn < 100);
        ask(everything(next));
        while ((message = fake_take_message(APPLICATION)) == NULL ||
               message->header.type == CAPTURED_FRAME) {
            if (message == NULL) {
                settle(); /* the end waits for room */
                continue;
            }
            assert_int_equal(((const struct captured_frame *)message)->number, next);
            next++;
        }
        assert_int_equal(((const struct capture_told *)message)->next_number, next);
    }
}

static void assert_refused(struct capture_read request)
{
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);

    ask(request);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 1);
    fake_expect_no_message(APPLICATION);
}

static void a_request_that_cannot_be_is_refused(void **state)
{
    struct capture_read request = everything(recorded() + 1);

    (void)state;
    assert_refused(request); /* of a frame that is to come */
    request.first_number = UINT64_MAX;
    assert_refused(request);
    request = everything(0);
    request.snap_bytes = CAPTURE_SNAP_MIN_BYTES - 1;
    assert_refused(request);
    request.snap_bytes = UINT16_MAX;
    assert_refused(request);
    request = everything(0);
    request.protocols = 0;
    assert_refused(request);
    request.protocols = 0x80;
    assert_refused(request);
    request = everything(0);
    request.directions = 4;
    assert_refused(request);
    request = everything(0);
    request.room_bytes = CAPTURE_FRAME_ROOM(CAPTURE_SNAP_MAX_BYTES) - 1;
    assert_refused(request);
    request.room_bytes = CAPTURE_ROOM_MAX_BYTES + 1;
    assert_refused(request);
    request = everything(0);
    request.header.length_bytes--;
    assert_refused(request);
}

static void only_applications_are_told(void **state)
{
    struct capture_read request = everything(0);
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    fake_deliver(OTHER_LS, &request.header);
    settle();
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_log_says_that_it_is_on, ls_tear_down),
        cmocka_unit_test_teardown(frames_in_and_out_are_told_in_their_order, ls_tear_down),
        cmocka_unit_test_teardown(times_are_those_on_which_nodes_agree, ls_tear_down),
        cmocka_unit_test_teardown(a_frame_that_the_card_refuses_is_not_recorded, ls_tear_down),
        cmocka_unit_test_teardown(a_request_chooses, ls_tear_down),
        cmocka_unit_test_teardown(what_is_told_has_bounds, ls_tear_down),
        cmocka_unit_test_teardown(frames_that_are_no_longer_there_are_counted, ls_tear_down),
        cmocka_unit_test_teardown(a_full_channel_delays_frames_and_loses_none, ls_tear_down),
        cmocka_unit_test_teardown(a_request_that_cannot_be_is_refused, ls_tear_down),
        cmocka_unit_test_teardown(only_applications_are_told, ls_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
