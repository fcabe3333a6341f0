/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/replay.c */
/* sources: tests/unit/world/log_world.c */
/*
 * Tests drivers/console/replay.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/log_printer.h"
#include "drivers/console/replay.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/log_world.h"

static char replayed[64 * 1024];

static void keep_replayed(const char *line, size_t length)
{
    strncat(replayed, line, length);
}

static const char *replay(unsigned line_max)
{
    replayed[0] = '\0';
    console_replay(line_max, keep_replayed);
    return replayed;
}

/* What has not been printed yet comes by itself. */
static void what_was_printed_is_replayed_in_the_order_of_time(void **state)
{
    (void)state;
    become(1, 3);
    write_as(0, "[    0.000003] node0 a: third\n");
    write_as(0, "[   12.000000] node0 a: sixth\n");
    write_as(1, "[    0.000001] node1 a: first\n");
    write_as(1, "[    1.000000] node1 a: fifth\n");
    write_as(2, "[    0.000002] node2 a: second\n");
    write_as(2, "[    0.500000] node2 a: fourth\n");
    for (node_id_t node = 0; node < 3; node++) {
        fake_status_page(0)->for_nodes[node].log_printed = fake_status_page(node)->log_written;
    }
    write_as(2, "[   13.000000] node2 a: not printed\n");
    assert_string_equal(replay(10), ""); /* node 0 owns the console */
    fake_set_node_state(0, NODE_DEAD);
    assert_string_equal(replay(2), "[    1.000000] node1 a: fifth\n"
                                   "[   12.000000] node0 a: sixth\n");
    (void)replay(10);
    assert_int_equal(count_lines(replayed), 6);
    assert_memory_equal(replayed, "[    0.000001] node1 a: first\n[    0.000002]", 44);
    assert_string_equal(fake_console(), "");
    assert_int_equal(log_printer_print(), 1);
}

static void a_full_log_is_replayed_as_far_as_it_stands(void **state)
{
    char line[64];

    (void)state;
    become(1, 2);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof(line), "[%5u.000000] node0 a: line of some length\n", i);
        write_as(0, line);
    }
    fake_status_page(0)->for_nodes[0].log_printed = fake_status_page(0)->log_written;
    fake_set_node_state(0, NODE_DEAD);
    (void)replay(2000);
    assert_in_range(count_lines(replayed), 300, 500);
    assert_int_equal(replayed[0], '[');
    assert_string_equal(replayed + strlen(replayed) - strlen(line), line);
    (void)replay(7);
    assert_int_equal(count_lines(replayed), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_printed_is_replayed_in_the_order_of_time),
        cmocka_unit_test(a_full_log_is_replayed_as_far_as_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
