/* SPDX-License-Identifier: MIT */
/* sources: libc/core/address.c libc/core/format.c libc/posix/inet.c */
/* flags: -Dinet_pton=talus_inet_pton -Dinet_ntop=talus_inet_ntop -Dinet_addr=talus_inet_addr */
/*
 * Tests libc/core/address.c, and POSIX's names for it in libc/posix/inet.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/address.h"

#define UNTOUCHED 0xA5A5A5A5u

static uint32_t bytes_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    const uint8_t bytes[4] = {a, b, c, d};
    uint32_t address;

    memcpy(&address, bytes, sizeof(bytes));
    return address;
}

static const char *const no_addresses[] = {
    "",         ".",         "1",         "1.2.3",     "1.2.3.",     ".1.2.3.4",
    "1..2.3",   "1.2.3.x",   "256.0.0.1", "0.0.0.256", "0.0.0.1000", "1.2.3.99999999999999",
    "01.2.3.4", "1.2.3.04",  "1.00.3.4",  " 1.2.3.4",  "+1.2.3.4",   "-1.2.3.4",
    "1.2.3,4",  "0x1.2.3.4", "1.2.-3.4",  "1 .2.3.4",
};

static void an_address_is_four_numbers_in_network_order(void **state)
{
    static const struct {
        const char *text;
        uint8_t bytes[4];
    } addresses[] = {
        {"0.0.0.0", {0, 0, 0, 0}},
        {"255.255.255.255", {255, 255, 255, 255}},
        {"192.0.2.10", {192, 0, 2, 10}},
        {"1.20.200.0", {1, 20, 200, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        const uint8_t *bytes = addresses[i].bytes;
        uint32_t address = UNTOUCHED;
        char text[ADDRESS_IPV4_TEXT_BYTES];
        const char *end = address_parse_ipv4(addresses[i].text, &address);

        assert_non_null(end);
        assert_int_equal(*end, '\0');
        assert_int_equal(address, bytes_of(bytes[0], bytes[1], bytes[2], bytes[3]));
        address_print_ipv4(address, text);
        assert_string_equal(text, addresses[i].text);
    }
}

static void what_stands_behind_is_left_to_the_caller(void **state)
{
    uint32_t address;

    (void)state;
    assert_string_equal(address_parse_ipv4("10.0.2.15/24,gw=1.2.3.4", &address), "/24,gw=1.2.3.4");
    assert_int_equal(address, bytes_of(10, 0, 2, 15));
    assert_string_equal(address_parse_ipv4("1.2.3.4.5", &address), ".5");
}

static void what_is_no_address_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(no_addresses) / sizeof(no_addresses[0]); i++) {
        uint32_t address = UNTOUCHED;

        assert_null(address_parse_ipv4(no_addresses[i], &address));
        assert_int_equal(address, UNTOUCHED);
        assert_int_equal(inet_pton(AF_INET, no_addresses[i], &address), 0);
        assert_int_equal(address, UNTOUCHED);
    }
}

/* The forms of 4.2BSD: fewer parts, numbers as in C, blanks behind. */
static void inet_addr_takes_old_forms_too(void **state)
{
    (void)state;
    assert_int_equal(inet_addr("10.1"), bytes_of(10, 0, 0, 1));
    assert_int_equal(inet_addr("10.1.258"), bytes_of(10, 1, 1, 2));
    assert_int_equal(inet_addr("0x7F000001"), bytes_of(127, 0, 0, 1));
    assert_int_equal(inet_addr("0300.0250.1.2 "), bytes_of(192, 168, 1, 2));
    assert_int_equal(inet_addr("10.16777216"), INADDR_NONE);
    assert_int_equal(inet_addr("256.1"), INADDR_NONE);
    assert_int_equal(inet_addr("1.2.3.4.5"), INADDR_NONE);
    assert_int_equal(inet_addr("1.2.3."), INADDR_NONE);
    assert_int_equal(inet_addr("08.1.1.1"), INADDR_NONE);
    assert_int_equal(inet_addr(""), INADDR_NONE);
    assert_int_equal(inet_addr("a"), INADDR_NONE);
}

static void posix_takes_the_whole_text_and_ipv4_alone(void **state)
{
    uint32_t address = UNTOUCHED;

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "10.0.2.15", &address), 1);
    assert_int_equal(address, bytes_of(10, 0, 2, 15));
    assert_int_equal(inet_addr("10.0.2.15"), address);
    assert_int_equal(inet_pton(AF_INET, "10.0.2.15/24", &address), 0);
    assert_int_equal(inet_pton(AF_INET, "10.0.2.15 ", &address), 0);
    errno = 0;
    assert_int_equal(inet_pton(AF_INET6, "::1", &address), -1);
    assert_int_equal(errno, EAFNOSUPPORT);
}

static void posix_prints_what_fits_whole_or_nothing(void **state)
{
    const uint32_t address = bytes_of(192, 0, 2, 10);
    char text[INET_ADDRSTRLEN] = "unchanged";

    (void)state;
    errno = 0;
    assert_null(inet_ntop(AF_INET, &address, text, sizeof("192.0.2.10") - 1));
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(text, "unchanged");
    assert_ptr_equal(inet_ntop(AF_INET, &address, text, sizeof("192.0.2.10")), text);
    assert_string_equal(text, "192.0.2.10");
    errno = 0;
    assert_null(inet_ntop(AF_INET6, &address, text, sizeof(text)));
    assert_int_equal(errno, EAFNOSUPPORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_four_numbers_in_network_order),
        cmocka_unit_test(what_stands_behind_is_left_to_the_caller),
        cmocka_unit_test(what_is_no_address_changes_nothing),
        cmocka_unit_test(inet_addr_takes_old_forms_too),
        cmocka_unit_test(posix_takes_the_whole_text_and_ipv4_alone),
        cmocka_unit_test(posix_prints_what_fits_whole_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
