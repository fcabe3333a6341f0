/* SPDX-License-Identifier: MIT */
/*
 * The queue of lines.
 */
#include "apps/syslog/queue.h"

#include <string.h>

#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

MEMORY_KIND(queue_kind, "syslog_queue");

void syslog_queue_start(struct syslog_queue *queue)
{
    size_t bytes = SYSLOG_QUEUE_LINES * sizeof(queue->lines[0]);

    if (queue->lines == NULL) {
        queue->lines =
            memory_allocate_pages(&queue_kind, ALIGN_UP(bytes, (size_t)PAGE_BYTES) / PAGE_BYTES);
    }
}

bool syslog_queue_add(struct syslog_queue *queue, node_id_t node, uint32_t position,
                      const char *line, size_t bytes)
{
    struct syslog_waiting *waiting;

    ASSERT(bytes <= LOG_LINE_MAX_BYTES);
    if (queue->lines == NULL || queue->count == SYSLOG_QUEUE_LINES) {
        queue->lost_count++;
        return false;
    }
    waiting = &queue->lines[(queue->first + queue->count++) % SYSLOG_QUEUE_LINES];
    waiting->node = node;
    waiting->bytes = (uint16_t)bytes;
    waiting->position = position;
    waiting->lost_count = queue->lost_count;
    memcpy(waiting->text, line, bytes);
    queue->lost_count = 0;
    return true;
}

const struct syslog_waiting *syslog_queue_first(const struct syslog_queue *queue)
{
    return queue->count != 0 ? &queue->lines[queue->first] : NULL;
}

void syslog_queue_drop_first(struct syslog_queue *queue)
{
    ASSERT(queue->count != 0);
    queue->first = (queue->first + 1) % SYSLOG_QUEUE_LINES;
    queue->count--;
}
