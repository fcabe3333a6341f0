/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_card.c */
/*
 * A program's memory in a connection's queue: net/transport/tcp/queue.c and send_buffer.c over
 * libc/core/snapshot.c. No page is ever protected here: what a page holds is put into its frame
 * when it would be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/memory.h"
#include "libc/core/snapshot.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/send_buffer.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/tcp_card.h"

#define FIRST       0xFFFFFF00u /* shortly before the end of sequence numbers */
#define PAGE        MEMORY_PAGE_BYTES
#define BLOCK_PAGES 12u

static struct tcb tcb;
static uint8_t *block;

void blocked_add(struct tcb *of)
{
    (void)of;
    fail(); /* nothing is sent here */
}

static bool map(uintptr_t vaddr, void *frames, size_t page_count)
{
    (void)vaddr;
    (void)frames;
    (void)page_count;
    return true;
}

static void replace(uintptr_t vaddr, void *frames, size_t page_count, bool is_writable)
{
    if (!is_writable) {
        memcpy(frames, (const void *)vaddr, page_count * PAGE);
    }
}

static void unmap(uintptr_t vaddr, size_t page_count)
{
    (void)vaddr;
    (void)page_count;
}

static int begin(void **state)
{
    static struct snapshot_space space = {
        .page_max = 64, .map = map, .replace = replace, .unmap = unmap};

    (void)state;
    card_reset();
    queue_initialise();
    tcb = (struct tcb){.cwnd = 14600, .mss = 1460};
    queue_open(&tcb, FIRST);
    if (space.start == 0) {
        space.start = (uintptr_t)aligned_alloc(PAGE, 64 * PAGE);
        snapshot_begin(&space);
        snapshot_enable();
        block = snapshot_allocate(BLOCK_PAGES * PAGE); /* for all tests */
    }
    for (size_t i = 0; i < BLOCK_PAGES * PAGE; i++) {
        block[i] = (uint8_t)(i * 7 + i / PAGE);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    memory_fault = NULL;
    queue_drop(&tcb);
    assert_int_equal(queue_memory_bytes(), 0);
    return 0;
}

static void expect_queued(const uint8_t *bytes, size_t length, unsigned reference_count)
{
    unsigned count = 0;

    for (const struct reference *i = tcb.queue_head; i != NULL; i = i->next) {
        assert_true(i->length_bytes <= length);
        assert_memory_equal(i->bytes, bytes, i->length_bytes);
        bytes += i->length_bytes;
        length -= i->length_bytes;
        count++;
    }
    assert_int_equal(length, 0);
    assert_int_equal(count, reference_count);
}

/* Queue one of these bytes. The queue alone holds it. Returns its index. */
static uint32_t append(const uint8_t *bytes, size_t length)
{
    struct snapshot *snapshot = snapshot_take(bytes, length);
    uint32_t index = snapshot->place.index;
    struct send_buffer *buffer = send_buffer_of_snapshot(snapshot);

    assert_int_equal(snapshot->bytes, length);
    assert_true(queue_append_snapshot(&tcb, buffer));
    send_buffer_release(buffer);
    return index;
}

static void it_is_referred_to_where_it_lies_until_it_is_acknowledged(void **state)
{
    uint32_t index = append(block + 10, 6 * PAGE);

    (void)state;
    expect_queued(block + 10, 6 * PAGE, 1);
    queue_note_all_sent(&tcb);
    queue_release(&tcb, FIRST + PAGE);
    assert_non_null(snapshot_find(index));
    expect_queued(block + 10 + PAGE, 5 * PAGE, 1);
    queue_release(&tcb, FIRST + 6 * PAGE);
    assert_null(snapshot_find(index));
}

static void a_frame_that_is_on_its_way_keeps_it(void **state)
{
    uint32_t index = append(block, 3 * PAGE);
    struct send_buffer *buffer = tcb.queue_head->buffer;

    (void)state;
    send_buffer_hold(buffer);
    queue_drop(&tcb);
    assert_non_null(snapshot_find(index));
    send_buffer_release(buffer);
    assert_null(snapshot_find(index));
}

static void what_lies_apart_is_a_reference_each(void **state)
{
    uint32_t first = append(block, BLOCK_PAGES * PAGE);
    uint8_t before[BLOCK_PAGES * MEMORY_PAGE_BYTES];

    (void)state;
    memcpy(before, block, sizeof(before));
    /* As if these had been written to. */
    assert_int_equal(snapshot_write((uintptr_t)block + 3 * PAGE), SNAPSHOT_FAULT_COPIED);
    assert_int_equal(snapshot_write((uintptr_t)block + 8 * PAGE), SNAPSHOT_FAULT_COPIED);
    expect_queued(before, sizeof(before), 1);
    queue_drop(&tcb);
    queue_open(&tcb, FIRST);
    assert_null(snapshot_find(first));
    (void)append(block, BLOCK_PAGES * PAGE);
    expect_queued(block, BLOCK_PAGES * PAGE, 5);
}

static void parts_of_it_hold_it_until_the_last_is_gone(void **state)
{
    uint32_t index = append(block, 2 * PAGE);

    (void)state;
    assert_non_null(queue_split(&tcb, tcb.queue_head, FIRST + 1460));
    expect_queued(block, 2 * PAGE, 2);
    queue_note_all_sent(&tcb);
    queue_release(&tcb, FIRST + 1460);
    assert_non_null(snapshot_find(index));
    queue_release(&tcb, FIRST + 2 * PAGE);
    assert_null(snapshot_find(index));
}

static void a_copy_behind_it_has_a_buffer_of_its_own(void **state)
{
    (void)state;
    (void)append(block, 2 * PAGE);
    assert_true(queue_append_copy(&tcb, (const uint8_t *)"tail", 4));
    assert_int_equal(tcb.reference_count, 2);
    assert_ptr_not_equal(tcb.queue_tail->buffer, tcb.queue_head->buffer);
    assert_memory_equal(tcb.queue_tail->bytes, "tail", 4);
}

static bool refuse_references(const struct memory_kind *kind)
{
    return strcmp(kind->name, "tcp_reference") == 0;
}

static bool refuse_buffers(const struct memory_kind *kind)
{
    return strcmp(kind->name, "tcp_send_snapshot") == 0;
}

static void without_memory_it_stays_the_callers(void **state)
{
    struct snapshot *snapshot = snapshot_take(block, PAGE);

    (void)state;
    memory_fault = refuse_buffers;
    assert_null(send_buffer_of_snapshot(snapshot));
    memory_fault = refuse_references;
    struct send_buffer *buffer = send_buffer_of_snapshot(snapshot);

    assert_false(queue_append_snapshot(&tcb, buffer));
    assert_null(tcb.queue_head);
    assert_int_equal(tcb.snd_end, FIRST);
    assert_non_null(snapshot_find(snapshot->place.index));
    send_buffer_release(buffer);
    assert_null(snapshot_find(snapshot->place.index));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_referred_to_where_it_lies_until_it_is_acknowledged),
        TEST(a_frame_that_is_on_its_way_keeps_it),
        TEST(what_lies_apart_is_a_reference_each),
        TEST(parts_of_it_hold_it_until_the_last_is_gone),
        TEST(a_copy_behind_it_has_a_buffer_of_its_own),
        TEST(without_memory_it_stays_the_callers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
