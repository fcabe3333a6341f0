/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_card.c */
/*
 * Tests where the headers of a segment stand (net/transport/tcp/segment_out.c, send_buffer.h): in
 * front of what was copied, or in a block of their own (segment_block.c).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "libc/core/memory.h"
#include "net/headers.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/tcp_card.h"

#define FIRST 0xFFFFFFF0u

static struct tcb tcb;

void blocked_add(struct tcb *of)
{
    assert_ptr_equal(of, &tcb);
}

static int set_up(void **state)
{
    (void)state;
    card_reset();
    queue_initialise();
    segment_out_initialise();
    tcb = (struct tcb){
        .flow = {.remote_address = CARD_NEIGHBOR_ADDRESS, .local_address = CARD_LOCAL_ADDRESS},
        .mss = CARD_MSS,
        .cwnd = 1 << 20,
        .rcv_nxt = 0x01020304,
    };
    tcb.flow_sum = segment_flow_sum(&tcb.flow);
    queue_open(&tcb, FIRST);
    return 0;
}

/* Nothing is left once the card has read all. */
static int tear_down(void **state)
{
    (void)state;
    memory_fault = NULL;
    queue_drop(&tcb);
    card_complete(card_unread_count());
    assert_int_equal(queue_memory_bytes(), 0);
    return 0;
}

static void append_copy(uint32_t length)
{
    uint8_t bytes[512];

    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)(0x80 + i % 101);
    }
    assert_true(queue_append_copy(&tcb, bytes, length));
}

static void append_archive(uint32_t offset, uint32_t length)
{
    assert_true(queue_append_archive(&tcb, card_archive + offset, length));
}

/* From the first on: the card checks that the frame stays what it was until it has read it. */
static unsigned send_in_fragments(uint32_t length)
{
    const struct card_frame *frame;

    assert_int_equal(segment_out_send(&tcb, tcb.queue_head, FIRST, length, TCP_FLAG_PSH), 0);
    frame = card_expect();
    assert_int_equal(frame->acknowledgment, tcb.rcv_nxt);
    assert_int_equal(frame->length_bytes, length);
    assert_memory_equal(frame->payload, tcb.queue_head->bytes,
                        length < tcb.queue_head->length_bytes ? length
                                                              : tcb.queue_head->length_bytes);
    return frame->fragment_count;
}

static bool refuse_headers(const struct memory_kind *kind)
{
    return strcmp(kind->name, "tcp_headers") == 0;
}

/* One piece for the card, and no memory but the buffer. */
static void headers_stand_in_front_of_what_was_copied(void **state)
{
    (void)state;
    append_copy(250);
    append_archive(5000, 1000);
    memory_fault = refuse_headers;
    assert_int_equal(send_in_fragments(250), 1);
    card_complete(1);
    assert_int_equal(send_in_fragments(1250), 2);
    queue_drop(&tcb);
    assert_int_equal(queue_memory_bytes(), 512);
    card_complete(1);
}

/* The first frame is checked when the card has read it. */
static void headers_that_the_card_still_reads_are_not_written_over(void **state)
{
    (void)state;
    append_copy(250);
    assert_int_equal(send_in_fragments(250), 1);
    tcb.rcv_nxt++;
    assert_int_equal(send_in_fragments(250), 2);
    card_complete(1);
    tcb.rcv_nxt++;
    assert_int_equal(send_in_fragments(250), 1);
    card_complete(2);
}

/* The headers of a frame hold one buffer. */
static void a_frame_of_two_buffers_has_a_block_for_its_headers(void **state)
{
    (void)state;
    append_copy(432);
    append_copy(100);
    append_archive(5000, 100);
    assert_int_equal(send_in_fragments(632), 4);
    queue_drop(&tcb);
    card_complete(1);
}

static void headers_without_room_in_the_ring_go_at_the_next_try(void **state)
{
    (void)state;
    append_copy(250);
    card_room = 0;
    assert_int_equal(segment_out_send(&tcb, tcb.queue_head, FIRST, 250, 0), -EAGAIN);
    card_room = 1;
    assert_int_equal(send_in_fragments(250), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(headers_stand_in_front_of_what_was_copied),
        TEST(headers_that_the_card_still_reads_are_not_written_over),
        TEST(a_frame_of_two_buffers_has_a_block_for_its_headers),
        TEST(headers_without_room_in_the_ring_go_at_the_next_try),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
