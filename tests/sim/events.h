/* SPDX-License-Identifier: MIT */
/*
 * Virtual time: what will happen, in order of time, and of scheduling among what happens at the
 * same time. So a simulation is the same each time.
 */
#pragma once

#include "kernel/base.h"

/* `context` is whose event it is; the numbers are its own. */
typedef void (*event_function)(void *context, uint32_t subject, uint64_t detail);

struct event {
    uint64_t time_ns;
    uint64_t order;
    event_function happen;
    void *context;
    uint32_t subject;
    uint64_t detail;
};

/* A binary heap. Zeroed: empty, at time 0. */
struct event_queue {
    struct event *heap;
    size_t count, capacity;
    uint64_t scheduled_count;
    uint64_t now_ns;
};

/* `time_ns` is not before now. */
void events_schedule(struct event_queue *queue, uint64_t time_ns, event_function happen,
                     void *context, uint32_t subject, uint64_t detail);
/* Let the next one happen, at its time; false when there is none. */
bool events_run_next(struct event_queue *queue);
void events_release(struct event_queue *queue);
