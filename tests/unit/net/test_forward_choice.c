/* SPDX-License-Identifier: MIT */
/* sources: net/transport/forward/rules.c net/transport/forward/maglev.c net/handlers.c net/messages.c net/configuration.c net/placement.c net/current_configuration.c net/returning.c net/draining.c tests/unit/world/fake_park.c net/steering.c libc/core/command_line.c libc/core/format.c kernel/log.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c */
/* sources: libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/forward/rules.c and maglev.c: what a transport server takes for rules, from
 * whom, and who is chosen by them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "net/transport/forward/maglev.h"
#include "net/transport/forward/rules.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define APPLICATION 2
#define OTHER       3
#define PORT        8080u
#define ADDRESS     0x0000000Au /* 10.0.0.0: backend i has i in the last byte */
#define BOTH        (FORWARD_RULE_FIRST | FORWARD_RULE_LAST)

static struct configuration configuration;

static int start(void **state)
{
    char reason[128];

    (void)state;
    fake_platform_reset(0, 4);
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:2", 4, reason,
                                         sizeof(reason)),
                     0);
    configuration_set_current(&configuration);
    forward_rules_initialise();
    return 0;
}

static struct forward_backend backend(unsigned number, uint16_t weight)
{
    return (struct forward_backend){ADDRESS | (number + 1) << 24, 80, weight};
}

static struct forward_rule rule_of(uint16_t port, enum forward_algorithm algorithm, uint8_t flags,
                                   unsigned count)
{
    struct forward_rule rule = {
        .header = {.type = FORWARD_RULE, .length_bytes = sizeof(rule)},
        .port = port,
        .algorithm = (uint8_t)algorithm,
        .flags = flags,
        .backend_count = (uint8_t)count,
    };

    for (unsigned i = 0; i < count && i < FORWARD_RULE_BACKENDS; i++) {
        rule.backends[i] = backend(i, 1);
    }
    return rule;
}

static void tell(node_id_t from, const struct forward_rule *rule)
{
    fake_deliver(from, &rule->header);
    (void)dispatch_round();
}

static uint64_t bad_count(void)
{
    return status_own_page->counters[COUNTER_DROP_BAD_MESSAGE];
}

static void expect_refused(const struct forward_rule *rule)
{
    uint64_t before = bad_count();

    tell(APPLICATION, rule);
    assert_int_equal(bad_count(), before + 1);
    assert_null(forward_rules_find(PORT));
}

/* --- What is told --- */

static void a_set_holds_when_its_last_message_has_come(void **state)
{
    struct forward_rule rule = rule_of(PORT, FORWARD_ROUND_ROBIN, FORWARD_RULE_FIRST, 6);
    struct forward_service *service;

    (void)state;
    assert_null(forward_rules_find(PORT));
    tell(APPLICATION, &rule);
    assert_null(forward_rules_find(PORT));
    rule.flags = 0;
    rule.backend_count = 1;
    rule.backends[0] = backend(6, 3);
    tell(APPLICATION, &rule);
    rule = rule_of(PORT + 1, FORWARD_CONSISTENT_HASH, FORWARD_RULE_LAST, 2);
    tell(APPLICATION, &rule);
    service = forward_rules_find(PORT);
    assert_non_null(service);
    assert_int_equal(service->target_count, 7);
    assert_int_equal(service->targets[6].backend.weight, 3);
    assert_int_equal(forward_rules_find(PORT + 1)->target_count, 2);
    /* The next one takes its place, and an empty one, too. */
    rule = rule_of(PORT + 2, FORWARD_ROUND_ROBIN, BOTH, 1);
    tell(APPLICATION, &rule);
    assert_null(forward_rules_find(PORT));
    assert_non_null(forward_rules_find(PORT + 2));
    rule = rule_of(0, FORWARD_ROUND_ROBIN, BOTH, 0);
    tell(APPLICATION, &rule);
    assert_null(forward_rules_find(PORT + 2));
    assert_int_equal(bad_count(), 0);
}

static void what_is_wrong_in_one_place_is_refused_as_a_whole(void **state)
{
    const struct forward_rule right = rule_of(PORT, FORWARD_ROUND_ROBIN, BOTH, 2);
    struct forward_rule rule = right;

    (void)state;
    rule.flags = FORWARD_RULE_LAST; /* of nothing that has begun */
    expect_refused(&rule);
    rule = right;
    rule.flags = 4 | BOTH;
    expect_refused(&rule);
    rule = right;
    rule.algorithm = FORWARD_ALGORITHM_COUNT;
    expect_refused(&rule);
    rule = right;
    rule.backend_count = 0;
    expect_refused(&rule);
    rule.backend_count = FORWARD_RULE_BACKENDS + 1;
    expect_refused(&rule);
    rule = right;
    rule.port = 0;
    expect_refused(&rule);
    rule = right;
    rule.backends[1] = rule.backends[0];
    expect_refused(&rule);
    rule = right;
    rule.backends[1].port = 0;
    expect_refused(&rule);
    rule = right;
    rule.backends[1].address = 0x000000E0; /* a group's */
    expect_refused(&rule);
    rule = right;
    rule.backends[1].weight = FORWARD_WEIGHT_MAX + 1;
    expect_refused(&rule);
    tell(APPLICATION, &right);
    assert_non_null(forward_rules_find(PORT));
}

static void a_port_stands_in_a_set_once_and_in_one_piece(void **state)
{
    struct forward_rule rule = rule_of(PORT, FORWARD_ROUND_ROBIN, FORWARD_RULE_FIRST, 1);

    (void)state;
    tell(APPLICATION, &rule);
    rule.flags = 0;
    rule.algorithm = FORWARD_LEAST_CONNECTIONS;
    rule.backends[0] = backend(1, 1);
    expect_refused(&rule);
    rule.flags = FORWARD_RULE_LAST; /* what follows a refused one is none's */
    expect_refused(&rule);

    rule = rule_of(PORT, FORWARD_ROUND_ROBIN, FORWARD_RULE_FIRST, 1);
    tell(APPLICATION, &rule);
    rule.flags = 0;
    rule.port = PORT + 1;
    tell(APPLICATION, &rule);
    rule.port = PORT;
    rule.backends[0] = backend(1, 1);
    expect_refused(&rule);
}

static void there_are_no_more_ports_and_backends_than_may_be(void **state)
{
    struct forward_rule rule;

    (void)state;
    for (unsigned i = 0; i < FORWARD_RULE_MAX; i++) {
        rule =
            rule_of((uint16_t)(PORT + i), FORWARD_ROUND_ROBIN, i == 0 ? FORWARD_RULE_FIRST : 0, 1);
        tell(APPLICATION, &rule);
    }
    rule = rule_of(PORT + FORWARD_RULE_MAX, FORWARD_ROUND_ROBIN, FORWARD_RULE_LAST, 1);
    expect_refused(&rule);

    for (unsigned i = 0; i < FORWARD_BACKEND_MAX; i++) {
        rule = rule_of(PORT, FORWARD_ROUND_ROBIN, i == 0 ? FORWARD_RULE_FIRST : 0, 1);
        rule.backends[0] = backend(i, 1);
        tell(APPLICATION, &rule);
    }
    rule.backends[0] = backend(FORWARD_BACKEND_MAX, 1);
    rule.flags = FORWARD_RULE_LAST;
    expect_refused(&rule);
}

static void they_hold_until_others_are_told_whoever_dies(void **state)
{
    struct forward_rule rule = rule_of(PORT, FORWARD_ROUND_ROBIN, BOTH, 1);

    (void)state;
    tell(APPLICATION, &rule);
    forward_rules_lose_node(APPLICATION);
    assert_non_null(forward_rules_find(PORT));
    rule.port = PORT + 1;
    tell(OTHER, &rule);
    assert_null(forward_rules_find(PORT));
    assert_non_null(forward_rules_find(PORT + 1));
    /* Half a set of one that has died, or which another one's follows, is nobody's. */
    rule.flags = FORWARD_RULE_FIRST;
    tell(OTHER, &rule);
    forward_rules_lose_node(OTHER);
    rule.flags = FORWARD_RULE_LAST;
    tell(OTHER, &rule);
    assert_int_equal(bad_count(), 1);
    rule.flags = FORWARD_RULE_FIRST;
    tell(OTHER, &rule);
    tell(APPLICATION, &rule);
    rule.flags = FORWARD_RULE_LAST;
    tell(OTHER, &rule);
    assert_int_equal(bad_count(), 2);
    assert_non_null(forward_rules_find(PORT + 1));
}

static void without_memory_nothing_is_forwarded_and_later_it_is(void **state)
{
    struct forward_rule rule = rule_of(PORT, FORWARD_ROUND_ROBIN, BOTH, 1);

    (void)state;
    fake_fail_allocations_after(0);
    tell(APPLICATION, &rule);
    fake_fail_allocations_after(-1);
    assert_null(forward_rules_find(PORT));
    tell(APPLICATION, &rule);
    assert_non_null(forward_rules_find(PORT));
    forward_rules_close();
    assert_null(forward_rules_find(PORT));
}

/* --- Who is chosen --- */

static struct forward_service *serve(enum forward_algorithm algorithm, const uint16_t *weights,
                                     unsigned count)
{
    struct forward_rule rule = rule_of(PORT, algorithm, BOTH, count);

    for (unsigned i = 0; i < count; i++) {
        rule.backends[i].weight = weights[i];
    }
    tell(APPLICATION, &rule);
    return forward_rules_find(PORT);
}

static unsigned number_of(const struct forward_target *target)
{
    assert_non_null(target);
    return (target->backend.address >> 24) - 1;
}

static void in_turn_each_is_chosen_as_often_as_its_weight_says(void **state)
{
    static const uint16_t weights[] = {5, 0, 1, 1};
    struct forward_service *service = serve(FORWARD_ROUND_ROBIN, weights, 4);
    unsigned counts[4] = {0}, in_a_row = 0, longest = 0;

    (void)state;
    for (unsigned i = 0; i < 70; i++) {
        unsigned number = number_of(forward_rules_choose(service, i));

        counts[number]++;
        in_a_row = number == 0 ? in_a_row + 1 : 0;
        longest = in_a_row > longest ? in_a_row : longest;
    }
    assert_int_equal(counts[0], 50);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 10);
    assert_int_equal(counts[3], 10);
    assert_in_range(longest, 1, 4); /* its turns are spread */
}

static void who_has_fewest_flows_for_its_weight_is_chosen(void **state)
{
    static const uint16_t weights[] = {1, 3, 0};
    struct forward_service *service = serve(FORWARD_LEAST_CONNECTIONS, weights, 3);
    unsigned counts[3] = {0};

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct forward_target *target = forward_rules_choose(service, i);

        target->flow_count++;
        counts[number_of(target)]++;
    }
    assert_int_equal(counts[0], 10);
    assert_int_equal(counts[1], 30);
    for (unsigned i = 0; i < 5; i++) {
        forward_rules_note_over(service->targets[0].id);
    }
    for (unsigned i = 0; i < 5; i++) {
        struct forward_target *target = forward_rules_choose(service, i);

        target->flow_count++;
        assert_int_equal(number_of(target), 0);
    }
    /* What it has counts on when others come. */
    {
        static const uint16_t more[] = {1, 3, 1};
        struct forward_rule rule = rule_of(PORT, FORWARD_LEAST_CONNECTIONS, BOTH, 3);

        for (unsigned i = 0; i < 3; i++) {
            rule.backends[2 - i].weight = more[i];
            rule.backends[2 - i].address = backend(i, 1).address;
        }
        tell(APPLICATION, &rule);
    }
    service = forward_rules_find(PORT);
    assert_int_equal(service->targets[2].flow_count, 10);
    assert_int_equal(service->targets[1].flow_count, 30);
    assert_int_equal(number_of(forward_rules_choose(service, 0)), 2);
    forward_rules_note_over(service->targets[2].id);
    assert_int_equal(service->targets[2].flow_count, 9);
    forward_rules_note_over(UINT32_MAX); /* of one that was left out meanwhile */
}

static void of_equal_ones_the_next_is_chosen(void **state)
{
    static const uint16_t weights[] = {2, 2, 2};
    struct forward_service *service = serve(FORWARD_LEAST_CONNECTIONS, weights, 3);

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(number_of(forward_rules_choose(service, 7)), i % 3);
    }
}

static void a_client_stays_with_its_backend_and_few_move_when_another_goes(void **state)
{
    static const uint16_t weights[] = {1, 1, 1, 1, 1}, without[] = {1, 1, 0, 1, 1};
    static uint8_t before[20000];
    struct forward_service *service = serve(FORWARD_CONSISTENT_HASH, weights, 5);
    unsigned counts[5] = {0}, moved = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof(before); i++) {
        before[i] = (uint8_t)number_of(forward_rules_choose(service, i));
        counts[before[i]]++;
        assert_int_equal(number_of(forward_rules_choose(service, i)), before[i]);
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_in_range(counts[i], sizeof(before) / 5 * 9 / 10, sizeof(before) / 5 * 11 / 10);
    }
    service = serve(FORWARD_CONSISTENT_HASH, without, 5);
    for (unsigned i = 0; i < sizeof(before); i++) {
        unsigned now = number_of(forward_rules_choose(service, i));

        assert_int_not_equal(now, 2);
        moved += before[i] != 2 && before[i] != now;
    }
    assert_in_range(moved, 0, sizeof(before) / 10);
}

static void by_address_too_weights_say_how_many(void **state)
{
    static const uint16_t weights[] = {1, FORWARD_WEIGHT_MAX, FORWARD_WEIGHT_MAX / 2};
    struct forward_service *service = serve(FORWARD_CONSISTENT_HASH, weights, 3);
    unsigned counts[3] = {0};

    (void)state;
    for (unsigned i = 0; i < FORWARD_SLOT_COUNT; i++) {
        assert_in_range(service->slots[i], 0, 2);
        counts[service->slots[i]]++;
    }
    assert_in_range(counts[0], 0, 1);
    assert_in_range(counts[1], 675, 685);
    assert_in_range(counts[2], 335, 345);
}

static void nobody_is_chosen_where_nobody_takes_any(void **state)
{
    static const uint16_t weights[] = {0, 0};

    (void)state;
    for (unsigned i = 0; i < FORWARD_ALGORITHM_COUNT; i++) {
        assert_null(forward_rules_choose(serve(i, weights, 2), 5));
    }
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_set_holds_when_its_last_message_has_come),
        TEST(what_is_wrong_in_one_place_is_refused_as_a_whole),
        TEST(a_port_stands_in_a_set_once_and_in_one_piece),
        TEST(there_are_no_more_ports_and_backends_than_may_be),
        TEST(they_hold_until_others_are_told_whoever_dies),
        TEST(without_memory_nothing_is_forwarded_and_later_it_is),
        TEST(in_turn_each_is_chosen_as_often_as_its_weight_says),
        TEST(who_has_fewest_flows_for_its_weight_is_chosen),
        TEST(of_equal_ones_the_next_is_chosen),
        TEST(a_client_stays_with_its_backend_and_few_move_when_another_goes),
        TEST(by_address_too_weights_say_how_many),
        TEST(nobody_is_chosen_where_nobody_takes_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
