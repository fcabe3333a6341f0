/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_card.c */
/*
 * Tests net/transport/tcp/segment_out.c and segment_remote.c: on this node, and through the link
 * server of another one, whose checks are the real ones.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/tcp_card.h"

#define FIRST 0xFFFFFFF0u

static struct tcb tcb;
static unsigned waiting_count;
static uint8_t queued[256 * 1024];

void blocked_add(struct tcb *of)
{
    assert_ptr_equal(of, &tcb);
    waiting_count++;
}

static int set_up(void **state)
{
    (void)state;
    card_reset();
    queue_initialise();
    segment_out_initialise();
    waiting_count = 0;
    tcb = (struct tcb){
        .flow = {.remote_address = CARD_NEIGHBOR_ADDRESS,
                 .local_address = CARD_LOCAL_ADDRESS,
                 .remote_port = 0x3412,
                 .local_port = 0x5000},
        .mss = CARD_MSS,
        .cwnd = 1 << 20,
        .rcv_nxt = 0x01020304,
        .ack_due = ACK_NOW,
    };
    tcb.flow_sum = segment_flow_sum(&tcb.flow);
    queue_open(&tcb, FIRST);
    return 0;
}

static int set_up_remote(void **state)
{
    int result = set_up(state);

    card_is_remote = true;
    return result;
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
    uint8_t bytes[8192];

    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)(0x80 + i % 101);
    }
    assert_true(queue_append_copy(&tcb, bytes, length));
}

static void append_archive(uint32_t offset, uint32_t length)
{
    assert_true(queue_append_archive(&tcb, card_archive + offset, length));
}

/* All that is queued, one behind the other. */
static uint32_t gather_queued(void)
{
    uint32_t length = 0;

    for (const struct reference *i = tcb.queue_head; i != NULL; i = i->next) {
        if (i->length_bytes != 0) {
            memcpy(queued + length, i->bytes, i->length_bytes);
        }
        length += i->length_bytes;
    }
    return length;
}

static int send(uint32_t offset, uint32_t length, uint8_t tcp_flags)
{
    const struct reference *first = tcb.queue_head;

    while (first != NULL && first->next != NULL && first->next->sequence - FIRST <= offset) {
        first = first->next;
    }
    return segment_out_send(&tcb, first, FIRST + offset, length, tcp_flags);
}

/* Send, and find the very bytes in the frame. */
static const struct card_frame *expect_sent(uint32_t offset, uint32_t length)
{
    const struct card_frame *frame;

    (void)gather_queued();
    assert_int_equal(send(offset, length, TCP_FLAG_PSH), 0);
    frame = card_expect();
    assert_int_equal(frame->sequence, FIRST + offset);
    assert_int_equal(frame->length_bytes, length);
    assert_memory_equal(frame->payload, queued + offset, length);
    assert_int_equal(frame->tcp_flags, TCP_FLAG_ACK | TCP_FLAG_PSH);
    return frame;
}

/* --- One frame --- */

static void an_acknowledgement_has_headers_of_the_connections_numbers(void **state)
{
    static const uint8_t mac[6] = {2, 0xFF, 10, 0, 0, 5};
    const struct card_frame *frame;
    const uint8_t *tcp;

    (void)state;
    assert_int_equal(segment_out_send(&tcb, NULL, FIRST, 0, 0), 0);
    frame = card_expect();
    tcp = frame->headers + 34;
    assert_memory_equal(frame->headers, mac, 6);
    assert_int_equal(load_be32(frame->headers + 26), 0x0A000001);
    assert_int_equal(load_be32(frame->headers + 30), 0x0A000005);
    assert_int_equal(load_be16(tcp), 0x0050);
    assert_int_equal(load_be16(tcp + 2), 0x1234);
    assert_int_equal(frame->sequence, FIRST);
    assert_int_equal(frame->acknowledgment, 0x01020304);
    assert_int_equal(frame->window, 0x4321);
    assert_int_equal(frame->tcp_flags, TCP_FLAG_ACK);
    assert_int_equal(frame->length_bytes, 0);
    assert_int_equal(card_acks_noted, 1);
}

static void what_is_far_away_goes_to_the_gateway(void **state)
{
    static const uint8_t mac[6] = {2, 0xFF, 10, 0, 0, 254};

    (void)state;
    tcb.flow.remote_address = CARD_FAR_ADDRESS;
    tcb.flow_sum = segment_flow_sum(&tcb.flow);
    assert_int_equal(segment_out_send(&tcb, NULL, FIRST, 0, 0), 0);
    assert_memory_equal(card_expect()->headers, mac, 6);
}

static void head_and_file_and_fin_are_one_frame(void **state)
{
    const struct card_frame *frame;

    (void)state;
    append_copy(250);
    append_archive(5000, 14000);
    assert_true(queue_append_fin(&tcb));
    (void)gather_queued();
    assert_int_equal(send(0, 14250, TCP_FLAG_PSH | TCP_FLAG_FIN), 0);
    frame = card_expect();
    assert_int_equal(frame->tcp_flags, TCP_FLAG_ACK | TCP_FLAG_PSH | TCP_FLAG_FIN);
    assert_int_equal(frame->length_bytes, 14250);
    assert_int_equal(frame->segment_bytes, CARD_MSS);
    assert_memory_equal(frame->payload, queued, 14250);
}

static void a_part_of_references_is_sent_from_within(void **state)
{
    (void)state;
    append_copy(3000);
    append_archive(77, 20000);
    append_copy(100);
    (void)expect_sent(0, 1);
    (void)expect_sent(2999, 2);
    (void)expect_sent(1234, 1460);
    (void)expect_sent(1500, 14600);
    (void)expect_sent(23000, 100);
}

static void long_pieces_stay_whole(void **state)
{
    (void)state;
    append_archive(3, 64240);
    assert_int_equal(expect_sent(0, 64240)->fragment_count, 2);
}

static void sack_goes_without_payload_only(void **state)
{
    static uint8_t loan; /* something waits beyond a hole: it is not looked into here */
    const struct card_frame *frame;

    (void)state;
    card_sack_bytes = 12;
    tcb.loan = (struct loan *)&loan;
    append_copy(1460);
    assert_int_equal(expect_sent(0, 1460)->option_bytes, 0);
    assert_int_equal(segment_out_send(&tcb, NULL, FIRST, 0, 0), 0);
    frame = card_expect();
    assert_int_equal(frame->option_bytes, 12);
    assert_int_equal(frame->headers[54], 0xC0);
    assert_int_equal(frame->headers[65], 0xCB);
    tcb.loan = NULL;
    assert_int_equal(segment_out_send(&tcb, NULL, FIRST, 0, 0), 0);
    assert_int_equal(card_expect()->option_bytes, 0); /* nor without a hole */
}

/* --- What one frame takes --- */

static void one_segment_fits_without_a_card_that_cuts(void **state)
{
    (void)state;
    append_archive(0, 100000);
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 100000), 64240);
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 70000), 64240);
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 3000), 3000);
    tcb.mss = 1000;
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 100000), 65000);
    card_can_cut = false;
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 100000), 1000);
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 10), 10);
}

/* Pieces as small as can be: the frame has as many as it may. */
static void no_more_pieces_fit_than_a_frame_has(void **state)
{
    uint32_t fitting;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        append_archive(i * 100, 90);
    }
    fitting = segment_out_fit(&tcb, tcb.queue_head, 3600);
    assert_int_equal(fitting, 15 * 90);
    assert_int_equal(expect_sent(0, fitting)->fragment_count, FRAME_FRAGMENT_MAX);
}

/* --- Who holds what --- */

static void a_frame_holds_its_buffers_until_the_card_has_read_it(void **state)
{
    (void)state;
    append_copy(1968); /* two buffers, large and small */
    append_copy(400);
    (void)expect_sent(0, 1460);
    (void)expect_sent(1460, 908);
    queue_drop(&tcb);
    assert_int_equal(queue_memory_bytes(), 2048 + 512);
    queue_open(&tcb, FIRST);
    append_copy(1968); /* takes others: the card checks that those are what they were */
    append_copy(400);
    card_complete(1);
    assert_int_equal(queue_memory_bytes(), 2 * (2048 + 512) + 2 * 48);
    card_complete(1);
    assert_int_equal(queue_memory_bytes(), 2048 + 512 + 2 * 48);
}

static void without_room_nothing_has_happened_but_that_it_waits(void **state)
{
    uint64_t before_bytes;

    (void)state;
    append_copy(700);
    before_bytes = queue_memory_bytes();
    card_room = 0;
    assert_int_equal(send(0, 700, 0), -EAGAIN);
    assert_int_equal(waiting_count, 1);
    assert_int_equal(card_acks_noted, 0);
    assert_int_equal(queue_memory_bytes(), before_bytes);
    card_room = 1;
    (void)expect_sent(0, 700);
    assert_int_equal(waiting_count, 1);
}

static bool refuse_headers(const struct memory_kind *kind)
{
    return strcmp(kind->name, "tcp_headers") == 0;
}

static void without_memory_for_headers_it_waits_too(void **state)
{
    (void)state;
    append_copy(700);
    memory_fault = refuse_headers;
    assert_int_equal(send(1, 699, 0), -EAGAIN); /* without any in front of it */
    assert_int_equal(waiting_count, 1);
    (void)expect_sent(0, 700);
}

static void without_a_link_server_it_is_lost_and_counted(void **state)
{
    (void)state;
    append_copy(700);
    card_error = -ENODEV;
    assert_int_equal(send(0, 700, 0), -ENODEV);
    assert_int_equal(status_own_page->counters[COUNTER_DROP_NO_DEVICE], 1);
    assert_int_equal(waiting_count, 0);
    assert_int_equal(card_acks_noted, 1); /* as if it had been lost on the wire */
}

static void without_a_neighbour_it_is_lost_and_the_neighbour_asked_for(void **state)
{
    (void)state;
    append_copy(700);
    card_knows_neighbors = false;
    assert_int_equal(send(0, 700, 0), -ENODEV);
    assert_int_equal(status_own_page->counters[COUNTER_DROP_NO_NEIGHBOR], 1);
    assert_int_equal(card_asked_for, CARD_NEIGHBOR_ADDRESS);
    assert_null(card_take());
}

/* --- Through another node --- */

static void short_segments_go_in_one_frame_message(void **state)
{
    (void)state;
    append_copy(1000);
    append_archive(10, 460);
    assert_int_equal(expect_sent(0, 1000)->fragment_count, 1);
    assert_int_equal(segment_out_send(&tcb, NULL, FIRST, 0, 0), 0);
    assert_int_equal(card_expect()->length_bytes, 0);
    assert_int_equal(expect_sent(1200, 260)->fragment_count, 2); /* worth a reference */
    assert_int_equal(expect_sent(1205, 255)->fragment_count, 1); /* not */
    assert_int_equal(card_message_count, 4);
}

static void a_long_segment_is_one_message_if_it_can_be(void **state)
{
    uint32_t length;

    (void)state;
    append_copy(250);
    append_archive(99, 60000);
    assert_true(queue_append_fin(&tcb));
    length = segment_out_fit(&tcb, tcb.queue_head, 60250);
    assert_int_equal(length, 60250);
    assert_int_equal(expect_sent(0, length)->segment_bytes, CARD_MSS);
    assert_int_equal(card_message_count, 1);
}

/* A message copies 1,460 bytes at most, and has three runs. */
static void what_one_message_cannot_say_does_not_fit(void **state)
{
    (void)state;
    append_copy(4000);
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 4000), 1460);
    (void)expect_sent(0, 1460);

    queue_drop(&tcb);
    queue_open(&tcb, FIRST);
    for (unsigned i = 0; i < 4; i++) {
        append_archive(i * 2000, 1000);
    }
    assert_int_equal(segment_out_fit(&tcb, tcb.queue_head, 4000), 3000);
    (void)expect_sent(0, 3000);
    (void)expect_sent(0, 2920); /* and any less of it */
    (void)expect_sent(0, 2001);
    (void)expect_sent(0, 1461);
}

/* However small the pieces are, a segment of the least length goes. */
static void a_whole_segment_always_fits(void **state)
{
    uint32_t length;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        append_archive(i * 1000, 300);
        append_copy(20);
    }
    length = segment_out_fit(&tcb, tcb.queue_head, 6400);
    assert_int_equal(length, 1460);
    for (uint32_t offset = 0; offset < 1500; offset += 37) {
        (void)expect_sent(offset, length);
        (void)expect_sent(offset, 1 + offset % 700);
        card_complete(2);
    }
}

static void every_part_of_what_fits_can_be_sent(void **state)
{
    uint32_t length;

    (void)state;
    append_copy(700);
    append_archive(5, 3000);
    append_copy(300);
    append_archive(5, 2000);
    append_copy(400);
    append_archive(5, 100);
    append_copy(300);
    length = segment_out_fit(&tcb, tcb.queue_head, 6800);
    assert_int_equal(length, 6500);
    for (uint32_t part = 1; part <= length; part += 13) {
        (void)expect_sent(0, part);
        card_complete(1);
    }
}

static void a_full_channel_is_no_room(void **state)
{
    (void)state;
    append_copy(700);
    card_room = 0;
    assert_int_equal(send(0, 700, 0), -EAGAIN);
    assert_int_equal(waiting_count, 1);
    card_error = -ENODEV;
    assert_int_equal(send(0, 700, 0), -ENODEV);
    assert_int_equal(status_own_page->counters[COUNTER_DROP_NO_DEVICE], 1);
}

/* --- Segments of no connection --- */

static void bare_segments_have_what_they_say(void **state)
{
    struct bare_segment segment = {.flow = tcb.flow,
                                   .sequence = 1,
                                   .acknowledgment = 2,
                                   .window = 3,
                                   .tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK,
                                   .option_bytes = 8,
                                   .options = {2, 4, 5, 0xB4, 1, 3, 3, 7}};
    const struct card_frame *frame;

    (void)state;
    segment_out_send_bare(&segment);
    frame = card_expect();
    assert_int_equal(frame->sequence, 1);
    assert_int_equal(frame->acknowledgment, 2);
    assert_int_equal(frame->window, 3);
    assert_int_equal(frame->tcp_flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
    assert_int_equal(frame->option_bytes, 8);
    assert_memory_equal(frame->headers + 54, segment.options, 8);
}

static void a_bare_segment_without_room_is_lost_and_counted(void **state)
{
    struct bare_segment segment = {.flow = tcb.flow};

    (void)state;
    card_room = 0;
    segment_out_send_bare(&segment);
    assert_int_equal(status_own_page->counters[COUNTER_DROP_TX_FULL], 1);
    card_error = -ENODEV;
    segment_out_send_bare(&segment);
    assert_int_equal(status_own_page->counters[COUNTER_DROP_NO_DEVICE], 1);
    assert_null(card_take());
}

static void a_bare_segment_waits_for_its_neighbour(void **state)
{
    struct bare_segment segment = {.flow = tcb.flow, .sequence = 0x11223344, .option_bytes = 4};

    (void)state;
    card_knows_neighbors = false;
    segment_out_send_bare(&segment);
    assert_int_equal(card_later_count, 1);
    assert_int_equal(card_asked_for, CARD_NEIGHBOR_ADDRESS);
    assert_int_equal(card_later_bytes, 44);
    assert_int_equal(card_later[0], 0x45);
    assert_int_equal(load_be32(card_later + 24), 0x11223344);
}

static struct packet strange_packet(uint8_t tcp_flags, uint16_t payload_bytes)
{
    return (struct packet){.flow = tcb.flow,
                           .sequence = 0xFFFFFFFE,
                           .acknowledgment = 5000,
                           .tcp_flags = tcp_flags,
                           .payload_bytes = payload_bytes};
}

/* RFC 9293 3.10.7.1. */
static void strangers_are_reset(void **state)
{
    struct packet with_ack = strange_packet(TCP_FLAG_ACK | TCP_FLAG_PSH, 10);
    struct packet syn = strange_packet(TCP_FLAG_SYN, 0);
    struct packet other = strange_packet(TCP_FLAG_FIN, 10);
    struct packet reset = strange_packet(TCP_FLAG_RST | TCP_FLAG_ACK, 0);
    const struct card_frame *frame;

    (void)state;
    segment_out_refuse(&with_ack);
    frame = card_expect();
    assert_int_equal(frame->tcp_flags, TCP_FLAG_RST);
    assert_int_equal(frame->sequence, 5000);

    segment_out_refuse(&syn);
    frame = card_expect();
    assert_int_equal(frame->tcp_flags, TCP_FLAG_RST | TCP_FLAG_ACK);
    assert_int_equal(frame->sequence, 0);
    assert_int_equal(frame->acknowledgment, 0xFFFFFFFF);

    segment_out_refuse(&other);
    assert_int_equal(card_expect()->acknowledgment, 9);

    segment_out_refuse(&reset);
    assert_null(card_take());
    assert_int_equal(status_own_page->counters[COUNTER_REFUSALS_SENT], 3);
}

static void resets_are_limited_each_second(void **state)
{
    struct packet syn = strange_packet(TCP_FLAG_SYN, 0);

    (void)state;
    for (unsigned second = 1; second <= 2; second++) {
        for (unsigned i = 0; i < 2000; i++) {
            segment_out_refuse(&syn);
            (void)card_take();
            card_complete(1);
        }
        /* 1,000 and what chance adds, which is 17 here. */
        assert_int_equal(status_own_page->counters[COUNTER_REFUSALS_SENT], second * 1017);
        assert_int_equal(status_own_page->counters[COUNTER_REFUSALS_WITHHELD], second * 983);
        card_now_ns += NS_PER_S;
    }
}

int main(void)
{
#define TEST(name)   cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define REMOTE(name) cmocka_unit_test_setup_teardown(name, set_up_remote, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_acknowledgement_has_headers_of_the_connections_numbers),
        TEST(what_is_far_away_goes_to_the_gateway),
        TEST(head_and_file_and_fin_are_one_frame),
        TEST(a_part_of_references_is_sent_from_within),
        TEST(long_pieces_stay_whole),
        TEST(sack_goes_without_payload_only),
        TEST(one_segment_fits_without_a_card_that_cuts),
        TEST(no_more_pieces_fit_than_a_frame_has),
        TEST(a_frame_holds_its_buffers_until_the_card_has_read_it),
        TEST(without_room_nothing_has_happened_but_that_it_waits),
        TEST(without_memory_for_headers_it_waits_too),
        TEST(without_a_link_server_it_is_lost_and_counted),
        TEST(without_a_neighbour_it_is_lost_and_the_neighbour_asked_for),
        REMOTE(an_acknowledgement_has_headers_of_the_connections_numbers),
        REMOTE(short_segments_go_in_one_frame_message),
        REMOTE(a_long_segment_is_one_message_if_it_can_be),
        REMOTE(what_one_message_cannot_say_does_not_fit),
        REMOTE(a_whole_segment_always_fits),
        REMOTE(every_part_of_what_fits_can_be_sent),
        REMOTE(a_full_channel_is_no_room),
        TEST(bare_segments_have_what_they_say),
        REMOTE(bare_segments_have_what_they_say),
        TEST(a_bare_segment_without_room_is_lost_and_counted),
        REMOTE(a_bare_segment_without_room_is_lost_and_counted),
        TEST(a_bare_segment_waits_for_its_neighbour),
        TEST(strangers_are_reset),
        TEST(resets_are_limited_each_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
