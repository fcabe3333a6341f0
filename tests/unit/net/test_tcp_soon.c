/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/soon.c libc/core/timer.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/tcp/soon.c over the kernel's real timers. `now_ns` is the round's
 * clock; receiver_expire() is the real one's part of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/core/timer.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_platform.h"

#define DELAY_NS (RECEIVER_ACK_DELAY_US * NS_PER_US)
#define ROOM     1024u

static struct tcb tcbs[4];
static uint64_t now_ns;
static const struct tcb *unsettled[ROOM];
static unsigned unsettled_count;
static unsigned timer_count; /* that were set by the list */
static const struct tcb *timer_of;
static unsigned stays_count;

uint32_t tcp_now_us(void)
{
    return (uint32_t)(now_ns / NS_PER_US);
}

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

void receiver_expire(struct tcb *tcb)
{
    if ((int32_t)((uint32_t)(now_ns / NS_PER_US) - tcb->ack_deadline_us) >= 0) {
        tcb->ack_due = ACK_NOW;
    }
}

void tcp_event_stays(struct tcb *tcb)
{
    (void)tcb;
    stays_count++;
}

void tcp_event_unsettled(struct tcb *tcb)
{
    assert_true(unsettled_count < ROOM);
    unsettled[unsettled_count++] = tcb;
}

void tcb_set_timer(struct tcb *tcb)
{
    assert_int_equal(tcb->soon & SOON_OVER, SOON_OVER);
    timer_of = tcb;
    timer_count++;
}

static int set_up(void **state)
{
    (void)state;
    timer_count = stays_count = 0;
    fake_platform_reset(0, 1);
    memset(tcbs, 0, sizeof(tcbs));
    now_ns = 5 * NS_PER_S;
    unsettled_count = 0;
    soon_initialise();
    return 0;
}

/* As the end of a round does. Returns whether it is listed. */
static bool delay(struct tcb *tcb)
{
    tcb->state = TCB_ESTABLISHED;
    tcb->soon |= SOON_OVER;
    tcb->ack_due = ACK_DELAYED;
    tcb->ack_deadline_us = (uint32_t)(now_ns / NS_PER_US) + RECEIVER_ACK_DELAY_US;
    if (!soon_is_listed(tcb)) {
        bool is_added = soon_add(tcb);

        assert_int_equal(is_added, soon_is_listed(tcb));
    }
    return soon_is_listed(tcb);
}

static void advance_ms(unsigned ms)
{
    now_ns += ms * NS_PER_MS;
    (void)timer_run_expired(now_ns);
}

static void each_is_due_when_its_time_is_over_and_no_sooner(void **state)
{
    (void)state;
    assert_true(delay(&tcbs[0]));
    assert_int_equal(timer_next_deadline_ns(), now_ns + DELAY_NS);
    advance_ms(4);
    assert_true(delay(&tcbs[1]));
    advance_ms(5);
    assert_int_equal(unsettled_count, 0);
    advance_ms(1);
    assert_int_equal(unsettled_count, 1);
    assert_ptr_equal(unsettled[0], &tcbs[0]);
    assert_int_equal(tcbs[0].ack_due, ACK_NOW);
    assert_int_equal(tcbs[1].ack_due, ACK_DELAYED);
    assert_int_equal(timer_next_deadline_ns(), now_ns + 4 * NS_PER_MS);
    advance_ms(4);
    assert_int_equal(unsettled_count, 2);
    assert_int_equal(tcbs[1].ack_due, ACK_NOW);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
}

static void what_has_gone_along_or_ended_is_left_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(delay(&tcbs[i]));
    }
    tcbs[0].ack_due = ACK_NONE;
    tcbs[1].state = TCB_CLOSED;
    advance_ms(10);
    assert_int_equal(unsettled_count, 1);
    assert_ptr_equal(unsettled[0], &tcbs[2]);
    assert_int_equal(tcbs[0].ack_due, ACK_NONE);
    assert_int_equal(tcbs[1].ack_due, ACK_DELAYED);
}

/* Sent with data, and owed again for the next segment: it is looked at twice, and stands here once.
 */
static void one_that_is_owed_again_is_due_after_twice_the_time_at_most(void **state)
{
    (void)state;
    assert_true(delay(&tcbs[0]));
    advance_ms(6);
    assert_true(delay(&tcbs[0]));
    advance_ms(4);
    assert_int_equal(tcbs[0].ack_due, ACK_DELAYED);
    assert_true(soon_is_listed(&tcbs[0]));
    assert_int_equal(unsettled_count, 0);
    assert_int_equal(timer_next_deadline_ns(), now_ns + DELAY_NS);
    advance_ms(10);
    assert_int_equal(tcbs[0].ack_due, ACK_NOW);
    assert_int_equal(unsettled_count, 1);
    assert_false(soon_is_listed(&tcbs[0]));
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
}

/* The place is another connection's before the list has looked at it. */
static void one_in_the_place_of_another_is_due_once(void **state)
{
    (void)state;
    assert_true(delay(&tcbs[0]));
    advance_ms(6);
    soon_open(&tcbs[0]);
    assert_true(delay(&tcbs[0]));
    advance_ms(4); /* as the other one would have been, and once more */
    assert_int_equal(tcbs[0].ack_due, ACK_DELAYED);
    advance_ms(9);
    assert_int_equal(unsettled_count, 0);
    advance_ms(1);
    assert_int_equal(tcbs[0].ack_due, ACK_NOW);
    assert_int_equal(unsettled_count, 1);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
}

static bool may_have_timer(const struct tcb *tcb, unsigned ms)
{
    return soon_may_have_timer(tcb, tcp_now_us() + ms * 1000, tcp_now_us());
}

/* Until it has been looked at twice, and only for what comes later. */
static void the_timer_of_one_that_begins_is_set_at_the_second_look(void **state)
{
    struct tcb *tcb = &tcbs[0];

    (void)state;
    tcb->state = TCB_ESTABLISHED;
    soon_open(tcb);
    assert_true(may_have_timer(tcb, 30));
    assert_false(may_have_timer(tcb, 29));
    assert_false(soon_will_look(tcb));
    assert_true(soon_add(tcb));
    assert_true(soon_will_look(tcb));
    advance_ms(10);
    assert_int_equal(timer_count, 0);
    assert_true(may_have_timer(tcb, 30));
    assert_true(soon_will_look(tcb));
    advance_ms(9);
    assert_int_equal(timer_count + stays_count, 0);
    advance_ms(1);
    assert_int_equal(timer_count, 1);
    assert_ptr_equal(timer_of, tcb);
    assert_int_equal(stays_count, 1);
    assert_false(soon_is_listed(tcb));
    assert_false(may_have_timer(tcb, 30));
    assert_int_equal(unsettled_count, 0);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
    assert_true(soon_add(tcb)); /* for an acknowledgement: its timer is the wheel's now */
    assert_false(may_have_timer(tcb, 30));
    assert_false(soon_will_look(tcb));
    advance_ms(10);
    assert_int_equal(stays_count, 1);
}

/* One that is over is passed by; what begins in its place is looked at with it, then once more, and
 * stands here no second time. */
static void a_place_stands_here_once_whoever_has_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        tcbs[i].state = TCB_ESTABLISHED;
        soon_open(&tcbs[i]);
        assert_true(soon_add(&tcbs[i]));
        tcbs[i].state = TCB_CLOSED;
    }
    advance_ms(9);
    tcbs[1].state = TCB_ESTABLISHED;
    soon_open(&tcbs[1]);
    assert_true(soon_is_listed(&tcbs[1]));
    assert_true(may_have_timer(&tcbs[1], 30));
    advance_ms(1);
    assert_int_equal(timer_count, 0);
    advance_ms(10);
    assert_int_equal(timer_count, 1);
    assert_ptr_equal(timer_of, &tcbs[1]);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
    for (unsigned i = 0; i < 2; i++) {
        tcbs[i].state = TCB_ESTABLISHED;
        soon_open(&tcbs[i]);
        assert_int_equal(tcbs[i].soon, 0); /* what the other one was counts no more */
    }
}

static void without_room_it_is_refused_until_the_oldest_is_due(void **state)
{
    static struct tcb many[ROOM];

    (void)state;
    for (unsigned round = 0; round < 3; round++) { /* also across the ring's end */
        unsigned first_count = 300 * round + 1;

        memset(many, 0, sizeof(many));
        unsettled_count = 0;
        for (unsigned i = 0; i < first_count; i++) {
            assert_true(delay(&many[i]));
        }
        advance_ms(1);
        for (unsigned i = first_count; i < ROOM; i++) {
            assert_true(delay(&many[i]));
        }
        assert_false(delay(&tcbs[3]));
        assert_false(soon_is_listed(&tcbs[3]));
        advance_ms(9);
        assert_int_equal(unsettled_count, first_count);
        assert_true(delay(&tcbs[3]));
        advance_ms(1);
        assert_int_equal(unsettled_count, ROOM);
        unsettled_count = 0;
        advance_ms(9);
        assert_int_equal(unsettled_count, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_is_due_when_its_time_is_over_and_no_sooner, set_up),
        cmocka_unit_test_setup(what_has_gone_along_or_ended_is_left_alone, set_up),
        cmocka_unit_test_setup(one_that_is_owed_again_is_due_after_twice_the_time_at_most, set_up),
        cmocka_unit_test_setup(one_in_the_place_of_another_is_due_once, set_up),
        cmocka_unit_test_setup(the_timer_of_one_that_begins_is_set_at_the_second_look, set_up),
        cmocka_unit_test_setup(a_place_stands_here_once_whoever_has_it, set_up),
        cmocka_unit_test_setup(without_room_it_is_refused_until_the_oldest_is_due, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
