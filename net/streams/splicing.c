/* SPDX-License-Identifier: MIT */
/*
 * Splices: see splicing.h. Each begins as one that is copied here: what has come already goes
 * first (splice_copy.c). When there is nothing left of it the TS is asked to go on. From then on
 * its credit for the drain is the TS's to use, until that says what is left of it.
 */
#include "net/streams/splicing.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/splice_counters.h"
#include "net/streams/spliced.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"

POOL(table, "spliced_stream", struct spliced, STREAM_MAX);

static uint32_t last_number;
static struct spliced *due_head;
static struct timer due_timer;

static inline bool is_spliced(const struct stream *stream)
{
    return (stream->obstacles & STREAM_SPLICED) != 0;
}

/* --- Who is told --- */

/* There is memory for it: find_spliced() and splicing_start() have seen to that. */
static void start_timer(struct timer *timer, uint64_t deadline_ns)
{
    if (timer_start(timer, deadline_ns) != 0) {
        PANIC("no memory for the timer of a splice");
    }
}

/* To be looked at when no other code is on the way through these streams. */
static void mark_due(struct spliced *source)
{
    if (source->is_due) {
        return;
    }
    source->is_due = true;
    source->next_due = due_head;
    due_head = source;
    start_timer(&due_timer, dispatch_now_ns());
}

static void unmark_due(struct spliced *source)
{
    struct spliced **link = &due_head;

    while (source->is_due && *link != source) {
        link = &(*link)->next_due;
    }
    if (source->is_due) {
        *link = source->next_due;
        source->is_due = false;
    }
}

/* As long as a way is open, what changes comes here first. */
static void intercept(struct spliced *spliced)
{
    struct stream *stream = spliced->stream;
    bool is_open = spliced->way != WAY_CLOSED || spliced->source != NULL;

    if (is_open && spliced->changed == NULL) {
        spliced->changed = stream->changed;
        stream->changed = NULL;
    } else if (!is_open && spliced->changed != NULL) {
        stream->changed = spliced->changed;
        spliced->changed = NULL;
    }
}

void splicing_note(struct stream *stream, unsigned readiness)
{
    struct spliced *spliced = stream->spliced;

    if (spliced->way != WAY_CLOSED) {
        mark_due(spliced);
        readiness &= stream->is_gone ? ~0u : ~(unsigned)(STREAM_CAN_READ | STREAM_PEER_HAS_CLOSED);
    }
    if (spliced->source != NULL) {
        mark_due(spliced->source);
    }
    if (readiness != 0 && spliced->changed != NULL) {
        spliced->changed(stream->owner, readiness);
    }
}

unsigned splicing_readiness(const struct stream *stream, unsigned ready)
{
    const struct spliced *spliced = stream->spliced;

    if (spliced->way != WAY_CLOSED && !stream->is_gone) {
        ready &= ~(unsigned)(STREAM_CAN_READ | STREAM_PEER_HAS_CLOSED);
    }
    return spliced->error != 0 ? ready | STREAM_CAN_READ | STREAM_HAS_FAILED : ready;
}

int splicing_take_error(struct stream *source)
{
    int error = source->spliced->error;

    source->spliced->error = 0;
    return error;
}

/* --- The drain's credit --- */

bool splicing_keeps_credit(struct stream *stream, uint32_t bytes)
{
    if (!stream->spliced->is_servers) {
        return false;
    }
    stream->spliced->kept_credit_bytes += bytes;
    return true;
}

static void lend_credit(struct spliced *drain, uint32_t number)
{
    ASSERT(!drain->is_servers);
    drain->lent_number = number;
    drain->is_servers = true;
    drain->kept_credit_bytes = drain->stream->send_credit_bytes;
    drain->stream->send_credit_bytes = 0;
}

static void return_credit(struct spliced *drain, uint32_t bytes)
{
    struct stream *stream = drain->stream;

    ASSERT(drain->is_servers);
    drain->is_servers = false;
    stream->send_credit_bytes = stream->is_gone ? 0 : bytes;
    if (stream_has_send_room(stream)) {
        stream_tell(stream, STREAM_CAN_WRITE);
    }
}

/* --- Its end --- */

void spliced_end(struct spliced *source, int error)
{
    struct spliced *drain = source->drain;

    ASSERT(source->way != WAY_CLOSED);
    timer_stop(&source->timer);
    unmark_due(source);
    source->way = WAY_CLOSED;
    source->drain = NULL;
    source->error = error == ECANCELED ? 0 : error;
    intercept(source);
    if (drain != NULL) {
        drain->source = NULL;
        intercept(drain);
    }
    stream_tell(source->stream, STREAM_CAN_READ | (source->error != 0 ? STREAM_HAS_FAILED : 0));
}

/* --- By the TS --- */

static void post(const struct spliced *source, enum splice_order order)
{
    struct stream *from = source->stream, *to = source->drain->stream;
    struct splice_connections *message =
        message_reserve_posted(from->ts, SPLICE_CONNECTIONS, sizeof(*message));
    uint64_t idle_ms = source->limits.idle_ns / NS_PER_MS;

    message->source_index = from->connection_index;
    message->source_generation = from->generation;
    message->drain_index = to->connection_index;
    message->drain_generation = to->generation;
    message->order = order;
    message->number = source->number;
    if (order == SPLICE_BEGIN) {
        message->consumed_bytes = from->unreported_bytes;
        message->bytes_most =
            source->limits.bytes_most == 0 ? 0 : source->limits.bytes_most - source->bytes;
        message->idle_ms = (uint32_t)(idle_ms < UINT32_MAX ? idle_ms : UINT32_MAX);
        if (source->limits.idle_ns != 0 && idle_ms == 0) {
            message->idle_ms = 1;
        }
        from->unreported_bytes = 0;
    }
    message_publish();
}

void spliced_ask_server(struct spliced *source)
{
    struct stream *from = source->stream, *to = source->drain->stream;

    if (from->is_claim_due) {
        stream_report_consumed(from);
    }
    if (to->is_claim_due) {
        stream_report_consumed(to);
    }
    source->number = ++last_number;
    post(source, SPLICE_BEGIN);
    source->way = WAY_SERVER;
    timer_stop(&source->timer);
    lend_credit(source->drain, source->number);
}

static void stop_server(struct spliced *source)
{
    if (source->way == WAY_SERVER && !source->is_stopping && !source->stream->is_gone) {
        post(source, SPLICE_STOP);
        source->is_stopping = true;
    }
}

/* --- Its turns --- */

/* A TS that has begun says that it ends before it says that a connection has failed: so it has not
 * begun. */
static void give_up(struct spliced *source, int error)
{
    struct spliced *drain = source->drain;

    if (drain != NULL && drain->is_servers) {
        return_credit(drain, drain->kept_credit_bytes);
    }
    spliced_end(source, error);
}

static void run_way(struct spliced *source)
{
    const struct stream *from = source->stream;
    const struct stream *to = source->drain != NULL ? source->drain->stream : NULL;

    if (source->way == WAY_COPIED) {
        splice_copy(source);
    } else if (to != NULL && to->is_gone) {
        give_up(source, spliced_error_of(to, EPIPE));
    } else if (from->is_gone) {
        give_up(source, spliced_error_of(from, ECANCELED));
    }
}

static void run_due(struct timer *timer)
{
    (void)timer;
    while (due_head != NULL) {
        struct spliced *source = due_head;

        unmark_due(source);
        run_way(source);
    }
}

static void look(struct timer *timer)
{
    struct spliced *source = CONTAINER_OF(timer, struct spliced, timer);
    uint64_t deadline_ns = source->moved_ns + source->limits.idle_ns;

    ASSERT(source->way == WAY_COPIED);
    if (deadline_ns <= dispatch_now_ns()) {
        spliced_end(source, ETIMEDOUT);
    } else {
        start_timer(&source->timer, deadline_ns);
    }
}

/* --- What the TS says --- */

static void copy_from_now(struct spliced *source)
{
    source->way = WAY_COPIED;
    if (source->is_stopping || source->drain == NULL) {
        spliced_end(source, ECANCELED);
        return;
    }
    if (source->limits.idle_ns != 0) {
        start_timer(&source->timer, dispatch_now_ns() + source->limits.idle_ns);
    }
    mark_due(source);
}

static void end_servers_way(struct spliced *source, const struct splice_state *state)
{
    uint64_t left = spliced_left_of_most(source);

    source->bytes += state->bytes < left ? state->bytes : left;
    if (state->error_number == 0) {
        source->stream->is_peer_closed = true;
        if (source->drain != NULL) {
            source->drain->stream->is_send_shut = true;
        }
    }
    spliced_end(source, state->error_number == 0 ? 0 : stream_error_of(state->error_number));
}

static void note_state(struct spliced *source, const struct splice_state *state)
{
    switch (state->state) {
    case SPLICE_HELD:
        copy_from_now(source);
        break;
    case SPLICE_REFUSED:
        source->may_ask = false;
        counter_increment(COUNTER_SPLICES_COPIED);
        copy_from_now(source);
        break;
    default:
        end_servers_way(source, state);
        break;
    }
}

/* What is left of a drain's credit: when nothing has begun what there was. */
static void take_back_credit(struct spliced *drain, const struct splice_state *state)
{
    struct stream *stream = drain->stream;

    if (state->state != SPLICE_ENDED) {
        return_credit(drain, drain->kept_credit_bytes);
        return;
    }
    if (state->drain_window_bytes < stream->send_window_bytes ||
        state->drain_window_bytes > SEND_WINDOW_MAX_BYTES ||
        state->drain_credit_bytes > state->drain_window_bytes) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return_credit(drain, 0);
        return;
    }
    stream->send_window_bytes = state->drain_window_bytes;
    return_credit(drain, state->drain_credit_bytes);
}

static void handle_splice_state(node_id_t from, const struct message *message)
{
    const struct splice_state *state = (const struct splice_state *)message;
    struct stream *source = stream_resolve(from, state->source_stream, state->source_generation);
    struct stream *drain = stream_resolve(from, state->drain_stream, state->drain_generation);

    if (state->state < SPLICE_HELD || state->state > SPLICE_ENDED) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (drain != NULL && is_spliced(drain) && drain->spliced->is_servers &&
        drain->spliced->lent_number == state->number) {
        take_back_credit(drain->spliced, state);
    }
    if (source != NULL && is_spliced(source) && source->spliced->way == WAY_SERVER &&
        source->spliced->number == state->number) {
        note_state(source->spliced, state);
    }
}

/* --- From the first to the last --- */

/* What is kept of it. NULL: no memory. */
static struct spliced *find_spliced(struct stream *stream)
{
    struct spliced *spliced;

    if (is_spliced(stream)) {
        return stream->spliced;
    }
    spliced = pool_take(&table);
    if (spliced == NULL) {
        return NULL;
    }
    if (!spliced->timer.has_place) {
        timer_initialise(&spliced->timer, look);
    }
    if (!spliced->timer.has_place) {
        pool_release(&table, spliced);
        return NULL;
    }
    spliced->stream = stream;
    spliced->error = 0;
    spliced->bytes = 0;
    stream->spliced = spliced;
    stream->obstacles |= STREAM_SPLICED;
    return spliced;
}

int stream_splice(struct stream *source, struct stream *drain, struct splice_limits limits)
{
    struct spliced *from, *to;

    ASSERT(source->state == STREAM_OPEN && drain->state == STREAM_OPEN);
    if (source == drain) {
        return -ELOOP;
    }
    if (source->is_gone || drain->is_gone) {
        return -ENOTCONN;
    }
    from = find_spliced(source);
    to = from != NULL ? find_spliced(drain) : NULL;
    if (to == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return -ENOBUFS;
    }
    if (from->way != WAY_CLOSED || to->source != NULL) {
        return -EBUSY;
    }
    from->way = WAY_COPIED;
    from->may_ask = source->ts == drain->ts;
    from->is_stopping = false;
    from->error = 0;
    from->bytes = 0;
    from->limits = limits;
    from->drain = to;
    from->moved_ns = dispatch_now_ns();
    to->source = from;
    intercept(from);
    intercept(to);
    if (!from->may_ask) {
        counter_increment(COUNTER_SPLICES_COPIED);
    }
    copy_from_now(from);
    return 0;
}

void stream_unsplice(struct stream *source)
{
    if (!stream_is_spliced(source)) {
        return;
    }
    if (source->spliced->way == WAY_SERVER) {
        if (source->spliced->drain != NULL) {
            stop_server(source->spliced);
        }
    } else {
        spliced_end(source->spliced, ECANCELED);
    }
}

bool stream_is_spliced(const struct stream *source)
{
    return is_spliced(source) && source->spliced->way != WAY_CLOSED;
}

uint64_t stream_spliced_bytes(const struct stream *source)
{
    return is_spliced(source) ? source->spliced->bytes : 0;
}

/* Its TS gives back what is left of the drain's credit. */
static void leave_drain(struct spliced *source)
{
    struct spliced *drain = source->drain;

    timer_stop(&source->timer);
    unmark_due(source);
    if (drain != NULL) {
        stop_server(source);
        source->drain = NULL;
        drain->source = NULL;
        intercept(drain);
    }
    source->way = WAY_CLOSED;
}

/* Its source waits until the TS says what has gone. */
static void leave_source(struct spliced *drain)
{
    struct spliced *source = drain->source;

    drain->source = NULL;
    if (source->way == WAY_COPIED) {
        source->drain = NULL;
        spliced_end(source, ECANCELED);
        return;
    }
    stop_server(source);
    source->drain = NULL;
}

void splicing_forget(struct stream *stream)
{
    struct spliced *spliced = stream->spliced;

    if (spliced->way != WAY_CLOSED) {
        leave_drain(spliced);
    }
    if (spliced->source != NULL) {
        leave_source(spliced);
    }
    spliced->is_servers = false;
    spliced->changed = NULL;
    stream->obstacles &= (uint8_t)~STREAM_SPLICED;
    pool_release(&table, spliced);
}

void splicing_start(void)
{
    due_head = NULL;
    timer_initialise(&due_timer, run_due);
    net_register_message(SPLICE_STATE, handle_splice_state);
}
