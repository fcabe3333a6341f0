/* SPDX-License-Identifier: MIT */
/* sources: apps/syslog/collector.c libc/core/address.c libc/core/numbers.c */
/*
 * Tests apps/syslog/collector.c: ADDRESS[:PORT].
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/syslog/collector.h"
#include "libc/core/base.h"

static void an_address_with_or_without_a_port_is_read(void **state)
{
    struct syslog_collector collector;

    (void)state;
    assert_true(syslog_read_collector("192.0.2.1", 9, &collector));
    assert_memory_equal(&collector.address, "\300\0\2\1", 4);
    assert_int_equal(collector.port, 514);
    assert_true(syslog_read_collector("255.255.255.255:65535", 21, &collector));
    assert_int_equal(collector.port, 65535);
    assert_true(syslog_read_collector("192.0.2.1:1,console", 11, &collector)); /* as far as told */
    assert_int_equal(collector.port, 1);
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
    static const char *const wrong[] = {
        "",
        "console",
        "192.0.2",
        "192.0.2.1:",
        "192.0.2.1:0",
        "0.0.0.0",
        "192.0.2.1:65536",
        "192.0.2.1 514",
        "192.0.2.1:5x4",
        "192.0.2.256",
        "192.0.2.1,",
        "192.0.2.1:00000000000000514",
    };
    struct syslog_collector collector = {.port = 7};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_false(syslog_read_collector(wrong[i], strlen(wrong[i]), &collector));
        assert_int_equal(collector.port, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_with_or_without_a_port_is_read),
        cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
