/* SPDX-License-Identifier: MIT */
/* sources: net/status_text.c apps/monitor/metrics.c apps/monitor/state_name.c net/draining_report.c apps/httpd/durations.c libc/core/version.c libc/core/format.c kernel/message/status.c */
/* sources: drivers/console/counters.c drivers/nic/counters.c net/counters.c net/transport/counters.c */
/* sources: kernel/message/channel.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests apps/monitor/metrics.c. The form is the Prometheus text format 0.0.4: one HELP and one TYPE
 * for each name before its samples, all samples of a name together.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/counters.h"
#include "apps/httpd/durations.h"
#include "apps/monitor/metrics.h"
#include "kernel/message/status.h"
#include "libc/core/memory.h"
#include "libc/core/version.h"
#include "net/counters.h"
#include "net/draining.h"
#include "net/service_times.h"
#include "net/status_text.h"
#include "net/transport/counters.h"
#include "tests/unit/world/fake_platform.h"

/* As apps/httpd/host_talus.c has it. */
COUNTER_TABLE_DEFINE(httpd_counters, HTTPD_COUNTER_FIRST, HTTPD_COUNTERS);

MEMORY_KIND(saucers_kind, "saucers");
MEMORY_KIND(cups_kind, "cups");

/* Of node 1's application alone something is known. */
uint64_t service_times_look(node_id_t node)
{
    return node == 1 ? 310000 : 0;
}

static char text[64 * KIB];

static void print(void)
{
    size_t length = metrics_print_prometheus(text, sizeof(text));

    assert_true(length < sizeof(text));
    assert_int_equal(length, strlen(text));
}

static void assert_has_line(const char *line)
{
    char whole[256];

    snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (strstr(text, whole) == NULL) {
        fail_msg("no line `%s` in:\n%s", line, text);
    }
}

static void counters_of_all_nodes_are_shown(void **state)
{
    (void)state;
    fake_platform_reset(1, 3);
    fake_status_page(0)->counters[COUNTER_HTTP_REQUESTS] = 12;
    fake_status_page(2)->counters[COUNTER_HTTP_REQUESTS] = UINT64_MAX;
    fake_status_page(1)->counters[COUNTER_CLAIMS_REJECTED] = 3;
    print();
    assert_has_line("talus_http_requests_total{node=\"0\"} 12");
    assert_has_line("talus_http_requests_total{node=\"1\"} 0");
    assert_has_line("talus_http_requests_total{node=\"2\"} 18446744073709551615");
    assert_has_line("talus_claims_total{node=\"1\",result=\"rejected\"} 3");
}

static void idle_time_is_in_seconds(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_status_page(0)->counters[COUNTER_IDLE_NS] = 12345000000678;
    fake_set_now_ns(1500000000);
    print();
    assert_has_line("talus_node_idle_seconds_total{node=\"0\"} 12345.000000678");
    assert_has_line("talus_uptime_seconds 1.500000000");
}

static void nodes_say_what_they_are(void **state)
{
    (void)state;
    char line[128];

    fake_platform_reset(0, 3);
    status_set_text(STATUS_TEXT_ROLES, "LS TS CM");
    fake_status_page(0)->memory_bytes = 256 * MIB;
    fake_set_node_state(1, NODE_DEAD);
    fake_set_node_state(2, NODE_ABSENT);
    print();
    assert_has_line("talus_node_up{node=\"0\"} 1");
    assert_has_line("talus_node_up{node=\"1\"} 0");
    assert_has_line("talus_node_info{node=\"0\",role=\"LS TS CM\"} 1");
    assert_has_line("talus_node_memory_bytes{node=\"0\"} 268435456");
    assert_null(strstr(text, "node=\"2\""));
    assert_has_line("talus_node_state{node=\"0\",state=\"running\"} 1");
    assert_has_line("talus_node_state{node=\"1\",state=\"dead\"} 1");
    snprintf(line, sizeof(line), "talus_build_info{version=\"%s\"} 1", talus_version);
    assert_has_line(line);
}

/* What stands there is another node's word. */
static void one_that_goes_is_shown_as_such(void **state)
{
    (void)state;
    fake_platform_reset(0, 4);
    fake_status_page(1)->words[STATUS_WORD_DRAIN] = (uint64_t)DRAINING_NODE << DRAINING_LEFT_BITS;
    fake_set_node_state(2, NODE_PARKED);
    fake_status_page(3)->words[STATUS_WORD_DRAIN] = UINT64_MAX;
    print();
    assert_has_line("talus_node_state{node=\"1\",state=\"draining\"} 1");
    assert_has_line("talus_node_up{node=\"1\"} 1");
    assert_has_line("talus_node_state{node=\"2\",state=\"asleep\"} 1");
    assert_has_line("talus_node_up{node=\"2\"} 0");
    assert_has_line("talus_node_state{node=\"3\",state=\"running\"} 1");
}

static void gauges_are_called_that_and_memory_is_shown_as_free_and_used(void **state)
{
    (void)state;
    fake_platform_reset(0, 2);
    fake_status_page(0)->memory_bytes = 256 * MIB;
    fake_status_page(0)->counters[COUNTER_MEMORY_FREE] = 200 * MIB;
    fake_status_page(1)->counters[COUNTER_MEMORY_FREE] = UINT64_MAX; /* it is damaged */
    fake_status_page(0)->counters[COUNTER_CONNECTIONS_CLAIMED] = 7;
    print();
    assert_has_line("# TYPE talus_node_memory_free_bytes gauge");
    assert_has_line("talus_node_memory_free_bytes{node=\"0\"} 209715200");
    assert_has_line("# TYPE talus_node_memory_used_bytes gauge");
    assert_has_line("talus_node_memory_used_bytes{node=\"0\"} 58720256");
    assert_has_line("talus_node_memory_used_bytes{node=\"1\"} 0");
    assert_has_line("# TYPE talus_tcp_connections gauge");
    assert_has_line("talus_tcp_connections{node=\"0\",state=\"claimed\"} 7");
    assert_has_line("talus_tcp_connections{node=\"0\",state=\"half_open\"} 0");
    assert_has_line("# TYPE talus_drops_total counter");
}

/* Each kind has its numbers in the set's order; what a node has never taken is left out. */
static void memory_is_shown_by_what_it_was_taken_for(void **state)
{
    static const struct memory_counts counts = {.objects = 7, .bytes = 448, .failures = 2};
    unsigned index = 0;

    (void)state;
    fake_platform_reset(0, 2);
    LINKER_SET_EACH(memory_kinds, struct memory_kind, item)
    {
        if (*item == &cups_kind) {
            memcpy(&fake_status_page(1)->counters[COUNTER_MEMORY + 3 * index], &counts,
                   sizeof(counts));
        }
        index++;
    }
    print();
    assert_has_line("# TYPE talus_memory_objects gauge");
    assert_has_line("talus_memory_objects{node=\"1\",kind=\"cups\"} 7");
    assert_has_line("talus_memory_bytes{node=\"1\",kind=\"cups\"} 448");
    assert_has_line("# TYPE talus_memory_failures_total counter");
    assert_has_line("talus_memory_failures_total{node=\"1\",kind=\"cups\"} 2");
    assert_null(strstr(text, "saucers"));
    assert_null(strstr(text, "node=\"0\",kind="));
}

/* A damaged node's text cannot break the form. */
/* Each bucket counts what lies below its bound, the last one all; a node without requests has none.
 */
static void durations_are_a_histogram(void **state)
{
    (void)state;
    fake_platform_reset(0, 2);
    fake_status_page(1)->counters[COUNTER_DURATIONS] = 2;
    fake_status_page(1)->counters[COUNTER_DURATIONS + 1] = 3;
    fake_status_page(1)->counters[COUNTER_DURATIONS + 19] = 4;
    fake_status_page(1)->counters[COUNTER_DURATIONS_SUM_NS] = 1234567890;
    print();
    assert_has_line("# TYPE talus_http_request_duration_seconds histogram");
    assert_has_line("talus_http_request_duration_seconds_bucket{node=\"1\",le=\"0.000001024\"} 2");
    assert_has_line("talus_http_request_duration_seconds_bucket{node=\"1\",le=\"0.000002048\"} 5");
    assert_has_line("talus_http_request_duration_seconds_bucket{node=\"1\",le=\"0.268435456\"} 5");
    assert_has_line("talus_http_request_duration_seconds_bucket{node=\"1\",le=\"+Inf\"} 9");
    assert_has_line("talus_http_request_duration_seconds_sum{node=\"1\"} 1.234567890");
    assert_has_line("talus_http_request_duration_seconds_count{node=\"1\"} 9");
    assert_null(strstr(text, "duration_seconds_count{node=\"0\"}"));
}

static void service_times_are_shown_where_they_are_known(void **state)
{
    (void)state;
    fake_platform_reset(0, 3);
    print();
    assert_has_line("# TYPE talus_application_service_seconds gauge");
    assert_has_line("talus_application_service_seconds{node=\"1\"} 0.000310000");
    assert_null(strstr(text, "service_seconds{node=\"0\"}"));
}

static void roles_of_another_node_are_quoted_safely(void **state)
{
    (void)state;
    fake_platform_reset(0, 2);
    memset(fake_status_page(1)->texts[STATUS_TEXT_ROLES], 'x', STATUS_TEXT_BYTES);
    memcpy(fake_status_page(1)->texts[STATUS_TEXT_ROLES], "a\"b\\c\nd", 7);
    print();
    assert_non_null(strstr(text, "role=\"a?b?c?dxxx"));
}

static bool is_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!islower((unsigned char)name[i]) && name[i] != '_') {
            return false;
        }
    }
    return length > 0;
}

/* What stands behind the name of what is described. */
static bool is_ending(const char *ending, size_t length, bool is_histogram)
{
    static const char *const endings[] = {"_bucket", "_sum", "_count"};

    for (size_t i = 0; is_histogram && i < 3; i++) {
        if (strlen(endings[i]) == length && memcmp(ending, endings[i], length) == 0) {
            return true;
        }
    }
    return !is_histogram && length == 0;
}

/* Walk over all lines as a scraper does. */
static void text_has_the_form_that_prometheus_reads(void **state)
{
    (void)state;
    char current[128] = "";
    char seen[8 * KIB] = "";
    bool is_histogram = false;
    char *rest;

    fake_platform_reset(0, 4);
    fake_status_page(1)->counters[COUNTER_DURATIONS] = 1;
    print();
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            char delimited[130];

            snprintf(current, sizeof(current), "%.*s", (int)strcspn(line + 7, " "), line + 7);
            snprintf(delimited, sizeof(delimited), ",%s,", current);
            assert_null(strstr(seen, delimited));
            strcat(seen, delimited);
            assert_true(is_name(current, strlen(current)));
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(strncmp(line + 7, current, strlen(current)), 0);
            bool is_total = strstr(current, "_total") != NULL;
            assert_int_equal(strstr(line, " counter") != NULL, is_total);
            is_histogram = strstr(line, " histogram") != NULL;
        } else {
            size_t name_length = strcspn(line, "{ ");

            assert_true(name_length >= strlen(current));
            assert_memory_equal(line, current, strlen(current));
            assert_true(
                is_ending(line + strlen(current), name_length - strlen(current), is_histogram));
            assert_non_null(strrchr(line, ' '));
            assert_true(isdigit((unsigned char)strrchr(line, ' ')[1]));
        }
    }
}

static void whole_length_is_returned_however_small_the_room(void **state)
{
    (void)state;
    char small[10];

    fake_platform_reset(0, 4);
    print();
    assert_int_equal(metrics_print_prometheus(NULL, 0), strlen(text));
    assert_int_equal(metrics_print_prometheus(small, sizeof(small)), strlen(text));
    assert_int_equal(strlen(small), sizeof(small) - 1);
    assert_memory_equal(small, text, sizeof(small) - 1);
}

static void table_has_a_line_for_each_node(void **state)
{
    (void)state;
    fake_platform_reset(1, 3);
    status_set_text(STATUS_TEXT_ROLES, "httpd");
    fake_status_page(1)->counters[COUNTER_HTTP_REQUESTS] = 42;
    fake_set_node_state(2, NODE_ABSENT);
    size_t length = metrics_print_nodes(text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "\n1     running   httpd "));
    assert_non_null(strstr(text, " 42 "));
    assert_null(strstr(text, "\n2 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_of_all_nodes_are_shown),
        cmocka_unit_test(idle_time_is_in_seconds),
        cmocka_unit_test(nodes_say_what_they_are),
        cmocka_unit_test(one_that_goes_is_shown_as_such),
        cmocka_unit_test(gauges_are_called_that_and_memory_is_shown_as_free_and_used),
        cmocka_unit_test(memory_is_shown_by_what_it_was_taken_for),
        cmocka_unit_test(durations_are_a_histogram),
        cmocka_unit_test(service_times_are_shown_where_they_are_known),
        cmocka_unit_test(roles_of_another_node_are_quoted_safely),
        cmocka_unit_test(text_has_the_form_that_prometheus_reads),
        cmocka_unit_test(whole_length_is_returned_however_small_the_room),
        cmocka_unit_test(table_has_a_line_for_each_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
