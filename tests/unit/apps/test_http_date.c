/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/date.c */
/* flags: -D_GNU_SOURCE */
/*
 * Tests apps/httpd/date.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/date.h"

#define NOW_S 1795000000 /* in November 2026 */

static void the_three_forms_of_a_date_are_read(void **state)
{
    static const struct {
        const char *text;
        time_t seconds;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Wed Nov 16 08:49:37 1994", 784975777},
        {"Wed Nov 06 08:49:37 1994", 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},
        {"Fri, 31 Dec 9999 23:59:59 GMT", DATE_MAX_S},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800}, /* a leap second */
        /* Two digits: at most 50 years ahead of now. */
        {"Monday, 02-Nov-76 00:00:00 GMT", 3371500800},   /* 2076 */
        {"Wednesday, 02-Nov-77 00:00:00 GMT", 247276800}, /* 1977 */
        {"Monday, 02-Nov-26 00:00:00 GMT", 1793577600},
        {"Monday, 02-Nov-00 00:00:00 GMT", 973123200},
    };
    time_t seconds;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        seconds = -1;
        if (!date_parse(cases[i].text, strlen(cases[i].text), NOW_S, &seconds) ||
            seconds != cases[i].seconds) {
            fail_msg("%s: %ld", cases[i].text, (long)seconds);
        }
    }
}

static void what_is_no_date_is_not_read(void **state)
{
    static const char *const cases[] = {
        "",
        "Sun",
        "yesterday",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        ", 06 Nov 1994 08:49:37 GMT",
        "Sun, 06  1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov 31 08:49:37 1994",
        "Sun, 06 Nov -994 08:49:37 GMT",
    };
    time_t seconds;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (date_parse(cases[i], strlen(cases[i]), NOW_S, &seconds)) {
            fail_msg("%s", cases[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_of_a_date_are_read),
        cmocka_unit_test(what_is_no_date_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
