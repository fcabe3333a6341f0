/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_tcp.c */
/* library: lwip */
/*
 * Tests net/transport/tcp/lend.c over the real lwIP: what does not come in order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/counters.h"
#include "net/transport/held.h"
#include "net/transport/tcp/lend.h"
#include "net/transport/tcp/receiver.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_tcp.h"

#include "lwip/opt.h"
#include "lwip/pbuf.h"

#define FIN TCP_FLAG_FIN
#define ACK TCP_FLAG_ACK

#define RTO_US 200000u /* fake_tcp.c's */

static const uint32_t bases[] = {0, 0x7FFFFFFF - 700, 0xFFFFFFFFu, 0xFFFFFFFFu - 700};

static struct tcb tcb;
static uint32_t irs;
static unsigned blocks_before;

static uint64_t counted(unsigned counter)
{
    return counter_read(0, counter);
}

static void open_at(uint32_t base)
{
    irs = base;
    fake_tcp_open(&tcb, irs, 99);
}

static void segment(uint8_t flags, uint32_t offset, uint32_t length)
{
    fake_tcp_segment(&tcb, (struct fake_segment){.sequence = irs + 1 + offset,
                                                 .acknowledgment = tcb.snd_max,
                                                 .window = 400,
                                                 .tcp_flags = flags,
                                                 .payload_bytes = (uint16_t)length});
}

static int set_up(void **state)
{
    (void)state;
    fake_memory_total_bytes = 64 * MIB;
    fake_tcp_reset();
    memset(&tcb, 0, sizeof(tcb));
    blocks_before = fake_memory_blocks();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_fail_allocations_after(-1);
    if (tcb.state != TCB_CLOSED) {
        tcb_end(&tcb, 0);
    }
    assert_int_equal(fake_memory_blocks(), blocks_before);
    assert_int_equal(held_bytes(), 0);
    return 0;
}

/* --- In order after all --- */

static void a_filled_hole_gives_all_behind_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        open_at(bases[i]);
        segment(ACK, 500, 500);
        segment(ACK, 2000, 100);
        segment(ACK, 1500, 500);
        fake_tcp_expect_stream(0);
        segment(ACK, 0, 500);
        fake_tcp_expect_stream(1000);
        assert_non_null(tcb.loan);
        segment(ACK, 1000, 500);
        fake_tcp_expect_stream(2100);
        assert_int_equal(tcb.rcv_nxt, irs + 1 + 2100);
        assert_int_equal(tcb.rcv_unread_bytes, 2100);
        assert_null(tcb.loan); /* it has gone back */
        tcb_end(&tcb, 0);
        assert_int_equal(fake_memory_blocks(), blocks_before);
    }
}

static void bytes_that_overlap_come_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        open_at(bases[i]);
        segment(ACK, 500, 500);
        segment(ACK, 400, 300);
        segment(ACK, 900, 300);
        segment(ACK, 300, 1000);
        segment(ACK, 500, 500);
        segment(ACK, 0, 310);
        fake_tcp_expect_stream(1300);
        segment(ACK, 1200, 200);
        fake_tcp_expect_stream(1400);
        assert_null(tcb.loan);
        tcb_end(&tcb, 0);
    }
}

/* A promise is not exceeded, whoever fills the window later: what lies beyond is cut off when it
 * comes. lwIP keeps the first that waits uncut, and asserts afterwards that it fits. */
static void what_lies_beyond_the_window_is_cut_off(void **state)
{
    uint32_t window;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        open_at(bases[i]);
        window = tcb.rcv_edge - tcb.rcv_nxt;
        segment(ACK | FIN, window - 1, 1000);
        segment(ACK | FIN, window - 500, 500); /* its FIN has no room */
        segment(ACK, window - 700, 1000);
        segment(ACK, 0, window - 701);
        segment(ACK, window - 800, 500);
        fake_tcp_expect_stream(window);
        assert_int_equal(tcb.rcv_nxt, tcb.rcv_edge);
        assert_int_equal(fake.peer_closed_count, 0);
        assert_int_equal(tcb.state, TCB_ESTABLISHED);
        assert_null(tcb.loan);
        tcb_end(&tcb, 0);
    }
}

static void a_fin_waits_with_the_bytes(void **state)
{
    (void)state;
    open_at(0);
    segment(ACK | FIN, 200, 0); /* alone */
    segment(ACK, 300, 50);      /* behind it: none of the stream */
    segment(ACK, 100, 100);
    assert_int_equal(fake.peer_closed_count, 0);
    segment(ACK, 0, 100);
    fake_tcp_expect_stream(200);
    assert_int_equal(fake.peer_closed_count, 1);
    assert_int_equal(tcb.rcv_nxt, irs + 1 + 201);
    assert_int_equal(tcb.state, TCB_CLOSE_WAIT);
    assert_null(tcb.loan);
}

/* A peer that sends bytes behind its FIN: lwIP had put the FIN behind them, beyond the window. */
static void a_fin_that_waits_and_is_none_is_forgotten(void **state)
{
    uint32_t window;

    (void)state;
    open_at(0x7FFFFFFF - 1000);
    window = tcb.rcv_edge - tcb.rcv_nxt;
    segment(ACK, 0, 100);
    segment(ACK | FIN, 1000, 500);
    segment(ACK, 100, window - 100);
    fake_tcp_expect_stream(window);
    assert_int_equal(tcb.state, TCB_ESTABLISHED);
    assert_null(tcb.loan);
    tcb_end(&tcb, 0);
    open_at(0);
    segment(ACK | FIN, 1000, 500);
    segment(ACK, 900, window - 900);
    segment(ACK, 0, 900);
    fake_tcp_expect_stream(window);
    assert_int_equal(tcb.state, TCB_ESTABLISHED);
    assert_null(tcb.loan);
}

/* lwIP's lengths of packets have 16 bits. */
static void more_than_64_kib_come_in_order_at_once(void **state)
{
    uint32_t offset = 1000;

    (void)state;
    open_at(0);
    tcb.rcv_edge += 200000;
    while (offset + 8000 < 100000) {
        segment(ACK, offset, 8000);
        offset += 8000;
    }
    segment(ACK, 0, 1000);
    fake_tcp_expect_stream(offset);
    assert_int_equal(tcb.rcv_unread_bytes, offset);
}

/* --- SACK (RFC 2018 4) --- */

static void the_most_recent_block_comes_first(void **state)
{
    uint32_t blocks[4][2];

    (void)state;
    open_at(UINT32_MAX - 2500);
    segment(ACK, 1000, 500);
    segment(ACK, 3000, 500);
    segment(ACK, 5000, 500);
    segment(ACK, 3500, 100);
    assert_int_equal(lend_sack_blocks(&tcb, blocks, 4), 3);
    assert_int_equal(blocks[0][0], irs + 1 + 3000);
    assert_int_equal(blocks[0][1], irs + 1 + 3600);
    assert_int_equal(blocks[1][0], irs + 1 + 5000);
    assert_int_equal(blocks[2][1], irs + 1 + 1500);
    assert_int_equal(lend_sack_blocks(&tcb, blocks, 1), 1);
    assert_int_equal(receiver_put_sack(&tcb, fake.sack), 4 + 3 * 8);
    assert_int_equal(load_be32(fake.sack + 4), irs + 1 + 3000);
    segment(ACK, 0, 1000); /* what is acknowledged is none any more */
    assert_int_equal(lend_sack_blocks(&tcb, blocks, 4), 2);
}

static void a_peer_without_sack_is_told_of_none(void **state)
{
    (void)state;
    open_at(0);
    tcb.has_sack = false;
    segment(ACK, 1000, 500);
    assert_int_equal(receiver_put_sack(&tcb, fake.sack), 0);
}

/* They count them (RFC 5681 3.2), up to the one that leaves at the end of the round; to one with
 * SACK that tells all. */
static void a_peer_without_sack_gets_an_acknowledgement_for_each_segment_behind_a_hole(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        open_at(0);
        tcb.has_sack = has_sack != 0;
        for (unsigned i = 1; i <= 5; i++) {
            segment(ACK, 1000 * i, 500);
        }
        assert_int_equal(fake.ack_count, has_sack ? 0 : 4);
        tcb_settle(&tcb);
        assert_int_equal(fake.ack_count, has_sack ? 1 : 5);
        assert_int_equal(fake.ack_number, irs + 1);
        tcb_end(&tcb, 0);
    }
}

static void without_room_several_duplicates_go_as_one(void **state)
{
    (void)state;
    open_at(0);
    tcb.has_sack = false;
    segment(ACK, 1000, 500);
    fake.send_error = -EAGAIN;
    segment(ACK, 2000, 500);
    assert_int_equal(fake.ack_count, 0);
    tcb_settle(&tcb);
    assert_int_equal(fake.ack_count, 1);
}

/* --- Memory --- */

static void what_waits_for_too_long_is_forgotten(void **state)
{
    uint32_t deadline_us = 0;

    (void)state;
    open_at(0);
    segment(ACK, 1000, 500);
    tcb_settle(&tcb);
    assert_true(receiver_deadline(&tcb, &deadline_us));
    assert_int_equal(deadline_us, 6 * RTO_US);
    fake_tcp_advance_us(1000);
    segment(ACK, 2000, 500); /* something comes yet */
    fake_tcp_advance_us(6 * RTO_US - 1);
    receiver_expire(&tcb);
    assert_non_null(tcb.loan);
    fake_tcp_advance_us(1);
    receiver_expire(&tcb);
    assert_null(tcb.loan);
    segment(ACK, 0, 1000);
    fake_tcp_expect_stream(1000);
    segment(ACK, 1000, 500);
    fake_tcp_expect_stream(1500);
}

#define HELD_BYTES    9000u /* all that may wait */
#define OTHER_ADDRESS 77u

/* Of memory, the machine has this; of what may wait, others have so much that it leaves. */
static struct pbuf *leave_room_for(uint32_t bytes)
{
    fake_memory_total_bytes = HELD_PART_OF_MEMORY * HELD_BYTES;
    held_initialise();
    return held_allocate(OTHER_ADDRESS, HELD_BYTES - bytes);
}

/* Bytes that wait keep no frame, and their copies are bounded by held.h. */
static void when_memory_is_short_what_waits_is_forgotten_first(void **state)
{
    uint64_t lost = counted(COUNTER_DROP_RECEIVE_FULL);
    struct pbuf *others = leave_room_for(1900);

    (void)state;
    open_at(0);
    segment(ACK, 1000, 1000);
    assert_false(held_is_full());
    segment(ACK, 2500, 1000);
    assert_true(held_is_full());
    fake_tcp_advance_us(100000);
    segment(ACK, 5500, 800); /* makes room, and takes it */
    assert_int_equal(counted(COUNTER_DROP_RECEIVE_FULL) - lost, 0);
    segment(ACK, 1500, 1000);
    assert_true(held_is_full());
    segment(ACK, 3500, 900); /* too soon to forget all again */
    assert_int_equal(counted(COUNTER_DROP_RECEIVE_FULL) - lost, 1);
    segment(ACK, 0, 100); /* in order, and the application takes it: that does not wait */
    fake_tcp_expect_stream(100);
    fake.is_behind = true;
    segment(ACK, 100, 100);
    fake_tcp_expect_stream(100);
    assert_int_equal(counted(COUNTER_DROP_RECEIVE_FULL) - lost, 2);
    pbuf_free(others);
}

/* One address's bytes beyond holes leave room for another's, and go first. */
static void what_one_address_makes_wait_costs_no_other_its_bytes(void **state)
{
    uint64_t lost = counted(COUNTER_DROP_RECEIVE_FULL);
    uint64_t forgotten = counted(COUNTER_HOLES_FORGOTTEN);
    struct tcb other = {.state = TCB_CLOSED};
    uint32_t offset = 1000;

    (void)state;
    pbuf_free(leave_room_for(HELD_BYTES));
    open_at(0);
    fake_tcp_open(&other, irs, 99);
    other.flow.remote_address = OTHER_ADDRESS;
    fake_tcp_segment(&other, (struct fake_segment){.sequence = irs + 11,
                                                   .acknowledgment = other.snd_max,
                                                   .window = 400,
                                                   .tcp_flags = ACK,
                                                   .payload_bytes = 100});
    assert_non_null(other.loan);
    fake_tcp_advance_us(300000);
    for (; !held_is_full_for(tcb.flow.remote_address); offset += 1000) {
        segment(ACK, offset, 900);
    }
    assert_in_range(held_bytes(), HELD_BYTES / 2, HELD_BYTES);
    assert_false(held_is_full());
    assert_false(held_is_full_for(OTHER_ADDRESS));
    segment(ACK, offset, 900); /* its own make room */
    assert_int_equal(counted(COUNTER_HOLES_FORGOTTEN) - forgotten, 1);
    assert_int_equal(counted(COUNTER_DROP_RECEIVE_FULL) - lost, 0);
    assert_in_range(held_bytes(), 900, 1400);
    while (!held_is_full_for(tcb.flow.remote_address)) {
        offset += 1000;
        segment(ACK, offset, 900);
    }
    segment(ACK, offset + 1000, 900); /* too soon */
    assert_int_equal(counted(COUNTER_DROP_RECEIVE_FULL) - lost, 1);
    assert_non_null(other.loan);
    tcb_end(&other, 0);
}

static void without_memory_a_segment_is_lost_and_counted(void **state)
{
    uint64_t lost = counted(COUNTER_DROP_NO_MEMORY);

    (void)state;
    for (int left = 0; left < 4; left++) {
        open_at(0);
        fake_fail_allocations_after(left); /* loan, copy, lwIP's note of it */
        segment(ACK, 100, 100);
        fake_fail_allocations_after(-1);
        assert_int_equal(tcb.loan != NULL, left >= 3);
        segment(ACK, 200, 100);
        segment(ACK, 100, 100);
        segment(ACK, 0, 100);
        fake_tcp_expect_stream(300);
        assert_null(tcb.loan);
        tcb_end(&tcb, 0);
    }
    assert_int_equal(counted(COUNTER_DROP_NO_MEMORY) - lost, 3);
}

/* Nobody will read it: it need not wait for the hole to be filled, which is answered with a reset.
 */
static void what_waits_when_the_application_closes_is_forgotten(void **state)
{
    (void)state;
    open_at(0);
    segment(ACK, 100, 100);
    assert_non_null(tcb.loan);
    tcb_close(&tcb);
    assert_null(tcb.loan);
    assert_int_equal(tcb.state, TCB_ESTABLISHED);
    segment(ACK, 0, 100);
    assert_int_equal(tcb.state, TCB_CLOSED);
}

static void a_flood_of_single_bytes_has_a_bound(void **state)
{
    (void)state;
    open_at(0);
    for (uint32_t i = 0; i < 5000; i++) {
        segment(ACK, 1 + 2 * i, 1);
    }
    assert_true(fake_memory_blocks() - blocks_before <= 2 * TCP_OOSEQ_MAX_PBUFS + 1);
}

static void the_end_gives_back_all(void **state)
{
    (void)state;
    open_at(0);
    segment(ACK, 100, 100);
    segment(TCP_FLAG_RST, 0, 0);
    assert_int_equal(tcb.state, TCB_CLOSED);
    assert_int_equal(fake_memory_blocks(), blocks_before);
}

/* --- Any order --- */

#define STREAM_BYTES 30000u

/* Whether the peer has sent each byte, and we may have it. */
static bool is_sent[STREAM_BYTES];

static void expect_blocks_of_sent_bytes(void)
{
    uint32_t blocks[4][2];
    unsigned count = lend_sack_blocks(&tcb, blocks, 4);

    for (unsigned i = 0; i < count; i++) {
        uint32_t left = blocks[i][0] - irs - 1, right = blocks[i][1] - irs - 1;

        assert_true(left > fake.stream_bytes && left < right && right <= STREAM_BYTES);
        for (uint32_t at = left; at < right; at++) {
            assert_true(is_sent[at]);
        }
    }
}

/* Segments of any length, anywhere about the first missing byte, until all has come. */
static void any_order_gives_the_stream(void **state)
{
    (void)state;
    srand(4711);
    for (unsigned run = 0; run < 200; run++) {
        memset(is_sent, 0, sizeof(is_sent));
        open_at((uint32_t)rand() * 3u);
        while (tcb.state == TCB_ESTABLISHED) {
            uint32_t first = fake.stream_bytes, length = (uint32_t)rand() % 1461;

            if (rand() % 4 != 0) {
                first += (uint32_t)rand() % 9000;
                first -= first < 1000 ? first : (uint32_t)rand() % 1000;
            }
            if (first >= STREAM_BYTES) {
                first = STREAM_BYTES - 1;
            }
            if (length > STREAM_BYTES - first) {
                length = STREAM_BYTES - first;
            }
            memset(is_sent + first, 1, length);
            segment(first + length == STREAM_BYTES ? ACK | FIN : ACK, first, length);
            fake_tcp_expect_stream(tcb.rcv_nxt - irs - 1 - tcb.has_peer_fin);
            expect_blocks_of_sent_bytes();
            receiver_consumed(&tcb, tcb.rcv_unread_bytes);
            tcb_settle(&tcb);
        }
        assert_int_equal(tcb.state, TCB_CLOSE_WAIT);
        fake_tcp_expect_stream(STREAM_BYTES);
        assert_null(tcb.loan);
        tcb_end(&tcb, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_filled_hole_gives_all_behind_it),
        TEST(bytes_that_overlap_come_once),
        TEST(what_lies_beyond_the_window_is_cut_off),
        TEST(a_fin_waits_with_the_bytes),
        TEST(a_fin_that_waits_and_is_none_is_forgotten),
        TEST(more_than_64_kib_come_in_order_at_once),
        TEST(the_most_recent_block_comes_first),
        TEST(a_peer_without_sack_is_told_of_none),
        TEST(a_peer_without_sack_gets_an_acknowledgement_for_each_segment_behind_a_hole),
        TEST(without_room_several_duplicates_go_as_one),
        TEST(what_waits_for_too_long_is_forgotten),
        TEST(when_memory_is_short_what_waits_is_forgotten_first),
        TEST(what_one_address_makes_wait_costs_no_other_its_bytes),
        TEST(without_memory_a_segment_is_lost_and_counted),
        TEST(what_waits_when_the_application_closes_is_forgotten),
        TEST(a_flood_of_single_bytes_has_a_bound),
        TEST(the_end_gives_back_all),
        TEST(any_order_gives_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
