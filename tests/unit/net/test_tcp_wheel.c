/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/wheel.c libc/core/timer.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/tcp/wheel.c over the kernel's real timers. `now_ns` is the round's clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/transport/tcp/wheel.h"
#include "tests/unit/world/fake_platform.h"

#define TICK         WHEEL_TICK_NS
#define ENTRY_COUNT  48u
#define MODEL_STEPS  1000000u
#define MANY_ENTRIES 1000000u
#define LEVEL_TICKS  256u
#define WRAP_NS      (TICK << 32) /* ticks wrap here */

struct tested {
    struct wheel_entry entry;
    bool is_wanted;
    uint64_t deadline_ns; /* that it was set for */
    uint64_t due_tick;    /* when it has to expire */
    unsigned expired_count;
};

static struct tested entries[ENTRY_COUNT];
static uint64_t now_ns;
static uint64_t last_due_tick; /* that expired in this turn */
static unsigned expired_total, turns;
static void (*when_expired)(struct tested *tested);

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

static void check_expired(struct wheel_entry *entry)
{
    struct tested *tested = CONTAINER_OF(entry, struct tested, entry);

    assert_true(tested->is_wanted);
    assert_false(wheel_is_set(entry));
    assert_true(tested->due_tick * TICK <= now_ns);
    assert_true(tested->due_tick >= last_due_tick);
    last_due_tick = tested->due_tick;
    tested->is_wanted = false;
    tested->expired_count++;
    expired_total++;
    if (when_expired != NULL) {
        when_expired(tested);
    }
}

/* Set it, and reckon when it has to expire. */
static void set(struct tested *tested, uint64_t deadline_ns)
{
    uint64_t soonest_tick = now_ns / TICK + 1;
    uint64_t farthest_tick = soonest_tick + WHEEL_FARTHEST_NS / TICK;
    uint64_t tick = deadline_ns / TICK + (deadline_ns % TICK != 0);

    tick = tick < soonest_tick ? soonest_tick : tick;
    tested->deadline_ns = deadline_ns;
    tested->due_tick = tick < farthest_tick ? tick : farthest_tick;
    tested->is_wanted = true;
    wheel_set(&tested->entry, deadline_ns);
    assert_true(wheel_is_set(&tested->entry));
}

static void clear(struct tested *tested)
{
    tested->is_wanted = false;
    wheel_clear(&tested->entry);
    assert_false(wheel_is_set(&tested->entry));
}

/* It is then; the dispatcher's turn for timers. */
static void run_at(uint64_t time_ns)
{
    now_ns = time_ns;
    last_due_tick = 0;
    turns += timer_run_expired(now_ns);
}

/* Sleep as a node does, until nothing is left to wake it before then. */
static void sleep_until(uint64_t time_ns)
{
    uint64_t wake_ns;

    while ((wake_ns = timer_next_deadline_ns()) <= time_ns) {
        run_at(wake_ns > now_ns ? wake_ns : now_ns);
    }
    now_ns = time_ns;
}

static void begin_at(uint64_t time_ns)
{
    now_ns = time_ns;
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        entries[i] = (struct tested){.is_wanted = false};
    }
    expired_total = turns = 0;
    when_expired = NULL;
    wheel_initialise(check_expired);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    begin_at(1000 * TICK + 77);
    return 0;
}

/* --- One entry --- */

static void an_entry_expires_once_a_tick_late_at_most_and_never_early(void **state)
{
    static const uint64_t offsets_ns[] = {0, 1, TICK - 77, TICK - 1, TICK, TICK + 1};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(offsets_ns); i++) {
        uint64_t deadline_ns = now_ns + 10 * TICK + offsets_ns[i];

        set(&entries[0], deadline_ns);
        run_at(deadline_ns - 1);
        assert_int_equal(entries[0].expired_count, i);
        sleep_until(deadline_ns + TICK);
        assert_int_equal(entries[0].expired_count, i + 1);
        assert_true(timer_next_deadline_ns() == UINT64_MAX);
    }
}

static void a_deadline_that_has_passed_is_met_within_a_tick(void **state)
{
    (void)state;
    set(&entries[0], 0);
    set(&entries[1], now_ns);
    set(&entries[2], now_ns - 1);
    sleep_until(now_ns + TICK);
    assert_int_equal(expired_total, 3);
}

static void a_deadline_beyond_the_farthest_is_met_at_the_farthest(void **state)
{
    uint64_t start_ns = now_ns;

    (void)state;
    set(&entries[0], UINT64_MAX);
    set(&entries[1], now_ns + WHEEL_FARTHEST_NS + NS_PER_S);
    sleep_until(start_ns + WHEEL_FARTHEST_NS - 1);
    assert_int_equal(expired_total, 0);
    sleep_until(start_ns + WHEEL_FARTHEST_NS + 2 * TICK);
    assert_int_equal(expired_total, 2);
}

/* What a busy connection does for each request: the entry is not moved, so neither is the timer. */
static void a_later_deadline_is_stored_and_the_visit_moves_the_entry(void **state)
{
    uint32_t stood_at;

    (void)state;
    set(&entries[0], now_ns + 5 * TICK);
    stood_at = entries[0].entry.deadline_tick;
    for (unsigned i = 1; i <= 100; i++) {
        set(&entries[0], now_ns + (5 + 3 * i) * TICK);
        assert_int_equal(entries[0].entry.deadline_tick, stood_at);
    }
    sleep_until(now_ns + 304 * TICK);
    assert_int_equal(expired_total, 0);
    assert_int_equal(turns, 2); /* where it stood, and the block to which it was moved from there */
    sleep_until(now_ns + 2 * TICK);
    assert_int_equal(expired_total, 1);
}

static void an_earlier_deadline_moves_the_entry_at_once(void **state)
{
    (void)state;
    set(&entries[0], now_ns + 3600 * NS_PER_S);
    set(&entries[0], now_ns + 60 * NS_PER_S);
    set(&entries[0], now_ns + TICK);
    sleep_until(now_ns + 2 * TICK);
    assert_int_equal(expired_total, 1);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

static void a_cleared_entry_does_not_expire_and_wakes_the_node_once_at_most(void **state)
{
    (void)state;
    set(&entries[0], now_ns + 5 * TICK);
    clear(&entries[0]);
    clear(&entries[0]);
    sleep_until(now_ns + 3600 * NS_PER_S);
    assert_int_equal(expired_total, 0);
    assert_in_range(turns, 0, 1);
}

/* Deadlines on both sides of where a level ends, from times on both sides of where a block does. */
static void entries_expire_in_time_at_the_borders_of_levels(void **state)
{
    static const uint64_t borders[] = {LEVEL_TICKS, LEVEL_TICKS * LEVEL_TICKS,
                                       LEVEL_TICKS * LEVEL_TICKS * 200};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(borders); i++) {
        for (int start = -2; start <= 2; start++) {
            for (int distance = -3; distance <= 3; distance++) {
                uint64_t deadline_tick;

                begin_at((3 * borders[2] + (uint64_t)start) * TICK);
                deadline_tick = now_ns / TICK + borders[i] + (uint64_t)distance;
                set(&entries[0], deadline_tick * TICK);
                sleep_until(deadline_tick * TICK - 1);
                assert_int_equal(expired_total, 0);
                sleep_until(deadline_tick * TICK);
                assert_int_equal(expired_total, 1);
            }
        }
    }
}

/* --- From inside `expired` --- */

static void restart_at_once(struct tested *tested)
{
    set(tested, 0);
}

static void an_entry_that_is_set_again_as_it_expires_waits_for_another_round(void **state)
{
    (void)state;
    when_expired = restart_at_once;
    set(&entries[0], 0);
    for (unsigned i = 1; i <= 5; i++) {
        run_at(now_ns + 5 * TICK);
        assert_int_equal(expired_total, i);
    }
}

static void clear_neighbours(struct tested *tested)
{
    size_t index = (size_t)(tested - entries);

    if (index > 0) {
        clear(&entries[index - 1]);
    }
    if (index + 1 < ENTRY_COUNT) {
        clear(&entries[index + 1]);
    }
}

static void entries_of_the_same_slot_may_be_cleared_as_one_expires(void **state)
{
    (void)state;
    when_expired = clear_neighbours;
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        set(&entries[i], now_ns + 5 * TICK);
    }
    run_at(now_ns + 9 * TICK);
    assert_in_range(expired_total, ENTRY_COUNT / 3, ENTRY_COUNT / 2 + 1);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

static void put_off_neighbours(struct tested *tested)
{
    size_t index = (size_t)(tested - entries);

    if (index > 0 && entries[index - 1].is_wanted) {
        set(&entries[index - 1], now_ns + 50 * TICK);
    }
    if (index + 1 < ENTRY_COUNT && entries[index + 1].is_wanted) {
        set(&entries[index + 1], now_ns + 50 * TICK);
    }
}

static void entries_of_the_same_slot_may_be_put_off_as_one_expires(void **state)
{
    (void)state;
    when_expired = put_off_neighbours;
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        set(&entries[i], now_ns + 5 * TICK);
    }
    run_at(now_ns + 6 * TICK);
    assert_int_equal(expired_total, ENTRY_COUNT / 2);
    sleep_until(now_ns + 200 * TICK);
    assert_int_equal(expired_total, ENTRY_COUNT);
}

static struct tested *owned[3];

static void free_all(struct tested *tested)
{
    (void)tested;
    for (unsigned i = 0; i < ARRAY_COUNT(owned); i++) {
        wheel_clear(&owned[i]->entry);
        free(owned[i]);
        owned[i] = NULL;
    }
}

/* The address sanitizer sees it if the wheel touches one of them. */
static void all_entries_of_a_slot_may_be_freed_as_one_expires(void **state)
{
    (void)state;
    when_expired = free_all;
    for (unsigned i = 0; i < ARRAY_COUNT(owned); i++) {
        owned[i] = calloc(1, sizeof(*owned[i]));
        set(owned[i], now_ns + 5 * TICK);
    }
    sleep_until(now_ns + 9 * TICK);
    assert_int_equal(expired_total, 1);
    assert_null(owned[0]);
}

/* --- Against a model --- */

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (random_state >> 33) % bound;
}

/* From nanoseconds to hours, each scale as likely as another. */
static uint64_t random_span_ns(void)
{
    static const uint64_t scales_ns[] = {
        2 * TICK, 20 * TICK, 300 * TICK, NS_PER_S, 70 * NS_PER_S, 5 * 3600 * NS_PER_S,
    };

    return scales_ns[random_below(ARRAY_COUNT(scales_ns))] * random_below(1 << 20) >> 20;
}

static void touch_some(struct tested *self)
{
    struct tested *other = &entries[random_below(ENTRY_COUNT)];

    switch (random_below(6)) {
    case 0:
        set(self, now_ns + random_span_ns());
        break;
    case 1:
        set(other, now_ns + random_span_ns());
        break;
    case 2:
        clear(other);
        break;
    default:
        break;
    }
}

/* The model is the list of all that is wanted, with its first deadline looked for. */
static void check_against_model(void)
{
    uint64_t first_tick = UINT64_MAX;

    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        assert_int_equal(wheel_is_set(&entries[i].entry), entries[i].is_wanted);
        if (entries[i].is_wanted && entries[i].due_tick < first_tick) {
            first_tick = entries[i].due_tick;
        }
    }
    if (first_tick != UINT64_MAX) {
        assert_true(first_tick > now_ns / TICK); /* what was due has expired */
        assert_true(timer_next_deadline_ns() <= first_tick * TICK);
    }
}

static void step(void)
{
    struct tested *tested = &entries[random_below(ENTRY_COUNT)];

    switch (random_below(8)) {
    case 0:
        clear(tested);
        break;
    case 1:
        run_at(now_ns + random_span_ns());
        check_against_model();
        break;
    case 2:
        if (timer_next_deadline_ns() != UINT64_MAX) {
            run_at(timer_next_deadline_ns() > now_ns ? timer_next_deadline_ns() : now_ns);
            check_against_model();
        }
        break;
    default:
        set(tested, now_ns + random_span_ns());
        break;
    }
}

/* Days of it, ticks wrap among them; whatever is asked for from inside and outside. */
static void a_million_random_steps_go_as_a_sorted_list_would(void **state)
{
    (void)state;
    begin_at(WRAP_NS - 40000 * NS_PER_S);
    random_state = 11;
    when_expired = touch_some;
    for (unsigned i = 0; i < MODEL_STEPS; i++) {
        step();
    }
    assert_true(now_ns > WRAP_NS + 40000 * NS_PER_S);
    assert_true(expired_total > MODEL_STEPS / 10);
}

/* --- Many, and none --- */

static void a_million_entries_expire_each_in_its_tick(void **state)
{
    struct tested *many = calloc(MANY_ENTRIES, sizeof(*many));

    (void)state;
    assert_non_null(many);
    random_state = 5;
    for (unsigned i = 0; i < MANY_ENTRIES; i++) {
        set(&many[i], now_ns + random_below(1 << 30) * 13000); /* up to 3.9 h */
    }
    while (timer_next_deadline_ns() != UINT64_MAX) {
        run_at(timer_next_deadline_ns());
        /* Woken at each tick that is used, so what expires is due now, and not a tick before. */
        assert_true(last_due_tick == 0 || last_due_tick == now_ns / TICK);
    }
    assert_int_equal(expired_total, MANY_ENTRIES);
    free(many);
}

static void after_hours_of_sleep_all_that_is_due_expires_in_one_turn(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        set(&entries[i], now_ns + i * 300 * NS_PER_S);
    }
    run_at(now_ns + 100 * 3600 * NS_PER_S);
    assert_int_equal(expired_total, ENTRY_COUNT);
    assert_int_equal(turns, 1);
    /* And the wheel goes on from there. */
    set(&entries[0], now_ns + 3 * TICK);
    sleep_until(now_ns + 4 * TICK);
    assert_int_equal(entries[0].expired_count, 2);
}

static void set_far_ahead(struct tested *tested)
{
    when_expired = NULL;
    set(tested, now_ns + WHEEL_FARTHEST_NS);
}

/* The place is reckoned from a clock that is hours behind then. */
static void an_entry_may_be_set_for_the_farthest_time_in_a_turn_that_is_hours_late(void **state)
{
    uint64_t late_ns = now_ns + 3 * 3600 * NS_PER_S;

    (void)state;
    when_expired = set_far_ahead;
    set(&entries[0], now_ns + TICK);
    run_at(late_ns);
    assert_int_equal(expired_total, 1);
    sleep_until(late_ns + WHEEL_FARTHEST_NS - 1);
    assert_int_equal(expired_total, 1);
    sleep_until(late_ns + WHEEL_FARTHEST_NS + 2 * TICK);
    assert_int_equal(expired_total, 2);
}

/* An entry wakes the node when it is due and, at most twice before, when a block begins. */
static void an_hour_of_idle_time_wakes_the_node_for_deadlines_only(void **state)
{
    (void)state;
    sleep_until(now_ns + 3600 * NS_PER_S);
    assert_int_equal(turns, 0);
    set(&entries[0], now_ns + 1800 * NS_PER_S);
    set(&entries[1], now_ns + 7200 * NS_PER_S);
    sleep_until(now_ns + 3600 * NS_PER_S);
    assert_int_equal(expired_total, 1);
    assert_in_range(turns, 1, 3);
    sleep_until(now_ns + 3601 * NS_PER_S);
    assert_int_equal(expired_total, 2);
    assert_in_range(turns, 2, 6);
    sleep_until(now_ns + 3600 * NS_PER_S);
    assert_in_range(turns, 2, 6);
}

static void a_fresh_start_empties_the_wheel(void **state)
{
    (void)state;
    set(&entries[0], now_ns + 5 * TICK);
    set(&entries[1], now_ns + 5000 * TICK);
    begin_at(now_ns);
    sleep_until(now_ns + 9000 * TICK);
    assert_int_equal(turns, 0);
    set(&entries[0], now_ns + 5 * TICK);
    sleep_until(now_ns + 6 * TICK);
    assert_int_equal(expired_total, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_entry_expires_once_a_tick_late_at_most_and_never_early, set_up),
        cmocka_unit_test_setup(a_deadline_that_has_passed_is_met_within_a_tick, set_up),
        cmocka_unit_test_setup(a_deadline_beyond_the_farthest_is_met_at_the_farthest, set_up),
        cmocka_unit_test_setup(a_later_deadline_is_stored_and_the_visit_moves_the_entry, set_up),
        cmocka_unit_test_setup(an_earlier_deadline_moves_the_entry_at_once, set_up),
        cmocka_unit_test_setup(a_cleared_entry_does_not_expire_and_wakes_the_node_once_at_most,
                               set_up),
        cmocka_unit_test_setup(entries_expire_in_time_at_the_borders_of_levels, set_up),
        cmocka_unit_test_setup(an_entry_that_is_set_again_as_it_expires_waits_for_another_round,
                               set_up),
        cmocka_unit_test_setup(entries_of_the_same_slot_may_be_cleared_as_one_expires, set_up),
        cmocka_unit_test_setup(entries_of_the_same_slot_may_be_put_off_as_one_expires, set_up),
        cmocka_unit_test_setup(all_entries_of_a_slot_may_be_freed_as_one_expires, set_up),
        cmocka_unit_test_setup(a_million_random_steps_go_as_a_sorted_list_would, set_up),
        cmocka_unit_test_setup(a_million_entries_expire_each_in_its_tick, set_up),
        cmocka_unit_test_setup(after_hours_of_sleep_all_that_is_due_expires_in_one_turn, set_up),
        cmocka_unit_test_setup(
            an_entry_may_be_set_for_the_farthest_time_in_a_turn_that_is_hours_late, set_up),
        cmocka_unit_test_setup(an_hour_of_idle_time_wakes_the_node_for_deadlines_only, set_up),
        cmocka_unit_test_setup(a_fresh_start_empties_the_wheel, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
