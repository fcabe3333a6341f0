/* SPDX-License-Identifier: MIT */
/* sources: net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c tests/unit/world/panic.c */
/*
 * Tests net/configuration.c and net/placement.c: the paper's notation to roles on nodes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "net/configuration.h"

/* Neither is called when all is well. */
void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
    abort();
}

static struct configuration configuration;
static char reason[128];

static void parse(const char *line, unsigned node_count)
{
    assert_int_equal(configuration_parse(&configuration, line, node_count, reason, sizeof(reason)),
                     0);
    assert_string_equal(reason, "");
}

static void assert_prints(const char *text)
{
    char printed[64];

    configuration_print(&configuration, printed, sizeof(printed));
    assert_string_equal(printed, text);
}

static void assert_node_is(node_id_t node, const char *roles)
{
    char printed[48];

    configuration_print_roles(&configuration, node, printed, sizeof(printed));
    assert_string_equal(printed, roles);
}

/* Refused, with a reason that names what is wrong; the default stands instead. */
static void assert_refused(const char *line, const char *reason_part)
{
    assert_int_equal(configuration_parse(&configuration, line, 4, reason, sizeof(reason)), -EINVAL);
    if (strstr(reason, reason_part) == NULL) {
        fail_msg("'%s' was refused with '%s', not with '%s'", line, reason, reason_part);
    }
    assert_prints("TS2LS2CM2 httpd:2");
}

static void the_default_uses_half_of_the_nodes_for_servers(void **state)
{
    (void)state;
    parse("", 1);
    assert_prints("TS1LS1CM1 httpd:1@ts");
    assert_node_is(0, "LS TS CM httpd");
    parse("", 2);
    assert_prints("TS1LS1CM1 httpd:1");
    assert_node_is(0, "LS TS CM");
    assert_node_is(1, "httpd");
    parse("", 3);
    assert_prints("TS1LS1CM1 httpd:2");
    parse("", 4);
    assert_prints("TS2LS2CM2 httpd:2");
    parse("", NODE_MAX);
    assert_prints("TS128LS128CM128 httpd:128");
}

static void words_of_others_change_nothing(void **state)
{
    (void)state;
    parse("net=dhcp balance=naive log=debug -- pika=TS1LS1CM1 app=none", 4);
    assert_prints("TS2LS2CM2 httpd:2");
}

static void composite_servers_hold_all_components(void **state)
{
    (void)state;
    parse("pika=TS3LS3CM3 app=httpd:1", 4);
    assert_prints("TS3LS3CM3 httpd:1");
    assert_int_equal(configuration.node_count, 4);
    assert_int_equal(configuration.ls_count, 3);
    for (node_id_t node = 0; node < 3; node++) {
        assert_node_is(node, "LS TS CM");
        assert_int_equal(configuration.ls[node], node);
        assert_int_equal(configuration.ts[node], node);
        assert_int_equal(configuration.cm[node], node);
        assert_int_equal(configuration_own_cm(&configuration, node), node);
        assert_int_equal(configuration_own_ls(&configuration, node), node);
    }
    assert_node_is(3, "httpd");
}

/* --- Deaths --- */

static void the_work_of_a_dead_node_is_the_next_living_ones(void **state)
{
    (void)state;
    parse("pika=TS3LS3CM3 app=httpd:3", 6);
    assert_int_equal(configuration.speaker, 0);
    assert_int_equal(configuration.device_ls, 0);
    configuration_lose_node(&configuration, 0);
    assert_true(configuration_is_dead(&configuration, 0));
    assert_int_equal(configuration.speaker, 1);
    assert_int_equal(configuration.device_ls, 1);
    assert_int_equal(configuration.flow_owners[0], 1);
    /* What the living have stays theirs. */
    for (node_id_t node = 1; node < 3; node++) {
        assert_int_equal(configuration.flow_owners[node], node);
        assert_int_equal(configuration_own_cm(&configuration, node), node);
        assert_int_equal(configuration_own_ls(&configuration, node), node);
    }
    assert_int_equal(configuration_own_cm(&configuration, 4), 1);
    assert_int_equal(configuration_own_cm(&configuration, 5), 2);
    /* Node 3 had the dead one's. */
    assert_in_range(configuration_own_cm(&configuration, 3), 1, 2);
}

static void deaths_lead_to_the_same_in_any_order(void **state)
{
    static const node_id_t orders[][3] = {{0, 2, 1}, {0, 1, 2}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct configuration first;

    (void)state;
    for (unsigned order = 0; order < ARRAY_COUNT(orders); order++) {
        parse("pika=TS4LS4+CM3 app=httpd:9", 16);
        for (unsigned i = 0; i < 3; i++) {
            configuration_lose_node(&configuration, orders[order][i]);
        }
        if (order == 0) {
            first = configuration;
        }
        assert_memory_equal(&configuration, &first, sizeof(first));
    }
    assert_int_equal(configuration.speaker, 3);
}

/* Nothing can be sent there, but it is a node's number. */
static void when_all_servers_are_dead_their_work_is_a_dead_nodes(void **state)
{
    (void)state;
    parse("pika=TS1LS1CM1 app=httpd:1", 2);
    configuration_lose_node(&configuration, 0);
    assert_int_equal(configuration.speaker, 0);
    assert_int_equal(configuration.flow_owners[0], 0);
    assert_int_equal(configuration_own_cm(&configuration, 1), 0);
}

/* --- Nodes about to go --- */

static void what_is_new_is_no_draining_nodes_but_it_keeps_its_own_servers(void **state)
{
    (void)state;
    parse("pika=TS3LS3CM3 app=httpd:3", 6);
    configuration_let_drain(&configuration, 1, true);
    assert_false(configuration_is_dead(&configuration, 1));
    assert_int_equal(configuration.flow_owners[0], 0);
    assert_int_equal(configuration.flow_owners[1], 2);
    assert_int_equal(configuration.flow_owners[2], 2);
    assert_int_equal(configuration_own_cm(&configuration, 1), 1);
    assert_int_equal(configuration_own_ls(&configuration, 1), 1);
    for (node_id_t node = 3; node < 6; node++) {
        assert_int_not_equal(configuration_own_cm(&configuration, node), 1);
    }
    /* What only one may do it goes on with. */
    configuration_let_drain(&configuration, 0, true);
    assert_int_equal(configuration.speaker, 0);
    assert_int_equal(configuration.device_ls, 0);
    assert_int_equal(configuration.flow_owners[0], 2);
    /* Where nobody else is there, it is all there is. */
    configuration_let_drain(&configuration, 2, true);
    assert_int_equal(configuration.flow_owners[1], 1);
    /* Then it dies, and comes back. */
    configuration_lose_node(&configuration, 1);
    configuration_regain_node(&configuration, 1, 1);
    configuration_let_serve(&configuration, 1, ROLE_TS);
    assert_int_equal(configuration.flow_owners[0], 1);
    assert_int_equal(configuration.flow_owners[1], 1);
}

static void nobody_sends_through_a_draining_link_server(void **state)
{
    (void)state;
    parse("pika=TS2+LS3+CM1 app=httpd:1", 7);
    assert_int_equal(configuration.spare_ls_count, 1);
    configuration_let_drain(&configuration, 3, true);
    assert_int_equal(configuration_own_ls(&configuration, 0), 2);
    assert_int_not_equal(configuration_own_ls(&configuration, 1), 3);
    for (unsigned i = 0; i < configuration.spare_ls_count; i++) {
        assert_int_not_equal(configuration.spare_ls[i], 3);
    }
}

/* --- Returns --- */

/* Its flows, and what was asked of it as a CM, come back when it serves. */
static void who_returns_serves_as_before_when_it_says_so(void **state)
{
    struct configuration before;

    (void)state;
    parse("pika=TS3LS3CM3 app=httpd:3", 6);
    before = configuration;
    configuration_lose_node(&configuration, 1);
    configuration_regain_node(&configuration, 1, 1000);
    assert_false(configuration_is_dead(&configuration, 1));
    assert_int_equal(configuration_own_ls(&configuration, 1), 1);
    assert_int_equal(configuration.flow_owners[1], 2);
    assert_int_not_equal(configuration_own_cm(&configuration, 4), 1);
    configuration_let_serve(&configuration, 1, ROLE_CM);
    assert_int_equal(configuration_own_cm(&configuration, 4), 1);
    assert_int_equal(configuration.flow_owners[1], 2);
    configuration_let_serve(&configuration, 1, ROLE_TS);
    before.start_orders[1] = 1000;
    assert_memory_equal(&configuration, &before, sizeof(before));
}

/* Nobody else is there. */
static void the_only_server_that_returns_has_the_work_at_once(void **state)
{
    (void)state;
    parse("pika=TS1LS1+CM2 app=httpd:1", 4);
    configuration_lose_node(&configuration, 0);
    configuration_lose_node(&configuration, 1);
    configuration_lose_node(&configuration, 2);
    configuration_regain_node(&configuration, 0, 1000);
    configuration_regain_node(&configuration, 2, 1001);
    assert_int_equal(configuration.flow_owners[0], 0);
    assert_int_equal(configuration.speaker, 0);
    for (node_id_t node = 0; node < 4; node++) {
        assert_int_equal(configuration_own_cm(&configuration, node), 2);
    }
}

/* However often any of them has come back. */
static void who_returns_takes_no_work_for_all_from_a_successor_but_may_succeed_it(void **state)
{
    (void)state;
    parse("pika=TS3LS3CM3 app=httpd:1", 4);
    for (uint32_t order = 1; order < 20; order++) {
        node_id_t next = (node_id_t)(order % 3);

        configuration_lose_node(&configuration, configuration.speaker);
        assert_int_equal(configuration.speaker, next);
        assert_int_equal(configuration.device_ls, next);
        configuration_regain_node(&configuration, (node_id_t)((order - 1) % 3), order);
        assert_int_equal(configuration.speaker, next);
        assert_int_equal(configuration.device_ls, next);
    }
}

static void the_first_of_those_that_returned_together_has_the_work_for_all(void **state)
{
    (void)state;
    parse("pika=TS3LS3CM3 app=httpd:1", 4);
    for (node_id_t node = 0; node < 3; node++) {
        configuration_lose_node(&configuration, node);
    }
    configuration_regain_node(&configuration, 2, 500);
    assert_int_equal(configuration.speaker, 2);
    configuration_regain_node(&configuration, 1, 500);
    assert_int_equal(configuration.speaker, 1);
    configuration_regain_node(&configuration, 0, 501);
    assert_int_equal(configuration.speaker, 1);
}

/* --- */

static void separate_managers_stand_on_nodes_of_their_own(void **state)
{
    (void)state;
    parse("pika=TS4LS4+CM2 app=httpd:2", 8);
    assert_prints("TS4LS4+CM2 httpd:2");
    assert_node_is(3, "LS TS");
    assert_node_is(4, "CM");
    assert_node_is(5, "CM");
    assert_node_is(6, "httpd");
    assert_int_equal(configuration_own_cm(&configuration, 0), 4);
    assert_int_equal(configuration_own_cm(&configuration, 1), 5);
    assert_int_equal(configuration_own_cm(&configuration, 2), 4);
    assert_int_equal(configuration_own_cm(&configuration, 4), 4);
    assert_int_equal(configuration_own_cm(&configuration, 6), 4);
    assert_int_equal(configuration_own_cm(&configuration, 7), 5);
}

static void all_components_may_stand_apart_in_any_order(void **state)
{
    (void)state;
    parse("pika=TS4+LS2+CM1 app=httpd:1", 8);
    assert_prints("TS4+LS2+CM1 httpd:1");
    assert_node_is(3, "TS");
    assert_node_is(4, "LS");
    assert_node_is(6, "CM");
    assert_node_is(7, "httpd");
    for (node_id_t ts = 0; ts < 4; ts++) {
        assert_int_equal(configuration_own_ls(&configuration, ts), 4 + ts % 2);
        assert_int_equal(configuration_own_cm(&configuration, ts), 6);
    }
    parse("pika=CM1+LS1TS1 app=none", 4);
    assert_node_is(0, "CM");
    assert_node_is(1, "LS TS");
    assert_node_is(2, "idle");
    assert_prints("TS1LS1+CM1");
}

static void the_smaller_number_takes_a_subset_of_the_servers(void **state)
{
    (void)state;
    parse("pika=TS4LS4CM2 app=httpd:1", 5);
    assert_prints("TS4LS4CM2 httpd:1");
    assert_node_is(0, "LS TS CM");
    assert_node_is(1, "LS TS CM");
    assert_node_is(2, "LS TS");
    assert_node_is(3, "LS TS");
    assert_int_equal(configuration_own_cm(&configuration, 2), 0);
    assert_int_equal(configuration_own_cm(&configuration, 3), 1);
    parse("pika=TS3LS1CM1 app=none", 3);
    assert_prints("TS3LS1CM1");
    assert_int_equal(configuration_own_ls(&configuration, 2), 0);
}

/* Those through which no transport server sends take in for them in turn. */
static void link_servers_beyond_the_transport_servers_are_shared_out(void **state)
{
    (void)state;
    parse("pika=TS2LS5CM2 app=httpd:1", 6);
    assert_int_equal(configuration.spare_ls_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(configuration.spare_ls[i], 2 + i);
        assert_int_equal(configuration.spare_of[2 + i], i % 2);
        assert_true(configuration_is_ls_of(&configuration, (node_id_t)(2 + i), i % 2));
        assert_false(configuration_is_ls_of(&configuration, (node_id_t)(2 + i), 1 - i % 2));
    }
    assert_true(configuration_is_ls_of(&configuration, 0, 0));
    assert_false(configuration_is_ls_of(&configuration, 0, 1));

    parse("pika=LS4+TS2+CM1 app=none", 7);
    assert_int_equal(configuration.spare_ls_count, 2);
    assert_int_equal(configuration.spare_of[2], 4);
    assert_int_equal(configuration.spare_of[3], 5);
    configuration_lose_node(&configuration, 2);
    assert_int_equal(configuration.spare_ls_count, 1);
    assert_int_equal(configuration.spare_of[2], NODE_NONE);
    assert_int_equal(configuration.spare_of[3], 4);
    /* The dead transport server's link server takes in for the living one. */
    parse("pika=LS2+TS2+CM1 app=none", 5);
    assert_int_equal(configuration.spare_ls_count, 0);
    configuration_lose_node(&configuration, 2);
    assert_int_equal(configuration.spare_ls_count, 1);
    assert_int_equal(configuration.spare_of[0], 3);
    parse("pika=TS4+LS2+CM1 app=none", 7);
    assert_int_equal(configuration.spare_ls_count, 0);
}

static void applications_may_share_the_transport_servers_nodes(void **state)
{
    (void)state;
    parse("pika=TS2LS2CM2 app=httpd:2@ts", 4);
    assert_prints("TS2LS2CM2 httpd:2@ts");
    assert_node_is(0, "LS TS CM httpd");
    assert_node_is(2, "idle");
    parse("app=httpd@ts", 4);
    assert_prints("TS4LS4CM4 httpd:4@ts");
    parse("app=httpd:3@ts", 4);
    assert_prints("TS4LS4CM4 httpd:3@ts");
    assert_node_is(3, "LS TS CM");
}

static void what_is_left_open_fits_the_nodes_that_are_left(void **state)
{
    (void)state;
    parse("pika=TS1LS1CM1", 4);
    assert_prints("TS1LS1CM1 httpd:3");
    parse("pika=TS4LS4CM4", 4);
    assert_prints("TS4LS4CM4 httpd:4@ts");
    parse("app=httpd:3", 4);
    assert_prints("TS1LS1CM1 httpd:3");
    parse("app=webswamp", 4);
    assert_prints("TS2LS2CM2 webswamp:2");
    parse("app=none", 4);
    assert_prints("TS4LS4CM4");
    assert_string_equal(configuration.application, "");
    parse("pika=TS1LS1CM1 app=httpd:1", 4);
    assert_node_is(1, "httpd");
    assert_node_is(2, "idle");
    assert_node_is(3, "idle");
}

/* One letter is a name; it is not none. */
static void the_shortest_name_takes_its_nodes(void **state)
{
    (void)state;
    parse("app=x", 4);
    assert_prints("TS2LS2CM2 x:2");
    parse("app=x:1", 4);
    assert_prints("TS3LS3CM3 x:1");
}

static void the_last_word_counts(void **state)
{
    (void)state;
    parse("pika=TS1LS1CM1 app=httpd:1 pika=TS2LS2CM2", 4);
    assert_prints("TS2LS2CM2 httpd:1");
}

static void notation_that_cannot_be_understood_is_refused(void **state)
{
    (void)state;
    assert_refused("pika=XY2", "expected where 'XY2' stands");
    assert_refused("pika=ts2ls2cm2", "expected where 'ts2ls2cm2' stands");
    assert_refused("pika=TS2LS2", "at least one CM");
    assert_refused("pika=TS2CM2", "at least one LS");
    assert_refused("pika=CM1", "at least one TS");
    assert_refused("pika=TS2LS2CM", "number from 1 must follow CM");
    assert_refused("pika=TS0LS1CM1", "number from 1 must follow TS");
    assert_refused("pika=TS-1LS1CM1", "number from 1 must follow TS");
    assert_refused("pika=TS1TS1LS1CM1", "TS stands twice");
    assert_refused("pika=TS1LS1+TS1CM1", "TS stands twice");
    assert_refused("pika=TS1LS1CM1+", "expected where '+' stands");
    assert_refused("pika=TS1LS1+", "at least one CM");
    assert_refused("pika=TS1++LS1CM1", "expected where '+LS1CM1' stands");
    assert_refused("pika=+TS1LS1CM1", "expected where '+TS1LS1CM1' stands");
    assert_refused("pika=TS1LS1CM1,", "expected where ',' stands");
    assert_refused("pika=TS1LS1CM1TS1LS1CM1TS1LS1CM1TS1LS1CM1TS1LS1CM1TS1LS1CM1TS1LS1CM1TS1",
                   "longer than");
    assert_refused("app=:2", "a name of 1 to 15 letters is expected");
    assert_refused("app=averyveryverylongname:2", "a name of 1 to");
    assert_refused("app=httpd:", "a number from 1 must follow ':'");
    assert_refused("app=httpd:0", "a number from 1 must follow ':'");
    assert_refused("app=httpd:2x", "'x' is not understood");
    assert_refused("app=httpd:2@cm", "'@cm' is not understood");
    assert_refused("app=httpd@", "'@' is not understood");
}

static void what_does_not_fit_the_machine_is_refused(void **state)
{
    (void)state;
    assert_refused("pika=TS5LS5CM5", "more nodes than the machine has, 4");
    assert_refused("pika=TS2LS2+CM3", "more nodes than the machine has, 4");
    assert_refused("pika=TS99999999999999999999LS1CM1", "more nodes than the machine has, 4");
    assert_refused("pika=TS2LS2CM2 app=httpd:3", "2 nodes for servers and 3 for httpd");
    assert_refused("app=httpd:4", "leaves no node for the servers");
    assert_refused("app=httpd:5@ts", "there are 4");
    assert_refused("pika=TS2LS2CM2 app=httpd:3@ts", "there are 2");
}

static void the_reason_is_cut_to_its_room(void **state)
{
    char small[8];

    (void)state;
    assert_int_equal(configuration_parse(&configuration, "pika=nonsense", 4, small, sizeof(small)),
                     -EINVAL);
    assert_string_equal(small, "pika=no");
}

static void printed_text_is_cut_to_its_room(void **state)
{
    char small[6];

    (void)state;
    parse("", 4);
    configuration_print(&configuration, small, sizeof(small));
    assert_string_equal(small, "TS2LS");
    configuration_print_roles(&configuration, 0, small, sizeof(small));
    assert_string_equal(small, "LS TS");
}

/* Any text on the command line ends in a configuration that runs. */
static void every_text_ends_in_a_configuration_with_all_servers(void **state)
{
    static const char letters[] = "TSLCM0123456789+@:, httpd=pika";
    uint32_t random = 1;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char line[48] = "pika=";
        unsigned length = 5 + round % 40;

        for (unsigned i = 5; i < length; i++) {
            random = random * 1664525 + 1013904223;
            line[i] = letters[(random >> 16) % (sizeof(letters) - 1)];
        }
        unsigned node_count = 1 + round % NODE_MAX;

        (void)!configuration_parse(&configuration, line, node_count, reason, sizeof(reason));
        assert_in_range(configuration.ts_count, 1, node_count);
        assert_in_range(configuration.ls_count, 1, node_count);
        assert_in_range(configuration.cm_count, 1, node_count);
        for (node_id_t node = 0; node < node_count; node++) {
            if (configuration.roles[node] != 0) {
                assert_true(configuration.roles[configuration.own_cm[node]] & ROLE_CM);
                assert_true(configuration.roles[configuration.own_ls[node]] & ROLE_LS);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_uses_half_of_the_nodes_for_servers),
        cmocka_unit_test(words_of_others_change_nothing),
        cmocka_unit_test(composite_servers_hold_all_components),
        cmocka_unit_test(the_work_of_a_dead_node_is_the_next_living_ones),
        cmocka_unit_test(deaths_lead_to_the_same_in_any_order),
        cmocka_unit_test(when_all_servers_are_dead_their_work_is_a_dead_nodes),
        cmocka_unit_test(what_is_new_is_no_draining_nodes_but_it_keeps_its_own_servers),
        cmocka_unit_test(nobody_sends_through_a_draining_link_server),
        cmocka_unit_test(who_returns_serves_as_before_when_it_says_so),
        cmocka_unit_test(the_only_server_that_returns_has_the_work_at_once),
        cmocka_unit_test(who_returns_takes_no_work_for_all_from_a_successor_but_may_succeed_it),
        cmocka_unit_test(the_first_of_those_that_returned_together_has_the_work_for_all),
        cmocka_unit_test(separate_managers_stand_on_nodes_of_their_own),
        cmocka_unit_test(all_components_may_stand_apart_in_any_order),
        cmocka_unit_test(the_smaller_number_takes_a_subset_of_the_servers),
        cmocka_unit_test(link_servers_beyond_the_transport_servers_are_shared_out),
        cmocka_unit_test(applications_may_share_the_transport_servers_nodes),
        cmocka_unit_test(what_is_left_open_fits_the_nodes_that_are_left),
        cmocka_unit_test(the_shortest_name_takes_its_nodes),
        cmocka_unit_test(the_last_word_counts),
        cmocka_unit_test(notation_that_cannot_be_understood_is_refused),
        cmocka_unit_test(what_does_not_fit_the_machine_is_refused),
        cmocka_unit_test(the_reason_is_cut_to_its_room),
        cmocka_unit_test(printed_text_is_cut_to_its_room),
        cmocka_unit_test(every_text_ends_in_a_configuration_with_all_servers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
