/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_sending.c tests/unit/world/tcp_card.c */
/*
 * Tests net/transport/tcp/blocked.c and sender_poll_blocked(): who waits for the card, for memory
 * or for the next turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/memory.h"
#include "net/headers.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/sender.h"
#include "tests/unit/world/tcp_sending.h"

static void without_room_it_waits_and_goes_in_order(void **state)
{
    (void)state;
    card_room = 0;
    for (unsigned i = 0; i < 3; i++) {
        sending_append(&others[i], 100 + i);
        assert_string_equal(sending_go(&others[i]), "");
        assert_true(others[i].is_output_blocked);
    }
    card_room = 1;
    sending_append(&others[3], 103);
    assert_string_equal(sending_go(&others[3]), "0+103P"); /* another one's luck */
    assert_int_equal(sender_poll_blocked(), 0);
    card_room = 2;
    assert_int_equal(sender_poll_blocked(), 2);
    assert_int_equal(card_expect()->length_bytes, 101); /* the first has had its turn in vain */
    assert_int_equal(card_expect()->length_bytes, 102);
    card_room = 5;
    assert_int_equal(sender_poll_blocked(), 1);
    assert_int_equal(card_expect()->length_bytes, 100);
    assert_false(others[0].is_output_blocked);
    assert_int_equal(sender_poll_blocked(), 0);
}

static void who_waits_is_not_sent_before_its_turn(void **state)
{
    (void)state;
    card_room = 0;
    sending_append(&tcb, 100);
    (void)sending_go(&tcb);
    card_room = 10;
    sending_append(&tcb, 100);
    assert_string_equal(sending_go(&tcb), "");
    assert_int_equal(sender_poll_blocked(), 1);
    assert_int_equal(card_expect()->length_bytes, 200);
    assert_int_equal(seen.unsettled_count, 1);
}

/* The ring is full after each number of frames in turn: nothing is lost, nothing comes twice. */
static void wherever_the_ring_is_full_all_goes_in_the_end(void **state)
{
    (void)state;
    for (unsigned room = 0; room < 8; room++) {
        const struct card_frame *frame;
        uint32_t next = FIRST;

        sender_drop(&tcb);
        sending_open(&tcb, 1 << 20);
        sending_append(&tcb, 400000);
        sender_close(&tcb);
        card_room = room;
        (void)sender_output(&tcb);
        for (unsigned rounds = 0; !sender_has_sent_fin(&tcb); rounds++) {
            assert_true(rounds < 20);
            card_room += rounds % 2;
            (void)sender_poll_blocked();
        }
        while ((frame = card_take()) != NULL) {
            assert_int_equal(frame->sequence, next);
            next += frame->length_bytes + ((frame->tcp_flags & TCP_FLAG_FIN) != 0);
        }
        assert_int_equal(next, FIRST + 400001);
        card_complete(card_unread_count());
    }
}

static void one_connection_does_not_take_all_of_a_round(void **state)
{
    (void)state;
    card_can_cut = false;
    sending_append(&tcb, 40 * MSS);
    sending_append(&others[0], 100);
    assert_true(sender_output(&tcb));
    assert_int_equal(card_taken_count, 16);
    assert_true(tcb.is_output_blocked);
    assert_true(sender_output(&others[0]));
    assert_int_equal(sender_poll_blocked(), 1);
    assert_int_equal(card_taken_count, 33);
    assert_int_equal(sender_poll_blocked(), 1);
    assert_int_equal(card_taken_count, 41);
    assert_false(tcb.is_output_blocked);
}

static bool refuse_references(const struct memory_kind *kind)
{
    return strcmp(kind->name, "tcp_reference") == 0;
}

static void without_memory_for_a_split_it_waits(void **state)
{
    (void)state;
    tcb.cwnd = 2 * MSS;
    sending_append(&tcb, 10 * MSS);
    memory_fault = refuse_references;
    assert_string_equal(sending_go(&tcb), "");
    assert_true(tcb.is_output_blocked);
    assert_int_equal(sender_poll_blocked(), 0);
    memory_fault = NULL;
    assert_int_equal(sender_poll_blocked(), 1);
    assert_int_equal(card_expect()->length_bytes, 2 * MSS);
}

static void without_memory_for_fin_it_waits(void **state)
{
    (void)state;
    sending_append(&tcb, 100);
    assert_string_equal(sending_go(&tcb), "0+100P");
    memory_fault = refuse_references;
    sender_close(&tcb);
    assert_false(tcb.has_fin);
    assert_int_equal(sender_poll_blocked(), 0);
    memory_fault = NULL;
    assert_int_equal(sender_poll_blocked(), 1);
    assert_true(sender_has_sent_fin(&tcb));
}

static void who_waits_can_go(void **state)
{
    (void)state;
    card_room = 0;
    for (unsigned i = 0; i < 3; i++) {
        sending_append(&others[i], 100);
        (void)sender_output(&others[i]);
    }
    sender_drop(&others[1]);
    sender_drop(&others[2]);
    sending_append(&others[3], 103);
    (void)sender_output(&others[3]);
    card_room = 5;
    assert_int_equal(sender_poll_blocked(), 2);
}

static void what_is_lost_for_want_of_a_neighbour_counts_as_sent(void **state)
{
    (void)state;
    card_knows_neighbors = false;
    sending_append(&tcb, 100);
    (void)sender_output(&tcb);
    assert_null(card_take());
    assert_int_equal(tcb.snd_max, FIRST + 100);
    assert_int_equal(tcb.queue_head->sent_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sending_set_up, sending_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_room_it_waits_and_goes_in_order),
        TEST(who_waits_is_not_sent_before_its_turn),
        TEST(wherever_the_ring_is_full_all_goes_in_the_end),
        TEST(one_connection_does_not_take_all_of_a_round),
        TEST(without_memory_for_a_split_it_waits),
        TEST(without_memory_for_fin_it_waits),
        TEST(who_waits_can_go),
        TEST(what_is_lost_for_want_of_a_neighbour_counts_as_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
