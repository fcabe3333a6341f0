/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/durations.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests apps/httpd/durations.c: buckets, the ring of the last minute, quantiles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/durations.h"
#include "kernel/message/status.h"
#include "tests/unit/world/fake_platform.h"

/* Time goes on from test to test, as it does on a node. */
static uint64_t now_ns = 1000 * DURATION_SLOT_NS;

static void start_test(void)
{
    fake_platform_reset(0, 3);
    now_ns += 100 * DURATION_SLOT_NS;
}

static struct durations minute_of(node_id_t node)
{
    struct durations durations = {{0}};

    durations_add_minute(&durations, node, now_ns);
    return durations;
}

static void a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed(void **state)
{
    static const struct {
        uint64_t duration_ns;
        unsigned bucket;
    } cases[] = {
        {0, 0},
        {1, 0},
        {1024, 0},
        {1025, 1},
        {2048, 1},
        {2049, 2},
        {DURATION_BOUND_NS(18), 18},
        {DURATION_BOUND_NS(18) + 1, 19},
        {DURATION_BOUND_NS(19) + 1, 19},
        {UINT64_MAX, 19},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct durations all = {{0}};

        start_test();
        durations_note(3, cases[i].duration_ns, now_ns);
        durations_add_all(&all, 0);
        assert_int_equal(all.counts[cases[i].bucket], 3);
        assert_int_equal(durations_count(&all), 3);
        assert_int_equal(minute_of(0).counts[cases[i].bucket], 3);
    }
}

static void the_sum_is_of_all_requests(void **state)
{
    (void)state;
    start_test();
    durations_note(3, 1000, now_ns);
    durations_note(1, 500, now_ns);
    assert_int_equal(counter_read(0, COUNTER_DURATIONS_SUM_NS), 3500);
}

/* To the nanosecond at the slots' edges; all that was ever counted stays. */
static void a_minute_and_a_slot_later_they_are_forgotten(void **state)
{
    struct durations all = {{0}};

    (void)state;
    start_test();
    durations_note(5, 1000, now_ns);
    now_ns += DURATION_SLOTS * DURATION_SLOT_NS - 1;
    assert_int_equal(minute_of(0).counts[0], 5);
    now_ns++;
    assert_int_equal(minute_of(0).counts[0], 0);
    durations_add_all(&all, 0);
    assert_int_equal(all.counts[0], 5);
}

/* A node that sleeps does not empty its slots: it does so when it next counts, whenever that is. */
static void slots_in_which_nothing_was_counted_are_empty(void **state)
{
    static const unsigned pauses[] = {1, 2, 15, 16, 17, 31, 32, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        start_test();
        for (unsigned slot = 0; slot < DURATION_SLOTS; slot++) {
            durations_note(1, 0, now_ns);
            now_ns += DURATION_SLOT_NS;
        }
        now_ns += (pauses[i] - 1) * DURATION_SLOT_NS;
        durations_note(100, 0, now_ns);
        unsigned left = pauses[i] < DURATION_SLOTS ? DURATION_SLOTS - pauses[i] : 0;
        assert_int_equal(minute_of(0).counts[0], 100 + left);
    }
}

static void a_slot_is_told_by_its_number(void **state)
{
    struct durations durations = {{0}};
    uint64_t slot;

    (void)state;
    start_test();
    slot = now_ns / DURATION_SLOT_NS;
    durations_note(7, 0, now_ns);
    durations_add_slot(&durations, 0, slot);
    assert_int_equal(durations.counts[0], 7);
    durations_add_slot(&durations, 0, slot - 1);
    durations_add_slot(&durations, 0, slot + 1);
    durations_add_slot(&durations, 0, slot - DURATION_SLOTS);
    durations_add_slot(&durations, 0, slot + DURATION_SLOTS);
    assert_int_equal(durations.counts[0], 7);
}

static void several_nodes_are_added_up(void **state)
{
    struct durations durations = {{0}};
    uint64_t slot;

    (void)state;
    start_test();
    slot = now_ns / DURATION_SLOT_NS;
    durations_note(7, 0, now_ns);
    fake_status_page(2)->counters[COUNTER_DURATIONS_NEWEST] = slot;
    fake_status_page(2)
        ->counters[COUNTER_DURATIONS_RECENT + slot % DURATION_SLOTS * DURATION_BUCKETS] = 5;
    for (node_id_t node = 0; node < 3; node++) {
        durations_add_minute(&durations, node, now_ns);
    }
    assert_int_equal(durations.counts[0], 12);
}

/* A page may hold anything. */
static void another_nodes_damage_stays_in_its_bounds(void **state)
{
    struct durations durations;

    (void)state;
    start_test();
    memset(fake_status_page(1)->counters, 0xFF, sizeof(fake_status_page(1)->counters));
    durations = minute_of(1);
    assert_int_equal(durations_count(&durations), 0);
    fake_status_page(1)->counters[COUNTER_DURATIONS_NEWEST] = now_ns / DURATION_SLOT_NS;
    durations = minute_of(1);
    assert_int_equal(durations_count(&durations),
                     DURATION_SLOTS * DURATION_BUCKETS * (UINT64_C(1) << 40));
    assert_int_equal(durations_quantile_ns(&durations, 500), DURATION_BOUND_NS(9));
}

static void the_last_minute_is_shorter_after_the_start(void **state)
{
    (void)state;
    assert_int_equal(durations_minute_ns(1), 1);
    assert_int_equal(durations_minute_ns(59 * NS_PER_S), 59 * NS_PER_S);
    assert_int_equal(durations_minute_ns(600 * NS_PER_S), 60 * NS_PER_S);
    assert_int_equal(durations_minute_ns(603 * NS_PER_S), 63 * NS_PER_S);
}

static void a_quantile_lies_on_a_line_through_its_bucket(void **state)
{
    struct durations durations = {{0}};

    (void)state;
    assert_int_equal(durations_quantile_ns(&durations, 500), 0);
    durations.counts[3] = 1; /* 4096 to 8192 */
    assert_int_equal(durations_quantile_ns(&durations, 0), 8192);
    assert_int_equal(durations_quantile_ns(&durations, 500), 8192);
    durations.counts[3] = 4;
    assert_int_equal(durations_quantile_ns(&durations, 500), 6144);
    assert_int_equal(durations_quantile_ns(&durations, 1000), 8192);
    durations.counts[0] = 96;
    assert_int_equal(durations_quantile_ns(&durations, 990), 7168);
    assert_int_equal(durations_quantile_ns(&durations, 960), 1024);
    assert_int_equal(durations_quantile_ns(&durations, 961), 5120);
    durations.counts[19] = 1000;
    assert_int_equal(durations_quantile_ns(&durations, 990), DURATION_BOUND_NS(18));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed),
        cmocka_unit_test(the_sum_is_of_all_requests),
        cmocka_unit_test(a_minute_and_a_slot_later_they_are_forgotten),
        cmocka_unit_test(slots_in_which_nothing_was_counted_are_empty),
        cmocka_unit_test(a_slot_is_told_by_its_number),
        cmocka_unit_test(several_nodes_are_added_up),
        cmocka_unit_test(another_nodes_damage_stays_in_its_bounds),
        cmocka_unit_test(the_last_minute_is_shorter_after_the_start),
        cmocka_unit_test(a_quantile_lies_on_a_line_through_its_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
