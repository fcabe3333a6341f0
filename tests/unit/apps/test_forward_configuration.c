/* SPDX-License-Identifier: MIT */
/* sources: apps/forward/configuration.c */
/* flags: -D_GNU_SOURCE */
/*
 * Tests what forward makes of its command line: apps/forward/configuration.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "apps/forward/configuration.h"

#define WORD_MAX 64

static struct forward_configuration configuration;
static char reason[160];

static bool read_line(const char *line)
{
    static char copy[1024];
    char *words[WORD_MAX] = {"forward"};
    int count = 1;

    assert_true(strlen(line) < sizeof(copy));
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word != NULL && count < WORD_MAX;
         word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    reason[0] = '\0';
    return configuration_read(&configuration, count, words, reason, sizeof(reason));
}

static void a_service_has_what_follows_it(void **state)
{
    const struct service *service = &configuration.services[0];

    (void)state;
    assert_true(read_line("--status 9100 --listen 80 --backends 10.0.0.1:8080,10.0.0.2:8081*3 "
                          "--balance least --check http:/health --interval 500 --rise 4 --fall 5 "
                          "--connect-timeout 700 --idle 9 --proxy v2 "
                          "--listen 6379 --mode copy --backends 10.0.0.3:6379 --check none"));
    assert_int_equal(configuration.status_port, 9100);
    assert_int_equal(configuration.service_count, 2);
    assert_int_equal(configuration.backend_count, 3);
    assert_int_equal(service->port, 80);
    assert_int_equal(service->mode, MODE_STREAM);
    assert_int_equal(service->balance, BALANCE_LEAST);
    assert_int_equal(service->check, CHECK_HTTP);
    assert_string_equal(service->check_path, "/health");
    assert_int_equal(service->interval_ms, 500);
    assert_int_equal(service->rise, 4);
    assert_int_equal(service->fall, 5);
    assert_int_equal(service->connect_ms, 700);
    assert_int_equal(service->idle_s, 9);
    assert_int_equal(service->proxy_version, 2);
    assert_int_equal(service->backend_count, 2);
    assert_int_equal(service->backends[1].address.sin_addr.s_addr, htonl(0x0A000002u));
    assert_int_equal(service->backends[1].address.sin_port, htons(8081));
    assert_int_equal(service->backends[1].weight, 3);
    assert_int_equal(service->backends[1].number, 1);
    assert_int_equal(service[1].mode, MODE_COPY);
    assert_int_equal(service[1].check, CHECK_NONE);
    assert_int_equal(service[1].backends[0].number, 2);
}

static void what_is_not_said_is_as_most_want_it(void **state)
{
    const struct service *service = &configuration.services[0];

    (void)state;
    assert_true(read_line("--listen 80 --backends 10.0.0.1:80"));
    assert_int_equal(configuration.status_port, 0);
    assert_int_equal(service->mode, MODE_STREAM);
    assert_int_equal(service->balance, BALANCE_ROUND_ROBIN);
    assert_int_equal(service->check, CHECK_TCP);
    assert_int_equal(service->proxy_version, 0);
    assert_int_equal(service->backends[0].weight, 1);
}

static void what_is_wrong_is_refused_with_the_word(void **state)
{
    static const char *const lines[] = {
        "",
        "--status 9100",
        "--backends 10.0.0.1:80",
        "--listen",
        "--listen 0 --backends 10.0.0.1:80",
        "--listen 65536 --backends 10.0.0.1:80",
        "--listen 80",
        "--listen 80 --backends 10.0.0.1",
        "--listen 80 --backends 10.0.0.1:",
        "--listen 80 --backends :80",
        "--listen 80 --backends 10.0.0.256:80",
        "--listen 80 --backends 0.0.0.0:80",
        "--listen 80 --backends 111.111.111.1111:80",
        "--listen 80 --backends 10.0.0.1:0",
        "--listen 80 --backends 10.0.0.1:80*0",
        "--listen 80 --backends 10.0.0.1:80*101",
        "--listen 80 --backends 10.0.0.1:80*",
        "--listen 80 --backends 10.0.0.1:80,",
        "--listen 80 --backends 10.0.0.1:80,10.0.0.1:80",
        "--listen 80 --backends 10.0.0.1:80 --backends 10.0.0.2:80",
        "--listen 80 --backends 10.0.0.1:80 --listen 80 --backends 10.0.0.2:80",
        "--listen 80 --backends 10.0.0.1:80 --mode fast",
        "--listen 80 --backends 10.0.0.1:80 --balance best",
        "--listen 80 --backends 10.0.0.1:80 --check http:path",
        "--listen 80 --backends 10.0.0.1:80 --proxy v3",
        "--listen 80 --backends 10.0.0.1:80 --interval 1",
        "--listen 80 --backends 10.0.0.1:80 --rise 0",
        "--listen 80 --backends 10.0.0.1:80 --idle -1",
        "--listen 80 --backends 10.0.0.1:80 --mode segment --proxy v1",
        "--listen 80 --backends 10.0.0.1:80 --status 80",
        "--listen 80 --backends 10.0.0.1:80 --other 1",
        "--listen 80 --backends 10.0.0.1:80 --idle",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (read_line(lines[i])) {
            fail_msg("'%s' is taken", lines[i]);
        }
        assert_true(reason[0] != '\0');
    }
}

static void tables_have_ends(void **state)
{
    char line[1024];
    size_t length = (size_t)snprintf(line, sizeof(line), "--listen 80 --backends 10.0.0.1:1");

    (void)state;
    for (unsigned i = 2; i <= BACKEND_MAX; i++) {
        length += (size_t)snprintf(line + length, sizeof(line) - length, ",10.0.0.1:%u", i);
    }
    assert_true(read_line(line));
    assert_int_equal(configuration.backend_count, BACKEND_MAX);
    (void)snprintf(line + length, sizeof(line) - length, ",10.0.0.1:99");
    assert_false(read_line(line));
    assert_non_null(strstr(reason, "too many backends"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_has_what_follows_it),
        cmocka_unit_test(what_is_not_said_is_as_most_want_it),
        cmocka_unit_test(what_is_wrong_is_refused_with_the_word),
        cmocka_unit_test(tables_have_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
