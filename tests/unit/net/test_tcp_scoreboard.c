/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_path.c */
/*
 * Tests net/transport/tcp/scoreboard.c: what a peer may say of what it has, and what it may not
 * make us do. The acknowledgements are the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/sender.h"
#include "tests/unit/world/tcp_path.h"

static uint32_t first; /* the number of the first byte */

static uint32_t drop_all(const struct path_segment *segment)
{
    (void)segment;
    return PATH_LOST;
}

/* So many segments are under way, and the network is silent. */
static void open_with_flight(bool has_sack, unsigned segments)
{
    struct path_options options = {.has_sack = has_sack, .delay_us = 10000, .fate = drop_all};

    path_open(&options);
    first = path.tcb.snd_una;
    congestion_set_window(&path.tcb, segments * PATH_MSS);
    path_write(segments * PATH_MSS);
    assert_true(path_run(1) == PATH_NEVER);
    path.now_us += 20000;
}

static void acknowledge(uint32_t offset, unsigned count, const uint32_t blocks[][2])
{
    struct packet packet = {.sequence = 1,
                            .tcp_flags = TCP_FLAG_ACK,
                            .acknowledgment = first + offset,
                            .window = 60000};
    struct tcp_options options = {.sack_count = (uint8_t)count};

    for (unsigned i = 0; i < count; i++) {
        options.sack[i][0] = first + blocks[i][0];
        options.sack[i][1] = first + blocks[i][1];
    }
    assert_false(sender_acknowledge(&path.tcb, &packet, count > 0 ? &options : NULL));
    path_check();
}

static uint32_t sacked_bytes(void)
{
    return path.tcb.recovery != NULL ? path.tcb.recovery->sacked_bytes : 0;
}

static void blocks_mark_what_they_cover_in_whatever_order_they_come(void **state)
{
    static const uint32_t blocks[][2] = {{7000, 8000}, {2000, 3000}, {4000, 6000}};

    (void)state;
    open_with_flight(true, 10);
    acknowledge(0, 3, blocks);
    assert_int_equal(sacked_bytes(), 4000);
    acknowledge(0, 3, blocks); /* again: nothing new */
    assert_int_equal(sacked_bytes(), 4000);
    acknowledge(3000, 0, NULL);
    assert_int_equal(sacked_bytes(), 3000);
}

static void an_edge_inside_a_segment_divides_it(void **state)
{
    static const uint32_t blocks[][2] = {{1500, 2700}};

    (void)state;
    open_with_flight(true, 4);
    acknowledge(0, 1, blocks);
    assert_int_equal(sacked_bytes(), 1200);
    acknowledge(2600, 0, NULL); /* and an acknowledgement inside what is marked */
    assert_int_equal(sacked_bytes(), 100);
}

static void what_was_not_sent_or_is_no_range_is_passed_over(void **state)
{
    static const uint32_t bad[][2][2] = {
        {{5000, 11000}, {0, 0}},       {{5000, 5000}, {0, 0}},       {{6000, 5000}, {0, 0}},
        {{0xFFFFF000, 2000}, {0, 0}},  {{0, 0x80000000}, {0, 0}},    {{0x80000000, 1000}, {0, 0}},
        {{12000, 13000}, {20000, 10}}, {{5000, 0x80005000}, {0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        open_with_flight(true, 10);
        acknowledge(0, 2, bad[i]);
        assert_int_equal(sacked_bytes(), 0);
        assert_int_equal(recovery_pipe_bytes(&path.tcb), 10000);
    }
}

static void a_peer_without_sack_marks_nothing(void **state)
{
    static const uint32_t blocks[][2] = {{2000, 3000}};

    (void)state;
    open_with_flight(false, 10);
    acknowledge(0, 1, blocks);
    for (const struct reference *reference = path.tcb.queue_head; reference != NULL;
         reference = reference->next) {
        assert_int_equal(reference->flags & REFERENCE_SACKED, 0);
    }
}

/* RFC 6582 3.2 and 4.1: duplicates at the end of what had timed out may be echoes of what was sent
 * again; beyond it they say something. */
static void duplicates_at_the_end_of_a_time_out_are_no_loss(void **state)
{
    (void)state;
    open_with_flight(false, 10);
    path.now_us += 2000000;
    assert_true(path_run(1) == PATH_NEVER);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 1);
    acknowledge(10000, 0, NULL);
    congestion_set_window(&path.tcb, 10 * PATH_MSS);
    path_write(10 * PATH_MSS);
    assert_true(path_run(1) == PATH_NEVER);
    assert_true(path.tcb.snd_max - path.tcb.snd_una >= 5 * PATH_MSS);
    for (unsigned i = 0; i < 5; i++) {
        acknowledge(10000, 0, NULL);
    }
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 0);
    acknowledge(11000, 0, NULL);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 0);
        acknowledge(11000, 0, NULL);
    }
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
}

/* A peer that acknowledges every other byte (SACK panics): references for it are bounded. */
static void pieces_of_bytes_do_not_become_references_without_bound(void **state)
{
    (void)state;
    open_with_flight(true, 100);
    for (uint32_t at = 1; at < 100000 - 8; at += 8) {
        const uint32_t blocks[][2] = {{at, at + 1}, {at + 2, at + 3}, {at + 4, at + 5}};

        acknowledge(0, 3, blocks);
        assert_true(path.tcb.reference_count <= 2 * 100 + 16 + 101);
    }
    assert_true(path_counter(COUNTER_TCP_SACK_EDGES_IGNORED) > 10000);
    acknowledge(100000, 0, NULL); /* it is free to end that */
    assert_int_equal(path.tcb.reference_count, 0);
}

/* RFC 2883: below the acknowledgement, or within the next block. Marks nothing, says reordering. */
static void duplicates_are_told_from_news(void **state)
{
    static const uint32_t below[][2] = {{0, 1000}, {4000, 5000}};
    static const uint32_t inside[][2] = {{6000, 7000}, {5000, 8000}};

    (void)state;
    open_with_flight(true, 10);
    acknowledge(2000, 2, below);
    assert_int_equal(sacked_bytes(), 1000);
    assert_int_equal(path.tcb.recovery->reorder_multiple, 2);
    open_with_flight(true, 10);
    acknowledge(0, 2, inside);
    assert_int_equal(sacked_bytes(), 3000);
    assert_int_equal(path.tcb.recovery->reorder_multiple, 2);
    acknowledge(0, 2, inside); /* once a round trip */
    assert_int_equal(path.tcb.recovery->reorder_multiple, 2);
}

static uint32_t seed;

static uint32_t roll(uint32_t sides)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % sides;
}

/* Whatever a peer says, at whatever time: the sums are those of the marks (path_check()), nothing
 * is sent beyond its window, and an acknowledgement of all ends it. */
static void nothing_that_a_peer_says_breaks_the_sums(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 400; turn++) {
        seed = turn;
        open_with_flight(turn % 4 != 0, 5 + roll(60));
        for (unsigned step = 0; step < 60 && !path.is_over; step++) {
            uint32_t flight = path.tcb.snd_max - path.tcb.snd_una;
            uint32_t offset = path.tcb.snd_una - first;
            uint32_t blocks[4][2];
            unsigned count = roll(5);

            if (flight == 0) {
                path_write(PATH_MSS * (1 + roll(20)));
            }
            for (unsigned i = 0; i < count; i++) {
                blocks[i][0] = offset + roll(flight + 3000) - 1000;
                blocks[i][1] = blocks[i][0] + roll(4) * roll(1500);
            }
            acknowledge(offset + (roll(3) == 0 ? roll(flight + 1) : 0), count, blocks);
            path.now_us += roll(4) == 0 ? roll(400000) : roll(5000);
            if (roll(50) == 0) {
                recovery_mark_all_lost(&path.tcb);
            }
            (void)path_run(1 + roll(3000));
            assert_true(path.sent_count < 100000);
        }
        if (!path.is_over) {
            acknowledge(path.tcb.snd_max - first, 0, NULL);
        }
        assert_int_equal(recovery_pipe_bytes(&path.tcb), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_mark_what_they_cover_in_whatever_order_they_come),
        cmocka_unit_test(an_edge_inside_a_segment_divides_it),
        cmocka_unit_test(what_was_not_sent_or_is_no_range_is_passed_over),
        cmocka_unit_test(a_peer_without_sack_marks_nothing),
        cmocka_unit_test(duplicates_at_the_end_of_a_time_out_are_no_loss),
        cmocka_unit_test(pieces_of_bytes_do_not_become_references_without_bound),
        cmocka_unit_test(duplicates_are_told_from_news),
        cmocka_unit_test(nothing_that_a_peer_says_breaks_the_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
