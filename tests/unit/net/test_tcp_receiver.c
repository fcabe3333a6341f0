/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_tcp.c */
/* library: lwip */
/*
 * Tests net/transport/tcp/receiver.c: what becomes of each kind of segment, in numbers that begin
 * anywhere, and what it counts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/tcp/receiver.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_tcp.h"

#define FIN TCP_FLAG_FIN
#define SYN TCP_FLAG_SYN
#define RST TCP_FLAG_RST
#define ACK TCP_FLAG_ACK
#define PSH 0x08
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

#define IN_FLIGHT 5000u /* of ours, in each row */
#define WINDOW    RECEIVER_WINDOW_FIRST_BYTES
#define HALF      0x80000000u

/* Initial numbers of both sides. */
static const uint32_t bases[] = {0, 0x7FFFFFFF, 0x80000000u, 0xFFFFFFFFu, 0xFFFFFFF0u};

static struct tcb tcb;
static const char *row_under_way; /* a failure tells its name */
static uint32_t irs, iss;

static uint64_t counted(unsigned counter)
{
    return counter_read(0, counter);
}

static uint32_t peer(uint32_t offset) /* the peer's byte */
{
    return irs + 1 + offset;
}

static uint32_t own(uint32_t offset)
{
    return iss + 1 + offset;
}

static void open_at(uint32_t base)
{
    if (tcb.state != TCB_CLOSED) {
        tcb_end(&tcb, 0);
    }
    irs = base;
    iss = base + 12345;
    fake_tcp_open(&tcb, irs, iss);
    fake_tcp_sent(&tcb, IN_FLIGHT);
}

/* Acknowledges `acknowledged` bytes of ours. */
static void segment(uint8_t flags, uint32_t offset, uint16_t length, uint32_t acknowledged)
{
    fake_tcp_segment(&tcb, (struct fake_segment){.sequence = peer(offset),
                                                 .acknowledgment = own(acknowledged),
                                                 .window = 400,
                                                 .tcp_flags = flags,
                                                 .payload_bytes = length});
}

static int set_up(void **state)
{
    (void)state;
    fake_tcp_reset();
    memset(&tcb, 0, sizeof(tcb));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (row_under_way != NULL) {
        print_message("row: %s\n", row_under_way);
        row_under_way = NULL;
    }
    if (tcb.state != TCB_CLOSED) {
        tcb_end(&tcb, 0);
    }
    return 0;
}

/* --- One segment each: tcp.md's tables, as rows --- */

enum counted_as { NOTHING, REFUSED, CHALLENGED, REFUSED_AND_CHALLENGED };

struct row {
    const char *what;
    uint8_t flags;
    uint32_t offset; /* from rcv_nxt, 100 bytes into the peer's stream */
    uint16_t length;
    uint32_t acknowledged; /* of IN_FLIGHT */
    bool is_acknowledgment_taken;
    uint32_t taken_bytes;
    enum ack_due ack_due;
    enum tcb_state state;
    enum counted_as counted;
};

static const struct row rows[] = {
    /* RFC 9293 3.10.7.4, in order */
    {"data", ACK, 0, 500, 0, true, 500, ACK_FRESH, TCB_ESTABLISHED, NOTHING},
    {"data with push", ACK | PSH, 0, 500, 0, true, 500, ACK_FRESH, TCB_ESTABLISHED, NOTHING},
    {"data with ECN's bits", ACK | ECE | CWR, 0, 500, 0, true, 500, ACK_FRESH, TCB_ESTABLISHED,
     NOTHING},
    {"urgent data", ACK | URG, 0, 500, 0, true, 500, ACK_FRESH, TCB_ESTABLISHED, NOTHING},
    {"bare acknowledgement", ACK, 0, 0, IN_FLIGHT, true, 0, ACK_NONE, TCB_ESTABLISHED, NOTHING},
    {"data and acknowledgement", ACK, 0, 1, 1, true, 1, ACK_FRESH, TCB_ESTABLISHED, NOTHING},
    {"nothing new", ACK, 0, 0, 0, true, 0, ACK_NONE, TCB_ESTABLISHED, NOTHING},
    {"FIN", ACK | FIN, 0, 0, 0, true, 0, ACK_NOW, TCB_CLOSE_WAIT, NOTHING},
    {"data and FIN", ACK | FIN, 0, 10, 7, true, 10, ACK_NOW, TCB_CLOSE_WAIT, NOTHING},
    {"data to the edge", ACK, 0, WINDOW - 100, 0, true, WINDOW - 100, ACK_FRESH, TCB_ESTABLISHED,
     NOTHING},
    /* Acceptability */
    {"data beyond the edge", ACK, 0, WINDOW - 99, 0, true, WINDOW - 100, ACK_FRESH, TCB_ESTABLISHED,
     NOTHING},
    {"FIN beyond the edge", ACK | FIN, 0, WINDOW - 100, 0, true, WINDOW - 100, ACK_FRESH,
     TCB_ESTABLISHED, NOTHING},
    {"data behind a hole", ACK, 1, 500, 0, true, 0, ACK_ALONE, TCB_ESTABLISHED, NOTHING},
    {"FIN behind a hole", ACK | FIN, 1, 0, 0, true, 0, ACK_ALONE, TCB_ESTABLISHED, NOTHING},
    {"the window's last byte", ACK, WINDOW - 101, 1, 0, true, 0, ACK_ALONE, TCB_ESTABLISHED,
     NOTHING},
    {"a byte behind the window", ACK, WINDOW - 100, 1, 0, false, 0, ACK_NOW, TCB_ESTABLISHED,
     CHALLENGED},
    {"FIN behind the window", ACK | FIN, WINDOW - 100, 0, 0, false, 0, ACK_NOW, TCB_ESTABLISHED,
     CHALLENGED},
    {"half of the numbers ahead", ACK, HALF, 1, 0, false, 0, ACK_NOW, TCB_ESTABLISHED, CHALLENGED},
    {"half of the numbers behind", ACK, HALF + 1, 1, 0, false, 0, ACK_NOW, TCB_ESTABLISHED,
     CHALLENGED},
    {"overlap on the left", ACK, (uint32_t)-10, 15, 3, true, 5, ACK_NOW, TCB_ESTABLISHED, NOTHING},
    {"all of it a duplicate", ACK, (uint32_t)-10, 10, 3, false, 0, ACK_NOW, TCB_ESTABLISHED,
     CHALLENGED},
    {"overlap on both sides", ACK, (uint32_t)-10, 65535, 0, true, WINDOW - 100, ACK_NOW,
     TCB_ESTABLISHED, NOTHING},
    {"a duplicate with a FIN that is none", ACK | FIN, (uint32_t)-10, 10, 3, true, 0, ACK_NOW,
     TCB_CLOSE_WAIT, NOTHING},
    {"keepalive", ACK, (uint32_t)-1, 0, 0, false, 0, ACK_NOW, TCB_ESTABLISHED, CHALLENGED},
    {"bare, within the window", ACK, 77, 0, 4, true, 0, ACK_NONE, TCB_ESTABLISHED, NOTHING},
    {"bare, at the edge", ACK, WINDOW - 100, 0, 4, true, 0, ACK_NONE, TCB_ESTABLISHED, NOTHING},
    {"bare, beyond the edge", ACK, WINDOW - 99, 0, 4, false, 0, ACK_NOW, TCB_ESTABLISHED,
     CHALLENGED},
    /* RFC 5961 3.2 */
    {"exact reset", RST, 0, 0, 0, false, 0, ACK_NONE, TCB_CLOSED, NOTHING},
    {"exact reset with ACK", RST | ACK, 0, 0, 77777, false, 0, ACK_NONE, TCB_CLOSED, NOTHING},
    {"reset in the window", RST, 1, 0, 0, false, 0, ACK_NOW, TCB_ESTABLISHED,
     REFUSED_AND_CHALLENGED},
    {"reset at its end", RST, WINDOW - 101, 0, 0, false, 0, ACK_NOW, TCB_ESTABLISHED,
     REFUSED_AND_CHALLENGED},
    {"reset behind it", RST, WINDOW - 100, 0, 0, false, 0, ACK_NONE, TCB_ESTABLISHED, REFUSED},
    {"reset before it", RST, (uint32_t)-1, 0, 0, false, 0, ACK_NONE, TCB_ESTABLISHED, REFUSED},
    {"reset with SYN", RST | SYN, 0, 0, 0, false, 0, ACK_NONE, TCB_ESTABLISHED, REFUSED},
    /* RFC 5961 4.2 */
    {"SYN", SYN, 0, 0, 0, false, 0, ACK_NOW, TCB_ESTABLISHED, REFUSED_AND_CHALLENGED},
    {"SYN anywhere", SYN, HALF, 0, 0, false, 0, ACK_NOW, TCB_ESTABLISHED, REFUSED_AND_CHALLENGED},
    {"SYN with ACK", SYN | ACK, (uint32_t)-101, 0, 0, false, 0, ACK_NOW, TCB_ESTABLISHED,
     REFUSED_AND_CHALLENGED},
    {"SYN with FIN", SYN | FIN, 0, 9, 0, false, 0, ACK_NOW, TCB_ESTABLISHED,
     REFUSED_AND_CHALLENGED},
    /* RFC 5961 5.2 */
    {"no ACK", 0, 0, 500, 0, false, 0, ACK_NONE, TCB_ESTABLISHED, REFUSED},
    {"FIN without ACK", FIN, 0, 0, 0, false, 0, ACK_NONE, TCB_ESTABLISHED, REFUSED},
    {"of what was not sent", ACK, 0, 500, IN_FLIGHT + 1, false, 0, ACK_NOW, TCB_ESTABLISHED,
     REFUSED_AND_CHALLENGED},
    {"half of the numbers ahead", ACK, 0, 500, HALF, false, 0, ACK_NOW, TCB_ESTABLISHED,
     REFUSED_AND_CHALLENGED},
    {"old, and possible", ACK, 0, 500, (uint32_t)-FAKE_SND_WND, true, 500, ACK_FRESH,
     TCB_ESTABLISHED, NOTHING},
    {"too old", ACK, 0, 500, (uint32_t)-FAKE_SND_WND - 1, false, 0, ACK_NOW, TCB_ESTABLISHED,
     REFUSED_AND_CHALLENGED},
};

static void expect_row(const struct row *row, uint32_t taken_before, const uint64_t before[3])
{
    bool is_challenged = row->counted == CHALLENGED || row->counted == REFUSED_AND_CHALLENGED;
    bool is_refused = row->counted == REFUSED || row->counted == REFUSED_AND_CHALLENGED;

    assert_int_equal(tcb.state, row->state);
    assert_int_equal(fake.acknowledge_count, row->is_acknowledgment_taken);
    assert_int_equal(counted(COUNTER_DROP_PROTOCOL) - before[0], is_refused);
    assert_int_equal(counted(COUNTER_TCP_CHALLENGES_SENT) - before[1], is_challenged);
    assert_int_equal(counted(COUNTER_TCP_RESETS) - before[2], row->state == TCB_CLOSED);
    assert_int_equal(fake.ended_count, row->state == TCB_CLOSED);
    if (row->state == TCB_CLOSED) {
        assert_int_equal(fake.ended_error, ECONNRESET);
        return;
    }
    fake_tcp_expect_stream(taken_before + row->taken_bytes);
    assert_int_equal(tcb.rcv_nxt,
                     peer(taken_before + row->taken_bytes) + (row->state == TCB_CLOSE_WAIT));
    assert_int_equal(tcb.rcv_unread_bytes, taken_before + row->taken_bytes);
    assert_int_equal(fake.peer_closed_count, row->state == TCB_CLOSE_WAIT);
    assert_int_equal(tcb.ack_due, row->ack_due);
    assert_true(row->ack_due == ACK_NONE || fake.unsettled_count != 0);
}

static void each_kind_of_segment_has_its_action_and_counter(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        for (unsigned j = 0; j < ARRAY_COUNT(rows); j++) {
            uint64_t before[3];

            open_at(bases[i]);
            segment(ACK, 0, 100, 0); /* so that there are duplicates */
            receiver_note_ack_sent(&tcb, receiver_window(&tcb));
            tcb.rcv_edge = peer(WINDOW);
            fake.acknowledge_count = fake.unsettled_count = 0;
            before[0] = counted(COUNTER_DROP_PROTOCOL);
            before[1] = counted(COUNTER_TCP_CHALLENGES_SENT);
            before[2] = counted(COUNTER_TCP_RESETS);
            row_under_way = rows[j].what;
            segment(rows[j].flags, 100 + rows[j].offset, rows[j].length, rows[j].acknowledged);
            expect_row(&rows[j], 100, before);
        }
    }
    row_under_way = NULL;
}

/* --- Acknowledgements --- */

static void an_acknowledgement_of_one_segment_waits_ten_milliseconds(void **state)
{
    uint32_t deadline_us = 0;

    (void)state;
    open_at(UINT32_MAX);
    fake_tcp_advance_us(5);
    segment(ACK, 0, 100, 0);
    tcb_settle(&tcb);
    assert_int_equal(tcb.ack_due, ACK_DELAYED);
    assert_true(receiver_deadline(&tcb, &deadline_us));
    assert_int_equal(deadline_us, 5 + RECEIVER_ACK_DELAY_US);
    assert_int_equal(fake.ack_count, 0);
    assert_int_equal(timer_next_deadline_ns(), (5 + RECEIVER_ACK_DELAY_US) * NS_PER_US);
    fake_tcp_advance_us(RECEIVER_ACK_DELAY_US - 1);
    fake_tcp_expire(&tcb);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 0);
    fake_tcp_advance_us(1);
    fake_tcp_expire(&tcb);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    assert_int_equal(fake.ack_number, peer(100));
    assert_false(receiver_deadline(&tcb, &deadline_us));
}

static void a_second_segment_is_acknowledged_at_the_end_of_the_round(void **state)
{
    (void)state;
    open_at(0);
    for (unsigned i = 0; i < 5; i++) {
        segment(ACK, i * 100, 100, 0);
    }
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1); /* for all of the round */
    assert_int_equal(fake.ack_number, peer(500));
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    segment(ACK, 500, 100, 0);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    segment(ACK, 600, 100, 0);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 2);
}

static void an_answer_carries_the_acknowledgement(void **state)
{
    (void)state;
    open_at(0);
    segment(ACK, 0, 100, 0);
    segment(ACK, 100, 100, 0);
    fake.has_data = true;
    tcb_settle(&tcb);
    assert_int_equal(fake.data_count, 1);
    assert_int_equal(fake.ack_count, 0);
    assert_int_equal(tcb.ack_due, ACK_NONE);
}

/* RFC 5681 2: with data it would not count as a duplicate. */
static void a_hole_is_told_of_before_any_data(void **state)
{
    static const uint8_t expected[] = {1, 1, 5, 10};

    (void)state;
    open_at(UINT32_MAX - 1000);
    segment(ACK, 1000, 500, 0);
    fake.has_data = true;
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    assert_int_equal(fake.data_count, 1);
    assert_int_equal(fake.ack_number, peer(0));
    assert_int_equal(fake.sack_bytes, 12);
    assert_memory_equal(fake.sack, expected, sizeof(expected));
    segment(ACK, 0, 1000, 0); /* the hole is filled: at once, and data may carry it */
    assert_int_equal(tcb.ack_due, ACK_NOW);
    fake_tcp_expect_stream(1500);
    fake.has_data = true;
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    assert_int_equal(receiver_put_sack(&tcb, fake.sack), 0);
}

static void an_acknowledgement_without_room_is_tried_again(void **state)
{
    (void)state;
    open_at(0);
    segment(ACK, 0, 100, 0);
    segment(ACK, 100, 100, 0);
    fake.send_error = -EAGAIN;
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 0);
    assert_int_equal(fake.wheel_ns, NS_PER_MS);
    fake_tcp_advance_us(1000);
    fake_tcp_expire(&tcb);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    segment(ACK | FIN, 200, 0, 0);
    fake.send_error = -ENODEV; /* lost as on any wire */
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    assert_int_equal(tcb.ack_due, ACK_NONE);
}

/* RFC 5961 7; the count is each connection's own. */
static void challenges_are_ten_in_five_seconds(void **state)
{
    uint64_t sent = counted(COUNTER_TCP_CHALLENGES_SENT);
    uint64_t withheld = counted(COUNTER_TCP_CHALLENGES_WITHHELD);

    (void)state;
    open_at(0);
    fake_tcp_advance_us(1);
    for (unsigned i = 0; i < 15; i++) {
        segment(SYN, 0, 0, 0);
        tcb_settle(&tcb);
    }
    assert_int_equal(fake.ack_count, RECEIVER_CHALLENGES);
    assert_int_equal(counted(COUNTER_TCP_CHALLENGES_SENT) - sent, RECEIVER_CHALLENGES);
    assert_int_equal(counted(COUNTER_TCP_CHALLENGES_WITHHELD) - withheld, 5);
    fake_tcp_advance_us(RECEIVER_CHALLENGES_PERIOD_US - 1);
    segment(SYN, 0, 0, 0);
    assert_int_equal(counted(COUNTER_TCP_CHALLENGES_WITHHELD) - withheld, 6);
    fake_tcp_advance_us(1);
    segment(ACK, (uint32_t)-5, 5, 0); /* a duplicate takes from the same */
    assert_int_equal(counted(COUNTER_TCP_CHALLENGES_SENT) - sent, RECEIVER_CHALLENGES + 1);
    segment(ACK, 0, 100, 0); /* what is in order has no limit */
    segment(ACK, 100, 100, 0);
    assert_int_equal(tcb.ack_due, ACK_NOW);
}

/* --- The window --- */

static void the_windows_edge_never_moves_left(void **state)
{
    uint32_t edge, bytes = 0;

    (void)state;
    open_at(UINT32_MAX - 30000);
    edge = tcb.rcv_edge;
    assert_int_equal(edge, peer(WINDOW));
    while (bytes < WINDOW) {
        uint16_t length = WINDOW - bytes < 999 ? (uint16_t)(WINDOW - bytes) : 999;

        segment(ACK, bytes, length, 0);
        bytes += length;
        receiver_note_ack_sent(&tcb, receiver_window(&tcb));
        assert_int_equal(tcb.rcv_edge, edge); /* nobody reads: nor right */
        assert_true(receiver_window(&tcb) <= (edge - tcb.rcv_nxt) >> RECEIVER_SCALE);
    }
    assert_int_equal(receiver_window(&tcb), 0);
    receiver_consumed(&tcb, FAKE_MSS - 2); /* one less than the buffer holds is under way */
    receiver_note_ack_sent(&tcb, receiver_window(&tcb));
    assert_int_equal(tcb.rcv_edge, edge);
    assert_int_equal(receiver_window(&tcb), 0); /* no silly window */
    receiver_consumed(&tcb, 1);
    assert_int_equal(receiver_window(&tcb), FAKE_MSS >> RECEIVER_SCALE);
    receiver_note_ack_sent(&tcb, receiver_window(&tcb));
    assert_int_equal(tcb.rcv_edge, edge + ALIGN_DOWN(FAKE_MSS, 128));
}

static void an_opened_window_is_told_of(void **state)
{
    (void)state;
    open_at(0);
    for (unsigned i = 0; i < 60; i++) {
        segment(ACK, i * 1000, 1000, 0);
    }
    tcb_settle(&tcb);
    fake.ack_count = 0;
    receiver_consumed(&tcb, 1998);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 0);
    receiver_consumed(&tcb, 1);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
    assert_true((uint32_t)fake.ack_window << RECEIVER_SCALE > WINDOW - 60000);
}

/* RFC 9293 3.10.7.4: special allowance for what it acknowledges; 3.8.6.1. */
static void a_closed_window_refuses_bytes_and_takes_acknowledgements(void **state)
{
    (void)state;
    open_at(0x7FFF0000);
    segment(ACK, 0, WINDOW, 0);
    tcb_settle(&tcb);
    fake_tcp_expect_stream(WINDOW);
    segment(ACK, WINDOW, 1, 10); /* a probe */
    assert_int_equal(tcb.snd_una, own(10));
    assert_int_equal(tcb.ack_due, ACK_NOW);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_number, peer(WINDOW));
    assert_int_equal(fake.ack_window, 0);
    segment(ACK, WINDOW, 0, 20);
    assert_int_equal(tcb.snd_una, own(20));
    segment(ACK | FIN, WINDOW, 0, 30); /* waits like a byte */
    assert_int_equal(tcb.state, TCB_ESTABLISHED);
    assert_int_equal(fake.peer_closed_count, 0);
    segment(ACK | FIN, WINDOW - 5, 5, 40); /* the FIN alone is new: it is refused as a whole */
    assert_int_equal(tcb.snd_una, own(30));
    assert_int_equal(tcb.rcv_nxt, peer(WINDOW));
    segment(RST, WINDOW + 1, 0, 0);
    assert_int_equal(tcb.state, TCB_ESTABLISHED);
    segment(RST, WINDOW, 0, 0);
    assert_int_equal(tcb.state, TCB_CLOSED);
}

/* `rounds` round trips in each of which the application takes a whole window. */
static void take_windows(uint32_t rounds)
{
    for (uint32_t offset = tcb.rcv_nxt - peer(0); rounds != 0; rounds--) {
        uint32_t left = tcb.rcv_edge - tcb.rcv_nxt;

        fake.stream_bytes = 0;
        while (left != 0) {
            uint16_t length = left < 60000 ? (uint16_t)left : 60000;

            segment(ACK, offset, length, 0);
            fake.stream_bytes = 0;
            offset += length;
            left -= length;
        }
        fake_tcp_advance_us(1000); /* what the handshake took */
        receiver_consumed(&tcb, tcb.rcv_unread_bytes);
        receiver_note_ack_sent(&tcb, receiver_window(&tcb));
    }
}

static void the_buffer_grows_with_what_the_application_takes(void **state)
{
    (void)state;
    fake_memory_total_bytes = 2 * RECEIVER_PART_OF_MEMORY * RECEIVER_BUFFER_MAX_BYTES;
    receiver_initialise();
    open_at(0);
    assert_int_equal(tcb.rcv_buffer_bytes, RECEIVER_BUFFER_FIRST_BYTES);
    take_windows(1);
    assert_int_equal(tcb.rcv_buffer_bytes, 2 * WINDOW);
    take_windows(20);
    assert_int_equal(tcb.rcv_buffer_bytes, RECEIVER_BUFFER_MAX_BYTES);
    assert_int_equal(tcb.rcv_edge - tcb.rcv_nxt, RECEIVER_BUFFER_MAX_BYTES);
}

/* The others go on with what they have, and what has ended gives it back. */
static void all_buffers_together_grow_to_a_part_of_the_nodes_memory(void **state)
{
    (void)state;
    fake_memory_total_bytes = RECEIVER_PART_OF_MEMORY * (MIB - RECEIVER_BUFFER_FIRST_BYTES);
    receiver_initialise();
    for (unsigned i = 0; i < 2; i++) {
        open_at(0);
        take_windows(20);
        assert_in_range(tcb.rcv_buffer_bytes, MIB / 4, MIB);
        tcb_end(&tcb, 0);
    }
}

/* However many an address has: they leave a third to others. */
static void buffers_of_one_address_leave_room_for_others_to_grow(void **state)
{
    static struct tcb first;

    (void)state;
    fake_memory_total_bytes = RECEIVER_PART_OF_MEMORY * MIB;
    receiver_initialise();
    open_at(0);
    take_windows(20);
    first = tcb; /* it goes on as a copy: nothing is linked to it */
    memset(&tcb, 0, sizeof(tcb));
    open_at(0);
    take_windows(20);
    assert_in_range(first.rcv_buffer_bytes + tcb.rcv_buffer_bytes, MIB / 2, MIB * 3 / 4);
    tcb_end(&first, 0);
}

static void the_buffer_does_not_grow_for_who_takes_little(void **state)
{
    (void)state;
    open_at(0);
    for (unsigned i = 0; i < 1000; i++) {
        segment(ACK, i * 1000, 1000, 0);
        fake.stream_bytes = 0;
        fake_tcp_advance_us(500); /* a kilobyte or two in a round trip */
        receiver_consumed(&tcb, 1000);
        receiver_note_ack_sent(&tcb, receiver_window(&tcb));
    }
    assert_int_equal(tcb.rcv_buffer_bytes, RECEIVER_BUFFER_FIRST_BYTES);
}

/* RFC 7323: whose window cannot be said in more than 16 bits. */
static void without_a_scale_the_window_is_what_the_field_holds(void **state)
{
    (void)state;
    open_at(0);
    tcb.rcv_scale = 0;
    take_windows(20);
    assert_int_equal(tcb.rcv_buffer_bytes, RECEIVER_BUFFER_FIRST_BYTES);
    assert_int_equal(receiver_window(&tcb), 65535);
}

/* --- Odd ends --- */

static void options_reach_the_send_half(void **state)
{
    struct fake_segment with = {.sequence = 0,
                                .tcp_flags = ACK,
                                .option_bytes = 12,
                                .options = {1, 1, 5, 10},
                                .payload_bytes = 10};

    (void)state;
    open_at(0);
    with.sequence = peer(0);
    with.acknowledgment = own(0);
    fake_tcp_segment(&tcb, with);
    assert_true(fake.had_options);
    fake_tcp_expect_stream(10);
}

static void a_segment_without_memory_is_lost_and_its_acknowledgement_is_not(void **state)
{
    (void)state;
    open_at(0);
    fake.is_out_of_memory = true;
    segment(ACK | FIN, 0, 10, 10);
    assert_int_equal(tcb.snd_una, own(10));
    assert_int_equal(tcb.rcv_nxt, peer(0));
    assert_int_equal(tcb.state, TCB_ESTABLISHED);
    fake.is_out_of_memory = false;
    segment(ACK | FIN, 0, 10, 10);
    assert_int_equal(tcb.state, TCB_CLOSE_WAIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(each_kind_of_segment_has_its_action_and_counter),
        TEST(an_acknowledgement_of_one_segment_waits_ten_milliseconds),
        TEST(a_second_segment_is_acknowledged_at_the_end_of_the_round),
        TEST(an_answer_carries_the_acknowledgement),
        TEST(a_hole_is_told_of_before_any_data),
        TEST(an_acknowledgement_without_room_is_tried_again),
        TEST(challenges_are_ten_in_five_seconds),
        TEST(the_windows_edge_never_moves_left),
        TEST(an_opened_window_is_told_of),
        TEST(a_closed_window_refuses_bytes_and_takes_acknowledgements),
        TEST(the_buffer_grows_with_what_the_application_takes),
        TEST(all_buffers_together_grow_to_a_part_of_the_nodes_memory),
        TEST(buffers_of_one_address_leave_room_for_others_to_grow),
        TEST(the_buffer_does_not_grow_for_who_takes_little),
        TEST(without_a_scale_the_window_is_what_the_field_holds),
        TEST(options_reach_the_send_half),
        TEST(a_segment_without_memory_is_lost_and_its_acknowledgement_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
