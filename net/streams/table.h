/* SPDX-License-Identifier: MIT */
/*
 * The streams of this node's application, and their names in messages. For listener.c, taken.c,
 * opening.c and stream.c; everybody else uses their headers.
 *
 * A stream's name, stream_index, is its place in the table together with a count of that place's
 * uses: a message to a closed stream is never taken for one to its successor.
 */
#pragma once

#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "net/expect.h"
#include "net/messages.h"
#include "net/streams/received.h"

/* What a stream's name has room for; before that, memory ends. */
#define STREAM_MAX (1u << 20)

struct spliced;
struct stream_listener;
struct stream_queue;

/*
 * What becomes of a connection. Only stream_set_state() changes it; "queue" is the listener's on
 * which the stream then stands.
 *
 *   from       to         when                                                       queue
 *   FREE       AVAILABLE  CONNECTION_AVAILABLE came, not granted                     available
 *   FREE       DEFERRED   it came granted, without data, and the listener waits for some
 *                                                                                    deferred
 *   FREE       READY      it came granted, otherwise                                 ready
 *   AVAILABLE  CLAIMED    stream_listener_claim()                                    none
 *   CLAIMED    DEFERRED   CLAIM_CONFIRMED came, without data, and the listener waits for some
 *                                                                                    deferred
 *   CLAIMED    READY      CLAIM_CONFIRMED came, otherwise                            ready
 *   DEFERRED   READY      data, its end or its time came                             ready
 *   READY      OPEN       stream_listener_take()                                     none
 *   FREE       OPENING    stream_open()                                              none
 *   OPENING    OPEN       CONNECTION_OPENED came, or it has failed                   none
 *   any        FREE       closed, declined, rejected, lost with its TS or its listener
 *                                                                                    none
 *
 * The TS knows that it is ours from CLAIMED on; of one that was granted it knows so only by a
 * message, and is_claim_due says that none has been sent. Of an OPEN one that is so till the end of
 * the round at the latest: it is the last one that was taken, or stands on the queue in taken.c.
 */
enum stream_state {
    STREAM_FREE,
    STREAM_AVAILABLE,
    STREAM_CLAIMED,
    STREAM_DEFERRED,
    STREAM_READY,
    STREAM_OPEN,
    STREAM_OPENING,
};

struct stream {
    /* table.c's */
    struct pool_object place;
    uint32_t stream_index;
    uint32_t connection_index, generation; /* the TS's name for it */
    node_id_t ts;
    uint16_t availability_number; /* from CONNECTION_AVAILABLE, returned with the claim */
    bool is_claim_due;            /* it was granted, and the TS has not heard of it since */
    uint8_t state;                /* enum stream_state */
    struct flow flow;
    struct stream_queue *queue; /* that it stands on, or NULL */
    struct stream *next, *previous;

    /* listener.c's */
    struct stream_listener *listener; /* until it is taken; NULL before that: the listener closed */
    uint64_t confirmed_ns;            /* of a deferred one */
    void (*changed)(void *owner, unsigned readiness); /* NULL until it is taken, and if spliced */
    void *owner;

    /* stream.c's; what comes with CLAIM_CONFIRMED is set by listener.c */
    struct received received;
    uint32_t send_credit_bytes, send_window_bytes;
    uint32_t unreported_bytes; /* read by the application, not yet told to the TS */
    int error;                 /* why it failed, a positive errno, until that is told; 0: none */
    /* Side by side, because one look tells that none of the first is so. */
    bool is_gone; /* failed, or closed by us: the TS does not know it any more */
    bool is_peer_closed;
    bool is_receive_shut;
    uint8_t obstacles; /* STREAM_..., OR-ed */
    bool is_send_shut;
    bool is_short_of_room; /* a send found no credit or no room in the channel */
    struct stream *next_channel_full;

    /* splicing.c's */
    struct spliced *spliced; /* while STREAM_SPLICED says so */
};

/* What has to be thought of before anything is done with a stream. */
enum {
    STREAM_CHANNEL_FULL = 1 << 0, /* a send found it so; the stream is on stream.c's list */
    STREAM_SPLICED = 1 << 1,      /* it is, or was: splicing.h. If it is, `changed` is there */
};

/* A stream stands on at most one queue. */
struct stream_queue {
    struct stream *head, *tail;
    uint32_t count;
};

/* A fresh stream, still FREE: the caller sets its state and listener. NULL when there is no memory
 * or no place. */
struct stream *stream_create(node_id_t ts, const struct connection_available *available);
/* Forget it and what it has received; tells the TS nothing. */
void stream_destroy(struct stream *stream);

/* The one that a message from node `from` means: same name, same TS, same generation there. NULL
 * when it is closed already, which is normal for what was on its way meanwhile; a place that there
 * is not is counted as DROP_BAD_MESSAGE. */
struct stream *stream_resolve(node_id_t from, uint32_t stream_index, uint32_t generation);
/* stream.c's: everything fails from here on, with that positive errno until it is told. One that
 * was about to be opened is OPEN then. */
void stream_fail(struct stream *stream, int error);
/* Tell its owner, or its splices, that something has changed. */
void stream_tell(struct stream *stream, unsigned readiness);
/* Tell the TS what has been read, and that it is ours. */
void stream_report_consumed(struct stream *stream);
/* There is room again for what it sends. */
bool stream_has_send_room(const struct stream *stream);
/* What a TS has said as errno, made sure of. */
int stream_error_of(uint32_t error_number);
/* How many are not FREE. */
uint32_t stream_table_count(void);
/* net/expect.h's. */
void stream_expect(uint32_t stream_index, enum expect_step step);
/* Call `visit` for each that is not FREE; it may destroy the one it is given. Long for many, so the
 * others are told that the node goes on (status_note_progress()). */
void stream_for_each(void (*visit)(struct stream *stream, void *context), void *context);

/* --- States and queues. Here, because each connection changes state four times. --- */

static inline void stream_queue_append(struct stream_queue *queue, struct stream *stream)
{
    ASSERT_SLOW((queue->head == NULL) == (queue->count == 0));
    stream->queue = queue;
    stream->next = NULL;
    stream->previous = queue->tail;
    if (queue->tail != NULL) {
        queue->tail->next = stream;
    } else {
        queue->head = stream;
    }
    queue->tail = stream;
    queue->count++;
}

static inline void stream_queue_remove(struct stream *stream)
{
    struct stream_queue *queue = stream->queue;

    ASSERT_SLOW(queue->count > 0);
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        ASSERT_SLOW(queue->head == stream);
        queue->head = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    } else {
        ASSERT_SLOW(queue->tail == stream);
        queue->tail = stream->previous;
    }
    queue->count--;
    stream->queue = NULL;
}

/* By the state it goes to: a bit for each that it may come from (enum stream_state). */
#define STREAM_FROM(state) (1u << STREAM_##state)

static inline bool stream_is_transition_allowed(unsigned from, enum stream_state to)
{
    static const uint8_t allowed[] = {
        [STREAM_FREE] = STREAM_FROM(FREE) | STREAM_FROM(AVAILABLE) | STREAM_FROM(CLAIMED) |
                        STREAM_FROM(DEFERRED) | STREAM_FROM(READY) | STREAM_FROM(OPEN) |
                        STREAM_FROM(OPENING),
        [STREAM_AVAILABLE] = STREAM_FROM(FREE),
        [STREAM_CLAIMED] = STREAM_FROM(AVAILABLE),
        [STREAM_DEFERRED] = STREAM_FROM(FREE) | STREAM_FROM(CLAIMED),
        [STREAM_READY] = STREAM_FROM(FREE) | STREAM_FROM(CLAIMED) | STREAM_FROM(DEFERRED),
        [STREAM_OPEN] = STREAM_FROM(READY) | STREAM_FROM(OPENING),
        [STREAM_OPENING] = STREAM_FROM(FREE),
    };

    return (allowed[to] >> from & 1) != 0;
}

/* Change its state, and move it to the end of `queue`: NULL for none. */
static inline void stream_set_state(struct stream *stream, enum stream_state state,
                                    struct stream_queue *queue)
{
    ASSERT_SLOW(stream_is_transition_allowed(stream->state, state));
    ASSERT_SLOW((queue != NULL) ==
                (state == STREAM_AVAILABLE || state == STREAM_DEFERRED || state == STREAM_READY));
    if (stream->queue != NULL) {
        stream_queue_remove(stream);
    }
    stream->state = (uint8_t)state;
    if (queue != NULL) {
        stream_queue_append(queue, stream);
    }
}

/* The same of one that stands on no queue. */
static inline void stream_enter_queue(struct stream *stream, enum stream_state state,
                                      struct stream_queue *queue)
{
    ASSERT_SLOW(stream_is_transition_allowed(stream->state, state) && stream->queue == NULL);
    stream->state = (uint8_t)state;
    stream_queue_append(queue, stream);
}

/* The same of the first on a queue, which leaves it for none. */
static inline struct stream *stream_leave_first(struct stream_queue *queue, enum stream_state state)
{
    struct stream *stream = queue->head, *next = stream->next;

    ASSERT_SLOW(stream_is_transition_allowed(stream->state, state));
    ASSERT_SLOW(stream->queue == queue && stream->previous == NULL && queue->count > 0);
    queue->head = next;
    if (next != NULL) {
        next->previous = NULL;
    } else {
        queue->tail = NULL;
    }
    queue->count--;
    stream->queue = NULL;
    stream->state = (uint8_t)state;
    return stream;
}

/* A message about it goes to its TS now, or never will: no claim is due. */
static inline void stream_end_claim_due(struct stream *stream)
{
    if (stream->is_claim_due) {
        stream->is_claim_due = false;
        if (UNLIKELY(stream->state == STREAM_OPEN && stream->queue != NULL)) {
            stream_queue_remove(stream); /* taken.c's */
        }
    }
}
