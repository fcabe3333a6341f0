/* SPDX-License-Identifier: MIT */
/* sources: net/wall_clock.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/wall_clock.c. What a node has heard stays with it, so each test begins with what the
 * one before it has left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/wall_clock.h"
#include "tests/unit/world/fake_platform.h"

#define BOOT_NS  (platform_boot_epoch_s() * NS_PER_S)
#define OTHER_NS (UINT64_C(1795955696) * NS_PER_S)

static struct configuration configuration = {.ts_count = 3, .ts = {0, 1, 2}};

const struct configuration *configuration_current(void)
{
    return &configuration;
}

static void become(node_id_t node, node_id_t speaker)
{
    fake_platform_reset(node, 4);
    status_initialise();
    configuration.speaker = speaker;
}

static uint64_t *word_of(node_id_t node)
{
    return &fake_status_page(node)->words[STATUS_WORD_DATE];
}

static void before_anybody_tells_it_is_the_date_of_boot(void **state)
{
    (void)state;
    become(3, 0);
    assert_true(wall_clock_at(5) == BOOT_NS + 5);
    wall_clock_inherit(); /* there is nothing */
    assert_true(wall_clock_at(6) == BOOT_NS + 6);
    assert_true(*word_of(3) == 0);
}

static void what_the_speaker_tells_is_the_date_and_nonsense_is_counted(void **state)
{
    static const uint64_t nonsense[] = {1, WALL_CLOCK_MIN_NS - 1, WALL_CLOCK_MAX_NS, UINT64_MAX};

    (void)state;
    become(3, 0);
    *word_of(0) = OTHER_NS;
    *word_of(1) = OTHER_NS / 2; /* not the speaker */
    assert_true(wall_clock_at(5) == OTHER_NS + 5);
    for (unsigned i = 0; i < ARRAY_COUNT(nonsense); i++) {
        *word_of(0) = nonsense[i];
        assert_true(wall_clock_at(10 + i) == OTHER_NS + 10 + i);
        assert_true(wall_clock_at(10 + i) == OTHER_NS + 10 + i);
        assert_int_equal(counter_read(3, COUNTER_DROP_BAD_DATE), i + 1);
    }
    *word_of(0) = OTHER_NS + 77;
    assert_true(wall_clock_at(20) == OTHER_NS + 97);
    /* The next speaker has told nothing yet. */
    configuration.speaker = 2;
    assert_true(wall_clock_at(21) == OTHER_NS + 98);
}

static void the_first_and_the_last_date_that_may_be_are_taken(void **state)
{
    static const uint64_t dates[] = {WALL_CLOCK_MAX_NS - 1, WALL_CLOCK_MIN_NS};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(dates); i++) {
        become(3, 0);
        *word_of(0) = dates[i];
        assert_true(wall_clock_at(5) == dates[i] + 5);
        assert_int_equal(counter_read(3, COUNTER_DROP_BAD_DATE), 0);
        become(0, 0); /* and moved to, but no farther */
        *word_of(0) = OTHER_NS;
        assert_true(wall_clock_at(5) == OTHER_NS + 5);
        wall_clock_move((int64_t)(dates[i] - OTHER_NS));
        wall_clock_move(i == 0 ? 1 : -1);
        assert_true(*word_of(0) == dates[i]);
    }
}

/* The clock that connections are timed by stands while the machine does; the date goes on. */
static void the_time_that_the_machine_has_stood_still_is_part_of_the_date(void **state)
{
    (void)state;
    become(3, 0);
    *word_of(0) = OTHER_NS;
    assert_true(wall_clock_at(5) == OTHER_NS + 5);
    fake_set_standstill_ns(3600 * NS_PER_S);
    assert_true(wall_clock_at(6) == OTHER_NS + 6 + 3600 * NS_PER_S);
}

static void a_clock_set_back_a_little_stands_and_set_back_far_goes_back(void **state)
{
    (void)state;
    become(3, 0);
    *word_of(0) = OTHER_NS + 10 * NS_PER_S;
    uint64_t start_ns = wall_clock_at(1000);
    *word_of(0) -= NS_PER_MS;
    assert_true(wall_clock_at(1001) == start_ns);
    assert_true(wall_clock_at(500) == start_ns); /* an earlier look, as of a coarse clock */
    assert_true(wall_clock_at(1001 + NS_PER_MS) == start_ns + 1);
    *word_of(0) = OTHER_NS;
    assert_true(wall_clock_at(2 * NS_PER_MS) == OTHER_NS + 2 * NS_PER_MS);
}

static void the_speaker_moves_the_clock_and_tells_the_others(void **state)
{
    (void)state;
    become(0, 0);
    *word_of(0) = OTHER_NS;
    assert_true(wall_clock_at(NS_PER_S) == OTHER_NS + NS_PER_S);
    wall_clock_move(3600 * (int64_t)NS_PER_S);
    assert_true(*word_of(0) == OTHER_NS + 3600 * NS_PER_S);
    assert_true(wall_clock_at(1) == OTHER_NS + 3600 * NS_PER_S + 1);
    wall_clock_move(-(int64_t)OTHER_NS); /* 1970 */
    wall_clock_move(INT64_MAX);
    assert_true(*word_of(0) == OTHER_NS + 3600 * NS_PER_S);
    wall_clock_move(-3600 * (int64_t)NS_PER_S);
    assert_true(wall_clock_at(1) == OTHER_NS + 1);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_DATE), 0);
}

static void the_next_speaker_goes_on_with_what_the_dead_one_told(void **state)
{
    (void)state;
    become(1, 1);
    *word_of(0) = OTHER_NS + 1234;
    *word_of(2) = OTHER_NS + 9999; /* it has never spoken */
    wall_clock_inherit();
    assert_true(*word_of(1) == OTHER_NS + 1234);
    assert_true(wall_clock_at(NS_PER_S) == OTHER_NS + 1234 + NS_PER_S);
}

/* Node 2 has come back, node 0 after it: the last one that spoke was node 1. */
static void who_has_come_back_goes_on_with_the_last_speakers_word(void **state)
{
    (void)state;
    become(2, 2);
    configuration.start_orders[2] = 1;
    configuration.start_orders[0] = 2;
    *word_of(0) = OTHER_NS + 1;
    *word_of(1) = OTHER_NS + 1234;
    wall_clock_inherit();
    assert_true(*word_of(2) == OTHER_NS + 1234);
    configuration.start_orders[0] = configuration.start_orders[2] = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_anybody_tells_it_is_the_date_of_boot),
        cmocka_unit_test(what_the_speaker_tells_is_the_date_and_nonsense_is_counted),
        cmocka_unit_test(the_first_and_the_last_date_that_may_be_are_taken),
        cmocka_unit_test(the_time_that_the_machine_has_stood_still_is_part_of_the_date),
        cmocka_unit_test(a_clock_set_back_a_little_stands_and_set_back_far_goes_back),
        cmocka_unit_test(the_speaker_moves_the_clock_and_tells_the_others),
        cmocka_unit_test(the_next_speaker_goes_on_with_what_the_dead_one_told),
        cmocka_unit_test(who_has_come_back_goes_on_with_the_last_speakers_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
