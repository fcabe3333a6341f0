/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/delay.c */
/* flags: -Dnanosleep=fake_nanosleep -Dclock_gettime=fake_clock_gettime */
/*
 * Tests apps/httpd/delay.c: which delays are this node's, and when they are on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "apps/httpd/delay.h"
#include "apps/httpd/host.h"

#define THIS_NODE 5u

static uint64_t now_ms, slept_us;

unsigned host_node(void)
{
    return THIS_NODE;
}

int fake_nanosleep(const struct timespec *duration, struct timespec *remaining)
{
    (void)remaining;
    slept_us += (uint64_t)duration->tv_sec * 1000000 + (uint64_t)duration->tv_nsec / 1000;
    return 0;
}

int fake_clock_gettime(clockid_t clock, struct timespec *now)
{
    assert_int_equal(clock, CLOCK_MONOTONIC);
    now->tv_sec = (time_t)(now_ms / 1000);
    now->tv_nsec = (long)(now_ms % 1000 * 1000000);
    return 0;
}

static uint64_t slept_at(uint64_t time_ms)
{
    now_ms = time_ms;
    slept_us = 0;
    delay_connection();
    return slept_us;
}

static void wrong_words_are_refused(void **state)
{
    static const char *const words[] = {
        "",          "5",        ":",       "5:",         "5:x",  "5:1:2", "5:1:3:2",     "5:1:2:",
        "5:1:2:3:4", "5:1:2:3:", "65536:1", "5:60000001", "5:1 ", "-1:5",  "5:4294967296"};

    (void)state;
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_false(delay_add(words[i]));
    }
    assert_int_equal(slept_at(1), 0);
}

/* In order: what is added stays. */
static void delays_of_this_node_add_up_while_they_are_on(void **state)
{
    (void)state;
    assert_true(delay_add("4:1000000"));
    assert_int_equal(slept_at(1), 0);
    assert_true(delay_add("5:1500000"));
    assert_int_equal(slept_at(0), 1500000);
    assert_true(delay_add("5:20:100:200"));
    assert_int_equal(slept_at(99), 1500000);
    assert_int_equal(slept_at(100), 1500020);
    assert_int_equal(slept_at(199), 1500020);
    assert_int_equal(slept_at(200), 1500000);
    for (unsigned i = 2; i < DELAY_MAX; i++) {
        assert_true(delay_add("5:1"));
    }
    assert_false(delay_add("5:1"));
    assert_true(delay_add("6:1"));
    assert_int_equal(slept_at(0), 1500000 + DELAY_MAX - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_words_are_refused),
        cmocka_unit_test(delays_of_this_node_add_up_while_they_are_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
