/* SPDX-License-Identifier: MIT */
/*
 * The table of streams. Entries are kept for reuse, the last one freed first, while its lines are
 * still in the cache.
 */
#include "net/streams/table.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

#define PLACE_BITS             20
#define PLACE(stream_index)    ((stream_index) & ((1u << PLACE_BITS) - 1))
#define NEXT_USE(stream_index) ((stream_index) + (1u << PLACE_BITS))
#define TABLE_START_COUNT      64u

_Static_assert(STREAM_MAX <= 1 << PLACE_BITS, "a place fits its part of stream_index");

static struct stream **table;
static uint32_t table_count;  /* places in `table` */
static uint32_t stream_count; /* entries that exist, free ones included */
static struct stream *first_free;

/* One entry more; its stream_index is set once and then only counts its uses. */
static struct stream *add_entry(void)
{
    ASSERT(stream_count <= table_count);
    ASSERT(table_count <= STREAM_MAX);
    if (stream_count == STREAM_MAX) {
        return NULL;
    }
    if (stream_count == table_count) {
        uint32_t count = table_count == 0 ? TABLE_START_COUNT : 2 * table_count;
        struct stream **grown = memory_resize(table, count * sizeof(*table));
        if (grown == NULL) {
            return NULL;
        }
        table = grown;
        table_count = count;
    }
    struct stream *stream = memory_allocate(sizeof(*stream));
    if (stream != NULL) {
        stream->stream_index = stream_count;
        stream->state = STREAM_FREE;
        table[stream_count] = stream;
        stream_count++;
    }
    return stream;
}

struct stream *stream_create(node_id_t ts, const struct connection_available *available,
                             struct stream_queue *queue)
{
    struct stream *stream = first_free;

    if (stream != NULL) {
        first_free = stream->next;
    } else {
        stream = add_entry();
        if (stream == NULL) {
            return NULL;
        }
    }
    ASSERT_SLOW(stream->state == STREAM_FREE);
    ASSERT_SLOW(table[PLACE(stream->stream_index)] == stream);
    *stream = (struct stream){
        .stream_index = stream->stream_index,
        .connection_index = available->connection_index,
        .generation = available->generation,
        .ts = ts,
        .availability_number = available->availability_number,
        .state = STREAM_FREE,
        .flow = available->flow,
    };
    stream_set_state(stream, STREAM_AVAILABLE, queue);
    return stream;
}

void stream_destroy(struct stream *stream)
{
    /* stream.c's list would keep a pointer to it. */
    ASSERT_SLOW(!stream->is_channel_full);
    received_drop(&stream->received);
    stream_set_state(stream, STREAM_FREE, NULL);
    stream->stream_index = NEXT_USE(stream->stream_index);
    stream->next = first_free;
    first_free = stream;
}

struct stream *stream_resolve(node_id_t from, uint32_t stream_index, uint32_t generation)
{
    uint32_t place = PLACE(stream_index);

    if (place >= stream_count) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return NULL;
    }
    struct stream *stream = table[place];
    bool is_meant = stream->stream_index == stream_index && stream->state != STREAM_FREE &&
                    stream->ts == from && stream->generation == generation;
    ASSERT_SLOW(PLACE(stream->stream_index) == place);
    return is_meant ? stream : NULL;
}

void stream_for_each(void (*visit)(struct stream *stream, void *context), void *context)
{
    for (uint32_t place = 0; place < stream_count; place++) {
        ASSERT(PLACE(table[place]->stream_index) == place);
        if (table[place]->state != STREAM_FREE) {
            visit(table[place], context);
        }
    }
}
