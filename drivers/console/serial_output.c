/* SPDX-License-Identifier: MIT */
/*
 * The queue in front of the serial port, and who empties it.
 */
#include "drivers/console/serial_output.h"

#include <string.h>

#include "drivers/console/counters.h"
#include "drivers/console/line_queue.h"
#include "drivers/console/serial.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/timer.h"

/* Chosen: the log of a start with NODE_MAX nodes, which takes four seconds at 115200 baud; and the
 * longest answer, three lines for each node. */
#define QUEUE_BYTES  (64 * KIB)
#define ANSWER_BYTES (20 * KIB)

/* A port that takes nothing is asked again after twice the time, up to this. */
#define RETRY_MAX_NS NS_PER_S

/* Written between two looks at the clock. */
#define PIECE_BYTES 256u

bool serial_output_is_busy;

static struct line_queue queue;
static bool is_queueing;
static bool has_interrupt;
static bool is_interrupt_on; /* the one of the empty FIFO */
static uint64_t next_transmit_ns;
static uint64_t retry_ns;
static unsigned dropped_count; /* lines that the log has not told of */
static struct timer timer;

MEMORY_KIND(queue_kind, "serial_queue");

static void wake_up(struct timer *expired)
{
    (void)expired; /* a round follows, and with it a look at the port */
}

void serial_output_start(bool is_interrupt_routed)
{
    char *text =
        serial_is_present() ? memory_allocate_pages(&queue_kind, QUEUE_BYTES / PAGE_BYTES) : NULL;

    if (text == NULL) {
        if (serial_is_present()) {
            log_warning("console", "no memory to let text wait for the serial port");
        }
        return;
    }
    /* Once: the queue of a second start would lose what waits in the first. */
    ASSERT(queue.text == NULL);
    line_queue_initialise(&queue, text, QUEUE_BYTES);
    timer_initialise(&timer, wake_up);
    has_interrupt = is_interrupt_routed;
    retry_ns = serial_byte_ns();
    /* Text waits from the first round on: a start that hangs before it shows how far it came. */
    serial_output_is_busy = true;
}

/* --- Text --- */

static unsigned count_lines(const char *text, size_t bytes)
{
    unsigned count = 0;

    for (size_t i = 0; i < bytes; i++) {
        count += text[i] == '\n';
    }
    return count;
}

static void count_dropped(unsigned line_count)
{
    dropped_count += line_count;
    counter_add(COUNTER_CONSOLE_SERIAL_DROPPED, line_count);
}

static void write_now(const char *text, size_t bytes)
{
    while (bytes > 0) {
        const char *newline = memchr(text, '\n', bytes);
        size_t length = newline != NULL ? (size_t)(newline - text) : bytes;

        serial_write(text, length);
        if (newline == NULL) {
            return;
        }
        serial_write("\r\n", 2);
        text += length + 1;
        bytes -= length + 1;
    }
}

static void put(const char *text, size_t bytes, uint32_t keep_free)
{
    if (!is_queueing) {
        write_now(text, bytes);
        return;
    }
    ASSERT(queue.text != NULL && keep_free < queue.bytes);
    if (!line_queue_put(&queue, text, bytes, keep_free)) {
        count_dropped(count_lines(text, bytes));
    }
    serial_output_is_busy = true;
}

void serial_output_write(const char *text, size_t bytes)
{
    put(text, bytes, ANSWER_BYTES);
}

void serial_output_answer(const char *text, size_t bytes)
{
    put(text, bytes, 0);
}

bool serial_output_has_room(void)
{
    return !is_queueing || line_queue_room(&queue) >= ANSWER_BYTES;
}

void serial_output_write_through(void)
{
    uint64_t end_ns = platform_now_ns() + SERIAL_OUTPUT_WRITE_THROUGH_NS;
    const char *text;
    size_t bytes;

    if (!is_queueing) {
        return;
    }
    is_queueing = false;
    count_dropped(line_queue_keep_last(
        &queue, (uint32_t)(SERIAL_OUTPUT_WRITE_THROUGH_NS / (serial_byte_ns()))));
    while ((bytes = line_queue_peek(&queue, &text)) > 0) {
        if (platform_now_ns() >= end_ns) {
            count_dropped(line_queue_keep_last(&queue, 0));
            return;
        }
        /* A piece at a time, each of which waits for the port no longer than serial_write() does.
         */
        bytes = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        serial_write(text, bytes);
        line_queue_take(&queue, bytes);
    }
}

/* --- The event loop --- */

/* Whether the port has taken anything. */
static bool transmit(uint64_t now_ns)
{
    const char *text;
    size_t waiting_bytes = line_queue_peek(&queue, &text);
    size_t taken_bytes = serial_transmit(text, waiting_bytes);

    ASSERT(taken_bytes <= waiting_bytes);
    line_queue_take(&queue, taken_bytes);
    if (taken_bytes != 0) {
        retry_ns = serial_byte_ns() * taken_bytes;
    } else {
        retry_ns = retry_ns < RETRY_MAX_NS / 2 ? 2 * retry_ns : RETRY_MAX_NS;
    }
    ASSERT(retry_ns > 0);
    next_transmit_ns = now_ns + retry_ns;
    return taken_bytes != 0;
}

static void tell_dropped(void)
{
    if (dropped_count != 0 && line_queue_room(&queue) >= queue.bytes / 2) {
        log_warning("console", "%u lines dropped: the serial port is too slow for them",
                    dropped_count);
        dropped_count = 0;
    }
}

/* While there is no room for an answer nobody reads what is typed, and it must not wake the node
 * either: the port's progress does. */
static void enable_interrupt(bool is_for_transmit)
{
    if (has_interrupt) {
        serial_enable_interrupts(serial_output_has_room(), is_for_transmit);
        is_interrupt_on = is_for_transmit;
    }
}

void serial_output_poll(uint64_t now_ns)
{
    ASSERT(serial_output_is_busy && queue.text != NULL);
    is_queueing = true;
    if (!line_queue_is_empty(&queue) && now_ns >= next_transmit_ns) {
        (void)transmit(now_ns); /* what it did not take waits for a later round */
    }
    tell_dropped();
    if (line_queue_is_empty(&queue)) {
        if (is_interrupt_on) {
            enable_interrupt(false);
        }
        timer_stop(&timer);
        serial_output_is_busy = false;
    }
}

bool serial_output_prepare_sleep(void)
{
    uint64_t now_ns = platform_now_ns();

    if (line_queue_is_empty(&queue)) {
        return false;
    }
    if (transmit(now_ns)) {
        return true;
    }
    enable_interrupt(true);
    /* The interrupt of a FIFO that has become empty before it was enabled comes on most ports, not
     * on all. */
    if (serial_can_transmit()) {
        return true;
    }
    /* Where no interrupt comes: after the time that it takes, if the port works, and ever later if
     * it does not. Without memory for the timer the node stays awake. */
    return timer_start(&timer, has_interrupt ? now_ns + RETRY_MAX_NS : next_transmit_ns) != 0;
}
