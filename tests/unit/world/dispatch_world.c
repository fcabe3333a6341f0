/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c drivers/console/log_printer.c libc/core/format.c */
/* sources: libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S tests/unit/world/fake_platform.c */
/* sources: tests/unit/world/fake_memory.c */
/*
 * A dispatcher's world for unit tests: see dispatch_world.h.
 */
#include "tests/unit/world/dispatch_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/console/log_printer.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/timer.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"
#include "tests/unit/world/thread_sanitizer.h"

struct handled handled[HANDLED_MAX];
unsigned handled_count;

static unsigned blocks_before, threads_before;

void note_message(node_id_t from, const struct message *message)
{
    assert_true(handled_count < ARRAY_COUNT(handled));
    handled[handled_count].from = from;
    handled[handled_count].type = message->header.type;
    handled[handled_count].number = ((const struct number *)message)->number;
    handled[handled_count].length_bytes = message->header.length_bytes;
    handled_count++;
}

struct number number_message(uint32_t number)
{
    return (struct number){
        .header = {.type = TYPE, .length_bytes = sizeof(struct number)},
        .number = number,
    };
}

static void ignore_timer(struct timer *timer)
{
    (void)timer;
}

/* The heap of timers comes with the first one and stays. */
static void start_and_stop_a_timer(void)
{
    struct timer timer;

    timer_initialise(&timer, ignore_timer);
    assert_int_equal(timer_start(&timer, NS_PER_S), 0);
    timer_stop(&timer);
}

int start_dispatcher(void **state)
{
    (void)state;
    static const struct platform_console printer = {
        .print = log_printer_print,
        .write = fake_console_write,
    };

    fake_platform_reset(NODE, 4);
    platform_console = &printer;
    log_printer_start();
    dispatch_initialise();
    dispatch_register_message(TYPE, sizeof(struct number), note_message);
    (void)log_take_unannounced();
    handled_count = 0;
    start_and_stop_a_timer();
    blocks_before = fake_memory_blocks();
    threads_before = threads_begun();
    return 0;
}

/* Every node takes what it was sent, and the node under test goes on until it has nothing to do. */
int finish_dispatcher(void **state)
{
    bool has_taken = true;

    (void)state;
    for (unsigned round = 0; dispatch_round() != 0 || has_taken; round++) {
        assert_true(round < 10000);
        handled_count = 0;
        has_taken = false;
        for (node_id_t node = 0; node < platform_node_count(); node++) {
            while (node != NODE && fake_take_message(node) != NULL) {
                has_taken = true;
            }
        }
    }
    assert_false(thread_is_any_ready());
    assert_false(peers_is_own_waiting());
    assert_int_equal(fake_memory_blocks(), blocks_before);
    assert_int_equal(threads_begun(), threads_before);
    return 0;
}

void deliver_number(node_id_t from, uint32_t number)
{
    struct number message = number_message(number);

    fake_deliver(from, &message.header);
}

int send_number(node_id_t to, uint32_t number)
{
    struct number message = number_message(number);

    return send_copy(to, &message.header);
}

void post_number(node_id_t to, uint32_t number)
{
    struct number message = number_message(number);

    post_copy(to, &message.header);
}

void expect_number(node_id_t to, uint32_t number)
{
    const struct number *message = fake_expect_message(to, TYPE);

    assert_int_equal(message->number, number);
}

unsigned fill_channel(node_id_t to)
{
    unsigned count = 0;

    while (send_number(to, count) == 0) {
        count++;
    }
    return count;
}

void kill_node_2(void)
{
    fake_set_node_state(2, NODE_DEAD);
}
