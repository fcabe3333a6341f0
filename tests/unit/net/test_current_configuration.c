/* SPDX-License-Identifier: MIT */
/* sources: net/current_configuration.c net/configuration.c net/placement.c */
/* sources: libc/core/command_line.c libc/core/format.c */
/*
 * Tests net/current_configuration.c: who may act for all, by what the status pages say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"

#define NODES 6u

static bool is_dead[NODES];
static void (*told)(node_id_t node);

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)file;
    (void)line;
    (void)format;
    abort();
}

unsigned platform_node_count(void)
{
    return NODES;
}

enum node_state status_node_state(node_id_t node)
{
    assert_in_range(node, 0, NODES - 1);
    return is_dead[node] ? NODE_DEAD : NODE_RUNNING;
}

void dispatch_register_node_down(void (*handler)(node_id_t node))
{
    told = handler;
}

/* Nodes 0 and 1 are CMs, 2 and 3 LSs, 4 and 5 TSs. */
static int start(void **state)
{
    static struct configuration configuration;
    char reason[64];

    (void)state;
    for (unsigned i = 0; i < NODES; i++) {
        is_dead[i] = false;
    }
    told = NULL;
    if (configuration_parse(&configuration, "pika=CM2+LS2+TS2 app=none", NODES, reason,
                            sizeof(reason)) != 0) {
        return -1;
    }
    configuration_set_current(&configuration);
    return 0;
}

static void assert_only(bool (*may)(node_id_t node), int allowed)
{
    for (int i = 0; i < (int)NODES; i++) {
        assert_int_equal(may((node_id_t)i), i == allowed);
    }
}

/* A node's own word comes after the status page that shows the death before it. */
static void the_next_may_act_only_when_all_before_it_are_dead(void **state)
{
    (void)state;
    assert_true(configuration_may_speak(4));
    assert_false(configuration_may_speak(5));
    is_dead[4] = true;
    assert_true(configuration_may_speak(5));
    assert_true(configuration_may_drive_device(2));
    assert_false(configuration_may_drive_device(3));
    is_dead[2] = true;
    assert_true(configuration_may_drive_device(3));
}

static void nobody_without_the_role_may_act_for_all(void **state)
{
    (void)state;
    assert_only(configuration_may_speak, 4);
    assert_only(configuration_may_drive_device, 2);
    is_dead[2] = is_dead[3] = is_dead[4] = is_dead[5] = true;
    for (node_id_t node = 0; node < 2; node++) {
        assert_false(configuration_may_speak(node));
        assert_false(configuration_may_drive_device(node));
    }
}

static void a_death_changes_who_serves(void **state)
{
    (void)state;
    assert_int_equal(configuration_current()->speaker, 4);
    told(4);
    assert_int_equal(configuration_current()->speaker, 5);
    assert_true(configuration_is_dead(configuration_current(), 4));
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_may_act_only_when_all_before_it_are_dead),
        TEST(nobody_without_the_role_may_act_for_all),
        TEST(a_death_changes_who_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
