/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/memory_nic.c tests/unit/world/kept_log.c */
/*
 * Tests net/link/capture.c on a node that has no memory for the ring: its link server works, and
 * says that nothing is recorded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/capture/filter.h"
#include "net/messages.h"
#include "net/watching_counters.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/memory_nic.h"

#define APPLICATION 2

static bool is_ring(const struct memory_kind *kind)
{
    return strcmp(kind->name, "capture_ring") == 0;
}

static void without_memory_for_a_ring_frames_are_only_forwarded(void **state)
{
    const struct capture_read read = {
        .header = {.type = CAPTURE_READ, .length_bytes = sizeof(read)},
        .until_ns = UINT64_MAX,
        .request_number = 3,
        .room_bytes = CAPTURE_ROOM_MAX_BYTES,
        .snap_bytes = CAPTURE_SNAP_MAX_BYTES,
        .protocols = CAPTURE_PROTOCOLS,
        .directions = CAPTURE_DIRECTIONS,
    };
    const struct capture_told *told;
    struct test_frame frame;

    (void)state;
    memory_nic_reset();
    kept_log_clear();
    memory_fault = is_ring;
    start_link_server_on(0, "pika=TS2LS2CM2 app=httpd:2 capture=1G");
    memory_fault = NULL;
    settle();
    assert_true(is_logged("capture=: no memory for 1245184 KiB: nothing is recorded here"));
    frame = tcp_frame(0, 0x18);
    received_count = 0;
    assert_true(memory_nic_receive(frame.bytes, frame.length_bytes));
    settle();
    assert_int_equal(received_count, 1);
    received->release(received);
    assert_int_equal(counter_read(0, COUNTER_CAPTURE_IN), 0);
    fake_deliver(APPLICATION, &read.header);
    settle();
    told = fake_expect_message(APPLICATION, CAPTURE_TOLD);
    assert_int_equal(told->request_number, 3);
    assert_int_equal(told->recorded_count, 0);
    assert_int_equal(told->next_number, 0);
    assert_true(told->complete_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_memory_for_a_ring_frames_are_only_forwarded,
                                  ls_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
