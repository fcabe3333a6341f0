/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server over a NIC that does not cut segments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

static int start(void **state)
{
    wire_nic.lacks_segmentation = true;
    return wire_set_up(state);
}

/* fake_wire.c fails on one that is longer. */
static void no_frame_is_longer_than_the_wire_takes(void **state)
{
    struct segment segment;
    struct client client;
    uint32_t taken = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_send_archive(&client, 0, 100000);
    wire_run();
    for (unsigned i = 0; i < 100 && taken < 100000; i++) {
        while (wire_take(&segment)) {
            assert_true(segment.length <= WIRE_MSS);
            taken += segment.length;
            client.receive_next += segment.length;
        }
        wire_send(&client, WIRE_ACK, NULL, 0);
        wire_run();
    }
    assert_int_equal(taken, 100000);
    assert_int_equal(wire_cut_count(), 0);
    wire_application_close(&client, 0, CLOSE_ABORT);
    wire_run();
}

/* Nobody below cuts what was made for a wider path: those that wait and those that were lost. */
static void segments_are_cut_again_when_the_path_turns_out_narrower(void **state)
{
    struct segment segment;
    struct client client;
    uint32_t end;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    end = client.receive_next + 60000;
    wire_application_send_archive(&client, 0, 57000);
    wire_application_send(&client, (uint8_t[3000]){0}, 3000);
    wire_run();
    while (wire_take(&segment)) {
        assert_true(segment.length <= WIRE_MSS); /* and lost */
    }
    wire_tell_mtu(&client, client.receive_next, 600);
    for (unsigned i = 0; i < 1000 && client.receive_next != end; i++) {
        while (wire_take(&segment)) {
            assert_in_range(segment.length, 1, 560);
            if (segment.sequence == client.receive_next) {
                client.receive_next += segment.length;
            }
        }
        wire_send(&client, WIRE_ACK, NULL, 0);
        wire_run();
    }
    assert_int_equal(client.receive_next, end);
    assert_int_equal(wire_cut_count(), 0);
    wire_finish(&client);
}

/* A group's, or nobody's. */
static void a_nic_without_an_address_of_its_own_is_refused(void **state)
{
    struct nic_ready ready = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(ready)},
        .queues = {{1}},
        .is_link_up = 1,
    };
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    post_copy(0, &ready.header);
    memcpy(ready.mac, "\x01\x00\x5E\x00\x00\x01", sizeof(ready.mac));
    post_copy(0, &ready.header);
    memset(ready.mac, 0xFF, sizeof(ready.mac));
    post_copy(0, &ready.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 3);
    memcpy(ready.mac, "\x52\x54\x00\x12\x34\x56", sizeof(ready.mac));
    post_copy(0, &ready.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 3);
}

/* What another node says is checked: a NIC has no more queues than there are LSs. */
static void a_nic_with_an_impossible_number_of_queues_is_refused(void **state)
{
    struct nic_ready ready = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(ready)},
        .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
    };
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    ready.queues = (struct node_set){{2}};
    post_copy(0, &ready.header);
    ready.queues = (struct node_set){{1ull << 63}};
    post_copy(0, &ready.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 2);
    ready.queues = (struct node_set){{1}};
    fake_deliver(NODE_OTHER_CM, &ready.header); /* the LS that drives the NIC is ours */
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 3);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_frame_is_longer_than_the_wire_takes),
        TEST(segments_are_cut_again_when_the_path_turns_out_narrower),
        TEST(a_nic_with_an_impossible_number_of_queues_is_refused),
        TEST(a_nic_without_an_address_of_its_own_is_refused),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
