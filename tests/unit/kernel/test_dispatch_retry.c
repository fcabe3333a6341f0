/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/send.c with every kind of message that there is: what finds its channel,
 * or the own ring, full is refused or waits, and goes later, once and in order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/messages.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

static const struct kind {
    uint16_t type;
    size_t bytes;
} kinds[] = {
#define X(type, name, from, to) {type, sizeof(struct name)},
    MESSAGE_TABLE(X)
#undef X
};

static const node_id_t receivers[] = {2, 3};

#define PAYLOAD_MAX_BYTES 900

/* Bytes that depend on kind, receiver and time. */
static uint8_t byte_of(uint16_t type, node_id_t to, unsigned number, size_t index)
{
    return (uint8_t)(type * 37 + to * 101 + number * 11 + index * 7 + (index >> 8));
}

static struct message_header *make(const struct kind *kind, node_id_t to, unsigned number)
{
    static _Alignas(8) uint8_t bytes[CHANNEL_LINE_BYTES];
    struct message_header *header = (struct message_header *)bytes;

    for (size_t i = sizeof(*header); i < kind->bytes; i++) {
        bytes[i] = byte_of(kind->type, to, number, i);
    }
    *header = (struct message_header){.type = kind->type, .length_bytes = (uint16_t)kind->bytes};
    return header;
}

static int send_with_payload(const struct kind *kind, node_id_t to, unsigned number)
{
    uint8_t payload[PAYLOAD_MAX_BYTES];

    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = byte_of(kind->type, to, number, kind->bytes + i);
    }
    return send_copy_with(to, make(kind, to, number), kind->bytes, payload, sizeof(payload));
}

static void check(const struct message *message, const struct kind *kind, node_id_t to,
                  unsigned number, size_t bytes)
{
    assert_non_null(message);
    assert_int_equal(message->header.type, kind->type);
    assert_int_equal(message->header.length_bytes, bytes);
    for (size_t i = sizeof(message->header); i < bytes; i++) {
        assert_int_equal(((const uint8_t *)message)[i], byte_of(kind->type, to, number, i));
    }
}

static void take_what_fills_the_channel(node_id_t to, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        expect_number(to, i);
    }
}

/* Two of each kind, to two nodes, twice: the second time through a ring that has wrapped. */
static void every_kind_is_refused_by_a_full_channel_and_goes_later(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_COUNT(kinds); i++) {
        const struct kind *kind = &kinds[i / 2];
        unsigned counts[ARRAY_COUNT(receivers)];

        for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
            counts[r] = fill_channel(receivers[r]);
            for (unsigned attempt = 0; attempt < 2; attempt++) {
                assert_int_equal(send_copy(receivers[r], make(kind, receivers[r], 0)), -EAGAIN);
                assert_int_equal(send_with_payload(kind, receivers[r], 0), -EAGAIN);
            }
        }
        for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
            take_what_fills_the_channel(receivers[r], counts[r]);
            fake_expect_no_message(receivers[r]);
        }
        for (unsigned number = 0; number < 2; number++) {
            for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
                assert_int_equal(send_copy(receivers[r], make(kind, receivers[r], number)), 0);
                assert_int_equal(send_with_payload(kind, receivers[r], number), 0);
            }
        }
        for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
            for (unsigned number = 0; number < 2; number++) {
                check(fake_take_message(receivers[r]), kind, receivers[r], number, kind->bytes);
                check(fake_take_message(receivers[r]), kind, receivers[r], number,
                      kind->bytes + PAYLOAD_MAX_BYTES);
            }
            fake_expect_no_message(receivers[r]);
        }
    }
}

static void every_kind_may_be_posted_to_a_full_channel_and_waits_in_order(void **state)
{
    (void)state;
    for (unsigned time = 0; time < 2; time++) {
        unsigned counts[ARRAY_COUNT(receivers)];

        for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
            counts[r] = fill_channel(receivers[r]);
        }
        for (unsigned i = 0; i < 2 * ARRAY_COUNT(kinds); i++) {
            for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
                post_copy(receivers[r], make(&kinds[i / 2], receivers[r], i));
            }
        }
        for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
            node_id_t to = receivers[r];

            /* One takes all at once, the other as little as makes room. */
            for (unsigned i = 0; i < counts[r]; i++) {
                expect_number(to, i);
                if (r == 1) {
                    (void)dispatch_round();
                }
            }
            if (r == 0) {
                fake_expect_no_message(to);
            }
            (void)dispatch_round();
        }
        for (unsigned r = 0; r < ARRAY_COUNT(receivers); r++) {
            for (unsigned i = 0; i < 2 * ARRAY_COUNT(kinds); i++) {
                check(fake_take_message(receivers[r]), &kinds[i / 2], receivers[r], i,
                      kinds[i / 2].bytes);
            }
            fake_expect_no_message(receivers[r]);
        }
    }
}

/* What the handlers of this node's own messages expect: the number-th of this kind, or with its
 * payload. */
static struct {
    const struct kind *kind;
    unsigned number;
} expected;

static void expect_own(node_id_t from, const struct message *message,
                       struct message_payload payload)
{
    size_t bytes = expected.kind->bytes;

    assert_int_equal(from, NODE);
    for (size_t i = sizeof(message->header); i < bytes; i++) {
        assert_int_equal(((const uint8_t *)message)[i],
                         byte_of(message->header.type, NODE, expected.number, i));
    }
    for (size_t i = 0; i < payload.length_bytes; i++) {
        assert_int_equal(payload.bytes[i],
                         byte_of(message->header.type, NODE, expected.number, bytes + i));
    }
    assert_int_equal(message->header.type, expected.kind->type);
    expected.number++;
}

static int start_with_all_kinds(void **state)
{
    (void)state;
    fake_platform_reset(NODE, 4);
    dispatch_initialise();
    for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
        dispatch_register_payload_message(kinds[i].type, kinds[i].bytes, expect_own);
    }
    return 0;
}

/* With and without a payload, and posted behind the full ring: each once, in order of sending. */
static void every_kind_finds_the_own_ring_full_and_is_handled_later_in_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_COUNT(kinds); i++) {
        const struct kind *kind = &kinds[i / 2];
        unsigned number = 0;

        expected.kind = kind;
        expected.number = 0;
        while (send_with_payload(kind, NODE, number) == 0) {
            number++;
        }
        while (send_copy(NODE, make(kind, NODE, number)) == 0) {
            number++;
        }
        for (unsigned attempt = 0; attempt < 3; attempt++) {
            post_copy(NODE, make(kind, NODE, number++));
            assert_int_equal(send_copy(NODE, make(kind, NODE, number)), -EAGAIN);
            assert_int_equal(send_with_payload(kind, NODE, number), -EAGAIN);
        }
        assert_int_equal(expected.number, 0);
        (void)dispatch_round();
        assert_int_equal(expected.number, number);
        assert_int_equal(send_copy(NODE, make(kind, NODE, number)), 0);
        (void)dispatch_round();
        assert_int_equal(expected.number, number + 1);
    }
    assert_int_equal(dispatch_round(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_is_refused_by_a_full_channel_and_goes_later,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(
            every_kind_may_be_posted_to_a_full_channel_and_waits_in_order, start_dispatcher,
            finish_dispatcher),
        cmocka_unit_test_setup(every_kind_finds_the_own_ring_full_and_is_handled_later_in_order,
                               start_with_all_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
