/* SPDX-License-Identifier: MIT */
/*
 * The ring of bytes. Positions run freely and are masked into it.
 */
#include "drivers/console/line_queue.h"

#include <string.h>

#include "kernel/platform.h"

void line_queue_initialise(struct line_queue *queue, char *text, uint32_t bytes)
{
    ASSERT(IS_POWER_OF_TWO(bytes) && bytes < UINT32_C(1) << 31);
    ASSERT(text != NULL);
    *queue = (struct line_queue){.text = text, .bytes = bytes};
}

static void put_byte(struct line_queue *queue, char byte)
{
    queue->text[queue->written++ & (queue->bytes - 1)] = byte;
}

static size_t count_newlines(const char *text, size_t bytes)
{
    size_t count = 0;

    for (size_t i = 0; i < bytes; i++) {
        count += text[i] == '\n';
    }
    return count;
}

bool line_queue_put(struct line_queue *queue, const char *text, size_t bytes, uint32_t keep_free)
{
    size_t needed_bytes = bytes + count_newlines(text, bytes);
    uint32_t room = line_queue_room(queue);

    if (room < keep_free || needed_bytes > room - keep_free) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n') {
            put_byte(queue, '\r');
        }
        put_byte(queue, text[i]);
    }
    ASSERT(queue->written - queue->taken <= queue->bytes - keep_free);
    return true;
}

size_t line_queue_peek(const struct line_queue *queue, const char **text)
{
    uint32_t start = queue->taken & (queue->bytes - 1);
    uint32_t waiting = queue->written - queue->taken;
    uint32_t to_end = queue->bytes - start;

    ASSERT(waiting <= queue->bytes);
    *text = queue->text + start;
    return waiting < to_end ? waiting : to_end;
}

void line_queue_take(struct line_queue *queue, size_t bytes)
{
    ASSERT(bytes <= queue->written - queue->taken);
    queue->taken += (uint32_t)bytes;
}

unsigned line_queue_keep_last(struct line_queue *queue, uint32_t most)
{
    unsigned count = 0;

    while (queue->written - queue->taken > most) {
        char byte;

        do {
            byte = queue->text[queue->taken++ & (queue->bytes - 1)];
        } while (byte != '\n' && !line_queue_is_empty(queue));
        count++;
    }
    ASSERT(queue->written - queue->taken <= most);
    return count;
}
