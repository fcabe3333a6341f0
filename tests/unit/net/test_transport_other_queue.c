/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server over a NIC that has no queue for its own link server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/channel.h"
#include "net/counters.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define ARP_FRAME_BYTES 42
#define FIRST_STATION   20u
#define STATION_COUNT   180u
/* A channel takes no more messages. */
#define CHANNEL_FRAMES  (CHANNEL_RING_MIN_BYTES / CHANNEL_LINE_BYTES)

/* fake_wire.c fails when the own link server is given a frame. */
static void frames_go_to_a_link_server_that_has_a_queue(void **state)
{
    const struct transmit_frame *message;
    const uint8_t *frame;

    (void)state;
    wire_nic.lacks_own_queue = true;
    wire_start_with("net=192.168.1.15/24,gw=192.168.1.2");
    (void)fake_expect_message(NODE_OTHER_CM, GROUP_WANTED);
    message = fake_expect_message(NODE_OTHER_CM, TRANSMIT_FRAME);
    assert_int_equal(message->header.length_bytes, sizeof(*message) + ARP_FRAME_BYTES);
    frame = fake_payload(message, sizeof(*message)).bytes;
    assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
}

/* A station of the network asks for our address. */
static void ask_by_arp(unsigned station)
{
    static const uint8_t start[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 0,
                                    0,    0x08, 0x06, 0,    1,    0x08, 0, 6, 4, 0, 1};
    uint8_t frame[60] = {0};

    memcpy(frame, start, sizeof(start));
    frame[11] = (uint8_t)station;
    memcpy(frame + 22, frame + 6, 6);
    memcpy(frame + 28, (uint8_t[]){192, 168, 1, (uint8_t)station}, 4);
    memcpy(frame + 38, &(uint32_t){WIRE_OWN_ADDRESS}, 4);
    wire_receive_frame(frame, sizeof(frame), 0);
    wire_run();
}

/* What has come to that link server: answers, in the order of the questions, from `*answers` on.
 * Returns whether there was any. */
static bool take_answers(unsigned *answers)
{
    const struct message *message;
    bool was_any = false;

    while ((message = fake_take_message(NODE_OTHER_CM)) != NULL) {
        const uint8_t *frame = (const uint8_t *)((const struct transmit_frame *)message + 1);

        assert_int_equal(message->header.type, TRANSMIT_FRAME);
        if (frame[21] == 2) { /* an answer, by its operation; others ask for neighbours */
            assert_int_equal(frame[5], FIRST_STATION + *answers % STATION_COUNT);
            assert_int_equal(frame[41], FIRST_STATION + *answers % STATION_COUNT);
            ++*answers;
        }
        was_any = true;
    }
    return was_any;
}

/* What the channel to that link server does not take waits, and leaves in its order. */
static void frames_for_a_full_channel_wait_and_keep_their_order(void **state)
{
    unsigned asked = 0, answers = 0;

    (void)state;
    while (fake_take_message(NODE_OTHER_CM) != NULL) {
        wire_run();
    }
    for (; asked < CHANNEL_FRAMES + 100; asked++) {
        ask_by_arp(FIRST_STATION + asked % STATION_COUNT);
    }
    (void)take_answers(&answers);
    assert_in_range(answers, 1, CHANNEL_FRAMES); /* it was full */
    do {
        wire_run();
    } while (take_answers(&answers));
    assert_int_equal(answers, asked);
    assert_int_equal(wire_counted(COUNTER_DROP_TX_FULL), 0);
}

/* Its own link server was to have one. Frames went there on and on. */
static void after_a_failed_attach_frames_go_to_another_link_server(void **state)
{
    struct nic_ready ready = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(ready)},
        .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
        .queues = {{3}},
        .is_link_up = 1,
    };

    (void)state;
    fake_deliver(NODE_OTHER_CM, &ready.header);
    wire_run();
    wire_unplug(true); /* until it is heard that it has none, what goes there is lost */
    wire_advance_ns(NS_PER_S);
    while (fake_take_message(NODE_OTHER_CM) != NULL) {
    }
    ready.queues = (struct node_set){{1}};
    fake_deliver(NODE_OTHER_CM, &ready.header);
    wire_run();
    wire_receive_frame((const uint8_t *)"\x52\x54\0\x12\x34\x56\2\0\0\0\0\2\x08\6\0\1\x08\0\6\4\0\1"
                                        "\2\0\0\0\0\2\xC0\xA8\1\2\0\0\0\0\0\0\xC0\xA8\1\x0F",
                       42, 0);
    wire_run();
    assert_int_equal(
        ((const struct transmit_frame *)fake_expect_message(NODE_OTHER_CM, TRANSMIT_FRAME))
            ->header.length_bytes,
        sizeof(struct transmit_frame) + ARP_FRAME_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_go_to_a_link_server_that_has_a_queue),
        cmocka_unit_test(frames_for_a_full_channel_wait_and_keep_their_order),
        cmocka_unit_test(after_a_failed_attach_frames_go_to_another_link_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
