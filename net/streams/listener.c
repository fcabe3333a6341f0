/* SPDX-License-Identifier: MIT */
/*
 * A connection goes through three queues of its listener: available (may be claimed), deferred
 * (ours, but the listener wants it only with data) and ready (may be taken). Between the first and
 * the others, while its claim is under way, it stands on none.
 */
#include "net/streams/listener.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "kernel/thread/timer.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"

struct stream_listener {
    uint16_t port;     /* machine's order */
    uint16_t index;    /* its name in messages */
    bool is_on_list;   /* on the CM's acceptor list, as far as we know */
    node_id_t cm;      /* whose list that is */
    bool has_declined; /* one that was available: the CM drops us, or has */
    uint32_t backlog;
    uint32_t undecided_count; /* on `available`, and claimed without an answer yet */
    uint64_t defer_ns;        /* 0: defer nothing */
    struct stream_queue available, deferred, ready;
    stream_listener_callback changed;
    void *owner;
};

MEMORY_KIND(listener_kind, "listener");

static struct stream_listener *listeners[LISTENER_MAX];
/* Of the last ACCEPT_CONNECTION. One count for all listeners: what a CM is told of a closed one is
 * not taken for its successor's. */
static uint16_t request_number;
/* Expires when the first deferred stream of some listener has waited long enough. */
static struct timer defer_timer;
/* Runs when memory was short: nothing else may tell that there is some again. */
static struct timer memory_timer;
static bool is_memory_awaited; /* for that timer */

/* Chosen: long against the messages that one more refusal costs, short for who waits. */
#define MEMORY_RETRY_NS (10 * NS_PER_MS)

static void tell_owner(struct stream_listener *listener, enum stream_listener_event event)
{
    listener->changed(listener->owner, event);
}

/* --- Opening and closing --- */

static void tell_connection_managers(const struct stream_listener *listener)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->cm_count; i++) {
        struct listen *message =
            message_reserve_posted(configuration->cm[i], LISTEN, sizeof(*message));

        message->port = listener->port;
        message->listener_index = listener->index;
        message->backlog = listener->backlog;
        message_publish();
    }
}

static bool is_port_taken(uint16_t port)
{
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (listeners[i] != NULL && listeners[i]->port == port) {
            return true;
        }
    }
    return false;
}

int stream_listener_open(uint16_t port, uint32_t backlog, stream_listener_callback changed,
                         void *owner, struct stream_listener **result)
{
    ASSERT(port != 0);
    ASSERT(backlog >= 1);
    if (is_port_taken(port)) {
        return -EADDRINUSE;
    }
    uint16_t index = 0;
    while (index < LISTENER_MAX && listeners[index] != NULL) {
        index++;
    }
    if (index == LISTENER_MAX) {
        return -ENFILE;
    }
    struct stream_listener *listener = memory_allocate(&listener_kind, sizeof(*listener));
    if (listener == NULL) {
        return -ENOMEM;
    }
    *listener = (struct stream_listener){
        .port = port,
        .index = index,
        .backlog = backlog,
        .changed = changed,
        .owner = owner,
    };
    listeners[index] = listener;
    *result = listener;
    tell_connection_managers(listener);
    return 0;
}

/* To the TS that has told us of it: somebody else shall have it. */
static void post_decline(node_id_t ts, uint32_t connection_index, uint32_t generation,
                         uint16_t availability_number)
{
    struct decline_connection *message =
        message_reserve_posted(ts, DECLINE_CONNECTION, sizeof(*message));

    message->connection_index = connection_index;
    message->generation = generation;
    message->availability_number = availability_number;
    message_publish();
}

static void orphan_stream(struct stream *stream, void *listener)
{
    if (stream->listener != listener) {
        return;
    }
    stream->listener = NULL;
    switch (stream->state) {
    case STREAM_AVAILABLE:
        post_decline(stream->ts, stream->connection_index, stream->generation,
                     stream->availability_number);
        stream_destroy(stream);
        break;
    case STREAM_CLAIMED:
        break; /* handle_claim_confirmed() resets it */
    default:
        stream_close(stream, CLOSE_ABORT);
    }
}

static void post_unlisten(node_id_t cm, const struct stream_listener *listener)
{
    struct unlisten *message = message_reserve_posted(cm, UNLISTEN, sizeof(*message));

    message->port = listener->port;
    message->listener_index = listener->index;
    message_publish();
}

void stream_listener_close(struct stream_listener *listener)
{
    const struct configuration *configuration = configuration_current();

    ASSERT(listeners[listener->index] == listener);
    listeners[listener->index] = NULL;
    for (unsigned i = 0; i < configuration->cm_count; i++) {
        post_unlisten(configuration->cm[i], listener);
    }
    stream_for_each(orphan_stream, listener);
    ASSERT(listener->available.head == NULL);
    ASSERT(listener->deferred.head == NULL);
    ASSERT(listener->ready.head == NULL);
    memory_release(&listener_kind, listener);
}

void stream_listener_set_backlog(struct stream_listener *listener, uint32_t backlog)
{
    ASSERT(backlog >= 1);
    if (listener->backlog != backlog) {
        listener->backlog = backlog;
        tell_connection_managers(listener);
    }
}

void stream_listener_set_defer(struct stream_listener *listener, uint64_t defer_ns)
{
    listener->defer_ns = defer_ns;
}

/* --- Claiming and taking --- */

static void ask_for_connections(struct stream_listener *listener)
{
    struct accept_connection *message;

    ASSERT(!listener->is_on_list);
    listener->is_on_list = true;
    listener->cm = configuration_own_cm(configuration_current(), platform_node());
    request_number++;
    message = message_reserve_posted(listener->cm, ACCEPT_CONNECTION, sizeof(*message));
    message->port = listener->port;
    message->listener_index = listener->index;
    message->request_number = request_number;
    message_publish();
}

static void claim_connection(struct stream *stream)
{
    struct claim_connection *message =
        message_reserve_posted(stream->ts, CLAIM_CONNECTION, sizeof(*message));

    ASSERT_SLOW(stream->listener->undecided_count > 0);
    message->connection_index = stream->connection_index;
    message->generation = stream->generation;
    message->stream_index = stream->stream_index;
    message->availability_number = stream->availability_number;
    message_publish();
    stream_set_state(stream, STREAM_CLAIMED, NULL);
}

static __attribute__((noinline)) void claim_all(struct stream_listener *listener)
{
    if (!listener->is_on_list) {
        ask_for_connections(listener);
    }
    while (listener->available.head != NULL) {
        claim_connection(listener->available.head);
    }
}

/* Called whenever somebody asks for connections, which most often have all been claimed. */
void stream_listener_claim(struct stream_listener *listener)
{
    ASSERT_SLOW(listeners[listener->index] == listener);
    if (!listener->is_on_list || listener->available.head != NULL) {
        claim_all(listener);
    }
}

bool stream_listener_is_ready(const struct stream_listener *listener)
{
    return listener->ready.head != NULL;
}

/* The CM has dropped us, or will, or may have, or is dead. A new place is asked for when somebody
 * waits: an application that does not accept shall not be on the list. */
static void lose_place(struct stream_listener *listener)
{
    listener->is_on_list = false;
    listener->has_declined = false;
    tell_owner(listener, LISTENER_CLAIMABLE);
}

struct stream *stream_listener_take(struct stream_listener *listener,
                                    void (*changed)(void *owner, unsigned readiness), void *owner)
{
    struct stream *stream = listener->ready.head;

    ASSERT(stream != NULL);
    ASSERT_SLOW(stream->listener == listener);
    stream_set_state(stream, STREAM_OPEN, NULL);
    stream->listener = NULL;
    stream->changed = changed;
    stream->owner = owner;
    if (listener->has_declined) {
        lose_place(listener);
    }
    return stream;
}

/* --- Deferring --- */

static void make_ready(struct stream *stream)
{
    ASSERT_SLOW(stream->listener != NULL);
    stream_set_state(stream, STREAM_READY, &stream->listener->ready);
    tell_owner(stream->listener, LISTENER_READY);
}

void stream_listener_end_deferring(struct stream *stream)
{
    if (stream->state == STREAM_DEFERRED) {
        make_ready(stream);
    }
}

/* Wait for data first, but not for ever. */
static void defer_stream(struct stream *stream)
{
    struct stream_listener *listener = stream->listener;

    while (listener->deferred.count >= listener->backlog) {
        make_ready(listener->deferred.head); /* bounded: it has waited longest */
    }
    stream_set_state(stream, STREAM_DEFERRED, &listener->deferred);
    ASSERT(listener->deferred.count <= listener->backlog);
    if (!timer_is_set(&defer_timer) &&
        timer_start(&defer_timer, stream->confirmed_ns + listener->defer_ns) != 0) {
        make_ready(stream); /* no memory for a timer: as if it had waited */
    }
}

/* Make ready what has been deferred until `now_ns`; returns when the next one's time is over, or
 * UINT64_MAX. */
static uint64_t end_deferring_until(uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        struct stream_listener *listener = listeners[i];
        if (listener == NULL) {
            continue;
        }
        struct stream *first = listener->deferred.head;
        ASSERT(listener->index == i);
        while (first != NULL && first->confirmed_ns + listener->defer_ns <= now_ns) {
            make_ready(first);
            first = listener->deferred.head;
        }
        if (first != NULL && first->confirmed_ns + listener->defer_ns < next_ns) {
            next_ns = first->confirmed_ns + listener->defer_ns;
        }
    }
    return next_ns;
}

static void defer_expired(struct timer *timer)
{
    uint64_t next_ns = end_deferring_until(platform_now_ns());

    if (next_ns != UINT64_MAX && timer_start(timer, next_ns) != 0) {
        (void)end_deferring_until(UINT64_MAX - 1); /* no memory for a timer: as if all had waited */
    }
}

/* --- What the TSs say --- */

static bool has_room(const struct stream_listener *listener)
{
    return listener->undecided_count + listener->ready.count < listener->backlog;
}

static void decline(node_id_t ts, const struct connection_available *available)
{
    post_decline(ts, available->connection_index, available->generation,
                 available->availability_number);
}

/* Those that declined for lack of memory ask again, if there is room in their backlog. Those that
 * declined for a full one may be among them: they have room no sooner than that is so. */
static void end_memory_wait(struct timer *timer)
{
    (void)timer;
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (listeners[i] != NULL && listeners[i]->has_declined && has_room(listeners[i])) {
            lose_place(listeners[i]);
        }
    }
}

static void wait_for_memory(void)
{
    is_memory_awaited = !timer_is_set(&memory_timer) &&
                        timer_start(&memory_timer, platform_now_ns() + MEMORY_RETRY_NS) != 0;
}

/* There was none for the timer either: stay awake until there is. */
static bool prepare_sleep(void *context)
{
    (void)context;
    if (UNLIKELY(is_memory_awaited)) {
        wait_for_memory();
    }
    return is_memory_awaited;
}

static struct dispatch_source memory_watch = {.prepare_sleep = prepare_sleep};

static void handle_connection_available(node_id_t from, const struct message *message,
                                        struct message_payload data)
{
    const struct connection_available *available = (const void *)message;
    struct stream_listener *listener =
        available->listener_index < LISTENER_MAX ? listeners[available->listener_index] : NULL;

    if (listener == NULL || listener->port != swap16(available->flow.local_port)) {
        decline(from, available); /* closed meanwhile */
        return;
    }
    if (!has_room(listener)) {
        listener->has_declined = true; /* until what has the room is taken, or gone */
        decline(from, available);
        return;
    }
    struct stream *stream = stream_create(from, available, &listener->available);
    if (stream == NULL || received_append(&stream->received, data.bytes, data.length_bytes) != 0) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        if (stream != NULL) {
            stream_destroy(stream);
        }
        decline(from, available);
        listener->has_declined = true;
        wait_for_memory();
        return;
    }
    stream->listener = listener;
    listener->undecided_count++;
    tell_owner(listener, LISTENER_CLAIMABLE);
}

/* One that was available is ours or has gone: there is room for another. */
static void end_undecided(struct stream_listener *listener)
{
    ASSERT_SLOW(listener->undecided_count > 0);
    listener->undecided_count--;
    if (listener->has_declined) {
        lose_place(listener);
    }
}

static void handle_claim_confirmed(node_id_t from, const struct message *message,
                                   struct message_payload data)
{
    const struct claim_confirmed *confirmed = (const void *)message;
    struct stream *stream = stream_resolve(from, confirmed->stream_index, confirmed->generation);

    if (stream == NULL || stream->state != STREAM_CLAIMED) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    struct stream_listener *listener = stream->listener;
    if (listener == NULL ||
        received_append(&stream->received, data.bytes, data.length_bytes) != 0) {
        stream_close(stream, CLOSE_ABORT);
        if (listener != NULL) {
            counter_increment(COUNTER_DROP_NO_MEMORY);
            end_undecided(listener);
        }
        return;
    }
    stream->send_window_bytes = confirmed->send_window_bytes;
    stream->send_credit_bytes = confirmed->send_window_bytes;
    stream->confirmed_ns = dispatch_now_ns();
    end_undecided(listener);
    if (listener->defer_ns != 0 && stream->received.bytes == 0) {
        defer_stream(stream);
    } else {
        make_ready(stream);
    }
}

static void handle_claim_rejected(node_id_t from, const struct message *message)
{
    const struct claim_rejected *rejected = (const void *)message;
    struct stream *stream = stream_resolve(from, rejected->stream_index, rejected->generation);

    if (stream == NULL || stream->state != STREAM_CLAIMED) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    struct stream_listener *listener = stream->listener;
    stream_destroy(stream);
    if (listener != NULL) {
        ASSERT_SLOW(listener->undecided_count > 0);
        listener->undecided_count--;
        lose_place(listener);
    }
}

void stream_listener_lose(struct stream *stream)
{
    struct stream_listener *listener = stream->listener;
    bool is_undecided = stream->state == STREAM_AVAILABLE || stream->state == STREAM_CLAIMED;

    ASSERT(stream->state != STREAM_OPEN);
    stream_destroy(stream);
    if (listener != NULL && is_undecided) {
        end_undecided(listener);
    }
}

/* A TS may have told the CM that we did not claim in time, and have died before we heard of it. */
void stream_listener_lose_node(node_id_t node)
{
    bool was_ts = configuration_has_role(configuration_current(), node, ROLE_TS);

    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (listeners[i] != NULL && listeners[i]->is_on_list &&
            (was_ts || listeners[i]->cm == node)) {
            lose_place(listeners[i]);
        }
    }
}

void stream_listener_start(void)
{
    timer_initialise(&memory_timer, end_memory_wait);
    dispatch_register_source(&memory_watch);
    timer_initialise(&defer_timer, defer_expired);
    net_register_payload_message(CONNECTION_AVAILABLE, handle_connection_available);
    net_register_payload_message(CLAIM_CONFIRMED, handle_claim_confirmed);
    net_register_message(CLAIM_REJECTED, handle_claim_rejected);
}
