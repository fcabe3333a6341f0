/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/hosts.c libc/core/tar.c net/domain_name.c tests/unit/world/panic.c */
/*
 * Tests libc/posix/hosts.c with archives that the test puts together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "libc/posix/hosts.h"

#define BLOCK 512u

static uint8_t archives[3][8 * BLOCK];
static struct platform_module modules[3];

const struct platform_module *platform_module(unsigned index)
{
    return index < ARRAY_COUNT(modules) ? &modules[index] : NULL;
}

static void add_file(unsigned module, const char *name, const char *text)
{
    uint8_t *header = archives[module] + modules[module].bytes;
    unsigned sum = 0;

    (void)snprintf((char *)header, 100, "%s", name);
    (void)snprintf((char *)header + 124, 12, "%07o", (unsigned)(strlen(text) & 0xFFFFF));
    (void)snprintf((char *)header + 136, 12, "%011o", 0);
    header[156] = '0';
    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < BLOCK; i++) {
        sum += header[i];
    }
    (void)snprintf((char *)header + 148, 8, "%06o", sum & 0x3FFFF);
    memcpy(header + BLOCK, text, strlen(text));
    modules[module].bytes += 2 * BLOCK;
}

static int start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(modules); i++) {
        modules[i] = (struct platform_module){.name = "x", .start = archives[i]};
    }
    add_file(0, "index.html", "192.0.2.9 page");
    add_file(1, "./etc/hosts", "192.0.2.8 too-early");
    add_file(1, "etc/hosts",
             "# 192.0.2.1 remark\n"
             "192.0.2.1\tFirst.Test first alias#remark\r\n"
             "\n"
             "  192.0.2.2 second.test alias \n"
             "::1 first\n"
             "192.0.2.256 first\n"
             "192.0.2.255.1 first\n"
             "192.0.2.3\n"
             "192.0.2.4 bad..name good.test\n"
             "192.0.2.5 last");
    add_file(2, "etc/hosts", "192.0.2.7 too-late");
    return 0;
}

static void expect(const char *name, unsigned count, uint8_t last_byte, const char *first_name)
{
    struct name_answer answer;

    assert_int_equal(hosts_find_name(name, &answer), count != 0);
    assert_int_equal(answer.address_count, count);
    if (count != 0) {
        assert_int_equal(answer.result, RESOLVED_FOUND);
        assert_int_equal(answer.addresses[0] >> 24, last_byte);
        assert_string_equal(answer.name, first_name);
    }
}

static void a_name_has_the_addresses_of_its_lines(void **state)
{
    (void)state;
    expect("first", 1, 1, "first.test");
    expect("first.test", 1, 1, "first.test");
    expect("alias", 2, 1, "first.test");
    expect("good.test", 1, 4, "good.test");
    expect("last", 1, 5, "last");
}

static void what_is_no_line_or_elsewhere_is_not_there(void **state)
{
    (void)state;
    expect("remark", 0, 0, NULL);
    expect("page", 0, 0, NULL);
    expect("too-early", 0, 0, NULL);
    expect("too-late", 0, 0, NULL);
    expect("bad..name", 0, 0, NULL);
    expect("firs", 0, 0, NULL);
}

static void an_address_has_the_first_name_of_its_line(void **state)
{
    char name[DOMAIN_NAME_BYTES];

    (void)state;
    assert_true(hosts_find_address(0x020200C0u, name));
    assert_string_equal(name, "second.test");
    assert_true(hosts_find_address(0x040200C0u, name));
    assert_string_equal(name, "good.test");
    assert_false(hosts_find_address(0x030200C0u, name)); /* has none */
    assert_false(hosts_find_address(0x090200C0u, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_the_addresses_of_its_lines),
        cmocka_unit_test(what_is_no_line_or_elsewhere_is_not_there),
        cmocka_unit_test(an_address_has_the_first_name_of_its_line),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
