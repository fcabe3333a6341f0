/* SPDX-License-Identifier: MIT */
/*
 * The heap of events: a parent is never later than its children.
 */
#include "tests/sim/events.h"

#include <stdlib.h>

#include "kernel/platform.h"

static bool is_earlier(const struct event *a, const struct event *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

void events_schedule(struct event_queue *queue, uint64_t time_ns, event_function happen,
                     void *context, uint32_t subject, uint64_t detail)
{
    const struct event event = {
        .time_ns = time_ns,
        .order = queue->scheduled_count++,
        .happen = happen,
        .context = context,
        .subject = subject,
        .detail = detail,
    };
    size_t place = queue->count;

    ASSERT(time_ns >= queue->now_ns);
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity == 0 ? 1024 : 2 * queue->capacity;
        queue->heap = realloc(queue->heap, queue->capacity * sizeof(*queue->heap));
        ASSERT(queue->heap != NULL);
    }
    queue->count++;
    while (place > 0 && is_earlier(&event, &queue->heap[(place - 1) / 2])) {
        queue->heap[place] = queue->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    queue->heap[place] = event;
}

/* Put `event` where the first one was. */
static void sift_down(struct event_queue *queue, struct event event)
{
    size_t place = 0;

    for (;;) {
        size_t child = 2 * place + 1;

        if (child + 1 < queue->count && is_earlier(&queue->heap[child + 1], &queue->heap[child])) {
            child++;
        }
        if (child >= queue->count || !is_earlier(&queue->heap[child], &event)) {
            break;
        }
        queue->heap[place] = queue->heap[child];
        place = child;
    }
    queue->heap[place] = event;
}

bool events_run_next(struct event_queue *queue)
{
    struct event next;

    if (queue->count == 0) {
        return false;
    }
    next = queue->heap[0];
    queue->count--;
    if (queue->count > 0) {
        sift_down(queue, queue->heap[queue->count]);
    }
    queue->now_ns = next.time_ns;
    next.happen(next.context, next.subject, next.detail);
    return true;
}

void events_release(struct event_queue *queue)
{
    free(queue->heap);
    *queue = (struct event_queue){.heap = NULL};
}
