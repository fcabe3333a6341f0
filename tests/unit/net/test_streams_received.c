/* SPDX-License-Identifier: MIT */
/* sources: net/streams/received.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c */
/* sources: kernel/thread/thread.c kernel/thread/switch.S libc/core/timer.c kernel/log.c */
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

#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/message/send.h"
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

/* --- What is lent --- */

#define NODE 1
#define TYPE (MESSAGE_TYPE_FIRST_FREE + 1)

static struct received *receiver; /* of the next message */
static unsigned returned_count;

static void note_returned(void *context)
{
    assert_null(context);
    returned_count++;
}

static void keep(node_id_t from, const struct message *message, struct message_payload payload)
{
    assert_int_equal(received_keep(receiver, from, message, payload), 0);
}

static void start_as_one_of(unsigned node_count)
{
    fake_platform_reset(NODE, node_count);
    dispatch_initialise();
    dispatch_register_payload_message(TYPE, sizeof(struct message), keep);
}

/* As a TS on this node does. */
static void lend(struct received *to, const void *bytes, size_t length_bytes)
{
    const struct message_loan loan = {bytes, length_bytes, note_returned, NULL};

    assert_non_null(message_reserve_loan(NODE, TYPE, sizeof(struct message), &loan));
    message_publish();
    receiver = to;
    assert_true(dispatch_round() > 0);
}

static void expect(struct received *received, const char *expected, size_t length_bytes)
{
    char out[64];

    assert_int_equal(received_take(received, out, length_bytes, false), strlen(expected));
    assert_memory_equal(out, expected, strlen(expected));
}

#define OTHER 2

static void deliver_from(node_id_t from, struct received *to, const void *bytes,
                         size_t length_bytes)
{
    struct message message = {.header.type = TYPE};

    fake_deliver_payload(from, &message.header, sizeof(message), bytes, length_bytes);
    receiver = to;
    assert_true(dispatch_round() > 0);
}

static void deliver(struct received *to, const void *bytes, size_t length_bytes)
{
    deliver_from(OTHER, to, bytes, length_bytes);
}

static void what_is_lent_is_read_where_it_lies_and_returned_at_the_end_of_the_round(void **state)
{
    struct received received = {0};
    char bytes[] = "abcdef", out[8];

    (void)state;
    lend(&received, bytes, 6);
    assert_int_equal(received.bytes, 6);
    assert_null(received.head);
    bytes[1] = 'B';
    assert_int_equal(received_take(&received, out, sizeof(out), true), 6);
    expect(&received, "aB", 2);
    assert_int_equal(received.bytes, 4);
    assert_int_equal(returned_count, 0);
    expect(&received, "cdef", 4);
    assert_int_equal(returned_count, 0);
    assert_int_equal(received.bytes, 0);
    assert_int_equal(received.loan_number, 0);
    for (unsigned i = 0; i < 2; i++) {
        received_end_round();
        assert_int_equal(returned_count, 1);
    }
}

/* It stays there until then, also when others come meanwhile and their owner is gone. */
static void what_is_lent_is_lent_on_without_a_copy(void **state)
{
    struct received received = {0}, other = {0};
    char bytes[] = "abcdef";

    (void)state;
    assert_null(received_take_lent(&received));
    lend(&received, bytes, 6);
    assert_ptr_equal(received_take_lent(&received), bytes);
    assert_int_equal(received.bytes, 0);
    assert_null(received_take_lent(&received));
    lend(&received, bytes, 6);
    lend(&other, bytes, 6);
    received_drop(&other);
    expect(&received, "ab", 2);
    assert_ptr_equal(received_take_lent(&received), bytes + 2);
    assert_int_equal(returned_count, 0);
    received_end_round();
    assert_int_equal(returned_count, 3);
}

/* Nor what another node could change while it is looked at. */
static void what_does_not_lie_together_is_not_lent_on(void **state)
{
    struct received received = {0};

    (void)state;
    assert_int_equal(received_append(&received, "ab", 2), 0);
    assert_null(received_take_lent(&received));
    expect(&received, "ab", 2);
    lend(&received, "ab", 2);
    assert_int_equal(received_append(&received, "cd", 2), 0);
    assert_null(received_take_lent(&received));
    expect(&received, "abcd", 4);
    deliver(&received, "ef", 2);
    assert_null(received_take_lent(&received));
    expect(&received, "ef", 2);
}

static void what_comes_behind_a_loan_is_copied_and_read_behind_it(void **state)
{
    struct received received = {0};
    char second[] = "second";

    (void)state;
    lend(&received, "first ", 6);
    lend(&received, second, 6);
    assert_int_equal(returned_count, 1);
    memset(second, 'x', sizeof(second));
    expect(&received, "fir", 3);
    expect(&received, "st second", sizeof(second) + 20);
    received_end_round();
    assert_int_equal(returned_count, 2);
}

/* Its lender has it back; also when part of it was read, and with more behind it. */
static void at_the_end_of_the_round_the_rest_of_a_loan_is_copied(void **state)
{
    struct received read = {0}, half = {0}, whole = {0};
    char bytes[] = "abcdef";

    (void)state;
    lend(&read, bytes, 6);
    lend(&half, bytes, 6);
    lend(&whole, bytes, 6);
    assert_int_equal(received_append(&half, "ghi", 3), 0);
    expect(&read, "abcdef", 6);
    expect(&half, "abc", 3);
    received_end_round();
    assert_int_equal(returned_count, 3);
    memset(bytes, 'x', sizeof(bytes));
    expect(&half, "defg", 4);
    expect(&half, "hi", 4);
    assert_int_equal(received_append(&whole, "!", 1), 0);
    expect(&whole, "abcdef!", 9);
}

static void without_memory_a_loan_is_kept_for_another_round(void **state)
{
    struct received first = {0}, second = {0}, third = {0};

    (void)state;
    lend(&first, "one", 3);
    lend(&second, "two", 3);
    expect(&first, "one", 3);
    fake_fail_allocations_after(0);
    received_end_round();
    fake_fail_allocations_after(-1);
    assert_int_equal(returned_count, 1);
    lend(&third, "three", 5);
    expect(&second, "two", 3);
    received_end_round();
    assert_int_equal(returned_count, 3);
    expect(&third, "three", 5);
}

static void what_is_dropped_is_returned(void **state)
{
    struct received received = {0};

    (void)state;
    lend(&received, "abc", 3);
    received_drop(&received);
    assert_int_equal(received.bytes, 0);
    lend(&received, "", 0);
    assert_int_equal(returned_count, 1);
    received_end_round();
    assert_int_equal(returned_count, 2);
    assert_int_equal(received.bytes, 0);
}

/* One more than there are places is copied at once. */
static void loans_of_a_round_are_bounded(void **state)
{
    static struct received all[65];

    (void)state;
    for (unsigned i = 0; i < 65; i++) {
        lend(&all[i], "x", 1);
    }
    assert_int_equal(returned_count, 1);
    assert_non_null(all[64].head);
    received_end_round();
    assert_int_equal(returned_count, 65);
    for (unsigned i = 0; i < 65; i++) {
        expect(&all[i], "x", 2);
    }
}

/* --- In another node's lines --- */

/* Lines that the other node has no room in. */
static uint32_t lines_kept(void)
{
    return peers[OTHER].receiver.read_lines -
           fake_status_page(NODE)->for_nodes[OTHER].acknowledged_lines;
}

static void what_another_node_sent_is_read_where_it_lies(void **state)
{
    struct received received = {0};

    (void)state;
    fake_fail_allocations_after(0);
    deliver(&received, "abcdef", 6);
    fake_fail_allocations_after(-1);
    assert_null(received.head);
    assert_int_equal(lines_kept(), 1);
    expect(&received, "ab", 2);
    assert_int_equal(lines_kept(), 1);
    expect(&received, "cdef", 9);
    received_end_round();
    assert_int_equal(lines_kept(), 0);
}

/* A peek would read it a second time, when it may be another. */
static void a_peek_at_another_nodes_bytes_reads_them_for_good(void **state)
{
    struct received received = {0};
    char out[8];

    (void)state;
    deliver(&received, "abc", 3);
    assert_int_equal(received_take(&received, out, sizeof(out), true), 3);
    assert_memory_equal(out, "abc", 3);
    assert_non_null(received.head);
    expect(&received, "abc", 3);
}

/* Without memory as well: the node waits for room, and would give this one up. */
static void another_node_has_its_lines_back_at_the_end_of_the_round(void **state)
{
    struct received first = {0}, half = {0}, third = {0};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        deliver(&first, "first", 5);
        deliver(&half, "half", 4);
        expect(&half, "ha", 2);
        deliver(&third, "third", 5);
        assert_int_equal(lines_kept(), 3);
        fake_fail_allocations_after(i == 0 ? -1 : 0);
        received_end_round();
        fake_fail_allocations_after(-1);
        assert_int_equal(lines_kept(), 0);
        assert_int_equal(received_append(&third, "!", 1), 0);
        expect(&third, "third!", 9);
        expect(&first, "first", 9);
        expect(&half, "lf", 9);
        assert_int_equal(half.bytes, 0);
    }
}

/* So that the spare holds all that is lent: more is copied at once, which needs memory. Nor is
 * anything lent again before all that is in the spare has been read. */
static void no_more_of_other_nodes_lines_is_lent_than_can_be_copied_without_memory(void **state)
{
    static struct received all[32];
    static uint8_t bytes[1500], out[1500];

    (void)state;
    start_as_one_of(16);
    memset(bytes, 'b', sizeof(bytes));
    for (unsigned round = 0; round < 2; round++) {
        struct received another = {0};
        unsigned count = 0;

        do {
            deliver_from(OTHER + count % 14, &all[count], bytes, sizeof(bytes));
        } while (all[count++].head == NULL);
        assert_in_range(count, 15, ARRAY_COUNT(all) - 1);
        fake_fail_allocations_after(0);
        received_end_round();
        fake_fail_allocations_after(-1);
        for (unsigned i = 0; i < count; i++) {
            if (i < count - 1) { /* the last was copied into memory */
                deliver(&another, bytes, sizeof(bytes));
                assert_non_null(another.head);
                received_drop(&another);
            }
            assert_int_equal(received_take(&all[i], out, sizeof(out), false), sizeof(out));
            assert_memory_equal(out, bytes, sizeof(out));
        }
    }
}

static int start(void **state)
{
    (void)state;
    start_as_one_of(4);
    returned_count = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    received_end_round();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_come_out_in_the_order_in_which_they_went_in),
        TEST(a_peek_takes_nothing),
        TEST(what_does_not_fit_changes_nothing),
        TEST(what_is_lent_is_read_where_it_lies_and_returned_at_the_end_of_the_round),
        TEST(what_is_lent_is_lent_on_without_a_copy),
        TEST(what_does_not_lie_together_is_not_lent_on),
        TEST(what_comes_behind_a_loan_is_copied_and_read_behind_it),
        TEST(at_the_end_of_the_round_the_rest_of_a_loan_is_copied),
        TEST(without_memory_a_loan_is_kept_for_another_round),
        TEST(what_is_dropped_is_returned),
        TEST(loans_of_a_round_are_bounded),
        TEST(what_another_node_sent_is_read_where_it_lies),
        TEST(a_peek_at_another_nodes_bytes_reads_them_for_good),
        TEST(another_node_has_its_lines_back_at_the_end_of_the_round),
        TEST(no_more_of_other_nodes_lines_is_lent_than_can_be_copied_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
