/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_card.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/memory.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/send_buffer.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/tcp_card.h"

/* Where sequence numbers begin: shortly before their end, so that each test passes it. */
#define FIRST 0xFFFFFF00u

/* What one buffer takes. */
#define SMALL_ROOM_BYTES 432u
#define LARGE_ROOM_BYTES 1968u

static struct tcb tcb;

void blocked_add(struct tcb *of)
{
    (void)of;
    fail(); /* nothing is sent here */
}

static int set_up(void **state)
{
    (void)state;
    card_reset();
    queue_initialise();
    tcb = (struct tcb){.cwnd = 14600, .mss = 1460};
    queue_open(&tcb, FIRST);
    return 0;
}

/* Every test gives back what it has taken. */
static int tear_down(void **state)
{
    (void)state;
    memory_fault = NULL;
    queue_drop(&tcb);
    assert_int_equal(queue_memory_bytes(), 0);
    return 0;
}

static void append_text(const char *text)
{
    assert_true(queue_append_copy(&tcb, (const uint8_t *)text, (uint32_t)strlen(text)));
}

static void append_archive(uint32_t offset, uint32_t length)
{
    assert_true(queue_append_archive(&tcb, card_archive + offset, length));
}

static unsigned count_references(void)
{
    unsigned count = 0;
    uint32_t sequence = tcb.snd_una;
    const struct reference *last = NULL;

    for (const struct reference *i = tcb.queue_head; i != NULL; i = i->next) {
        assert_int_equal(i->sequence, sequence);
        sequence = reference_end(i);
        count++;
        last = i;
    }
    assert_int_equal(sequence, tcb.snd_end);
    assert_ptr_equal(last, tcb.queue_tail);
    assert_int_equal(count, tcb.reference_count);
    return count;
}

/* All bytes that are queued. Returns how many. */
static uint32_t collect(uint8_t *to, size_t most)
{
    uint32_t length = 0;

    for (const struct reference *i = tcb.queue_head; i != NULL; i = i->next) {
        assert_true(length + i->length_bytes <= most);
        if (i->length_bytes != 0) {
            memcpy(to + length, i->bytes, i->length_bytes);
        }
        length += i->length_bytes;
    }
    return length;
}

static void expect_text(const char *text)
{
    uint8_t bytes[4096];

    assert_int_equal(collect(bytes, sizeof(bytes)), strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

static void send_all(void)
{
    queue_note_all_sent(&tcb);
    assert_null(tcb.unsent);
    assert_int_equal(tcb.snd_max, tcb.snd_end);
}

static void release_to(uint32_t offset)
{
    queue_release(&tcb, FIRST + offset);
    assert_int_equal(tcb.snd_una, FIRST + offset);
    (void)count_references();
}

/* --- Appending --- */

static void small_copies_that_are_not_sent_become_one_reference(void **state)
{
    (void)state;
    append_text("GET ");
    append_text("/");
    assert_int_equal(count_references(), 1);
    expect_text("GET /");
    assert_int_equal(queue_memory_bytes(), 48 + 512);
}

static void a_copy_behind_what_is_sent_shares_its_buffer_but_not_its_reference(void **state)
{
    (void)state;
    append_text("one");
    send_all();
    append_text("two");
    assert_int_equal(count_references(), 2);
    assert_ptr_equal(tcb.unsent, tcb.queue_tail);
    assert_ptr_equal(tcb.queue_head->buffer, tcb.queue_tail->buffer);
    expect_text("onetwo");
    assert_int_equal(queue_memory_bytes(), 2 * 48 + 512);
}

static void a_copy_fills_a_buffer_and_goes_on_in_another(void **state)
{
    uint8_t bytes[5000], read[5100];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    append_text("head");
    bytes[0] = 'a';
    bytes[4999] = 'z';
    assert_true(queue_append_copy(&tcb, bytes, sizeof(bytes)));
    assert_int_equal(collect(read, sizeof(read)), 5004);
    assert_memory_equal(read + 4, bytes, sizeof(bytes));
    assert_int_equal(tcb.queue_head->length_bytes, SMALL_ROOM_BYTES);
    assert_int_equal(count_references(), 4); /* 432; 1968 twice; the rest, in a large one */
}

/* Where what stands there is sent, a few bytes more would cost a reference of their own. */
static void a_copy_that_does_not_fit_behind_what_is_sent_leaves_its_room(void **state)
{
    uint8_t bytes[SMALL_ROOM_BYTES] = {0};

    (void)state;
    append_text("one");
    send_all();
    assert_true(queue_append_copy(&tcb, bytes, sizeof(bytes)));
    assert_int_equal(count_references(), 2);
    assert_ptr_not_equal(tcb.queue_head->buffer, tcb.queue_tail->buffer);
}

static void bytes_of_the_archive_are_not_copied(void **state)
{
    (void)state;
    append_archive(100, 300000);
    assert_int_equal(count_references(), 1);
    assert_ptr_equal(tcb.queue_head->bytes, card_archive + 100);
    assert_int_equal(tcb.queue_head->length_bytes, 300000);
    assert_int_equal(queue_memory_bytes(), 48);
}

static void bytes_of_the_archive_that_follow_each_other_become_one_reference(void **state)
{
    (void)state;
    append_archive(0, 1000);
    append_archive(1000, 1000);
    assert_int_equal(count_references(), 1);
    append_archive(1999, 1000); /* these do not */
    assert_int_equal(count_references(), 2);
    send_all();
    append_archive(2999, 1);
    assert_int_equal(count_references(), 3); /* the one before is sent */
}

static void a_copy_behind_the_archive_has_a_buffer_of_its_own(void **state)
{
    (void)state;
    append_text("head");
    append_archive(0, 3);
    append_text("tail");
    assert_int_equal(count_references(), 3);
    assert_ptr_not_equal(tcb.queue_head->buffer, tcb.queue_tail->buffer);
}

static void fin_is_part_of_the_last_reference_unless_that_is_sent(void **state)
{
    (void)state;
    append_text("bye");
    assert_true(queue_append_fin(&tcb));
    assert_int_equal(count_references(), 1);
    assert_int_equal(tcb.snd_end, FIRST + 4);
    assert_true(tcb.has_fin);

    queue_drop(&tcb);
    queue_open(&tcb, FIRST);
    append_text("bye");
    send_all();
    assert_true(queue_append_fin(&tcb));
    assert_int_equal(count_references(), 2);
    assert_int_equal(tcb.queue_tail->length_bytes, 0);
    assert_ptr_equal(tcb.unsent, tcb.queue_tail);

    queue_drop(&tcb);
    queue_open(&tcb, FIRST);
    assert_true(queue_append_fin(&tcb));
    assert_int_equal(count_references(), 1);
    assert_int_equal(tcb.snd_end, FIRST + 1);
}

static void nothing_is_appended_behind_fin(void **state)
{
    (void)state;
    assert_true(queue_append_fin(&tcb));
    expect_assert_failure((void)!queue_append_copy(&tcb, card_archive, 1));
    expect_assert_failure((void)!queue_append_archive(&tcb, card_archive, 1));
    expect_assert_failure((void)!queue_append_fin(&tcb));
}

/* --- Sending, splitting, releasing --- */

static void what_is_sent_ends_where_a_reference_does(void **state)
{
    struct reference *second;

    (void)state;
    append_archive(0, 1000);
    second = queue_split(&tcb, tcb.unsent, FIRST + 600);
    assert_non_null(second);
    assert_int_equal(count_references(), 2);
    assert_ptr_equal(second->bytes, card_archive + 600);
    queue_note_sent(&tcb, second);
    assert_ptr_equal(tcb.unsent, second);
    assert_int_equal(tcb.snd_max, FIRST + 600);
}

static void a_split_keeps_what_is_known_of_both(void **state)
{
    struct reference *second;

    (void)state;
    append_text("abcdef");
    assert_true(queue_append_fin(&tcb));
    tcb.queue_head->sent_us = 77;
    tcb.queue_head->sent_count = 3;
    tcb.queue_head->flags |= REFERENCE_LOST;
    send_all();
    second = queue_split(&tcb, tcb.queue_head, FIRST + 2);
    assert_int_equal(tcb.queue_head->flags, REFERENCE_LOST);
    assert_int_equal(second->flags, REFERENCE_LOST | REFERENCE_FIN);
    assert_int_equal(second->sent_us, 77);
    assert_int_equal(second->sent_count, 3);
    assert_memory_equal(second->bytes, "cdef", 4);
    assert_ptr_equal(tcb.queue_tail, second);
    expect_text("abcdef");
}

static void a_split_where_a_reference_begins_changes_nothing(void **state)
{
    (void)state;
    append_text("abc");
    append_archive(0, 10);
    assert_ptr_equal(queue_split(&tcb, tcb.queue_head, FIRST), tcb.queue_head);
    assert_ptr_equal(queue_split(&tcb, tcb.queue_head, FIRST + 3), tcb.queue_tail);
    assert_null(queue_split(&tcb, tcb.queue_head, FIRST + 13)); /* the end */
    assert_null(queue_split(&tcb, NULL, FIRST + 13));
    assert_int_equal(count_references(), 2);
}

static void fin_can_be_split_off(void **state)
{
    struct reference *fin;

    (void)state;
    append_text("abc");
    assert_true(queue_append_fin(&tcb));
    fin = queue_split(&tcb, tcb.queue_head, FIRST + 3);
    assert_int_equal(fin->length_bytes, 0);
    assert_int_equal(fin->flags, REFERENCE_FIN);
    assert_null(fin->buffer);
    assert_int_equal(tcb.queue_head->flags, 0);
    assert_int_equal(count_references(), 2);
}

static void what_is_acknowledged_is_given_back(void **state)
{
    (void)state;
    append_text("head");
    append_archive(0, 300);
    assert_true(queue_append_fin(&tcb));
    send_all();
    release_to(4);
    assert_int_equal(queue_memory_bytes(), 48);
    release_to(305); /* across the wrap of the numbers */
    assert_int_equal(queue_memory_bytes(), 0);
    assert_null(tcb.queue_head);
    assert_null(tcb.queue_tail);
}

static void an_acknowledgement_within_a_reference_cuts_its_front(void **state)
{
    (void)state;
    append_archive(0, 1000);
    assert_true(queue_append_fin(&tcb));
    send_all();
    release_to(400);
    assert_int_equal(count_references(), 1);
    assert_ptr_equal(tcb.queue_head->bytes, card_archive + 400);
    release_to(1000); /* all but the FIN */
    assert_int_equal(tcb.queue_head->length_bytes, 0);
    release_to(1001);
    assert_int_equal(count_references(), 0);
}

static void what_is_not_sent_is_not_released(void **state)
{
    (void)state;
    append_text("abc");
    send_all();
    append_text("def");
    release_to(3);
    assert_ptr_equal(tcb.unsent, tcb.queue_head);
    expect_assert_failure(queue_release(&tcb, FIRST + 6));
    expect_assert_failure(queue_release(&tcb, FIRST + 3)); /* no news */
    expect_text("def");
}

/* --- Buffers --- */

static void a_frame_keeps_the_buffer_of_a_reference_that_is_gone(void **state)
{
    struct send_buffer *buffer;
    const uint8_t *bytes;

    (void)state;
    append_text("still read");
    buffer = tcb.queue_head->buffer;
    bytes = tcb.queue_head->bytes;
    send_buffer_hold(buffer);
    send_all();
    release_to(10);
    append_text("not there");
    assert_ptr_not_equal(tcb.queue_head->buffer, buffer);
    assert_memory_equal(bytes, "still read", 10);
    send_buffer_release(buffer);
    assert_int_equal(bytes[0], 0xDB); /* whoever reads on would notice */
}

static void two_parts_hold_a_buffer_until_both_are_gone(void **state)
{
    (void)state;
    append_text("abcdef");
    assert_non_null(queue_split(&tcb, tcb.queue_head, FIRST + 3));
    send_all();
    release_to(3);
    expect_text("def");
    assert_int_equal(queue_memory_bytes(), 48 + 512);
    release_to(6);
    assert_int_equal(queue_memory_bytes(), 0);
}

/* --- Limits --- */

static void the_room_is_four_congestion_windows_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(queue_room_bytes(&tcb), 64 * 1024);
    tcb.cwnd = 100000;
    assert_int_equal(queue_room_bytes(&tcb), 400000);
    append_archive(0, 150000);
    assert_int_equal(queue_room_bytes(&tcb), 250000);
    append_archive(0, 150000);
    append_archive(0, 150000); /* who does not ask gets some more */
    assert_int_equal(queue_room_bytes(&tcb), 0);
    tcb.cwnd = UINT32_MAX;
    assert_int_equal(queue_room_bytes(&tcb), 16 * 1024 * 1024 - 450000);
}

static void a_connection_has_no_more_than_sixteen_mebibytes_queued(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        append_archive(0, CARD_ARCHIVE_BYTES);
    }
    assert_false(queue_append_archive(&tcb, card_archive, 1));
    assert_false(queue_append_copy(&tcb, card_archive, 1));
    assert_int_equal(tcb.snd_end - tcb.snd_una, 16 * CARD_ARCHIVE_BYTES);
}

static void single_bytes_are_limited_by_their_references(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4096; i++) {
        append_archive(i % 2 * 100, 1);
        send_all();
    }
    assert_int_equal(queue_room_bytes(&tcb), 0);
    assert_false(queue_append_archive(&tcb, card_archive, 1));
    release_to(1);
    append_archive(0, 1);
}

/* 8 MiB for all: 4,096 small buffers, 2,048 large ones, and references. */
static void memory_is_a_part_of_the_nodes(void **state)
{
    static struct tcb others[3];
    uint8_t bytes[LARGE_ROOM_BYTES] = {0};
    uint32_t count = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
        others[i] = (struct tcb){.cwnd = 1 << 20};
        queue_open(&others[i], FIRST);
        while (others[i].reference_count < 3000 &&
               queue_append_copy(&others[i], bytes, sizeof(bytes))) {
            queue_note_all_sent(&others[i]);
            count++;
        }
    }
    /* Five small ones for the bytes of a large one. */
    assert_int_equal(count, 2048 + 4096 / 5);
    assert_int_equal(queue_memory_bytes(), 2048 * (2048 + 48) + 4096 / 5 * 5 * (512 + 48));
    assert_int_equal(queue_room_bytes(&tcb), 64 * 1024);
    append_text("the last small buffer");
    assert_int_equal(queue_room_bytes(&tcb), 0);
    send_all();
    append_archive(0, 1); /* needs none of those */
    assert_false(queue_append_copy(&tcb, bytes, 1));
    queue_drop(&tcb);
    queue_open(&tcb, FIRST);
    append_archive(0, 1);
    queue_drop(&others[1]);
    assert_int_equal(queue_room_bytes(&tcb), 64 * 1024 - 1);
    tcb.cwnd = 1 << 20;
    queue_drop(&others[2]);
    assert_int_equal(queue_room_bytes(&tcb), 64 * 1024 - 1); /* scarce, still */
    queue_drop(&others[0]);
    assert_int_equal(queue_room_bytes(&tcb), 4 * 1024 * 1024 - 1);
}

static unsigned allowed_count;

static bool refuse_later(const struct memory_kind *kind)
{
    (void)kind;
    return allowed_count == 0 || --allowed_count == 0;
}

static bool append_much(void)
{
    return queue_append_copy(&tcb, card_archive, 5000);
}

static bool append_file(void)
{
    return queue_append_archive(&tcb, card_archive + 7, 200000);
}

static bool append_little(void)
{
    return queue_append_copy(&tcb, card_archive, 3);
}

static bool append_end(void)
{
    return queue_append_fin(&tcb);
}

static bool cut(void)
{
    return queue_split(&tcb, tcb.queue_head, FIRST + 2) != NULL;
}

/* Each allocation of each of these fails in turn. */
static void without_memory_nothing_has_changed(void **state)
{
    static bool (*const actions[])(void) = {append_much, append_file, append_little, append_end,
                                            cut};

    (void)state;
    append_text("before");
    send_all();
    for (unsigned i = 0; i < ARRAY_COUNT(actions); i++) {
        uint64_t before_bytes = queue_memory_bytes();
        uint32_t before_end = tcb.snd_end;
        unsigned failures = 0;

        for (unsigned allowed = 1;; allowed++) {
            bool is_done;

            allowed_count = allowed;
            memory_fault = refuse_later;
            is_done = actions[i]();
            memory_fault = NULL;
            if (is_done) {
                break;
            }
            failures++;
            assert_int_equal(queue_memory_bytes(), before_bytes);
            assert_int_equal(tcb.snd_end, before_end);
            expect_text("before");
            assert_true(allowed < 100);
        }
        assert_true(failures > 0);
        queue_drop(&tcb);
        queue_open(&tcb, FIRST);
        append_text("before");
        send_all();
    }
}

static const char *refused_kind;

static bool refuse_kind(const struct memory_kind *kind)
{
    return strcmp(kind->name, refused_kind) == 0;
}

static void where_one_size_of_buffers_has_run_out_the_other_does(void **state)
{
    (void)state;
    memory_fault = refuse_kind;
    refused_kind = "tcp_send_small";
    append_text("little");
    assert_int_equal(queue_memory_bytes(), 48 + 2048);
    queue_drop(&tcb);
    refused_kind = "tcp_send_large";
    assert_true(append_much());
    assert_int_equal(queue_memory_bytes(), 12 * (48 + 512));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(small_copies_that_are_not_sent_become_one_reference),
        TEST(a_copy_behind_what_is_sent_shares_its_buffer_but_not_its_reference),
        TEST(a_copy_fills_a_buffer_and_goes_on_in_another),
        TEST(a_copy_that_does_not_fit_behind_what_is_sent_leaves_its_room),
        TEST(bytes_of_the_archive_are_not_copied),
        TEST(bytes_of_the_archive_that_follow_each_other_become_one_reference),
        TEST(a_copy_behind_the_archive_has_a_buffer_of_its_own),
        TEST(fin_is_part_of_the_last_reference_unless_that_is_sent),
        TEST(nothing_is_appended_behind_fin),
        TEST(what_is_sent_ends_where_a_reference_does),
        TEST(a_split_keeps_what_is_known_of_both),
        TEST(a_split_where_a_reference_begins_changes_nothing),
        TEST(fin_can_be_split_off),
        TEST(what_is_acknowledged_is_given_back),
        TEST(an_acknowledgement_within_a_reference_cuts_its_front),
        TEST(what_is_not_sent_is_not_released),
        TEST(a_frame_keeps_the_buffer_of_a_reference_that_is_gone),
        TEST(two_parts_hold_a_buffer_until_both_are_gone),
        TEST(the_room_is_four_congestion_windows_within_bounds),
        TEST(a_connection_has_no_more_than_sixteen_mebibytes_queued),
        TEST(single_bytes_are_limited_by_their_references),
        TEST(memory_is_a_part_of_the_nodes),
        TEST(without_memory_nothing_has_changed),
        TEST(where_one_size_of_buffers_has_run_out_the_other_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
