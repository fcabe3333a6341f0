/* SPDX-License-Identifier: MIT */
/* sources: libc/core/timer.c kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c */
/* sources: tests/unit/world/fake_memory.c tests/unit/world/steps.c */
/*
 * libc/core/timer.c with 100,000 timers that are set: they expire in order, and what a call
 * costs, in instructions of this build, grows with the logarithm of their number.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/steps.h"

#define MANY      100000u /* 17 levels of the heap */
#define FEW       100u    /* 7 levels */
#define CALLS     16u     /* measured together, each on another timer */
#define FIRST_NS  1000u   /* before it nothing is due that armed_cost() has not set itself */
#define LATEST_NS 1000000000u

static struct timer timers[MANY + CALLS];
static uint64_t last_deadline_ns;
static unsigned expired_count;
static unsigned armed_count;
static int error; /* of calls that are measured, and so are not looked at one by one */

static void note_expired(struct timer *timer)
{
    assert_true(timer->deadline.key >= last_deadline_ns);
    last_deadline_ns = timer->deadline.key;
    expired_count++;
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    for (unsigned i = 0; i < ARRAY_COUNT(timers); i++) {
        timer_initialise(&timers[i], note_expired);
        assert_true(timers[i].has_place); /* no limit but memory */
    }
    return 0;
}

static void arm(struct timer *timer, uint64_t deadline_ns)
{
    assert_int_equal(timer_start(timer, deadline_ns), 0);
}

static uint64_t some_deadline_ns(void)
{
    return FIRST_NS + platform_random() % (LATEST_NS - FIRST_NS);
}

static void arm_some(unsigned count)
{
    for (unsigned i = 0; i < ARRAY_COUNT(timers); i++) {
        timer_stop(&timers[i]);
    }
    for (armed_count = 0; armed_count < count; armed_count++) {
        arm(&timers[armed_count], some_deadline_ns());
    }
    last_deadline_ns = 0;
    expired_count = 0;
}

/* In any order: a third of them is stopped, another third moved. */
static void a_hundred_thousand_expire_in_order(void **state)
{
    unsigned left = 0;

    (void)state;
    arm_some(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t choice = platform_random() % 3;

        if (choice == 0) {
            timer_stop(&timers[i]);
        } else if (choice == 1) {
            arm(&timers[i], some_deadline_ns());
        }
        left += timer_is_set(&timers[i]);
    }
    for (uint64_t now_ns = 0; now_ns <= LATEST_NS; now_ns += LATEST_NS / 100) {
        (void)timer_run_expired(now_ns);
        assert_true(timer_next_deadline_ns() > now_ns);
    }
    assert_int_equal(expired_count, left);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

/* --- What is measured: CALLS calls each, with armed_count timers set --- */

/* As most are: for later than the others, and stopped before they are due. */
static void arm_last(void)
{
    for (unsigned i = 0; i < CALLS; i++) {
        error |= timer_start(&timers[armed_count + i], LATEST_NS + i);
    }
}

static void stop_last(void)
{
    for (unsigned i = CALLS; i-- > 0;) {
        timer_stop(&timers[armed_count + i]);
    }
}

/* All the way to the root. */
static void arm_first(void)
{
    for (unsigned i = 0; i < CALLS; i++) {
        error |= timer_start(&timers[armed_count + i], CALLS - i);
    }
}

/* And out of there. */
static void expire_first(void)
{
    (void)timer_run_expired(CALLS);
}

static void stop_anywhere(void)
{
    for (unsigned i = 0; i < CALLS; i++) {
        timer_stop(&timers[i * (armed_count / CALLS)]);
    }
}

static void move_anywhere(void)
{
    for (unsigned i = 0; i < CALLS; i++) {
        error |= timer_start(&timers[i * (armed_count / CALLS)], i % 2 ? i : LATEST_NS + i);
    }
}

static void look_at_next(void)
{
    for (unsigned i = 0; i < CALLS; i++) {
        (void)timer_next_deadline_ns();
        (void)timer_run_expired(0);
    }
}

static const struct {
    const char *name;
    void (*before)(void);
    void (*call)(void);
} cases[] = {
    {"start, later than all", NULL, arm_last},   {"stop it again", arm_last, stop_last},
    {"start, sooner than all", NULL, arm_first}, {"expire it", arm_first, expire_first},
    {"stop anywhere", NULL, stop_anywhere},      {"move anywhere", NULL, move_anywhere},
    {"look at the next", NULL, look_at_next},
};

static uint64_t cost_of(unsigned index, unsigned count)
{
    arm_some(count);
    if (cases[index].before != NULL) {
        cases[index].before();
    }
    uint64_t steps = steps_count(cases[index].call);

    assert_int_equal(error, 0);
    return steps;
}

/* Of two numbers whose logarithms are as 7 to 17 the costs are as 1 to 2.5 at most, and as 1 to
 * 1,000 when a call visits all. */
static void what_a_call_costs_grows_with_the_logarithm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t few = cost_of(i, FEW);
        uint64_t many = cost_of(i, MANY);

        print_message("%-24s %5" PRIu64 " instructions with %u, %5" PRIu64 " with %u\n",
                      cases[i].name, few / CALLS, FEW, many / CALLS, MANY);
        assert_true(few >= CALLS * 5);
        assert_true(many * 10 <= few * 25);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_expire_in_order),
        cmocka_unit_test(what_a_call_costs_grows_with_the_logarithm),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
