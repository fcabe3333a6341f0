/* SPDX-License-Identifier: MIT */
/* sources: net/forward/rules.c tests/unit/world/application_world.c tests/unit/world/fake_return.c */
/*
 * Tests net/forward/rules.c: how an application tells the transport servers, which the test plays,
 * what is forwarded.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "net/configuration.h"
#include "net/forward/rules.h"
#include "net/returning.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"

#define OTHER_TS 0
#define BACKEND  0x0301A8C0u /* 192.168.1.3 */

static struct forward_port port_with(uint16_t number, unsigned backend_count)
{
    struct forward_port port = {.port = number,
                                .algorithm = FORWARD_LEAST_CONNECTIONS,
                                .backend_count = (uint8_t)backend_count};

    for (unsigned i = 0; i < backend_count && i < FORWARD_BACKEND_MAX; i++) {
        port.backends[i] = (struct forward_backend){BACKEND, (uint16_t)(1000 + i), 1};
    }
    return port;
}

static struct forward_rule expect_rule(node_id_t ts)
{
    const struct message *message = fake_expect_message(ts, FORWARD_RULE);

    return *(const struct forward_rule *)message;
}

/* All of a port, in as many messages as it takes. */
static void expect_port(node_id_t ts, uint16_t number, unsigned backend_count, bool is_first,
                        bool is_last)
{
    for (unsigned said = 0; said < backend_count;) {
        struct forward_rule rule = expect_rule(ts);

        assert_int_equal(rule.port, number);
        assert_int_equal(rule.algorithm, FORWARD_LEAST_CONNECTIONS);
        assert_int_equal((rule.flags & FORWARD_RULE_FIRST) != 0, is_first && said == 0);
        assert_in_range(rule.backend_count, 1, FORWARD_RULE_BACKENDS);
        for (unsigned i = 0; i < rule.backend_count; i++) {
            assert_int_equal(rule.backends[i].port, 1000 + said + i);
            assert_int_equal(rule.backends[i].address, BACKEND);
        }
        said += rule.backend_count;
        assert_int_equal((rule.flags & FORWARD_RULE_LAST) != 0, is_last && said == backend_count);
    }
}

static int start(void **state)
{
    (void)state;
    start_application_node();
    returning_start();
    return 0;
}

static void look_at_nodes(void)
{
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
}

static void every_transport_server_is_told_all_of_it(void **state)
{
    struct forward_port ports[2] = {port_with(80, 1), port_with(81, FORWARD_BACKEND_MAX)};

    (void)state;
    assert_int_equal(forward_rules_set(ports, 2), 0);
    (void)dispatch_round();
    for (node_id_t ts = 0; ts <= TS; ts++) {
        expect_port(ts, 80, 1, true, false);
        expect_port(ts, 81, FORWARD_BACKEND_MAX, false, true);
        assert_null(fake_take_message(ts));
    }
}

static void no_rules_are_one_empty_message(void **state)
{
    struct forward_rule rule;

    (void)state;
    assert_int_equal(forward_rules_set(NULL, 0), 0);
    (void)dispatch_round();
    rule = expect_rule(TS);
    assert_int_equal(rule.port, 0);
    assert_int_equal(rule.backend_count, 0);
    assert_int_equal(rule.flags, FORWARD_RULE_FIRST | FORWARD_RULE_LAST);
    assert_null(fake_take_message(TS));
    (void)expect_rule(OTHER_TS);
}

static void expect_refusal(const struct forward_port *ports, unsigned count)
{
    assert_int_equal(forward_rules_set(ports, count), -EINVAL);
    (void)dispatch_round();
    assert_null(fake_take_message(TS));
}

static void what_is_wrong_in_one_place_is_refused_as_a_whole(void **state)
{
    static struct forward_port many[FORWARD_RULE_MAX + 1];
    struct forward_port ports[2] = {port_with(80, 2), port_with(81, 2)};
    const struct forward_port right = ports[1];

    (void)state;
    expect_refusal(many, FORWARD_RULE_MAX + 1);
    ports[1].port = 80;
    expect_refusal(ports, 2);
    ports[1].port = 0;
    expect_refusal(ports, 2);
    ports[1] = right;
    ports[1].algorithm = FORWARD_ALGORITHM_COUNT;
    expect_refusal(ports, 2);
    ports[1] = right;
    ports[1].backend_count = 0;
    expect_refusal(ports, 2);
    ports[1].backend_count = FORWARD_BACKEND_MAX + 1;
    expect_refusal(ports, 2);
    ports[1] = right;
    ports[1].backends[1].port = 0;
    expect_refusal(ports, 2);
    ports[1] = right;
    ports[1].backends[1].weight = FORWARD_WEIGHT_MAX + 1;
    expect_refusal(ports, 2);
    ports[1] = right;
    ports[1].backends[1] = ports[1].backends[0];
    expect_refusal(ports, 2);
    ports[1] = right;
    for (unsigned i = 0; i < 3; i++) {
        static const uint32_t nobodys[] = {0, 0x0100007F, 0x010000E0}; /* 127.0.0.1, 224.0.0.1 */

        ports[1].backends[0].address = nobodys[i];
        expect_refusal(ports, 2);
    }
}

/* Node 3 runs the application as well. */
static void of_several_applications_one_is_heard_and_then_the_next(void **state)
{
    struct forward_port port = port_with(80, 1);

    (void)state;
    configuration.start_orders[NODE] = 1; /* as if it had come back: node 3 was never away */
    configuration_set_current(&configuration);
    assert_int_equal(forward_rules_set(&port, 1), 0);
    (void)dispatch_round();
    assert_null(fake_take_message(TS));
    fake_set_node_state(3, NODE_DEAD);
    look_at_nodes();
    expect_port(OTHER_TS, 80, 1, true, true);
    expect_port(TS, 80, 1, true, true);
}

static void who_comes_back_is_told_again_what_holds(void **state)
{
    struct forward_port port = port_with(80, FORWARD_RULE_BACKENDS);

    (void)state;
    assert_int_equal(forward_rules_set(&port, 1), 0);
    (void)dispatch_round();
    expect_port(OTHER_TS, 80, FORWARD_RULE_BACKENDS, true, true);
    expect_port(TS, 80, FORWARD_RULE_BACKENDS, true, true);

    fake_set_node_state(TS, NODE_DEAD);
    look_at_nodes();
    port.backends[2].weight = 0;
    assert_int_equal(forward_rules_set(&port, 1), 0);
    (void)dispatch_round();
    expect_port(OTHER_TS, 80, FORWARD_RULE_BACKENDS, true, true);

    fake_build_again(TS);
    look_at_nodes();
    assert_int_equal(expect_rule(TS).backends[2].weight, 0);
    assert_null(fake_take_message(TS));
    assert_null(fake_take_message(OTHER_TS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* In one start, since what is registered at the first call is forgotten with the next. */
        cmocka_unit_test_setup(of_several_applications_one_is_heard_and_then_the_next, start),
        cmocka_unit_test(who_comes_back_is_told_again_what_holds),
        cmocka_unit_test_setup(every_transport_server_is_told_all_of_it, start),
        cmocka_unit_test_setup(no_rules_are_one_empty_message, start),
        cmocka_unit_test_setup(what_is_wrong_in_one_place_is_refused_as_a_whole, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
