/* SPDX-License-Identifier: MIT */
/* sources: apps/webswamp/options.c apps/webswamp/targets.c apps/webswamp/report.c */
/* sources: apps/webswamp/histogram.c apps/webswamp/errors.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE */
/*
 * Tests webswamp's command line, the requests that come of it, and how numbers are printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "apps/webswamp/options.h"
#include "apps/webswamp/report.h"
#include "apps/webswamp/targets.h"
#include "libc/core/base.h"

#define WORDS_MAX 80

static struct options options;
static char line[8192];

/* The words of a text, as of a command line. */
static bool parse(const char *text)
{
    char *words[WORDS_MAX] = {"webswamp"};
    char reason[128] = "";
    int count = 1;
    bool is_good;

    assert_true(strlen(text) < sizeof(line));
    strcpy(line, text);
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    is_good = options_parse(&options, count, words, reason, sizeof(reason));
    assert_int_equal(is_good, reason[0] == '\0');
    return is_good;
}

static void a_url_alone_is_loaded_for_ten_seconds(void **state)
{
    (void)state;
    assert_true(parse("http://192.0.2.1"));
    assert_int_equal(options.address, inet_addr("192.0.2.1"));
    assert_int_equal(options.port, 80);
    assert_string_equal(options.authority, "192.0.2.1");
    assert_int_equal(options.path_count, 1);
    assert_string_equal(options.paths[0], "/");
    assert_int_equal(options.connections, 10);
    assert_int_equal(options.duration_ns, 10 * NS_PER_S);
    assert_int_equal(options.timeout_ns, 10 * NS_PER_S);
    assert_int_equal(options.count, 0);
    assert_int_equal(options.rate, 0);
    assert_false(options.is_kept || options.is_verified || options.is_random);
}

static void each_option_says_what_it_is_for(void **state)
{
    (void)state;
    assert_true(parse("-c 65536 -n 5 -R 10000000 -k -s 250ms -H A:b --random 7 --verify --after 2m "
                      "http://10.0.0.1:8080/x?y=1 /z"));
    assert_int_equal(options.connections, 65536);
    assert_int_equal(options.count, 5);
    assert_int_equal(options.duration_ns, 0);
    assert_int_equal(options.rate, 10000000);
    assert_int_equal(options.timeout_ns, 250 * NS_PER_MS);
    assert_int_equal(options.after_ns, 120 * NS_PER_S);
    assert_true(options.is_kept && options.is_verified && options.is_random);
    assert_int_equal(options.seed, 7);
    assert_int_equal(options.port, 8080);
    assert_string_equal(options.authority, "10.0.0.1:8080");
    assert_int_equal(options.path_count, 2);
    assert_string_equal(options.paths[0], "/x?y=1");
    assert_string_equal(options.paths[1], "/z");
    assert_true(parse("-d 3 -n 4 http://10.0.0.1/"));
    assert_int_equal(options.duration_ns, 3 * NS_PER_S);
    assert_int_equal(options.count, 4);
}

static void a_server_may_have_a_name(void **state)
{
    char line[400] = "http://";

    (void)state;
    assert_true(parse("http://www-1.Example_2.test:8080/x"));
    assert_string_equal(options.name, "www-1.Example_2.test");
    assert_string_equal(options.authority, "www-1.Example_2.test:8080");
    assert_int_equal(options.port, 8080);
    assert_string_equal(options.paths[0], "/x");
    assert_true(parse("http://192.0.2.1.2x"));
    assert_string_equal(options.name, "192.0.2.1.2x");
    assert_true(parse("http://192.0.2.1/"));
    assert_string_equal(options.name, "");
    /* As long as can be, and longer. */
    memset(line + 7, 'a', 253);
    strcpy(line + 260, ":65535/");
    assert_true(parse(line));
    assert_int_equal(strlen(options.name), 253);
    assert_int_equal(strlen(options.authority), 259);
    memset(line + 7, 'a', 254);
    strcpy(line + 261, "/");
    assert_false(parse(line));
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "-k",
        "/path",
        "https://192.0.2.1/",
        "http:///",
        "http://ser ver/",
        "http://192.0.2.300/",
        "http://1/",
        "http://192.0.2.1:0/",
        "http://192.0.2.1:65536/",
        "http://192.0.2.1:/",
        "http://192.0.2.1:000000000000000000000080/",
        "http://192.0.2.1:080/",
        "http://192.0.2.1.2/",
        "http://192.0.2.1/a#b",
        "http://192.0.2.1/\t",
        "http://192.0.2.1/ http://192.0.2.2/",
        "http://192.0.2.1/ -c",
        "-c 0 http://192.0.2.1/",
        "-c 65537 http://192.0.2.1/",
        "-c -1 http://192.0.2.1/",
        "-n 0 http://192.0.2.1/",
        "-n 5x http://192.0.2.1/",
        "-d 0 http://192.0.2.1/",
        "-d 1h http://192.0.2.1/",
        "-d 86401 http://192.0.2.1/",
        "-d s http://192.0.2.1/",
        "-R 0 http://192.0.2.1/",
        "-R 10000001 http://192.0.2.1/",
        "-R 1 -n 86401 http://192.0.2.1/",
        "-s 0 http://192.0.2.1/",
        "-s 3601s http://192.0.2.1/",
        "-x http://192.0.2.1/",
        "--random x http://192.0.2.1/",
        "-H A http://192.0.2.1/",
        "-H :a http://192.0.2.1/",
        "-H host:a http://192.0.2.1/",
        "-H Connection:close http://192.0.2.1/",
        "-H Transfer-Encoding:chunked http://192.0.2.1/",
        "-H A:\r\nB: http://192.0.2.1/",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_false(parse(lines[i]));
    }
}

static void there_are_limits_to_paths_and_fields(void **state)
{
    char text[4096] = "http://192.0.2.1/";

    (void)state;
    memset(text + strlen(text), 'x', OPTIONS_PATH_BYTES - 1);
    assert_true(parse(text));
    strcat(text, "x");
    assert_false(parse(text));
    strcpy(text, "http://192.0.2.1/");
    for (unsigned i = 1; i < OPTIONS_PATHS_MAX; i++) {
        strcat(text, " /a");
    }
    assert_true(parse(text));
    strcat(text, " /a");
    assert_false(parse(text));
    strcpy(text, "http://192.0.2.1/");
    for (unsigned i = 0; i < OPTIONS_FIELDS_MAX; i++) {
        strcat(text, " -H A:b");
    }
    assert_true(parse(text));
    strcat(text, " -H A:b");
    assert_false(parse(text));
}

static void assert_request(const char *wanted)
{
    const struct target *target = targets_next();

    assert_int_equal(target->request_bytes, strlen(wanted));
    assert_memory_equal(target->request, wanted, strlen(wanted));
}

static void requests_are_whole_and_come_in_turn(void **state)
{
    (void)state;
    assert_true(parse("http://192.0.2.1:81/a /b -H X:1"));
    assert_true(targets_make(&options));
    for (unsigned i = 0; i < 3; i++) {
        assert_request("GET /a HTTP/1.1\r\nHost: 192.0.2.1:81\r\nX:1\r\nConnection: close\r\n\r\n");
        assert_request("GET /b HTTP/1.1\r\nHost: 192.0.2.1:81\r\nX:1\r\nConnection: close\r\n\r\n");
    }
    targets_release();
    assert_true(parse("-k http://192.0.2.1/"));
    assert_true(targets_make(&options));
    assert_request("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    targets_release();
}

/* All fields and the path as long as they may be. */
static void the_longest_request_is_not_cut(void **state)
{
    char text[8192] = "http://255.255.255.255:65535/";

    (void)state;
    memset(text + strlen(text), 'x', OPTIONS_PATH_BYTES - 1);
    for (unsigned i = 0; i < OPTIONS_FIELDS_MAX; i++) {
        strcat(text, " -H X:");
        memset(text + strlen(text), 'y', OPTIONS_FIELD_BYTES - 2);
    }
    assert_true(parse(text));
    assert_true(targets_make(&options));
    const struct target *target = targets_next();
    assert_memory_equal(target->request + target->request_bytes - 4, "\r\n\r\n", 4);
    assert_int_equal(strlen(target->request), target->request_bytes);
    targets_release();
}

static void paths_by_chance_are_each_as_frequent_and_the_same_for_a_seed(void **state)
{
    unsigned counts[4] = {0};
    char first[64], second[64];

    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        assert_true(parse("--random 4294967295 http://192.0.2.1/0 /1 /2 /3"));
        assert_true(targets_make(&options));
        for (unsigned i = 0; i < 8000; i++) {
            char digit = targets_next()->request[5];

            counts[digit - '0']++;
            (run == 0 ? first : second)[i % sizeof(first)] = digit;
        }
        targets_release();
    }
    assert_memory_equal(first, second, sizeof(first));
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(counts[i], 3600, 4400);
    }
}

static void sizes_are_printed_as_wrk_does(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        {0, "0B"},
        {1023, "1023B"},
        {1024, "1.00KB"},
        {1536, "1.50KB"},
        {1024 * 1024 - 1, "1023.99KB"},
        {1024 * 1024, "1.00MB"},
        {UINT64_C(3) << 30, "3.00GB"},
        {UINT64_C(5) << 40, "5.00TB"},
        {UINT64_MAX, "16777215.99TB"},
    };
    char text[64];

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        report_format_bytes(text, sizeof(text), sizes[i].bytes);
        assert_string_equal(text, sizes[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_alone_is_loaded_for_ten_seconds),
        cmocka_unit_test(each_option_says_what_it_is_for),
        cmocka_unit_test(a_server_may_have_a_name),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(there_are_limits_to_paths_and_fields),
        cmocka_unit_test(requests_are_whole_and_come_in_turn),
        cmocka_unit_test(the_longest_request_is_not_cut),
        cmocka_unit_test(paths_by_chance_are_each_as_frequent_and_the_same_for_a_seed),
        cmocka_unit_test(sizes_are_printed_as_wrk_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
