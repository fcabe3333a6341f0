/* SPDX-License-Identifier: MIT */
/* sources: apps/monitor/log_option.c tests/unit/world/log_world.c */
/*
 * Tests apps/monitor/log_option.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/monitor/log_option.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "net/wall_clock.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/log_world.h"

uint64_t wall_clock_at(uint64_t now_ns)
{
    return 1795955696 * NS_PER_S + now_ns;
}

static void set_up(void)
{
    become(0, 1);
    (void)log_option_apply("info", 4);
}

static void levels_above_the_chosen_one_are_silent(void **state)
{
    (void)state;
    set_up();
    log_debug("ts", "no");
    (void)log_option_apply("warning", 7);
    log_info("ts", "no");
    assert_string_equal(fake_console(), "");
    assert_false(log_take_unannounced());
    log_warning("ts", "yes");
    log_error("ts", "yes");
    assert_int_equal(count_lines(fake_console()), 2);
}

/* And what is logged from here on is one of them, so that each node shows that it has changed. */
static void debug_lines_are_shown_when_they_are_asked_for(void **state)
{
    (void)state;
    set_up();
    (void)log_option_apply("debug", 5);
    assert_non_null(strstr(fake_console(), "log: log=debug\n"));
    log_debug("ts", "yes");
    log_error("ts", "yes");
    assert_int_equal(count_lines(fake_console()), 3);
    (void)log_option_apply("info", 4);
    log_debug("ts", "no");
    assert_int_equal(count_lines(fake_console()), 3);
}

static void one_subsystem_may_have_its_own_level(void **state)
{
    (void)state;
    set_up();
    (void)log_option_apply("warning,ixgbe=debug,ts=error", 28);
    log_debug("ixgbe", "yes");
    log_warning("boot", "yes");
    assert_int_equal(count_lines(fake_console()), 2);
    log_info("boot", "no");
    log_warning("ts", "no");
    assert_int_equal(count_lines(fake_console()), 2);
}

static void unknown_levels_are_reported_and_ignored(void **state)
{
    (void)state;
    static const char value[] = "loud,,=info,ts=,ts=loud,averyverylongsubsystem=info";

    set_up();
    (void)log_option_apply(value, sizeof(value) - 1);
    assert_int_equal(count_lines(fake_console()), 6);
    assert_non_null(strstr(fake_console(), "ignored `loud`"));
    log_info("ts", "still at info");
    assert_int_equal(count_lines(fake_console()), 7);
}

static void so_many_subsystems_have_a_level_of_their_own_and_no_more(void **state)
{
    static const char value[] = "a=debug,b=debug,c=debug,d=debug,e=debug,f=debug,g=debug,h=debug";

    (void)state;
    set_up();
    assert_int_equal(log_option_apply(value, sizeof(value) - 1), 0);
    log_debug("h", "yes");
    log_debug("i", "no");
    assert_int_equal(count_lines(fake_console()), 1);
    set_up();
    assert_int_equal(
        log_option_apply("a=info,b=info,c=info,d=info,e=info,f=info,g=info,h=info,i=info", 62), 1);
}

static void on_request_lines_begin_with_the_date(void **state)
{
    (void)state;
    set_up();
    fake_set_now_ns(7 * NS_PER_S + 1234567);
    (void)log_option_apply("info,time", 9);
    log_info("ts", "words");
    assert_string_equal(fake_console(), "[2026-11-29T12:35:03.001234Z] node0 ts: words\n");
    (void)log_option_apply("info", 4);
    log_info("ts", "words");
    assert_non_null(strstr(fake_console(), "\n[    7.001234] node0 ts: words\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_above_the_chosen_one_are_silent),
        cmocka_unit_test(debug_lines_are_shown_when_they_are_asked_for),
        cmocka_unit_test(one_subsystem_may_have_its_own_level),
        cmocka_unit_test(unknown_levels_are_reported_and_ignored),
        cmocka_unit_test(so_many_subsystems_have_a_level_of_their_own_and_no_more),
        cmocka_unit_test(on_request_lines_begin_with_the_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
