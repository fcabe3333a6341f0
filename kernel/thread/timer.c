/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers in a binary heap, earliest at the root: the common case, a timer that is started
 * late and stopped before it expires, moves few entries. Index 0 is unused, so that it can mean
 * "not set" and children are 2 i and 2 i + 1.
 */
#include "kernel/thread/timer.h"

#include <errno.h>

#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Room at first: chosen, one page of pointers less its first. */
#define HEAP_FIRST_CAPACITY (PAGE_BYTES / sizeof(struct timer *))

static struct timer **heap; /* [1 .. count] */
static uint32_t count;
static uint32_t capacity;    /* of `heap`, its unused first entry included */
static uint32_t place_count; /* of the entries, those that are kept for a timer each */

/* While timer_run_expired() runs: its time. A timer that a handler starts for no later waits for
 * the next round, or one that restarts itself would keep the others out for ever. */
static bool is_running;
static uint64_t running_now_ns;

static void place(struct timer *timer, uint32_t index)
{
    ASSERT_SLOW(index >= 1 && index <= count && count < capacity);
    heap[index] = timer;
    timer->heap_index = index;
}

/* For assertions: the entry is where it says, no earlier than its parent, no later than its
 * children. */
static bool is_in_order(uint32_t index)
{
    uint64_t deadline_ns = heap[index]->deadline_ns;
    uint32_t child = 2 * index;

    return heap[index]->heap_index == index &&
           (index == 1 || heap[index / 2]->deadline_ns <= deadline_ns) &&
           (child > count || heap[child]->deadline_ns >= deadline_ns) &&
           (child + 1 > count || heap[child + 1]->deadline_ns >= deadline_ns);
}

/* The slot at `index` is free: find the place of `timer` on the way to the root. */
static void sift_up(struct timer *timer, uint32_t index)
{
    while (index > 1 && timer->deadline_ns < heap[index / 2]->deadline_ns) {
        place(heap[index / 2], index);
        index /= 2;
    }
    place(timer, index);
}

/* The same on the way to the leaves. */
static void sift_down(struct timer *timer, uint32_t index)
{
    for (uint32_t child = 2 * index; child <= count; child = 2 * index) {
        if (child < count && heap[child + 1]->deadline_ns < heap[child]->deadline_ns) {
            child++;
        }
        if (timer->deadline_ns <= heap[child]->deadline_ns) {
            break;
        }
        place(heap[child], index);
        index = child;
    }
    place(timer, index);
}

static void sift(struct timer *timer, uint32_t index)
{
    if (index > 1 && timer->deadline_ns < heap[index / 2]->deadline_ns) {
        sift_up(timer, index);
    } else {
        sift_down(timer, index);
    }
    ASSERT_SLOW(is_in_order(timer->heap_index));
}

static int grow(void)
{
    uint32_t new_capacity = capacity == 0 ? HEAP_FIRST_CAPACITY : 2 * capacity;
    struct timer **grown = memory_resize(heap, new_capacity * sizeof(*heap));

    if (grown == NULL) {
        return -ENOMEM;
    }
    ASSERT(new_capacity > count + 1);
    heap = grown;
    capacity = new_capacity;
    return 0;
}

static bool take_place(void)
{
    if (place_count + 1 >= capacity && grow() != 0) {
        return false;
    }
    place_count++;
    return true;
}

void timer_initialise(struct timer *timer, void (*expired)(struct timer *timer))
{
    ASSERT(expired != NULL);
    *timer = (struct timer){.expired = expired, .has_place = take_place()};
}

int timer_start(struct timer *timer, uint64_t deadline_ns)
{
    if (is_running && deadline_ns <= running_now_ns) {
        deadline_ns = running_now_ns + 1;
    }
    ASSERT_SLOW(timer->expired != NULL); /* it has been initialised */
    if (timer_is_set(timer)) {
        ASSERT_SLOW(heap[timer->heap_index] == timer);
        timer->deadline_ns = deadline_ns;
        sift(timer, timer->heap_index);
        return 0;
    }
    if (UNLIKELY(!timer->has_place)) {
        if (!take_place()) {
            return -ENOMEM;
        }
        timer->has_place = true;
    }
    ASSERT_SLOW(count < place_count && place_count < capacity);
    timer->deadline_ns = deadline_ns;
    count++;
    sift_up(timer, count);
    ASSERT_SLOW(is_in_order(timer->heap_index));
    return 0;
}

void timer_stop(struct timer *timer)
{
    if (!timer_is_set(timer)) {
        return;
    }
    uint32_t index = timer->heap_index;
    ASSERT_SLOW(index <= count && heap[index] == timer);
    struct timer *last = heap[count];

    timer->heap_index = 0;
    count--;
    if (last != timer) {
        sift(last, index);
    }
}

unsigned timer_run_expired(uint64_t now_ns)
{
    unsigned expired = 0;

    ASSERT(!is_running); /* handlers must not */
    is_running = true;
    running_now_ns = now_ns;
    while (count > 0 && heap[1]->deadline_ns <= now_ns) {
        struct timer *timer = heap[1];

        timer_stop(timer);
        timer->expired(timer);
        expired++;
    }
    is_running = false;
    return expired;
}

uint64_t timer_next_deadline_ns(void)
{
    return count > 0 ? heap[1]->deadline_ns : UINT64_MAX;
}
