/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/syslog_world.c */
/*
 * Tests apps/syslog/sender.c on a transport server that speaks after another. Each test goes on
 * where the one before it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/messages.h"
#include "net/watching_counters.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/syslog_world.h"

#define SPEAKER 0
#define SELF    1

static void tell(node_id_t from, node_id_t node, uint32_t position)
{
    const struct log_sent message = {.header = {.type = LOG_SENT, .length_bytes = sizeof(message)},
                                     .node = node,
                                     .position = position};

    fake_deliver(from, &message.header);
    syslog_pass_ms(5);
}

static void who_does_not_speak_sends_nothing(void **state)
{
    (void)state;
    syslog_start_on(SELF);
    syslog_write_as(SPEAKER, "\3    1.000000] node0 ts: sent before\n");
    syslog_write_as(3, "\3    1.000000] node3 httpd: sent before\n");
    syslog_pass_ms(1000);
    assert_int_equal(syslog_sent_count, 0);
}

static void what_cannot_be_told_is_refused(void **state)
{
    uint64_t before = counter_read(SELF, COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    tell(SPEAKER, 4, 1);
    tell(SPEAKER, UINT16_MAX, 1);
    assert_int_equal(counter_read(SELF, COUNTER_DROP_BAD_MESSAGE), before + 2);
    tell(3, 0, 1); /* no transport server */
    assert_int_equal(counter_read(SELF, COUNTER_DROP_BAD_MESSAGE), before + 3);
}

static void the_next_speaker_goes_on_where_the_last_one_stopped(void **state)
{
    (void)state;
    tell(SPEAKER, SPEAKER, status_log_written(SPEAKER));
    tell(SPEAKER, 3, status_log_written(3));
    syslog_write_as(SPEAKER, "\1    2.000000] node0 panic: last words\n");
    syslog_write_as(2, "\3    2.000000] node2 httpd: that nobody has told of\n");
    fake_set_node_state(SPEAKER, NODE_DEAD);
    for (unsigned i = 0; i < 300; i++) {
        (void)dispatch_round();
    }
    syslog_pass_ms(500);
    assert_non_null(strstr(syslog_sent[0], " panic node0 log - last words"));
    for (unsigned i = 0; i < syslog_sent_count; i++) {
        assert_null(strstr(syslog_sent[i], "sent before"));
    }
    assert_int_equal(counter_read(SELF, COUNTER_SYSLOG_PASSED_OVER), 0);
    unsigned found = 0;
    for (unsigned i = 0; i < syslog_sent_count; i++) {
        found += strstr(syslog_sent[i], "that nobody has told of") != NULL;
    }
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_speak_sends_nothing),
        cmocka_unit_test(what_cannot_be_told_is_refused),
        cmocka_unit_test(the_next_speaker_goes_on_where_the_last_one_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
