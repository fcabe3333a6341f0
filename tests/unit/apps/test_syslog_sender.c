/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/syslog_world.c */
/*
 * Tests apps/syslog/sender.c on the speaker: which lines go to the collector, in which order, when
 * there is a way to it and when not. Each test goes on where the one before it stopped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/syslog/queue.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "libc/core/memory.h"
#include "net/messages.h"
#include "net/watching_counters.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"
#include "tests/unit/world/syslog_world.h"

#define SELF  0
#define OTHER 1 /* the other transport server */

static uint64_t count_of(unsigned counter)
{
    return counter_read(SELF, counter);
}

static uint32_t expect_told(node_id_t node)
{
    const struct log_sent *message = fake_expect_message(OTHER, LOG_SENT);

    assert_int_equal(message->node, node);
    return message->position;
}

/* The others take what they are told, or they would be given up. */
static void pass_s(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        syslog_pass_ms(1000);
        while (fake_take_message(OTHER) != NULL) {
        }
    }
}

static bool is_queue(const struct memory_kind *kind)
{
    return strcmp(kind->name, "syslog_queue") == 0;
}

/* Then nothing waits; there may be memory later. */
static void without_memory_lines_are_counted(void **state)
{
    (void)state;
    syslog_send_result = -ENETDOWN;
    memory_fault = is_queue;
    syslog_start_on(SELF);
    syslog_write_as(3, "\3    1.000001] node3 httpd: lost\n");
    syslog_pass_ms(200);
    memory_fault = NULL;
    assert_int_equal(count_of(COUNTER_SYSLOG_WAITING), 0);
    assert_int_equal(count_of(COUNTER_SYSLOG_LOST), 1);
    syslog_send_result = 0;
    syslog_write_as(3, "\3    1.000001] node3 httpd: not lost\n");
    syslog_pass_ms(200);
    assert_int_equal(syslog_sent_count, 2);
    assert_non_null(strstr(syslog_sent[0], "1 lines of the log are lost here"));
    assert_non_null(strstr(syslog_sent[1], "not lost"));
    while (fake_take_message(OTHER) != NULL) {
    }
}

static void lines_from_before_there_is_a_network_wait(void **state)
{
    uint64_t sent_before = count_of(COUNTER_SYSLOG_SENT);

    (void)state;
    syslog_send_result = -ENETDOWN;
    syslog_sent_count = 0;
    log_warning("ls", "first");
    syslog_write_as(3, "\3    1.000002] node3 httpd: second\n");
    syslog_pass_ms(1000);
    assert_int_equal(syslog_sent_count, 0);
    assert_int_equal(count_of(COUNTER_SYSLOG_WAITING), 2);
    syslog_send_result = 0;
    syslog_pass_ms(100);
    assert_int_equal(syslog_sent_count, 2);
    syslog_expect(0, "<4>1 2000-01-01T00:00:00.400000Z 0.0.0.0 ls node0 log - first");
    syslog_expect(1, "<6>1 2000-01-01T00:00:01.000002Z 0.0.0.0 httpd node3 log - second");
    assert_int_equal(count_of(COUNTER_SYSLOG_WAITING), 0);
    assert_int_equal(count_of(COUNTER_SYSLOG_SENT), sent_before + 2);
}

/* Who speaks next goes on there. */
static void others_are_told_how_far_each_log_is_sent(void **state)
{
    (void)state;
    assert_int_equal(expect_told(0), status_log_written(0));
    assert_int_equal(expect_told(3), status_log_written(3));
    fake_expect_no_message(OTHER);
    fake_expect_no_message(3); /* no transport server */
}

static void each_line_goes_once_and_soon(void **state)
{
    char wanted[100];

    (void)state;
    syslog_sent_count = 0;
    for (unsigned i = 0; i < 100; i++) {
        char text[60];

        (void)snprintf(text, sizeof(text), "\1    2.%06u] node2 part: line %u\n", i, i);
        syslog_write_as(2, text);
    }
    syslog_pass_ms(200);
    assert_int_equal(syslog_sent_count, 100);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(wanted, sizeof(wanted),
                       "<3>1 2000-01-01T00:00:02.%06uZ 0.0.0.0 part node2 log - line %u", i, i);
        syslog_expect(i, wanted);
    }
    pass_s(1);
    assert_int_equal(syslog_sent_count, 100);
}

/* Said once, however long; and of what is said of it nothing more comes. */
static void trouble_is_said_once(void **state)
{
    uint32_t before;

    (void)state;
    syslog_sent_count = 0;
    syslog_send_result = -EHOSTUNREACH;
    syslog_write_as(2, "\3    3.000000] node2 part: waits\n");
    before = status_log_written(SELF);
    syslog_pass_ms(4500);
    assert_int_equal(status_log_written(SELF), before);
    syslog_pass_ms(1000);
    assert_true(status_log_written(SELF) > before);
    before = status_log_written(SELF);
    pass_s(100);
    assert_int_equal(status_log_written(SELF), before);
    assert_int_equal(count_of(COUNTER_SYSLOG_WAITING), 2);
    syslog_send_result = 0;
    syslog_pass_ms(500);
    assert_int_equal(syslog_sent_count, 3);
    assert_non_null(strstr(syslog_sent[1], "<4>1 "));
    assert_non_null(strstr(syslog_sent[1], " syslog node0 log - 192.0.2.9: nobody answers there"));
    assert_non_null(strstr(syslog_sent[2], " syslog node0 log - lines of the log go to the "
                                           "collector again"));
    pass_s(100);
    assert_int_equal(syslog_sent_count, 3);
    /* A way that comes and goes does not fill the log either. */
    before = status_log_written(SELF);
    for (unsigned i = 0; i < 10; i++) {
        syslog_write_as(2, "\3    3.000000] node2 part: waits\n");
        syslog_send_result = -EHOSTUNREACH;
        pass_s(6);
        syslog_send_result = 0;
        syslog_pass_ms(200);
    }
    assert_true(status_log_written(SELF) - before < 4 * LOG_LINE_MAX_BYTES);
}

static void what_finds_no_room_is_counted_and_told(void **state)
{
    unsigned line_count = SYSLOG_QUEUE_LINES + 20;
    uint64_t lost_before = count_of(COUNTER_SYSLOG_LOST);

    (void)state;
    pass_s(1);
    syslog_sent_count = 0;
    syslog_send_result = -ENETUNREACH;
    for (unsigned i = 0; i < line_count; i++) {
        char text[60];

        (void)snprintf(text, sizeof(text), "\3    4.%06u] node2 part: line %u\n", i, i);
        syslog_write_as(2, text);
        if (i % 100 == 99) {
            syslog_pass_ms(100);
        }
    }
    syslog_pass_ms(200);
    assert_int_equal(count_of(COUNTER_SYSLOG_WAITING), SYSLOG_QUEUE_LINES);
    assert_int_equal(count_of(COUNTER_SYSLOG_LOST), lost_before + 20);
    syslog_send_result = 0;
    pass_s(1);
    assert_int_equal(syslog_sent_count, SYSLOG_QUEUE_LINES);
    assert_non_null(strstr(syslog_sent[SYSLOG_QUEUE_LINES - 1], "line 511")); /* the oldest ones */
    syslog_write_as(2, "\3    5.000000] node2 part: behind\n");
    syslog_pass_ms(200);
    assert_int_equal(syslog_sent_count, SYSLOG_QUEUE_LINES + 2);
    assert_non_null(strstr(syslog_sent[SYSLOG_QUEUE_LINES],
                           " 0.0.0.0 syslog - log - 20 lines of the log are lost here"));
    assert_non_null(strstr(syslog_sent[SYSLOG_QUEUE_LINES + 1], "behind"));
}

/* In one look: more than a ring holds. */
static void what_is_overwritten_unread_is_counted(void **state)
{
    uint64_t before = count_of(COUNTER_SYSLOG_PASSED_OVER);

    (void)state;
    syslog_sent_count = 0;
    for (unsigned i = 0; i < 1000; i++) {
        syslog_write_as(2, "\3    6.000000] node2 part: thirty-nine bytes\n");
    }
    pass_s(1);
    assert_int_equal(count_of(COUNTER_SYSLOG_PASSED_OVER) - before,
                     (1000 - syslog_sent_count) * strlen("\3    6.000000] node2 part: thirty-nine "
                                                         "bytes\n"));
    assert_true(syslog_sent_count > 300 && syslog_sent_count < 400);
}

static void a_message_that_a_speaker_does_not_get_is_refused(void **state)
{
    const struct log_sent message = {.header = {.type = LOG_SENT, .length_bytes = sizeof(message)},
                                     .node = 2};
    uint64_t before = count_of(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    syslog_sent_count = 0;
    fake_deliver(OTHER, &message.header);
    syslog_pass_ms(200);
    assert_int_equal(count_of(COUNTER_DROP_BAD_MESSAGE), before + 1);
    assert_int_equal(syslog_sent_count, 0); /* nothing is sent again */
}

static void one_that_comes_back_is_told_all(void **state)
{
    const struct log_sent *message;
    uint32_t told[4] = {0};

    (void)state;
    pass_s(1);
    fake_build_again(OTHER);
    for (unsigned i = 0; i < 300; i++) {
        syslog_pass_ms(5);
    }
    while ((message = (const void *)fake_take_message(OTHER)) != NULL) {
        if (message->header.type == LOG_SENT) {
            told[message->node] = message->position;
        }
    }
    assert_int_equal(told[0], status_log_written(0));
    assert_int_equal(told[2], status_log_written(2));
    assert_int_equal(told[3], status_log_written(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_lines_are_counted),
        cmocka_unit_test(lines_from_before_there_is_a_network_wait),
        cmocka_unit_test(others_are_told_how_far_each_log_is_sent),
        cmocka_unit_test(each_line_goes_once_and_soon),
        cmocka_unit_test(trouble_is_said_once),
        cmocka_unit_test(what_finds_no_room_is_counted_and_told),
        cmocka_unit_test(what_is_overwritten_unread_is_counted),
        cmocka_unit_test(a_message_that_a_speaker_does_not_get_is_refused),
        cmocka_unit_test(one_that_comes_back_is_told_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
