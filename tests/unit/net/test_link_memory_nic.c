/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/memory_nic.c tests/unit/world/kept_log.c */
/*
 * Tests net/link/ over a card in memory that has next to nothing: one queue, no steering, no
 * checksums, no segmentation, no interrupts. Each test goes on where the one before it stopped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "drivers/nic/nic.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/link/server.h"
#include "net/steering.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/memory_nic.h"

#define ETHERNET 14
#define IP       20

static void start(void)
{
    start_link_server_on(0, "pika=TS2LS2CM2 app=httpd:2");
    settle();
}

/* Every frame has been given back, what was sent has been read, and no memory is gone. */
static int tear_down(void **state)
{
    struct memory_nic_sent sent;

    if (memory_nic_started_port() != UINT32_MAX) {
        fake_advance_ns(2 * NS_PER_MS);
        settle();
        while (memory_nic_transmit(&sent)) {
        }
        settle();
        assert_int_equal(memory_nic_frames_held(), 0);
        assert_int_equal(memory_nic_frames_in_flight(), 0);
    }
    return ls_tear_down(state);
}

/* --- Bring-up --- */

static void assert_started_in_vain(void)
{
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}}, .fragment_count = 1, .length_bytes = 16};

    start();
    assert_int_equal(memory_nic_started_port(), UINT32_MAX);
    assert_true(is_logged("going on without a network"));
    assert_int_equal(link_server_transmit(&frame), -ENODEV);
    assert_int_equal(ready_count, 0);
    fake_expect_no_message(OTHER_LS);
}

static void a_card_that_does_not_start_is_left_switched_off(void **state)
{
    (void)state;
    memory_nic_reset();
    kept_log_clear();
    memory_nic_setting.start_error = -ETIMEDOUT;
    assert_started_in_vain();
    memory_nic_reset();
    kept_log_clear();
    memory_nic_setting.open_error = -ENOMEM;
    assert_started_in_vain();
    assert_true(is_logged("queue 0 cannot be opened"));
    memory_nic_reset();
    kept_log_clear();
    memory_nic_setting.enable_error = -ETIMEDOUT;
    assert_started_in_vain();
    memory_nic_reset();
    kept_log_clear();
    memory_nic_setting.port_count = 0;
    assert_started_in_vain();
}

static void transport_servers_learn_what_the_card_can_do(void **state)
{
    const struct nic_ready *ready;

    (void)state;
    memory_nic_reset();
    kept_log_clear();
    start();
    assert_int_equal(memory_nic_started_port(), 0);
    assert_false(is_logged("cannot be opened"));
    assert_true(
        is_logged("card in memory (memory) at 0000:00:03.0, MAC 52:54:00:12:34:56, 1 queue"));
    assert_int_equal(ready_count, 1);
    assert_int_equal(last_ready.queues.words[0], 1);
    assert_int_equal(last_ready.can_segment_tcp, 0);
    assert_int_equal(last_ready.is_link_up, 1);
    ready = fake_expect_message(OTHER_LS, NIC_READY); /* and no ATTACH_QUEUE before */
    assert_int_equal(ready->queues.words[0], 1);
    fake_expect_no_message(OTHER_LS);
}

/* From a node that has none, or that has made it up. */
static void a_queue_that_the_card_has_not_got_cannot_be_attached(void **state)
{
    struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)}, .queue_index = 1};
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    ready_count = 0;
    fake_deliver(OTHER_LS, &attached.header);
    attached.error_number = ENOMEM; /* nor be missed */
    fake_deliver(OTHER_LS, &attached.header);
    settle();
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 2);
    assert_int_equal(ready_count, 0);
    fake_expect_no_message(OTHER_LS);
}

/* Nothing is recorded that nobody has asked for (capture=). */
static void nobody_is_told_of_frames(void **state)
{
    struct capture_read read = {.header = {.type = CAPTURE_READ, .length_bytes = sizeof(read)},
                                .until_ns = UINT64_MAX,
                                .room_bytes = CAPTURE_ROOM_MAX_BYTES,
                                .snap_bytes = 100,
                                .protocols = 1,
                                .directions = 1};
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    fake_deliver(2, &read.header);
    settle();
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 1);
    fake_expect_no_message(2);
}

/* --- Receive --- */

static void come(const struct test_frame *frame)
{
    assert_true(memory_nic_receive(frame->bytes, frame->length_bytes));
}

/* A round that has something to do, after which what has been sent is flushed. */
static void work(void)
{
    struct test_frame frame = tcp_frame(0, 0x18);

    come(&frame);
    settle();
    received->release(received);
}

static void frames_of_all_groups_reach_their_owner_without_steering(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x18);
    unsigned own_count = 0, other_count = 0;

    (void)state;
    received_count = 0;
    for (unsigned port = 0; port < STEERING_GROUP_COUNT; port++) {
        bool is_own = steering_owner(&configuration, port) == 0;

        frame.bytes[34] = (uint8_t)(port >> 8);
        frame.bytes[35] = (uint8_t)port;
        come(&frame);
        settle();
        if (is_own) {
            own_count++;
            assert_memory_equal(received->data, frame.bytes, 60);
            received->release(received);
        } else {
            const struct forward_frame *message = fake_expect_message(OTHER_LS, FORWARD_FRAME);

            other_count++;
            assert_memory_equal(message + 1, frame.bytes, 60);
            assert_int_equal(message->frame_flags, 0); /* nobody has looked at the checksums */
        }
    }
    assert_int_equal(received_count, own_count);
    assert_true(own_count > 2000 && other_count > 2000);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_PACKETS), STEERING_GROUP_COUNT);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_BYTES), STEERING_GROUP_COUNT * 60);
    assert_int_equal(memory_nic_frames_held(), 0);
}

/* What nobody has checked may be damaged: the later one must not make up for the earlier. */
static void acknowledgements_that_nobody_has_checked_are_not_merged(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    received_count = 0;
    for (uint8_t i = 1; i <= 3; i++) {
        frame.bytes[ETHERNET + IP + 11] = i;
        come(&frame);
    }
    settle();
    assert_int_equal(received_count, 3);
    assert_int_equal(memory_nic_frames_held(), 3); /* the transport server's */
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MERGED), 0);
    for (unsigned i = 0; i < 3; i++) {
        all_received[i]->release(all_received[i]);
    }
}

/* --- Transmit --- */

/* The sum that is 0xFFFF over what is well (RFC 1071). */
static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum;
}

static uint32_t pseudo_sum(const uint8_t *ip, size_t tcp_bytes)
{
    return sum_of((uint32_t)(ip[9] + tcp_bytes), ip + 12, 8);
}

/* A TCP segment with `data_bytes` of payload, as the transport server hands it over. */
static void prepare(uint8_t headers[54], size_t data_bytes)
{
    struct test_frame frame = tcp_frame(0, 0x18);
    uint8_t *ip = headers + ETHERNET;
    uint32_t sum;

    memcpy(headers, frame.bytes, 54);
    ip[2] = (uint8_t)((40 + data_bytes) >> 8);
    ip[3] = (uint8_t)(40 + data_bytes);
    sum = pseudo_sum(ip, 20 + data_bytes);
    ip[IP + 16] = (uint8_t)(sum >> 8);
    ip[IP + 17] = (uint8_t)sum;
}

static void assert_checksums_good(const struct memory_nic_sent *sent)
{
    const uint8_t *ip = sent->data + ETHERNET;
    size_t tcp_bytes = sent->length_bytes - ETHERNET - IP;

    assert_int_equal(sum_of(0, ip, IP), 0xFFFF);
    assert_int_equal(sum_of(pseudo_sum(ip, tcp_bytes), ip + IP, tcp_bytes), 0xFFFF);
}

static struct frame_to_send frame_of(const uint8_t *headers, const char *data)
{
    struct frame_to_send frame = {
        .fragments = {{headers, 54}, {data, (uint32_t)strlen(data)}},
        .fragment_count = 2,
        .offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM,
        .ip_header_offset = ETHERNET,
        .ip_header_bytes = IP,
        .length_bytes = (uint16_t)(54 + strlen(data)),
    };

    return frame;
}

static void frames_leave_with_checksums_made_in_software(void **state)
{
    static const char data[] = "an odd number";
    uint8_t headers[54] = {0};
    struct frame_to_send frame = frame_of(headers, data);
    unsigned flushes = memory_nic_flush_count();
    struct memory_nic_sent sent;

    (void)state;
    prepare(headers, strlen(data));
    assert_int_equal(link_server_transmit(&frame), 0);
    assert_false(memory_nic_transmit(&sent));
    work();
    assert_int_equal(memory_nic_flush_count(), flushes + 1);
    assert_true(memory_nic_transmit(&sent));
    assert_memory_equal(sent.data + 54, data, strlen(data));
    assert_checksums_good(&sent);
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_PACKETS), 1);
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_BYTES), 54 + strlen(data));
}

static void frames_of_other_nodes_leave_with_checksums_too(void **state)
{
    struct transmit_frame message = {
        .header.type = TRANSMIT_FRAME,
        .offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM,
        .ip_header_offset = ETHERNET,
        .ip_header_bytes = IP,
    };
    uint8_t headers[54];
    struct memory_nic_sent sent;

    (void)state;
    prepare(headers, 0);
    fake_deliver_payload(OTHER_LS, &message.header, sizeof(message), headers, sizeof(headers));
    settle();
    assert_true(memory_nic_transmit(&sent));
    assert_int_equal(sent.length_bytes, 54);
    assert_checksums_good(&sent);
    settle();
}

/* Whoever says so: it has not been told that this card can. */
static void long_segments_are_refused_for_a_card_that_does_not_cut(void **state)
{
    static const uint8_t archive[2000];
    struct transmit_segment message = {
        .header.type = TRANSMIT_SEGMENT,
        .segment_bytes = 1460,
        .ip_header_bytes = IP,
        .tcp_header_bytes = 20,
        .runs = {{.archive_bytes = sizeof(archive), .copied_bytes = 54}},
    };
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);
    uint8_t headers[54];
    struct memory_nic_sent sent;

    (void)state;
    fake_set_archive(archive, sizeof(archive));
    prepare(headers, 0);
    fake_deliver_payload(OTHER_LS, &message.header, sizeof(message), headers, sizeof(headers));
    settle();
    assert_false(memory_nic_transmit(&sent));
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 1);
    message.segment_bytes = 0;
    message.runs[0].archive_bytes = 1000;
    fake_deliver_payload(OTHER_LS, &message.header, sizeof(message), headers, sizeof(headers));
    settle();
    assert_true(memory_nic_transmit(&sent));
    assert_int_equal(sent.length_bytes, 1054);
    settle();
}

static unsigned done_numbers[4 * MEMORY_NIC_RING];
static unsigned done_count;

static void note_done(void *context)
{
    done_numbers[done_count++] = (unsigned)(uintptr_t)context;
}

/* One that is refused is as it was: it is given again. */
static void owners_are_told_in_order_and_a_full_ring_changes_nothing(void **state)
{
    static uint8_t headers[MEMORY_NIC_RING + 1][54];
    uint8_t before[54];
    struct memory_nic_sent sent;
    struct frame_to_send frame;

    (void)state;
    done_count = 0;
    for (unsigned i = 0; i <= MEMORY_NIC_RING; i++) {
        prepare(headers[i], 4);
        frame = frame_of(headers[i], "data");
        frame.done = note_done;
        frame.context = (void *)(uintptr_t)i;
        memcpy(before, headers[i], sizeof(before));
        assert_int_equal(link_server_transmit(&frame), i < MEMORY_NIC_RING ? 0 : -EAGAIN);
    }
    assert_memory_equal(headers[MEMORY_NIC_RING], before, sizeof(before));
    work();
    assert_int_equal(done_count, 0); /* the card has not read them */
    assert_true(memory_nic_transmit(&sent));
    assert_checksums_good(&sent);
    settle();
    assert_int_equal(done_count, 1);
    assert_int_equal(link_server_transmit(&frame), 0);
    work();
    while (memory_nic_transmit(&sent)) {
        assert_checksums_good(&sent);
    }
    settle();
    assert_int_equal(done_count, MEMORY_NIC_RING + 1);
    for (unsigned i = 0; i < done_count; i++) {
        assert_int_equal(done_numbers[i], i);
    }
}

/* --- Sleep, link, statistics --- */

static void do_nothing_asleep(void)
{
}

static void without_interrupts_the_node_looks_again_each_millisecond(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x18);
    unsigned sleeps = fake_sleeps();

    (void)state;
    settle();
    fake_on_sleep(do_nothing_asleep);
    fake_advance_ns(2 * NS_PER_MS); /* no earlier timer is left */
    settle();
    uint64_t before_ns = platform_now_ns();

    dispatch_sleep();
    assert_int_equal(fake_sleeps(), sleeps + 1);
    /* A while from now, and no longer than that. */
    assert_in_range(fake_last_sleep_deadline_ns(), before_ns + NS_PER_MS / 2,
                    platform_now_ns() + NS_PER_MS);

    come(&frame);
    dispatch_sleep(); /* what is there keeps it awake */
    assert_int_equal(fake_sleeps(), sleeps + 1);
    received_count = 0;
    settle();
    assert_int_equal(received_count, 1);
    received->release(received);

    fake_advance_ns(2 * NS_PER_MS);
    settle();
    dispatch_sleep(); /* and so for ever */
    assert_int_equal(fake_sleeps(), sleeps + 2);
    assert_in_range(fake_last_sleep_deadline_ns(), 1, platform_now_ns() + NS_PER_MS);
}

/* Asleep, but for the timer. */
static void pass_seconds(void)
{
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
    fake_advance_ns(2 * NS_PER_S);
    settle();
}

static void link_is_looked_at_each_second_and_told_when_it_changes(void **state)
{
    const struct nic_ready *ready;

    (void)state;
    ready_count = 0;
    memory_nic_setting.is_link_down = true;
    work();
    assert_int_equal(ready_count, 0);
    pass_seconds();
    assert_int_equal(ready_count, 1);
    assert_int_equal(last_ready.is_link_up, 0);
    ready = fake_expect_message(OTHER_LS, NIC_READY);
    assert_int_equal(ready->is_link_up, 0);
    assert_int_equal(ready->queues.words[0], 1);
    assert_true(is_logged("link is down"));

    memory_nic_setting.is_link_down = false;
    pass_seconds();
    assert_int_equal(ready_count, 2);
    assert_int_equal(last_ready.is_link_up, 1);
    pass_seconds();
    assert_int_equal(ready_count, 2); /* nothing has changed */
}

static void frames_that_the_card_lost_are_counted(void **state)
{
    (void)state;
    memory_nic_lose(3);
    pass_seconds();
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MISSED), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_card_that_does_not_start_is_left_switched_off, tear_down),
        cmocka_unit_test_teardown(transport_servers_learn_what_the_card_can_do, tear_down),
        cmocka_unit_test_teardown(a_queue_that_the_card_has_not_got_cannot_be_attached, tear_down),
        cmocka_unit_test_teardown(nobody_is_told_of_frames, tear_down),
        cmocka_unit_test_teardown(frames_of_all_groups_reach_their_owner_without_steering,
                                  tear_down),
        cmocka_unit_test_teardown(acknowledgements_that_nobody_has_checked_are_not_merged,
                                  tear_down),
        cmocka_unit_test_teardown(frames_leave_with_checksums_made_in_software, tear_down),
        cmocka_unit_test_teardown(frames_of_other_nodes_leave_with_checksums_too, tear_down),
        cmocka_unit_test_teardown(long_segments_are_refused_for_a_card_that_does_not_cut,
                                  tear_down),
        cmocka_unit_test_teardown(owners_are_told_in_order_and_a_full_ring_changes_nothing,
                                  tear_down),
        cmocka_unit_test_teardown(without_interrupts_the_node_looks_again_each_millisecond,
                                  tear_down),
        cmocka_unit_test_teardown(link_is_looked_at_each_second_and_told_when_it_changes,
                                  tear_down),
        cmocka_unit_test_teardown(frames_that_the_card_lost_are_counted, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
