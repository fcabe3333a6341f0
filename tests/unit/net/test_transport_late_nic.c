/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server before it has been told of a NIC: what other nodes send it by then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/counters.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

static int start(void **state)
{
    (void)state;
    wire_nic.is_late = true;
    wire_nic.lacks_own_queue = true;
    wire_start_with("net=192.168.1.15/24,gw=192.168.1.2");
    return 0;
}

/* From the client's machine: who has our address? */
static void forward_arp_request(void)
{
    uint8_t frame[60] = {
        [12] = 0x08, [13] = 0x06, [15] = 1, [16] = 0x08, [18] = 6, [19] = 4, [21] = 1, [27] = 2};
    struct forward_frame message = {.header.type = FORWARD_FRAME};

    memset(frame, 0xFF, 6);
    memcpy(frame + 28, &(uint32_t){WIRE_CLIENT_ADDRESS}, 4);
    memcpy(frame + 38, &(uint32_t){WIRE_OWN_ADDRESS}, 4);
    fake_deliver_payload(NODE_OTHER_CM, &message.header, sizeof(message), frame, sizeof(frame));
    wire_run();
}

/* It would tell others of a neighbour, which only a speaker may: an assertion failed. Found by
 * fuzzing. */
static void an_arp_frame_before_the_nic_is_there_is_dropped(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);

    (void)state;
    forward_arp_request();
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 1);
    fake_expect_no_message(NODE_OTHER_CM);

    wire_bring_up_nic();
    while (fake_take_message(NODE_OTHER_CM) != NULL) {
    }
    forward_arp_request();
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 1);
    (void)fake_expect_message(NODE_OTHER_CM, TRANSMIT_FRAME); /* the answer */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arp_frame_before_the_nic_is_there_is_dropped),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
