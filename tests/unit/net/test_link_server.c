/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/server.c and device.c: bring-up, and where received frames go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "drivers/nic/nic.h"
#include "drivers/vectors.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "net/counters.h"
#include "net/steering.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

/* --- Bring-up --- */

static void transport_servers_learn_of_the_nic(void **state)
{
    const struct nic_ready *ready;
    struct nic_queue_key key;

    (void)state;
    assert_int_equal(ready_count, 1);
    assert_int_equal(last_ready.queues.words[0], 3);
    assert_int_equal(last_ready.can_segment_tcp, 1);
    assert_memory_equal(last_ready.mac, ((uint8_t[]){0x52, 0x54, 0x00, 0x12, 0x34, 0x56}), 6);
    assert_int_equal(last_ready.is_link_up, 1);
    /* The other LS is told first, so that its queue is there when its TS starts. */
    const struct attach_queue *attach = fake_expect_message(OTHER_LS, ATTACH_QUEUE);

    memcpy(&key, attach->key, sizeof(key));
    assert_int_equal(key.queue_index, 1);
    assert_int_equal(key.words[0], 0xFEB00000);
    ready = fake_expect_message(OTHER_LS, NIC_READY);
    assert_memory_equal(ready->mac, last_ready.mac, 6);
    fake_expect_no_message(2);
    fake_expect_no_message(3);
}

static void interrupts_go_to_the_nodes_of_their_queues(void **state)
{
    (void)state;
    assert_int_equal(msix_entry_count, 3);
    assert_int_equal(msix_entries[0].apic_id, 100);
    assert_int_equal(msix_entries[0].vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(msix_entries[1].apic_id, 101);
    assert_int_equal(msix_entries[1].vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(msix_entries[2].apic_id, 100);
    assert_int_equal(msix_entries[2].vector, INTERRUPT_VECTOR_NIC_OTHER);
}

static void only_queues_that_are_attached_are_steered_to(void **state)
{
    struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)}, .queue_index = 1};

    (void)state;
    assert_int_equal(fake_nic_filter_count(), 2048);
    assert_int_equal(fake_nic_get(0x0EB00), 0x00000000);

    fake_deliver(2, &attached.header); /* not the node of that queue */
    dispatch_round();
    assert_int_equal(fake_nic_filter_count(), 2048);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), 1);

    /* It has none: the transport servers must not send through it. */
    ready_count = 0;
    attached.error_number = 12;
    fake_deliver(OTHER_LS, &attached.header);
    settle();
    assert_int_equal(fake_nic_filter_count(), 2048);
    assert_int_equal(ready_count, 1);
    assert_int_equal(last_ready.queues.words[0], 1);
    attached.error_number = 0;
    fake_deliver(OTHER_LS, &attached.header);
    settle();
    assert_int_equal(ready_count, 2);
    assert_int_equal(last_ready.queues.words[0], 3);
    while (fake_take_message(OTHER_LS) != NULL) {
    }
    assert_int_equal(fake_nic_filter_count(), 4096);
    assert_int_equal(fake_nic_get(0x0EB00), 0x01000100);
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        assert_int_equal(fake_nic_filter((uint16_t)group)->command_register >> 16 & 0x7F,
                         steering_owner(&configuration, group));
    }
}

/* --- Receive --- */

static void frame_of_an_own_flow_is_handed_over_to_the_transport_server(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    receive(&frame, TCP_GOOD);
    assert_int_equal(received_count, 1);
    assert_int_equal(received->length_bytes, 60);
    assert_int_equal(received->flags, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    assert_memory_equal(received->data, frame.bytes, 60);
    received->release(received);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_PACKETS), 1);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_BYTES), 60);
}

static void frame_of_another_servers_flow_is_forwarded(void **state)
{
    struct test_frame frame = tcp_frame(OTHER_LS, 0x10);
    const struct forward_frame *message;

    (void)state;
    received_count = 0;
    receive(&frame, TCP_GOOD);
    assert_int_equal(received_count, 0);
    message = fake_expect_message(OTHER_LS, FORWARD_FRAME);
    assert_int_equal(message->header.length_bytes, sizeof(*message) + 60);
    assert_int_equal(message->frame_flags, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    assert_memory_equal(message + 1, frame.bytes, 60);
    assert_int_equal(counter_read(0, COUNTER_STEER_FORWARDED), 1);
}

/* The transport server decides who shall be told of it. */
static void syn_takes_the_way_of_any_frame(void **state)
{
    struct test_frame own = tcp_frame(0, 0x02), other = tcp_frame(OTHER_LS, 0x02);
    const struct forward_frame *message;

    (void)state;
    received_count = 0;
    receive(&own, TCP_GOOD);
    assert_int_equal(received_count, 1);
    assert_memory_equal(received->data, own.bytes, own.length_bytes);
    received->release(received);
    other.bytes[14 + 3] = 140; /* with data, as TCP fast open has it */
    other.length_bytes = 154;
    receive(&other, TCP_GOOD);
    assert_int_equal(received_count, 1);
    message = fake_expect_message(OTHER_LS, FORWARD_FRAME);
    assert_memory_equal(message + 1, other.bytes, other.length_bytes);
    fake_expect_no_message(OTHER_LS);
}

static void bad_frames_are_counted_and_dropped(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    receive(&frame, TCP_GOOD | 0x40000000);
    assert_int_equal(counter_read(0, COUNTER_DROP_CHECKSUM), 1);
    frame.length_bytes = 13;
    receive(&frame, 0);
    assert_int_equal(counter_read(0, COUNTER_DROP_TRUNCATED), 1);
    frame.length_bytes = 60;
    receive(&frame, TCP_GOOD | 0x20000000); /* a MAC error */
    assert_int_equal(counter_read(0, COUNTER_DROP_MALFORMED), 1);
    assert_int_equal(received_count, 0);
}

static void full_channel_costs_frames_not_service(void **state)
{
    struct test_frame remote = tcp_frame(OTHER_LS, 0x10);
    struct test_frame local = tcp_frame(0, 0x10);
    unsigned forwarded = 0;

    (void)state;
    while (counter_read(0, COUNTER_DROP_CHANNEL_FULL) == 0) {
        receive(&remote, TCP_GOOD);
    }
    received_count = 0;
    receive(&local, TCP_GOOD);
    assert_int_equal(received_count, 1);
    received->release(received);
    while (fake_take_message(OTHER_LS) != NULL) {
        forwarded++;
    }
    assert_true(forwarded > 50);
    receive(&remote, TCP_GOOD);
    (void)fake_expect_message(OTHER_LS, FORWARD_FRAME);
}

static void put_ack(struct test_frame *frame, uint8_t acknowledgment)
{
    frame->bytes[14 + 20 + 11] = acknowledgment;
}

/* Which says how many more it stands for: TCP counts them. */
static void acknowledgements_in_a_row_are_merged_into_the_last(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    for (uint8_t i = 1; i <= 5; i++) {
        put_ack(&frame, i);
        arrive(&frame);
    }
    dispatch_round();
    assert_int_equal(received_count, 1);
    assert_int_equal(received->data[14 + 20 + 11], 5);
    assert_int_equal(last_merged_count, 4);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MERGED), 4);
    received->release(received);
}

static void duplicate_acknowledgements_are_all_handed_over(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    for (unsigned i = 0; i < 3; i++) {
        arrive(&frame);
    }
    dispatch_round();
    assert_int_equal(received_count, 3);
    assert_int_equal(last_merged_count, 0);
    for (unsigned i = 0; i < 3; i++) {
        all_received[i]->release(all_received[i]);
    }
}

static uint8_t acknowledged_by(const struct frame *frame)
{
    return frame->data[14 + 20 + 11];
}

/* It neither replaces nor ends what is held, and nothing is lost where it comes last. */
static void a_damaged_frame_between_acknowledgements_is_only_dropped(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);
    uint64_t dropped = counter_read(0, COUNTER_DROP_CHECKSUM);

    (void)state;
    received_count = 0;
    for (uint8_t i = 1; i <= 4; i++) {
        put_ack(&frame, i);
        if (i % 2 == 1) {
            arrive(&frame);
        } else {
            assert_true(fake_nic_receive(0, frame.bytes, frame.length_bytes,
                                         0x2 | TCP_GOOD | 0x40000000, 0x110)); /* TCP's checksum */
        }
    }
    dispatch_round();
    assert_int_equal(received_count, 1);
    assert_int_equal(acknowledged_by(received), 3);
    assert_int_equal(last_merged_count, 1);
    assert_int_equal(counter_read(0, COUNTER_DROP_CHECKSUM), dropped + 2);
    received->release(received);
}

/* Of one flow: what is held goes before whatever comes behind it. */
static void frames_stay_in_order_around_an_acknowledgement(void **state)
{
    struct test_frame ack = tcp_frame(0, 0x10);
    struct test_frame remote_ack = tcp_frame(OTHER_LS, 0x10);
    struct test_frame data = tcp_frame(0, 0x18);
    struct message_payload first, second;

    (void)state;
    received_count = 0;
    put_ack(&ack, 1);
    arrive(&ack);
    put_ack(&data, 2);
    arrive(&data); /* acknowledges more, too, but is not bare */
    put_ack(&remote_ack, 3);
    arrive(&remote_ack); /* of another flow */
    put_ack(&ack, 4);
    arrive(&ack);
    put_ack(&remote_ack, 5);
    arrive(&remote_ack);
    put_ack(&data, 6);
    arrive(&data);
    dispatch_round();
    assert_int_equal(received_count, 4);
    assert_int_equal(acknowledged_by(all_received[0]), 1);
    assert_int_equal(acknowledged_by(all_received[1]), 2);
    assert_int_equal(acknowledged_by(all_received[2]), 4);
    assert_int_equal(acknowledged_by(all_received[3]), 6);
    first =
        fake_payload(fake_expect_message(OTHER_LS, FORWARD_FRAME), sizeof(struct forward_frame));
    assert_int_equal(first.bytes[14 + 20 + 11], 3);
    second =
        fake_payload(fake_expect_message(OTHER_LS, FORWARD_FRAME), sizeof(struct forward_frame));
    assert_int_equal(second.bytes[14 + 20 + 11], 5);
    fake_expect_no_message(OTHER_LS);
    for (unsigned i = 0; i < received_count; i++) {
        all_received[i]->release(all_received[i]);
    }
}

/* A handshake's last one was replaced by it, and the connection was reset. */
static void an_acknowledgement_of_what_was_not_sent_replaces_none(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    last_byte_sent = 5;
    put_ack(&frame, 5);
    arrive(&frame);
    put_ack(&frame, 6);
    arrive(&frame);
    dispatch_round();
    last_byte_sent = 1000;
    assert_int_equal(received_count, 2);
    assert_int_equal(acknowledged_by(all_received[0]), 5);
    assert_int_equal(acknowledged_by(all_received[1]), 6);
    all_received[0]->release(all_received[0]);
    all_received[1]->release(all_received[1]);
}

/* Nobody on this node knows what their server has sent. */
static void acknowledgements_for_another_node_are_all_forwarded(void **state)
{
    struct test_frame frame = tcp_frame(OTHER_LS, 0x10);

    (void)state;
    for (uint8_t i = 1; i <= 3; i++) {
        put_ack(&frame, i);
        arrive(&frame);
    }
    dispatch_round();
    for (uint8_t i = 1; i <= 3; i++) {
        struct message_payload payload = fake_payload(fake_expect_message(OTHER_LS, FORWARD_FRAME),
                                                      sizeof(struct forward_frame));

        assert_int_equal(payload.bytes[14 + 20 + 11], i);
    }
}

static bool is_over;

static void wait_until_over(void *argument)
{
    (void)argument;
    while (!is_over) {
        thread_yield();
    }
}

/* Last: it does not come back. Its flows are another's now, and its queue gets nothing more; not
 * even when there is no memory for a thread that steers. */
static void a_dead_link_servers_queue_is_steered_to_no_more(void **state)
{
    (void)state;
    assert_int_equal(fake_nic_get(0x0EB00), 0x01000100);
    ready_count = 0;
    fake_fail_allocations_after(0);
    while (thread_create("other", wait_until_over, NULL) != NULL) {
    }
    fake_set_node_state(OTHER_LS, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
    fake_fail_allocations_after(-1);
    is_over = true;
    settle();
    assert_int_equal(ready_count, 1);
    assert_int_equal(last_ready.queues.words[0], 1);
    assert_int_equal(fake_nic_get(0x0EB00), 0x00000000);
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        assert_int_equal(fake_nic_filter((uint16_t)group)->command_register >> 16 & 0x7F, 0);
        assert_int_equal(steering_owner(configuration_current(), group), 0);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, ls_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(transport_servers_learn_of_the_nic),
        TEST(interrupts_go_to_the_nodes_of_their_queues),
        TEST(only_queues_that_are_attached_are_steered_to),
        TEST(frame_of_an_own_flow_is_handed_over_to_the_transport_server),
        TEST(frame_of_another_servers_flow_is_forwarded),
        TEST(syn_takes_the_way_of_any_frame),
        TEST(acknowledgements_in_a_row_are_merged_into_the_last),
        TEST(duplicate_acknowledgements_are_all_handed_over),
        TEST(frames_stay_in_order_around_an_acknowledgement),
        TEST(an_acknowledgement_of_what_was_not_sent_replaces_none),
        TEST(acknowledgements_for_another_node_are_all_forwarded),
        TEST(bad_frames_are_counted_and_dropped),
        TEST(full_channel_costs_frames_not_service),
        TEST(a_damaged_frame_between_acknowledgements_is_only_dropped),
        TEST(a_dead_link_servers_queue_is_steered_to_no_more),
    };

    return cmocka_run_group_tests(tests, start_link_server, NULL);
}
