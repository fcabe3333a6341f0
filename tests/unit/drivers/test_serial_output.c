/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/serial_output.c drivers/console/line_queue.c kernel/log.c libc/core/format.c */
/* sources: libc/core/timer.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests drivers/console/serial_output.c on a port whose FIFO the test empties. The file keeps its
 * state, so the tests go on where the one before them stopped, in the order of main().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/counters.h"
#include "drivers/console/serial.h"
#include "drivers/console/serial_output.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "tests/unit/world/fake_platform.h"

#define FIFO_BYTES 16u
#define BYTE_NS    1000000u /* 10,000 baud */

/* --- The port --- */

static char sent[256 * 1024]; /* all that the port has been given */
static size_t sent_bytes;
static bool is_fifo_empty = true;
static bool is_transmit_interrupt;
static bool is_receive_interrupt;
static unsigned waits; /* calls that wait for the port */

bool serial_is_present(void)
{
    return true;
}

uint64_t serial_byte_ns(void)
{
    return BYTE_NS;
}

bool serial_can_transmit(void)
{
    return is_fifo_empty;
}

size_t serial_transmit(const char *text, size_t bytes)
{
    size_t count = bytes < FIFO_BYTES ? bytes : FIFO_BYTES;

    if (!is_fifo_empty) {
        return 0;
    }
    assert_true(sent_bytes + count < sizeof(sent));
    memcpy(sent + sent_bytes, text, count);
    sent_bytes += count;
    is_fifo_empty = count == 0;
    return count;
}

void serial_write(const char *text, size_t bytes)
{
    waits++;
    assert_true(sent_bytes + bytes < sizeof(sent));
    memcpy(sent + sent_bytes, text, bytes);
    sent_bytes += bytes;
}

void serial_enable_interrupts(bool is_for_receive, bool is_for_transmit)
{
    is_receive_interrupt = is_for_receive;
    is_transmit_interrupt = is_for_transmit;
}

/* --- The event loop --- */

static const char *text_since(size_t start)
{
    sent[sent_bytes] = '\0';
    return sent + start;
}

static void write_line(const char *line)
{
    serial_output_write(line, strlen(line));
}

static void poll(void)
{
    serial_output_poll(platform_now_ns());
}

/* Rounds and sleeps until nothing waits; each sleep ends when the FIFO is empty. */
static void drain(void)
{
    for (unsigned i = 0; serial_output_is_busy; i++) {
        assert_true(i < 100000);
        poll();
        if (serial_output_is_busy && !serial_output_prepare_sleep()) {
            assert_true(is_transmit_interrupt);
            fake_advance_ns(BYTE_NS);
            is_fifo_empty = true;
        }
    }
    is_fifo_empty = true;
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    log_defer_printing(false);
    return 0;
}

/* --- Tests --- */

static void until_the_event_loop_runs_text_is_written_at_once(void **state)
{
    (void)state;
    write_line("early\n");
    serial_output_start(true);
    write_line("starting\n");
    assert_string_equal(text_since(0), "early\r\nstarting\r\n");
    assert_true(serial_output_is_busy);
    assert_true(serial_output_has_room());
    poll();
    assert_false(serial_output_is_busy);
}

static void the_event_loop_gives_what_the_fifo_takes(void **state)
{
    size_t start = sent_bytes;
    unsigned waits_before = waits;

    (void)state;
    write_line("a line of some forty characters in all\n");
    assert_int_equal(sent_bytes, start);
    poll();
    assert_string_equal(text_since(start), "a line of some f");
    /* Not before the FIFO can be empty, and not when it is not. */
    is_fifo_empty = true;
    poll();
    assert_int_equal(sent_bytes, start + FIFO_BYTES);
    fake_advance_ns(FIFO_BYTES * BYTE_NS);
    is_fifo_empty = false;
    poll();
    assert_int_equal(sent_bytes, start + FIFO_BYTES);
    drain();
    assert_string_equal(text_since(start), "a line of some forty characters in all\r\n");
    assert_int_equal(waits, waits_before);
}

/* An idle node neither spins nor asks the port again and again. */
static void before_sleep_the_interrupt_is_armed_and_then_disarmed(void **state)
{
    (void)state;
    write_line("a line of some forty characters in all\n");
    assert_true(serial_output_prepare_sleep()); /* the FIFO took something */
    assert_false(is_transmit_interrupt);
    assert_false(serial_output_prepare_sleep());
    assert_true(is_transmit_interrupt);
    /* The watch over a port that has stopped. */
    assert_true(timer_next_deadline_ns() >= platform_now_ns() + NS_PER_S);
    drain();
    assert_false(is_transmit_interrupt);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
}

static void what_a_stuck_port_has_no_room_for_is_counted_and_told(void **state)
{
    uint64_t dropped = counter_read(0, COUNTER_CONSOLE_SERIAL_DROPPED);
    size_t start = sent_bytes;
    char line[101];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line + 99, "\n", 2);
    for (unsigned i = 0; i < 1000; i++) {
        write_line(line);
        is_fifo_empty = false;
        poll();
    }
    dropped = counter_read(0, COUNTER_CONSOLE_SERIAL_DROPPED) - dropped;
    assert_in_range(dropped, 400, 700);
    /* Answers have a part of their own. */
    assert_true(serial_output_has_room());
    serial_output_answer(line, 100);
    assert_false(serial_output_has_room());
    /* Nobody reads what is typed then, so it must not keep the node from sleeping. */
    assert_false(serial_output_prepare_sleep());
    assert_true(is_transmit_interrupt);
    assert_false(is_receive_interrupt);
    assert_int_equal(counter_read(0, COUNTER_CONSOLE_SERIAL_DROPPED), dropped);

    char told[64];

    drain();
    assert_true(is_receive_interrupt);
    assert_true(strlen(text_since(start)) >= (1001 - dropped) * 101);
    (void)snprintf(told, sizeof(told), "console: %u lines dropped", (unsigned)dropped);
    assert_non_null(strstr(fake_console(), told));
}

/* A minute's worth of lines may wait; nobody waits a minute for the machine to end. */
static void the_end_of_a_node_writes_the_last_lines(void **state)
{
    uint64_t dropped = counter_read(0, COUNTER_CONSOLE_SERIAL_DROPPED);
    size_t start = sent_bytes;
    char line[32];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof(line), "line number %u\n", i);
        write_line(line);
    }
    serial_output_write_through();
    assert_in_range(sent_bytes - start, 2900, 3000);
    assert_true(counter_read(0, COUNTER_CONSOLE_SERIAL_DROPPED) > dropped);
    write_line("last words\n");
    const char *text = text_since(start);

    assert_memory_equal(text, "line number ", 12);
    assert_string_equal(text + strlen(text) - 29, "line number 999\r\nlast words\r\n");
}

/* By its speed it could take all of it in time; but it is stopped, or the clock tells better. */
static void a_port_slower_than_its_speed_does_not_hold_the_end(void **state)
{
    uint64_t dropped = counter_read(0, COUNTER_CONSOLE_SERIAL_DROPPED);
    size_t start = sent_bytes;

    (void)state;
    is_fifo_empty = true;
    serial_output_is_busy = true;
    poll(); /* the event loop, once more */
    for (unsigned i = 0; i < 100; i++) {
        write_line("line of twenty-nine letters\n");
    }
    fake_set_clock_step_ns(NS_PER_S);
    serial_output_write_through();
    assert_in_range(sent_bytes - start, 1, 4 * 256);
    assert_true(counter_read(0, COUNTER_CONSOLE_SERIAL_DROPPED) > dropped + 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(until_the_event_loop_runs_text_is_written_at_once, set_up),
        cmocka_unit_test_setup(the_event_loop_gives_what_the_fifo_takes, set_up),
        cmocka_unit_test_setup(before_sleep_the_interrupt_is_armed_and_then_disarmed, set_up),
        cmocka_unit_test_setup(what_a_stuck_port_has_no_room_for_is_counted_and_told, set_up),
        cmocka_unit_test_setup(the_end_of_a_node_writes_the_last_lines, set_up),
        cmocka_unit_test_setup(a_port_slower_than_its_speed_does_not_hold_the_end, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
