/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/memory_nic.c tests/unit/world/kept_log.c */
/*
 * Tests net/link/ over a card with two queues that tells fewer groups of flows apart than we do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "net/link/server.h"
#include "net/messages.h"
#include "net/steering.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/memory_nic.h"

/* Each frame for another transport server then costs a message: whoever wonders finds it there. */
static void a_card_with_too_few_groups_is_not_steered_and_the_log_says_so(void **state)
{
    struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)}, .queue_index = 1};

    (void)state;
    memory_nic_reset();
    kept_log_clear();
    memory_nic_setting.queue_count = 2;
    memory_nic_setting.group_count = STEERING_GROUP_COUNT / 2;
    start_link_server_on(0, "pika=TS2LS2CM2 app=httpd:2");
    settle();
    fake_deliver(OTHER_LS, &attached.header);
    settle();
    assert_true(is_logged("2 queues"));
    assert_true(is_logged("tells 2048 groups of flows apart, not 4096"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_with_too_few_groups_is_not_steered_and_the_log_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
