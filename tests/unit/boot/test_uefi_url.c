/* SPDX-License-Identifier: MIT */
/* sources: boot/uefi/url.c */
/*
 * boot/uefi/url.c: the tree that a URL lies in, its host, and addresses in it; text from outside
 * that is none of these is refused, wherever it ends.
 */
#include <arpa/inet.h> /* the host's reading of addresses judges ours */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/uefi/url.h"

static char root[URL_BYTES_MAX];

/* Given as a packet has it: that many bytes and no NUL, so that the sanitizer sees a look beyond.
 */
static bool read_root(const char *url)
{
    size_t bytes = strlen(url);
    char *copy = malloc(bytes + 1);

    memcpy(copy, url, bytes);
    copy = realloc(copy, bytes == 0 ? 1 : bytes);
    bool is_url = url_read_root(root, copy, bytes);

    free(copy);
    return is_url;
}

static void the_tree_begins_above_efi_boot(void **state)
{
    (void)state;
    assert_true(read_root("http://192.0.2.1/EFI/BOOT/BOOTX64.EFI"));
    assert_string_equal(root, "http://192.0.2.1");
    assert_true(read_root("https://boot.example:8443/talus/efi/Boot/BOOTX64.EFI"));
    assert_string_equal(root, "https://boot.example:8443/talus");
}

static void without_these_folders_the_tree_is_the_programs_own(void **state)
{
    (void)state;
    assert_true(read_root("http://h/BOOTX64.EFI"));
    assert_string_equal(root, "http://h");
    assert_true(read_root("http://h/a/b/start.efi"));
    assert_string_equal(root, "http://h/a/b");
    assert_true(read_root("http://h/BOOT/start.efi"));
    assert_string_equal(root, "http://h/BOOT");
    assert_true(read_root("http://h/xEFI/BOOT/start.efi"));
    assert_string_equal(root, "http://h/xEFI/BOOT");
    /* The host is no folder. */
    assert_true(read_root("http://efi/boot/start.efi"));
    assert_string_equal(root, "http://efi/boot");
    assert_true(read_root("http://boot"));
    assert_string_equal(root, "http://boot");
}

static void a_query_is_no_part_of_the_tree(void **state)
{
    (void)state;
    assert_true(read_root("http://h/a/start.efi?from=/EFI/BOOT/x#/EFI/BOOT/y"));
    assert_string_equal(root, "http://h/a");
    assert_true(read_root("http://h?/EFI/BOOT/x"));
    assert_string_equal(root, "http://h");
}

static void what_is_no_url_has_no_tree(void **state)
{
    static const char *texts[] = {
        "",          "http",           "http:",          "http:/",
        "http://",   "://h/x",         "/x/y",           "http:///x",
        "http://?x", "http://h/a b",   "a/b://c",        "http://h/\n",
        "http:h",    "http://h/\x7F/", "http://h/\xC3/", "ht\x01tp://h/start",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(read_root(texts[i]));
        assert_string_equal(root, "");
    }
}

static void a_url_may_end_before_its_bytes_do(void **state)
{
    static const char bytes[] = "http://h/a/x\0/\xFF";

    (void)state;
    assert_true(url_read_root(root, bytes, sizeof(bytes)));
    assert_string_equal(root, "http://h/a");
}

static void a_long_url_fits_or_is_refused(void **state)
{
    static const char start[] = "http://h/";
    char url[URL_BYTES_MAX + 1];

    (void)state;
    memset(url, 'x', sizeof(url));
    memcpy(url, start, sizeof(start) - 1);
    url[URL_BYTES_MAX - 1] = '\0';
    assert_true(url_read_root(root, url, sizeof(url)));
    assert_string_equal(root, "http://h");
    url[URL_BYTES_MAX - 1] = 'x';
    url[URL_BYTES_MAX] = '\0';
    assert_false(url_read_root(root, url, sizeof(url)));
}

static void the_host_is_given_with_its_port(void **state)
{
    char host[16];

    (void)state;
    assert_true(url_read_host(host, sizeof(host), "http://[2001:db8::1]/x"));
    assert_string_equal(host, "[2001:db8::1]");
    assert_true(url_read_host(host, sizeof(host), "http://192.0.2.1:8080"));
    assert_string_equal(host, "192.0.2.1:8080");
    assert_true(url_read_host(host, sizeof(host), "http://exactly.fifteen/"));
    assert_false(url_read_host(host, sizeof(host), "http://exactly.sixteen1/"));
    assert_false(url_read_host(host, sizeof(host), "http:///x"));
    assert_false(url_read_host(host, sizeof(host), "x"));
}

static bool read_address(uint8_t address[URL_IPV6_BYTES], const char *text)
{
    char url[64];

    snprintf(url, sizeof(url), "tftp://[%s]/x", text);
    return url_read_ipv6(address, url, strlen(url));
}

static void addresses_are_read_as_the_host_reads_them(void **state)
{
    static const char *texts[] = {
        "2001:db8::1",
        "::",
        "::1",
        "1::",
        "fe80::1234:ABCD",
        "1:2:3:4:5:6:7:8",
        "1::3:4:5:6:7:8",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "0:0:0::ffff",
        "",
        ":",
        ":::",
        "1",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "12345::",
        "g::",
        "1:",
        ":1",
        "1:2:3:4:5:6:7:8:",
        "::1:",
        "1:::2",
        " ::1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t ours[URL_IPV6_BYTES];
        uint8_t theirs[URL_IPV6_BYTES];
        bool is_address = inet_pton(AF_INET6, texts[i], theirs) == 1;

        if (read_address(ours, texts[i]) != is_address) {
            fail_msg("%s", texts[i]);
        }
        if (is_address) {
            assert_memory_equal(ours, theirs, sizeof(ours));
        }
    }
}

static void an_address_has_its_brackets_and_its_bytes(void **state)
{
    static const char url[] = "tftp://[2001:db8::1]";
    uint8_t address[URL_IPV6_BYTES];

    (void)state;
    assert_true(url_read_ipv6(address, url, sizeof(url) - 1));
    for (size_t bytes = 0; bytes < sizeof(url) - 1; bytes++) {
        assert_false(url_read_ipv6(address, url, bytes));
    }
    assert_false(url_read_ipv6(address, "tftp://2001:db8::1/", 19));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_begins_above_efi_boot),
        cmocka_unit_test(without_these_folders_the_tree_is_the_programs_own),
        cmocka_unit_test(a_query_is_no_part_of_the_tree),
        cmocka_unit_test(what_is_no_url_has_no_tree),
        cmocka_unit_test(a_url_may_end_before_its_bytes_do),
        cmocka_unit_test(a_long_url_fits_or_is_refused),
        cmocka_unit_test(the_host_is_given_with_its_port),
        cmocka_unit_test(addresses_are_read_as_the_host_reads_them),
        cmocka_unit_test(an_address_has_its_brackets_and_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
