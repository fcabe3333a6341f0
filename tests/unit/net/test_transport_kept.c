/* SPDX-License-Identifier: MIT */
/* sources: net/draining_report.c tests/unit/world/fake_return.c */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/kept.c, and what else a transport server does about one that comes back: the
 * flows are the other's again, the connections that this one has opened there meanwhile are not.
 * The server lives as long as the process: each test goes on where the one before it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/draining.h"
#include "net/steering.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"

/* A transport server, too, that was first. */
#define OTHER NODE_OTHER_CM

static struct client kept;

/* As those that they have now. */
static void give_first_servers(struct configuration *configuration)
{
    memcpy(configuration->first_cm, configuration->own_cm, sizeof(configuration->first_cm));
    memcpy(configuration->first_ls, configuration->own_ls, sizeof(configuration->first_ls));
}

static int start(void **state)
{
    (void)state;
    wire_change_configuration = give_first_servers;
    wire_has_other_speaker = true;
    wire_start_with("net=192.168.1.15/24,gw=192.168.1.2");
    return 0;
}

static uint16_t port_of_group_owned_by(node_id_t ts)
{
    uint16_t port = wire_new_port();

    while (steering_owner(configuration_current(),
                          steering_group(configuration_current(), port, 80)) != ts) {
        port = wire_new_port();
    }
    return port;
}

static void look_at_nodes(void)
{
    dispatch_sleep();
    wire_run();
}

/* What the owner of the flow does with what it does not know. */
static void hand_over(const struct client *client, const char *data, struct node_set others)
{
    uint8_t bytes[200];
    const struct segment segment = {
        .client_port = client->port,
        .flags = WIRE_ACK | WIRE_PSH,
        .sequence = client->send_next,
        .acknowledgement = client->receive_next,
        .window = 8000,
        .payload = (const uint8_t *)data,
        .length = (uint32_t)strlen(data),
    };
    struct forward_stranger message = {.header = {.type = FORWARD_STRANGER}, .others = others};
    size_t length = wire_build(bytes, &segment);

    fake_deliver_payload(OTHER, &message.header, sizeof(message), bytes, length);
    wire_run();
}

static const struct node_set nobody;

static void say_that_it_serves(uint32_t role)
{
    struct serves_again message = {
        .header = {.type = SERVES_AGAIN, .length_bytes = sizeof(message)}, .role = role};

    fake_deliver(OTHER, &message.header);
    wire_run();
}

/* With the other one dead its flows are ours. */
static void who_has_anothers_place_keeps_it_until_that_one_serves_again(void **state)
{
    const struct address_set *address;
    const struct flows_kept *flows;
    uint16_t port = port_of_group_owned_by(OTHER);
    struct address_set told = {.header = {.type = ADDRESS_SET, .length_bytes = sizeof(told)},
                               .address = WIRE_OWN_ADDRESS,
                               .netmask = 0x00FFFFFF,
                               .gateway = WIRE_CLIENT_ADDRESS};
    struct neighbor_set neighbor = {
        .header = {.type = NEIGHBOR_SET, .length_bytes = sizeof(neighbor)},
        .address = WIRE_CLIENT_ADDRESS,
        .mac = {2, 0, 0, 0, 0, 2},
        .is_valid = 1};

    (void)state;
    fake_deliver(OTHER, &told.header);
    fake_deliver(OTHER, &neighbor.header);
    wire_run();
    fake_set_node_state(OTHER, NODE_DEAD);
    look_at_nodes();
    wire_clear(); /* it has made itself known */
    (void)wire_accept(&kept, port);
    wire_clear();
    fake_build_again(OTHER);
    look_at_nodes();
    /* Who speaks for the machine says what it must know. */
    (void)fake_expect_message(OTHER, NEIGHBOR_SET);
    address = fake_expect_message(OTHER, ADDRESS_SET);
    assert_int_equal(address->address, WIRE_OWN_ADDRESS);
    (void)fake_expect_message(OTHER, GROUP_WANTED);
    assert_int_equal(configuration_current()->speaker, 0);
    assert_int_equal(
        steering_owner(configuration_current(), steering_group(configuration_current(), port, 80)),
        0);
    say_that_it_serves(ROLE_TS);
    assert_int_equal(
        steering_owner(configuration_current(), steering_group(configuration_current(), port, 80)),
        OTHER);
    flows = fake_expect_message(OTHER, FLOWS_KEPT);
    assert_int_equal(flows->is_keeping, 1);
}

static void what_was_opened_there_goes_on(void **state)
{
    const struct data *data;

    (void)state;
    hand_over(&kept, "late", nobody);
    kept.send_next += 4;
    data = fake_expect_message(NODE_APPLICATION, DATA);
    assert_memory_equal(fake_payload(data, sizeof(*data)).bytes, "late", 4);
    wire_application_consumed(&kept, 4);
    wire_application_send(&kept, "answer", 6);
    wire_run();
    assert_int_equal(wire_expect(&kept).length, 6);
    kept.receive_next += 6;
    hand_over(&kept, "x", nobody); /* which acknowledges it */
    kept.send_next += 1;
    assert_int_equal(wire_connection_count(), 1);
    wire_clear();
}

/* The last one that is asked says so; others ask on, but neither the dead nor those that are no
 * transport servers. */
static void one_that_nobody_knows_is_answered_once(void **state)
{
    struct client stranger = {.port = port_of_group_owned_by(OTHER), .send_next = 7};
    struct node_set all;
    const struct forward_stranger *forwarded;

    (void)state;
    hand_over(&stranger, "x", nobody);
    assert_true((wire_expect(&stranger).flags & WIRE_RST) != 0);
    memset(&all, 0xFF, sizeof(all));
    hand_over(&stranger, "x", all);
    wire_expect_silence();
    forwarded = fake_expect_message(OTHER, FORWARD_STRANGER);
    assert_int_equal(node_set_next(&forwarded->others, 0) <= OTHER, false);
}

/* Somebody else keeps some of ours. */
static void strangers_of_our_flows_are_handed_to_those_that_may_know_them(void **state)
{
    struct flows_kept flows = {.header = {.type = FLOWS_KEPT, .length_bytes = sizeof(flows)},
                               .is_keeping = 1};
    struct client stranger = {.port = port_of_group_owned_by(0), .send_next = 7};
    const struct forward_stranger *forwarded;

    (void)state;
    fake_deliver(OTHER, &flows.header);
    wire_run();
    wire_send(&stranger, WIRE_ACK, "x", 1);
    wire_run();
    wire_expect_silence();
    forwarded = fake_expect_message(OTHER, FORWARD_STRANGER);
    assert_true(node_set_is_empty(&forwarded->others));
    assert_memory_equal(fake_payload(forwarded, sizeof(*forwarded)).bytes + 34,
                        ((uint8_t[]){(uint8_t)(stranger.port >> 8), (uint8_t)stranger.port}), 2);
    flows.is_keeping = 0;
    fake_deliver(OTHER, &flows.header);
    wire_run();
    wire_send(&stranger, WIRE_ACK, "x", 1);
    wire_run();
    assert_true((wire_expect(&stranger).flags & WIRE_RST) != 0);
}

static void when_the_last_one_has_ended_who_asks_in_vain_is_told(void **state)
{
    struct client stranger = {.port = port_of_group_owned_by(OTHER), .send_next = 7};
    const struct flows_kept *flows;

    (void)state;
    wire_advance_ns(2 * NS_PER_S);
    hand_over(&stranger, "x", nobody); /* one is still there */
    wire_clear();
    fake_expect_no_message(OTHER);
    wire_application_close(&kept, 0, CLOSE_ABORT);
    wire_run();
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
    hand_over(&stranger, "x", nobody); /* too soon to look again */
    fake_expect_no_message(OTHER);
    wire_advance_ns(2 * NS_PER_S);
    hand_over(&stranger, "x", nobody);
    wire_run();
    flows = fake_expect_message(OTHER, FLOWS_KEPT);
    assert_int_equal(flows->is_keeping, 0);
    wire_clear();
}

static void what_is_no_segment_is_not_asked_about(void **state)
{
    struct forward_stranger message = {.header = {.type = FORWARD_STRANGER}};
    uint8_t bytes[60] = {0};
    uint64_t malformed = wire_counted(COUNTER_DROP_BAD_MESSAGE);
    uint64_t truncated = wire_counted(COUNTER_DROP_TRUNCATED);

    (void)state;
    fake_deliver_payload(OTHER, &message.header, sizeof(message), bytes, sizeof(bytes));
    fake_deliver_payload(OTHER, &message.header, sizeof(message), bytes, 13);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), malformed + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_TRUNCATED), truncated + 1);
    wire_expect_silence();
}

static void nobody_serves_again_in_a_role_that_it_has_not(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    say_that_it_serves(ROLE_LS);
    say_that_it_serves(0);
    say_that_it_serves(UINT32_MAX);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 3);
}

/* Before its flows are ours: whoever gets them next must know whom to ask. */
static void one_that_drains_keeps_its_connections(void **state)
{
    struct drain_step step = {.header = {.type = DRAIN_STEP, .length_bytes = sizeof(step)}};
    uint16_t port = port_of_group_owned_by(OTHER);
    struct client stranger = {.port = port, .send_next = 7};
    const struct drain_step *answer;

    (void)state;
    for (step.step = DRAIN_STEP_KEEPS; step.step <= DRAIN_STEP_GOES; step.step++) {
        assert_int_equal(steering_owner(configuration_current(),
                                        steering_group(configuration_current(), port, 80)),
                         OTHER);
        fake_deliver(OTHER, &step.header);
        wire_run();
        answer = fake_expect_message(OTHER, DRAIN_STEP);
        assert_int_equal(answer->step, step.step);
        assert_int_equal(answer->is_answer, 1);
    }
    assert_int_equal(
        steering_owner(configuration_current(), steering_group(configuration_current(), port, 80)),
        0);
    wire_send(&stranger, WIRE_ACK, "x", 1);
    wire_run();
    wire_expect_silence();
    (void)fake_expect_message(OTHER, FORWARD_STRANGER);
}

/* Who has sent a SYN learns at once that it has to go elsewhere. */
static void when_the_machine_ends_what_is_there_goes_on_and_syns_are_refused(void **state)
{
    struct client last;
    struct client late = {.port = port_of_group_owned_by(0), .send_next = 7};

    (void)state;
    (void)wire_accept(&last, port_of_group_owned_by(0));
    wire_clear();
    draining_finish();
    assert_int_equal(draining_report_of(0).left, 1);
    wire_send(&late, WIRE_SYN, "", 0);
    wire_run();
    assert_true((wire_expect(&late).flags & WIRE_RST) != 0);
    wire_application_send(&last, "answer", 6);
    wire_run();
    assert_int_equal(wire_expect(&last).length, 6);
    wire_application_close(&last, 0, CLOSE_ABORT);
    wire_run();
    wire_clear();
    wire_advance_ns(NS_PER_S);
    wire_run();
    assert_int_equal(draining_report_of(0).left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_anothers_place_keeps_it_until_that_one_serves_again),
        cmocka_unit_test(what_was_opened_there_goes_on),
        cmocka_unit_test(one_that_nobody_knows_is_answered_once),
        cmocka_unit_test(strangers_of_our_flows_are_handed_to_those_that_may_know_them),
        cmocka_unit_test(when_the_last_one_has_ended_who_asks_in_vain_is_told),
        cmocka_unit_test(what_is_no_segment_is_not_asked_about),
        cmocka_unit_test(nobody_serves_again_in_a_role_that_it_has_not),
        cmocka_unit_test(one_that_drains_keeps_its_connections),
        cmocka_unit_test(when_the_machine_ends_what_is_there_goes_on_and_syns_are_refused),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
