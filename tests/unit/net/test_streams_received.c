/* SPDX-License-Identifier: MIT */
/* sources: net/streams/received.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c */
/* sources: kernel/thread/thread.c kernel/thread/switch.S kernel/thread/timer.c kernel/log.c */
/*
 * Tests net/streams/received.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/streams/received.h"
#include "tests/unit/world/fake_platform.h"

static void bytes_come_out_in_the_order_in_which_they_went_in(void **state)
{
    struct received received = {0};
    uint8_t in[1000], out[3000];
    unsigned next_in = 0, next_out = 0;

    (void)state;
    for (unsigned length = 0; length < 600; length += 7) {
        for (unsigned i = 0; i < length; i++) {
            in[i] = (uint8_t)next_in++;
        }
        assert_int_equal(received_append(&received, in, length), 0);
        size_t taken = received_take(&received, out, length * 2 / 3, false);
        for (size_t i = 0; i < taken; i++) {
            assert_int_equal(out[i], (uint8_t)next_out++);
        }
        assert_int_equal(received.bytes, next_in - next_out);
    }
    while (next_out < next_in) {
        size_t taken = received_take(&received, out, sizeof(out), false);
        assert_true(taken > 0);
        for (size_t i = 0; i < taken; i++) {
            assert_int_equal(out[i], (uint8_t)next_out++);
        }
    }
    assert_int_equal(received_take(&received, out, sizeof(out), false), 0);
    assert_null(received.head);
}

static void a_peek_takes_nothing(void **state)
{
    struct received received = {0};
    char out[8];

    (void)state;
    assert_int_equal(received_append(&received, "abc", 3), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(received_take(&received, out, sizeof(out), true), 3);
        assert_memory_equal(out, "abc", 3);
    }
    assert_int_equal(received.bytes, 3);
    received_drop(&received);
    assert_int_equal(received.bytes, 0);
    assert_int_equal(received_take(&received, out, sizeof(out), true), 0);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    static uint8_t bytes[RECEIVED_MAX_BYTES];
    struct received received = {0};

    (void)state;
    assert_int_equal(received_append(&received, bytes, sizeof(bytes) - 1), 0);
    assert_int_equal(received_append(&received, bytes, 2), -EMSGSIZE);
    assert_int_equal(received.bytes, sizeof(bytes) - 1);
    fake_fail_allocations_after(0);
    assert_int_equal(received_append(&received, bytes, 1), -ENOMEM);
    assert_int_equal(received.bytes, sizeof(bytes) - 1);
    fake_fail_allocations_after(-1);
    assert_int_equal(received_append(&received, bytes, 1), 0);
    assert_int_equal(received_append(&received, bytes, 1), -EMSGSIZE);
    received_drop(&received);
}

static int start(void **state)
{
    (void)state;
    fake_fail_allocations_after(-1);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_come_out_in_the_order_in_which_they_went_in),
        TEST(a_peek_takes_nothing),
        TEST(what_does_not_fit_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
