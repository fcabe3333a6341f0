/* SPDX-License-Identifier: MIT */
/*
 * Three levels of slots. A slot of level n holds the entries of 256^n ticks, its block; when the
 * clock reaches the block's first tick they are moved to where they belong by then: a level below,
 * or into the slot that is due. So an entry is moved twice at most, and a slot that is not in use
 * costs nothing: from one slot in use to the next it is a search of a bit on each level.
 *
 * Every entry stands less than 2^24 ticks from `current_tick`, and a level holds the 256 blocks
 * that begin at or after it. So a slot's number says which block it is, and ticks of 32 bits do:
 * only their distance from `current_tick` counts, and that one has 64.
 */
#include "net/transport/tcp/wheel.h"

#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"

#define TICK_SHIFT  20u
#define LEVEL_COUNT 3u
#define SLOT_BITS   8u
#define SLOT_COUNT  (1u << SLOT_BITS)
#define SLOT_MASK   (SLOT_COUNT - 1)
#define SPAN_TICKS  (1u << (LEVEL_COUNT * SLOT_BITS)) /* of the whole wheel */
#define WORD_BITS   64u
#define WORD_COUNT  (SLOT_COUNT / WORD_BITS) /* of a level */

#define FARTHEST_TICKS ((uint32_t)(WHEEL_FARTHEST_NS >> TICK_SHIFT))
#define NEVER          UINT64_MAX

_Static_assert(WHEEL_TICK_NS == 1ull << TICK_SHIFT, "as the header says");
_Static_assert(FARTHEST_TICKS < SPAN_TICKS, "the last level reaches that far");

/* Of all levels, one after the other; and a bit for each that has entries. */
static struct wheel_entry *slots[LEVEL_COUNT * SLOT_COUNT];
static uint64_t in_use[LEVEL_COUNT * WORD_COUNT];
/* All before it is done. Never beyond the first slot in use. */
static uint64_t current_tick;
/* What the kernel timer is set for: at or before the first slot in use. NEVER: it is not. */
static uint64_t timer_tick;
static struct timer timer;
static void (*expire_entry)(struct wheel_entry *entry);
/* While entries expire: those of their tick that are still to come. */
static struct wheel_entry *due_entries;

static uint64_t now_tick(void)
{
    return dispatch_now_ns() >> TICK_SHIFT;
}

static void start_timer(uint64_t tick)
{
    timer_tick = tick;
    if (timer_start(&timer, tick << TICK_SHIFT) != 0) {
        PANIC("no memory for the transport server's timer");
    }
}

/* --- Lists --- */

static inline void push(struct wheel_entry **list, struct wheel_entry *entry)
{
    entry->next = *list;
    entry->link = list;
    if (entry->next != NULL) {
        entry->next->link = &entry->next;
    }
    *list = entry;
}

static inline void note_empty(unsigned slot)
{
    in_use[slot / WORD_BITS] &= ~(1ull << slot % WORD_BITS);
}

/* The slot's bit, if that is what this points to and it has become empty. */
static inline void note_emptied(struct wheel_entry *const *link)
{
    uintptr_t offset = (uintptr_t)link - (uintptr_t)slots;

    if (*link == NULL && offset < sizeof(slots)) {
        note_empty((unsigned)(offset / sizeof(slots[0])));
    }
}

static inline void unlink_entry(struct wheel_entry *entry)
{
    struct wheel_entry **link = entry->link;

    ASSERT_SLOW(*link == entry);
    *link = entry->next;
    if (entry->next != NULL) {
        entry->next->link = link;
    }
    entry->link = NULL;
    note_emptied(link);
}

/* All entries of a slot. */
static struct wheel_entry *take_slot(unsigned slot)
{
    struct wheel_entry *entries = slots[slot];

    slots[slot] = NULL;
    note_empty(slot);
    return entries;
}

/* --- Places --- */

/* Put it where it stands by `wanted_tick`. Returns the tick at which its slot has to be visited. */
static inline uint64_t place(struct wheel_entry *entry)
{
    uint32_t distance = entry->wanted_tick - (uint32_t)current_tick;
    unsigned level = distance < SLOT_COUNT ? 0 : distance < SLOT_COUNT * SLOT_COUNT ? 1 : 2;
    unsigned shift = level * SLOT_BITS;
    unsigned slot;

    /* Set during a turn that is late by an hour: the visit moves it on. */
    if (UNLIKELY(distance >= SPAN_TICKS)) {
        distance = SPAN_TICKS - 1;
    }
    entry->deadline_tick = (uint32_t)current_tick + distance;
    slot = level * SLOT_COUNT + (entry->deadline_tick >> shift & SLOT_MASK);
    push(&slots[slot], entry);
    in_use[slot / WORD_BITS] |= 1ull << slot % WORD_BITS;
    return (current_tick + distance) >> shift << shift;
}

/* The distance from `first` to the first slot in use, going round; SLOT_COUNT: none is. */
static inline unsigned find_slot(unsigned level, unsigned first)
{
    const uint64_t *words = &in_use[level * WORD_COUNT];
    unsigned bit = first % WORD_BITS;
    uint64_t word = words[first / WORD_BITS] >> bit;

    if (word != 0) {
        return (unsigned)__builtin_ctzll(word);
    }
    /* The rest of the words, and at last what lies before `first` in its own. */
    for (unsigned i = 1; i <= WORD_COUNT; i++) {
        word = words[(first / WORD_BITS + i) % WORD_COUNT];
        if (word != 0) {
            return i * WORD_BITS - bit + (unsigned)__builtin_ctzll(word);
        }
    }
    return SLOT_COUNT;
}

/* When a slot has to be visited next, of whatever level. NEVER: the wheel is empty. */
static uint64_t next_visit(void)
{
    uint64_t next = NEVER;

    for (unsigned i = 0; i < LEVEL_COUNT; i++) {
        unsigned shift = i * SLOT_BITS;
        /* The first block that begins at or after now. */
        uint64_t block = (current_tick + (1u << shift) - 1) >> shift;
        unsigned distance = find_slot(i, (unsigned)block & SLOT_MASK);
        uint64_t tick = (block + distance) << shift;

        if (distance < SLOT_COUNT && tick < next) {
            next = tick;
        }
    }
    return next;
}

/* --- Visits --- */

/* A block begins: its entries move to where they belong now. */
static void spread(unsigned level)
{
    unsigned shift = level * SLOT_BITS;
    struct wheel_entry *entry, *next;

    if ((current_tick & ((1u << shift) - 1)) != 0) {
        return;
    }
    entry = take_slot(level * SLOT_COUNT + ((unsigned)(current_tick >> shift) & SLOT_MASK));
    for (; entry != NULL; entry = next) {
        next = entry->next;
        (void)place(entry); /* the loop that calls this looks for the next visit itself */
    }
}

static void expire_slot(void)
{
    uint32_t tick = (uint32_t)current_tick;

    ASSERT_SLOW(due_entries == NULL);
    due_entries = take_slot(tick & SLOT_MASK); /* of the first level */
    if (due_entries != NULL) {
        due_entries->link = &due_entries;
    }
    current_tick++; /* what is set from now on stands after this one */
    while (due_entries != NULL) {
        struct wheel_entry *entry = due_entries;

        ASSERT_SLOW(entry->deadline_tick == tick);
        unlink_entry(entry);
        __builtin_prefetch(due_entries, 1); /* of many, each one lies in a line of its own */
        if (entry->wanted_tick != tick) {
            (void)place(entry);
        } else {
            expire_entry(entry);
        }
    }
}

static void turn(struct timer *expired)
{
    uint64_t now = now_tick();
    uint64_t next;

    (void)expired;
    /* What is set meanwhile needs no timer: it is found below. */
    timer_tick = 0;
    while ((next = next_visit()) <= now) {
        current_tick = next;
        for (unsigned i = LEVEL_COUNT - 1; i > 0; i--) {
            spread(i);
        }
        expire_slot();
    }
    timer_tick = NEVER;
    if (next != NEVER) {
        start_timer(next);
    }
}

/* --- Used by owners --- */

/* Nothing stands before what the timer is set for, so the clock moves there without a visit. */
static inline void catch_up(uint64_t soonest_tick)
{
    uint64_t tick = soonest_tick < timer_tick ? soonest_tick : timer_tick;

    if (current_tick < tick) {
        current_tick = tick;
    }
}

void wheel_set(struct wheel_entry *entry, uint64_t deadline_ns)
{
    uint64_t soonest_tick = now_tick() + 1; /* that of now may be done already */
    uint64_t tick = (deadline_ns >> TICK_SHIFT) + ((deadline_ns & (WHEEL_TICK_NS - 1)) != 0);
    uint64_t visit_tick;

    ASSERT_SLOW(expire_entry != NULL);
    if (tick < soonest_tick) {
        tick = soonest_tick;
    } else if (UNLIKELY(tick > soonest_tick + FARTHEST_TICKS)) {
        tick = soonest_tick + FARTHEST_TICKS;
    }
    entry->wanted_tick = (uint32_t)tick;
    if (wheel_is_set(entry)) {
        if ((int32_t)(entry->wanted_tick - entry->deadline_tick) >= 0) {
            return;
        }
        unlink_entry(entry);
    }
    catch_up(soonest_tick);
    visit_tick = place(entry);
    if (visit_tick < timer_tick) {
        start_timer(visit_tick);
    }
}

void wheel_clear(struct wheel_entry *entry)
{
    if (wheel_is_set(entry)) {
        unlink_entry(entry);
    }
}

void wheel_initialise(void (*expired)(struct wheel_entry *entry))
{
    ASSERT(expired != NULL);
    if (timer.expired == NULL) {
        timer_initialise(&timer, turn);
    }
    timer_stop(&timer);
    memset(slots, 0, sizeof(slots));
    memset(in_use, 0, sizeof(in_use));
    expire_entry = expired;
    due_entries = NULL;
    timer_tick = NEVER;
    current_tick = now_tick() + 1;
}
