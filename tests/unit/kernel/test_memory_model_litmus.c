/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/memory_model.c tests/unit/world/memory_explorer.c libc/core/assert.c */
/* flags: -O2 -fno-sanitize=address,undefined -include tests/unit/world/mailbox_model.h */
/*
 * Tests the memory models of world/memory_model.c by the litmus tests of the literature: what each
 * must allow, so that an exploration shows faults, and what it must not, so that it shows no
 * others. Outcomes are those of "x86-TSO" (Sewell and others, 2010) and of "Herding cats" (Alglave
 * and others, 2014), whose names the tests have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/world/memory_model.h"

/* Of each node. */
struct words {
    uint32_t x;
    uint32_t y;
};

static struct words own[MODEL_NODES];
static struct words others[MODEL_NODES];
static uint32_t seen[2];
static unsigned done_count;
static bool (*is_outcome)(void);
static void (*parts[MODEL_NODES])(void);

static void reset(void)
{
    seen[0] = 0;
    seen[1] = 0;
    done_count = 0;
}

static void switch_to(unsigned node)
{
    (void)node;
}

static void run(unsigned node)
{
    parts[node]();
    done_count++;
    for (;;) {
        (void)memory_model_sleep();
    }
}

static const char *judge(void)
{
    assert_int_equal(done_count, MODEL_NODES);
    return is_outcome() ? "the outcome" : NULL;
}

static bool is_possible(enum memory_model model, void (*first)(void), void (*second)(void),
                        bool (*outcome)(void))
{
    static const struct memory_model_program program = {reset, switch_to, run, judge};

    parts[0] = first;
    parts[1] = second;
    is_outcome = outcome;
    memory_model_clear();
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        memory_model_share(n, &own[n], &others[n], sizeof(own[n]));
    }
    return memory_model_explore(&program, model, (struct memory_model_weakened){.function = NULL})
               .fault != NULL;
}

/* --- SB: each node stores, then loads what the other has stored --- */

static void store_and_load_0(void)
{
    mailbox_store(&own[0].x, 1);
    seen[0] = mailbox_load(&others[1].x);
}

static void store_and_load_1(void)
{
    mailbox_store(&own[1].x, 1);
    seen[1] = mailbox_load(&others[0].x);
}

static void store_fence_and_load_0(void)
{
    mailbox_store(&own[0].x, 1);
    mailbox_fence();
    seen[0] = mailbox_load(&others[1].x);
}

static void store_fence_and_load_1(void)
{
    mailbox_store(&own[1].x, 1);
    mailbox_fence();
    seen[1] = mailbox_load(&others[0].x);
}

static bool both_see_nothing(void)
{
    return seen[0] == 0 && seen[1] == 0;
}

static void store_buffering_needs_both_fences(void **state)
{
    (void)state;
    for (enum memory_model model = MODEL_TSO; model <= MODEL_WEAKER; model++) {
        assert_true(is_possible(model, store_and_load_0, store_and_load_1, both_see_nothing));
        assert_true(is_possible(model, store_fence_and_load_0, store_and_load_1, both_see_nothing));
        assert_true(is_possible(model, store_and_load_0, store_fence_and_load_1, both_see_nothing));
        assert_false(
            is_possible(model, store_fence_and_load_0, store_fence_and_load_1, both_see_nothing));
    }
}

/* --- MP: one node stores x, then y; the other loads y, then x --- */

static void pass_plainly(void)
{
    mailbox_store(&own[0].x, 1);
    mailbox_store(&own[0].y, 1);
}

static void pass_by_release(void)
{
    mailbox_store(&own[0].x, 1);
    mailbox_store_release(&own[0].y, 1);
}

static void pass_by_fence(void)
{
    mailbox_store(&own[0].x, 1);
    mailbox_fence();
    mailbox_store(&own[0].y, 1);
}

static void take_plainly(void)
{
    seen[0] = mailbox_load(&others[0].y);
    seen[1] = mailbox_load(&others[0].x);
}

static void take_by_acquire(void)
{
    seen[0] = mailbox_load_acquire(&others[0].y);
    seen[1] = mailbox_load(&others[0].x);
}

static void take_by_fence(void)
{
    seen[0] = mailbox_load(&others[0].y);
    mailbox_fence();
    seen[1] = mailbox_load(&others[0].x);
}

static bool sees_second_only(void)
{
    return seen[0] == 1 && seen[1] == 0;
}

static bool sees_both(void)
{
    return seen[0] == 1 && seen[1] == 1;
}

static void message_passing_is_ordered_on_x86(void **state)
{
    (void)state;
    assert_true(is_possible(MODEL_TSO, pass_plainly, take_plainly, sees_both));
    assert_false(is_possible(MODEL_TSO, pass_plainly, take_plainly, sees_second_only));
}

static void message_passing_otherwise_needs_an_order_on_both_sides(void **state)
{
    (void)state;
    static void (*const passes[])(void) = {pass_plainly, pass_by_release, pass_by_fence};
    static void (*const takes[])(void) = {take_plainly, take_by_acquire, take_by_fence};

    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 3; j++) {
            assert_true(is_possible(MODEL_WEAKER, passes[i], takes[j], sees_both));
            assert_int_equal(is_possible(MODEL_WEAKER, passes[i], takes[j], sees_second_only),
                             i == 0 || j == 0);
        }
    }
}

/* --- CoRR: one word has an order --- */

static void store_twice(void)
{
    mailbox_store(&own[0].x, 1);
    mailbox_store(&own[0].x, 2);
}

static void load_twice(void)
{
    seen[0] = mailbox_load(&others[0].x);
    seen[1] = mailbox_load(&others[0].x);
}

static bool goes_back(void)
{
    return seen[1] < seen[0];
}

static bool sees_each(void)
{
    return seen[0] == 1 && seen[1] == 2;
}

static void one_word_never_goes_back(void **state)
{
    (void)state;
    for (enum memory_model model = MODEL_TSO; model <= MODEL_WEAKER; model++) {
        assert_true(is_possible(model, store_twice, load_twice, sees_each));
        assert_false(is_possible(model, store_twice, load_twice, goes_back));
    }
}

/* --- LB: a load, then a store that lets the other node store what was to be loaded --- */

static void load_late_and_store(void)
{
    memory_model_load_later(&others[1].x, 0);
    mailbox_store(&own[0].x, 1);
}

static void load_late_and_release(void)
{
    memory_model_load_later(&others[1].x, 0);
    mailbox_store_release(&own[0].x, 1);
}

static void load_late_fence_and_store(void)
{
    memory_model_load_later(&others[1].x, 0);
    mailbox_fence();
    mailbox_store(&own[0].x, 1);
}

static void store_if_allowed(void)
{
    if (mailbox_load_acquire(&others[0].x) == 1) {
        mailbox_store(&own[1].x, 1);
    }
}

static bool never(void)
{
    return false;
}

static void a_late_load_waits_for_no_store_but_a_release(void **state)
{
    (void)state;
    assert_false(is_possible(MODEL_TSO, load_late_and_store, store_if_allowed, never));
    assert_true(is_possible(MODEL_WEAKER, load_late_and_store, store_if_allowed, never));
    assert_false(is_possible(MODEL_WEAKER, load_late_and_release, store_if_allowed, never));
    assert_false(is_possible(MODEL_WEAKER, load_late_fence_and_store, store_if_allowed, never));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_buffering_needs_both_fences),
        cmocka_unit_test(message_passing_is_ordered_on_x86),
        cmocka_unit_test(message_passing_otherwise_needs_an_order_on_both_sides),
        cmocka_unit_test(one_word_never_goes_back),
        cmocka_unit_test(a_late_load_waits_for_no_store_but_a_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
