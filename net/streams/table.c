/* SPDX-License-Identifier: MIT */
/*
 * The table of streams is a pool.
 */
#include "net/streams/table.h"

#include <errno.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/streams/stream.h"

/* Chosen: what is done for so many takes some microseconds. */
#define VISITS_PER_NOTE        64u
/* A TS says why in numbers of errno, which end here (Linux's MAX_ERRNO). */
#define ERROR_NUMBER_MAX       4095u
#define PLACE_BITS             20
#define PLACE(stream_index)    ((stream_index) & ((1u << PLACE_BITS) - 1))
#define NEXT_USE(stream_index) ((stream_index) + (1u << PLACE_BITS))

_Static_assert(STREAM_MAX <= 1 << PLACE_BITS, "a place fits its part of stream_index");
_Static_assert(offsetof(struct stream, place) == 0, "it is a pool's");

POOL(table, "stream", struct stream, STREAM_MAX);

struct stream *stream_create(node_id_t ts, const struct connection_available *available)
{
    struct stream *stream = pool_take(&table);

    if (stream == NULL) {
        return NULL;
    }
    /* What stream_destroy() leaves as it has to be. */
    ASSERT_SLOW(stream->state == STREAM_FREE && stream->queue == NULL);
    ASSERT_SLOW(stream->received.bytes == 0 && stream->received.head == NULL);
    ASSERT_SLOW(stream->received.loan_number == 0 && stream->obstacles == 0);
    ASSERT_SLOW(stream->changed == NULL);
    stream->stream_index = NEXT_USE(stream->stream_index) | stream->place.index;
    stream->connection_index = available->connection_index;
    stream->generation = available->generation;
    stream->ts = ts;
    stream->availability_number = available->availability_number;
    stream->is_claim_due = available->send_window_bytes != 0;
    stream->flow = available->flow;
    stream->send_credit_bytes = available->send_window_bytes;
    stream->send_window_bytes = available->send_window_bytes;
    stream->unreported_bytes = 0;
    stream->error = 0;
    stream->is_gone = false;
    stream->is_peer_closed = false;
    stream->is_receive_shut = false;
    stream->obstacles = 0; /* it is: one store clears them all */
    stream->is_send_shut = false;
    stream->is_short_of_room = false;
    return stream;
}

void stream_destroy(struct stream *stream)
{
    /* stream.c's list or a splice would keep a pointer to it. */
    ASSERT_SLOW(stream->obstacles == 0);
    received_drop(&stream->received);
    stream_set_state(stream, STREAM_FREE, NULL);
    pool_release(&table, stream);
}

struct stream *stream_resolve(node_id_t from, uint32_t stream_index, uint32_t generation)
{
    uint32_t place = PLACE(stream_index);

    if (place >= pool_size(&table)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return NULL;
    }
    struct stream *stream = pool_at(&table, place);
    bool is_meant = stream->stream_index == stream_index && stream->state != STREAM_FREE &&
                    stream->ts == from && stream->generation == generation;
    return is_meant ? stream : NULL;
}

static void (*owner_expecter)(void *owner, enum expect_step step);

void streams_register_expecter(void (*expect)(void *owner, enum expect_step step))
{
    owner_expecter = expect;
}

void stream_expect(uint32_t stream_index, enum expect_step step)
{
    struct stream *stream;

    if (PLACE(stream_index) >= pool_size(&table)) {
        return;
    }
    stream = pool_at(&table, PLACE(stream_index));
    if (step == EXPECT_STREAM) {
        expect_bytes(stream, sizeof(*stream));
    } else if (stream->changed != NULL && owner_expecter != NULL) {
        owner_expecter(stream->owner, step);
    }
}

node_id_t stream_server(const struct stream *stream)
{
    return stream->ts;
}

uint32_t stream_table_count(void)
{
    return (uint32_t)table.kind.counts->objects;
}

/* EAGAIN would make a caller wait, for nothing. */
int stream_error_of(uint32_t error_number)
{
    if (error_number == 0 || error_number == EAGAIN || error_number > ERROR_NUMBER_MAX) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return ECONNRESET; /* whatever the reason: the connection has gone */
    }
    return (int)error_number;
}

void stream_for_each(void (*visit)(struct stream *stream, void *context), void *context)
{
    for (uint32_t place = 0; place < pool_size(&table); place++) {
        struct stream *stream = pool_at(&table, place);

        ASSERT(stream->place.index == place);
        if (place % VISITS_PER_NOTE == 0) {
            status_note_progress();
        }
        if (stream->state != STREAM_FREE) {
            visit(stream, context);
        }
    }
}
