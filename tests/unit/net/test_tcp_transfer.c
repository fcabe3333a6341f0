/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_transfer.c tests/unit/world/tcp_card.c */
/*
 * Transfers over a wire that loses: whatever is lost, the receiver gets the very bytes, in bounded
 * time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/memory.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/sender.h"
#include "tests/unit/world/tcp_card.h"
#include "tests/unit/world/tcp_transfer.h"

/* --- What is lost --- */

static unsigned first_lost, second_lost;

static bool lose_two(unsigned ordinal)
{
    return ordinal == first_lost || ordinal == second_lost;
}

/* Those of the response, and some that are sent again. */
#define RESPONSE_SEGMENTS 50u

static void a_transfer_without_loss_sends_each_byte_once(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        open_transfer(has_sack != 0, 1 << 20);
        write_response();
        finish_transfer();
        assert_in_range(segment_count, 44, 46);
    }
}

static void any_one_segment_may_be_lost(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        for (first_lost = second_lost = 0; first_lost < RESPONSE_SEGMENTS; first_lost++) {
            second_lost = first_lost;
            open_transfer(has_sack != 0, 1 << 20);
            is_segment_lost = lose_two;
            write_response();
            finish_transfer();
            assert_in_range(segment_count, 44, 60);
        }
    }
}

static void any_two_segments_may_be_lost(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        for (first_lost = 0; first_lost < RESPONSE_SEGMENTS; first_lost++) {
            for (second_lost = first_lost + 1; second_lost < RESPONSE_SEGMENTS; second_lost++) {
                open_transfer(has_sack != 0, 1 << 20);
                is_segment_lost = lose_two;
                write_response();
                finish_transfer();
            }
        }
    }
}

static void any_two_acknowledgements_may_be_lost(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        for (first_lost = 0; first_lost < 25; first_lost++) {
            for (second_lost = first_lost; second_lost < 25; second_lost++) {
                open_transfer(has_sack != 0, 1 << 20);
                is_ack_lost = lose_two;
                write_response();
                finish_transfer();
            }
        }
    }
}

static unsigned burst_first, burst_end;

static bool lose_burst(unsigned ordinal)
{
    return ordinal >= burst_first && ordinal < burst_end;
}

/* Fewer than the time-outs that end a connection. */
static void any_run_of_segments_may_be_lost(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        for (burst_first = 0; burst_first < RESPONSE_SEGMENTS; burst_first += 3) {
            for (burst_end = burst_first + 1; burst_end < burst_first + 12; burst_end += 2) {
                open_transfer(has_sack != 0, 1 << 20);
                is_segment_lost = lose_burst;
                write_response();
                finish_transfer();
            }
        }
    }
}

/* The card stands still, as while its link is down: nothing goes again, and nobody has been silent.
 */
static void bytes_that_the_card_has_not_read_are_not_timed_out(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        unsigned taken_count;

        open_transfer(has_sack != 0, 1 << 20);
        write_copy(2000);
        assert_true(sender_output(&tcb));
        taken_count = card_taken_count;
        for (unsigned second = 0; second < 1000; second++) {
            card_now_ns += NS_PER_S;
            assert_true(recovery_expire(&tcb));
            (void)sender_output(&tcb);
        }
        assert_int_equal(tcb.silent_timeouts, 0);
        assert_in_range(card_taken_count, taken_count, taken_count + 1); /* a probe of the tail */
        card_complete(card_unread_count());
        card_now_ns += NS_PER_S;
        assert_true(recovery_expire(&tcb));
        assert_int_equal(tcb.silent_timeouts, 1);
        sender_close(&tcb);
        finish_transfer();
    }
}

/* One that never reads again: in the end that is silence, too. */
static void a_card_that_never_reads_is_given_up_after_hours(void **state)
{
    unsigned seconds = 0;

    (void)state;
    open_transfer(true, 1 << 20);
    write_copy(2000);
    assert_true(sender_output(&tcb));
    while (recovery_expire(&tcb)) {
        card_now_ns += NS_PER_S;
        (void)sender_output(&tcb);
        assert_true(seconds++ < 5 * 3600);
        assert_true(seconds > 1200 || tcb.silent_timeouts == 0);
    }
    assert_int_equal(tcb.silent_timeouts, 12);
    card_complete(card_unread_count());
    sender_drop(&tcb);
}

static uint32_t seed;

static uint32_t roll(uint32_t sides)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % sides;
}

static bool lose_some(unsigned ordinal)
{
    (void)ordinal;
    return roll(100) < 8;
}

static bool fail_some(const struct memory_kind *kind)
{
    (void)kind;
    return roll(10) == 0;
}

/* Whatever the application writes, memory fails, the ring is full, and both directions lose. */
static void all_at_once(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 150; run++) {
        seed = run;
        open_transfer(run % 2 != 0, 4096 << roll(8));
        card_can_cut = roll(4) != 0;
        card_is_remote = roll(3) == 0;
        is_segment_lost = is_ack_lost = lose_some;
        for (unsigned write = 0; write < 40; write++) {
            uint32_t length = 1 + (roll(2) != 0 ? roll(300) : roll(9000));

            if (roll(2) != 0) {
                write_archive(roll(100000), length);
            } else {
                write_copy(length < 4000 ? length : 4000);
            }
            memory_fault = fail_some;
            for (unsigned step = roll(6); step != 0; step--) {
                card_room = roll(5);
                do_round();
                if (!is_wire_empty() || receiver.unacknowledged == 0) {
                    (void)pass_time();
                } else {
                    (void)acknowledge_late();
                }
            }
            memory_fault = NULL;
        }
        card_room = 1000000;
        sender_close(&tcb);
        finish_transfer();
    }
}

/* --- Windows that close --- */

static void a_window_that_closes_and_opens_again(void **state)
{
    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        for (uint32_t closed_s = 1; closed_s < 100; closed_s += 33) {
            uint64_t opens_ns;

            open_transfer(has_sack != 0, 20 * 1024);
            write_response();
            do_round();
            receiver.window_bytes = 0; /* what is under way is refused */
            opens_ns = card_now_ns + closed_s * NS_PER_S;
            while (card_now_ns < opens_ns) {
                assert_true(pass_time());
                do_round();
            }
            receiver.window_bytes = 20 * 1024;
            finish_transfer();
        }
    }
}

/* The application reads: what has come fits, then nothing more, until it says so. */
static void a_peer_that_reads_now_and_then_gets_all(void **state)
{
    (void)state;
    for (unsigned loss = 0; loss < 2; loss++) {
        open_transfer(true, 8192);
        seed = 7;
        is_segment_lost = is_ack_lost = loss != 0 ? lose_some : lose_none;
        receiver.edge = 8192;
        write_response();
        for (unsigned turn = 0; receiver.edge < stream_bytes; turn++) {
            assert_true(turn < 10000);
            do_round();
            if (!is_wire_empty() || !acknowledge_late()) {
                assert_true(pass_time());
            }
            if (receiver.edge - receiver.next < 128) {
                receiver.edge += 5000 + turn % 1000;
                if (turn % 2 == 0) {
                    send_ack(); /* or a probe finds it */
                }
            }
        }
        receiver.edge = 0;
        finish_transfer();
    }
}

/* --- Time --- */

/* One loss in the middle costs one round trip, no time-out. */
static void a_loss_in_the_middle_costs_one_round_trip(void **state)
{
    uint64_t begin_ns, without_ns;

    (void)state;
    for (unsigned has_sack = 0; has_sack < 2; has_sack++) {
        open_transfer(has_sack != 0, 1 << 20);
        write_response();
        begin_ns = card_now_ns;
        finish_transfer();
        without_ns = card_now_ns - begin_ns;
        open_transfer(has_sack != 0, 1 << 20);
        first_lost = second_lost = 15;
        is_segment_lost = lose_two;
        write_response();
        begin_ns = card_now_ns;
        finish_transfer();
        assert_true(card_now_ns - begin_ns <= without_ns + 2 * ONE_WAY_NS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transfer_without_loss_sends_each_byte_once),
        cmocka_unit_test(any_one_segment_may_be_lost),
        cmocka_unit_test(any_two_segments_may_be_lost),
        cmocka_unit_test(any_two_acknowledgements_may_be_lost),
        cmocka_unit_test(any_run_of_segments_may_be_lost),
        cmocka_unit_test(bytes_that_the_card_has_not_read_are_not_timed_out),
        cmocka_unit_test(a_card_that_never_reads_is_given_up_after_hours),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(a_window_that_closes_and_opens_again),
        cmocka_unit_test(a_peer_that_reads_now_and_then_gets_all),
        cmocka_unit_test(a_loss_in_the_middle_costs_one_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
