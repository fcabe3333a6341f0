/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c drivers/console/log_printer.c libc/core/format.c */
/* sources: kernel/thread/timer.c kernel/thread/thread.c kernel/thread/switch.S tests/unit/world/fake_platform.c */
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
#include "tests/unit/world/fake_platform.h"

struct handled handled[HANDLED_MAX];
unsigned handled_count;

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

    return message_send(to, &message.header);
}

void post_number(node_id_t to, uint32_t number)
{
    struct number message = number_message(number);

    message_post(to, &message.header);
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
