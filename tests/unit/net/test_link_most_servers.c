/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/memory_nic.c tests/unit/world/kept_log.c */
/*
 * Tests net/link/device.c with as many link servers as there may be, over a card in memory with as
 * many queues.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "net/messages.h"
#include "net/steering.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/memory_nic.h"

static void accept_queue(node_id_t from)
{
    struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)},
        .queue_index = (uint16_t)from,
    };

    (void)fake_expect_message(from, ATTACH_QUEUE);
    fake_deliver(from, &attached.header);
}

/* There are more of them than queues: those of the last ones are others'. */
static void as_many_link_servers_have_a_queue_as_there_are(void **state)
{
    (void)state;
    memory_nic_reset();
    kept_log_clear();
    memory_nic_setting.queue_count = NIC_QUEUE_MAX;
    start_link_server_among(NODE_MAX, 0, "pika=TS256LS256CM256 app=none");
    settle();
    assert_int_equal(ready_count, 1);
    assert_int_equal(node_set_count(&last_ready.queues), NIC_QUEUE_MAX);
    assert_true(node_set_has(&last_ready.queues, NIC_QUEUE_MAX - 1));
    accept_queue(NIC_QUEUE_MAX - 1);
    settle();
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), 0);
    (void)fake_expect_message(NIC_QUEUE_MAX, NIC_READY);
    (void)fake_expect_message(NODE_MAX - 1, NIC_READY);
    fake_expect_no_message(NODE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_link_servers_have_a_queue_as_there_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
