/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/path.c apps/httpd/authority.c */
/* flags: -D_GNU_SOURCE */
/*
 * Tests what httpd makes of a request's target: apps/httpd/path.c and authority.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/authority.h"
#include "apps/httpd/path.h"

static void authorities_are_a_host_and_perhaps_a_port(void **state)
{
    static const char *const good[] = {
        "a",
        "a.b-c_d~e",
        "a:",
        "a:80",
        "a:65535",
        "a%20b",
        "1.2.3.4",
        "1.2.3.4:80",
        "!$&'()*+,;=",
        "[::]",
        "[::1]:80",
        "[1::]",
        "[1:2:3:4:5:6:7:8]",
        "[1:2:3:4:5:6:7::]",
        "[::2:3:4:5:6:7:8]",
        "[1::3:4]",
        "[::ffff:1.2.3.4]",
        "[::127.0.0.255]",
        "[1:2:3:4:5:6:1.2.3.4]",
        "[FFFF::]",
        "[v1.a:b]",
    };
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "a:b",
        "a:1:2",
        "a:-1",
        "a: 1",
        "a:65536",
        "a:99999999999999999999",
        "a b",
        "a@b",
        "a/b",
        "a?b",
        "a%2",
        "a%zz",
        "a%",
        "\xC3\xA4",
        "::1",
        "[",
        "[]",
        "[]:80",
        "[::1",
        "[zz]",
        "[::1]x",
        "[::1]:x",
        "[::1]80",
        "[:]",
        "[:::]",
        "[1:::2]",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[1:2:3:4::5:6:7:8]",
        "[1::2::3]",
        "[12345::]",
        "[1:]",
        "[:1]",
        "[1.2.3.4]",
        "[::1.2.3]",
        "[::1.2.3.256]",
        "[::1.2.3.04]",
        "[::1.2.3.4:5]",
        "[1:2:3:4:5:6:7:1.2.3.4]",
        "[::1%25eth0]",
        "[v.a]",
        "[v1]",
        "[v1.]",
        "[v1.a/]",
        "a]",
        "[a:b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!authority_is_good(good[i], strlen(good[i]))) {
            fail_msg("good: %s", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (authority_is_good(bad[i], strlen(bad[i]))) {
            fail_msg("bad: %s", bad[i]);
        }
    }
}

static void paths_are_decoded_once_and_never_leave_the_site(void **state)
{
    static const struct {
        const char *target, *path;
        int error;
    } cases[] = {
        {"/", "/", 0},
        {"/a/b?c=d", "/a/b", 0},
        {"/%61%2525", "/a%25", 0},
        {"/a.../..b", "/a.../..b", 0},
        {"http://h/x", "/x", 0},
        {"HTTP://h", "/", 0},
        {"http://h?c=d/e", "/", 0},
        {"http://h#f/g", "/", 0},
        {"http://h?", "/", 0},
        {"?c=d", NULL, -EINVAL},
        {"http://", NULL, -EINVAL},
        {"http:///x", NULL, -EINVAL},
        {"http://?x", NULL, -EINVAL},
        {"http://h:p/x", NULL, -EINVAL},
        {"https://[::1]:443/x", "/x", 0},
        {"", "", 0},
        {"*", NULL, -EINVAL},
        {"x/y", NULL, -EINVAL},
        {"/%", NULL, -EINVAL},
        {"/%2", NULL, -EINVAL},
        {"/%zz", NULL, -EINVAL},
        {"/%00", NULL, -EINVAL},
        {"/..", NULL, -ENOENT},
        {"/../x", NULL, -ENOENT},
        {"/x/%2e%2E/y", NULL, -ENOENT},
        {"/x/..?y", NULL, -ENOENT},
        {"/x%2fy", NULL, -ENOENT},
        {"/x%2Fy", NULL, -ENOENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = strlen(cases[i].target);
        char *target = malloc(bytes + 1);
        char *path = malloc(bytes + 1);
        memcpy(target, cases[i].target, bytes);
        int length = path_decode(target, bytes, path);
        if (cases[i].error != 0) {
            assert_int_equal(length, cases[i].error);
        } else {
            assert_int_equal(length, strlen(cases[i].path));
            assert_string_equal(path, cases[i].path);
        }
        free(target);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorities_are_a_host_and_perhaps_a_port),
        cmocka_unit_test(paths_are_decoded_once_and_never_leave_the_site),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
