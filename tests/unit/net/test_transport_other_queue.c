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

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define ARP_FRAME_BYTES 42

/* fake_wire.c fails when the own link server is given a frame. */
static void frames_go_to_a_link_server_that_has_a_queue(void **state)
{
    const struct transmit_frame *message;
    const uint8_t *frame;

    (void)state;
    wire_nic.lacks_own_queue = true;
    wire_start_with("net=192.168.1.15/24,gw=192.168.1.2");
    message = fake_expect_message(NODE_OTHER_CM, TRANSMIT_FRAME);
    assert_int_equal(message->header.length_bytes, sizeof(*message) + ARP_FRAME_BYTES);
    frame = fake_payload(message, sizeof(*message)).bytes;
    assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_go_to_a_link_server_that_has_a_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
