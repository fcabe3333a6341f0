/* SPDX-License-Identifier: MIT */
/*
 * The transport server's timers: one wheel for all connections, of three levels of 256 slots, the
 * first of 2^20 ns (1.05 ms) each: 0.27 s, 69 s, 4.9 h. An entry stands there once, at the earliest
 * of its owner's deadlines. Later deadlines are only stored: the visit moves it. One kernel timer
 * is set for the next slot in use, found by two searches of a bit; when none is in use nothing
 * ticks.
 */
#pragma once

#include "kernel/base.h"

#define WHEEL_TICK_NS     ((uint64_t)1 << 20)
#define WHEEL_FARTHEST_NS (4 * 3600 * NS_PER_S)

struct wheel_entry {
    struct wheel_entry *next;
    struct wheel_entry **link; /* what points here; NULL: not on the wheel */
    uint32_t deadline_tick;    /* where it stands */
    uint32_t wanted_tick;      /* when it is due; never earlier than where it stands */
};

/* `expired` is called for each entry that is due, which is off the wheel then. It may set, clear
 * and free that one and any other. The wheel is empty afterwards, whatever was on it. */
void wheel_initialise(void (*expired)(struct wheel_entry *entry));
/* Due at that time, or at once if that has passed; a tick late at most, never early, and not again
 * in the round in which it has expired. Cheap when it is set for an earlier time already. At most
 * WHEEL_FARTHEST_NS ahead; beyond that it is due then. */
void wheel_set(struct wheel_entry *entry, uint64_t deadline_ns);
/* Off the wheel. If nothing else was due at its time the node wakes up then for nothing, once. */
void wheel_clear(struct wheel_entry *entry);
static inline bool wheel_is_set(const struct wheel_entry *entry)
{
    return entry->link != NULL;
}
