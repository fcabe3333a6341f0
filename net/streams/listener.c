/* SPDX-License-Identifier: MIT */
/*
 * A connection goes through three queues of its listener: available (may be claimed), deferred
 * (ours, but the listener wants it only with data) and ready (may be taken). Between the first and
 * the others, while its claim is under way, it stands on none.
 *
 * With each place that it asks for, a listener claims some connections in advance: these are ready
 * at once (taken.h tells their TS that they are taken). Grants are renewed when somebody asks for
 * connections and less than half are left: so not by an application that is busy elsewhere. One
 * that has some in its queue and does not take them is asked for them back by their TS.
 */
#include "net/streams/listener.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/streams/draining.h"
#include "net/streams/grant_option.h"
#include "net/streams/listener_table.h"
#include "net/streams/requests.h"
#include "net/streams/returns.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"
#include "net/streams/taken.h"

MEMORY_KIND(listener_kind, "listener");

struct stream_listener *stream_listeners[LISTENER_MAX];
bool stream_listener_is_held;
static uint32_t grant_most; /* connections claimed in advance by one listener at a time */
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

/* Less than half of what there may be. */
static void set_backlog(struct stream_listener *listener, uint32_t backlog)
{
    uint32_t most = backlog < grant_most ? backlog : grant_most;

    listener->backlog = backlog;
    listener->renewal_count = (uint16_t)((most + 1) / 2);
}

/* --- Opening and closing --- */

static bool is_port_taken(uint16_t port)
{
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (stream_listeners[i] != NULL && stream_listeners[i]->port == port) {
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
    while (index < LISTENER_MAX && stream_listeners[index] != NULL) {
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
        .changed = changed,
        .owner = owner,
    };
    set_backlog(listener, backlog);
    stream_listeners[index] = listener;
    *result = listener;
    request_listen(port, index, backlog);
    return 0;
}

/* One that nobody here has taken. */
static void decline_stream(struct stream *stream)
{
    ASSERT(stream->state == STREAM_AVAILABLE || stream->state == STREAM_READY);
    request_decline(stream->ts, stream->connection_index, stream->generation,
                    stream->availability_number);
    stream_destroy(stream);
}

static void orphan_stream(struct stream *stream, void *listener)
{
    if (stream->listener != listener) {
        return;
    }
    stream->listener = NULL;
    if (stream->state == STREAM_AVAILABLE || stream->is_claim_due) {
        decline_stream(stream);
    } else if (stream->state != STREAM_CLAIMED) { /* that one handle_claim_confirmed() resets */
        stream_close(stream, CLOSE_ABORT);
    }
}

void stream_listener_close(struct stream_listener *listener)
{
    ASSERT(stream_listeners[listener->index] == listener);
    stream_listeners[listener->index] = NULL;
    request_unlisten(listener->port, listener->index);
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
        set_backlog(listener, backlog);
        request_listen(listener->port, listener->index, backlog);
    }
}

void stream_listener_set_defer(struct stream_listener *listener, uint64_t defer_ns)
{
    listener->defer_ns = defer_ns;
}

/* --- Claiming and taking --- */

/* How many of its connections may be claimed in advance: what it has room for, less those that are
 * on their way. */
static uint32_t count_grants(const struct stream_listener *listener)
{
    uint32_t spoken_for =
        listener->undecided_count + listener->ready.count + listener->granted_count;
    uint32_t room = spoken_for < listener->backlog ? listener->backlog - spoken_for : 0;
    uint32_t most = grant_most - listener->granted_count;

    ASSERT(listener->granted_count <= grant_most);
    return room < most ? room : most;
}

/* Few are left, and there is room for as many more. */
static bool is_renewal_due(const struct stream_listener *listener)
{
    return listener->granted_count < listener->renewal_count &&
           count_grants(listener) >= listener->renewal_count;
}

static void post_accept(struct stream_listener *listener, bool is_renewal)
{
    const struct accept_connection request = {
        .port = listener->port,
        .listener_index = (uint8_t)listener->index,
        .is_renewal = is_renewal,
        .request_number = listener->request_number,
        .grant_count = (uint8_t)count_grants(listener),
        .wants_data = listener->defer_ns != 0,
    };

    request_accept(listener->cm, &request);
    listener->granted_count += request.grant_count;
}

static void ask_for_connections(struct stream_listener *listener)
{
    ASSERT(!listener->is_on_list);
    listener->is_on_list = true;
    listener->cm = configuration_own_cm(configuration_current(), platform_node());
    listener->request_number = ++request_number;
    listener->granted_count = 0; /* those of an earlier place are no longer counted */
    post_accept(listener, false);
}

static void claim_connection(struct stream *stream)
{
    ASSERT_SLOW(stream->listener->undecided_count > 0);
    request_claim(stream);
    stream_set_state(stream, STREAM_CLAIMED, NULL);
}

static __attribute__((noinline)) void claim_all(struct stream_listener *listener)
{
    if (UNLIKELY(stream_listener_is_held)) {
        /* It is on no list, and asks for no place. */
    } else if (!listener->is_on_list) {
        ask_for_connections(listener);
    } else if (is_renewal_due(listener)) {
        post_accept(listener, true);
    }
    while (listener->available.head != NULL) {
        claim_connection(listener->available.head);
    }
}

/* Called whenever somebody asks for connections, which most often have all been claimed. */
void stream_listener_claim(struct stream_listener *listener)
{
    ASSERT_SLOW(stream_listeners[listener->index] == listener);
    listener->is_told = false;
    if (UNLIKELY(!listener->is_on_list || listener->available.head != NULL ||
                 listener->granted_count < listener->renewal_count)) {
        claim_all(listener);
    }
}

bool stream_listener_is_ready(const struct stream_listener *listener)
{
    return listener->ready.head != NULL;
}

/* The CM has dropped us, or will, or may have, or is dead. A new place is asked for when somebody
 * waits: an application that does not accept shall not be on the list. */
void stream_listener_lose_place(struct stream_listener *listener)
{
    listener->is_on_list = false;
    listener->has_declined = false;
    tell_owner(listener, LISTENER_CLAIMABLE);
}

struct stream *stream_listener_take(struct stream_listener *listener,
                                    void (*changed)(void *owner, unsigned readiness), void *owner)
{
    ASSERT(listener->ready.head != NULL);
    ASSERT_SLOW(listener->ready.head->listener == listener);
    taken_note(listener->ready.head);
    struct stream *stream = stream_leave_first(&listener->ready, STREAM_OPEN);
    stream->listener = NULL;
    stream->changed = changed;
    stream->owner = owner;
    if (listener->has_declined) {
        stream_listener_lose_place(listener);
    }
    return stream;
}

/* --- Deferring --- */

/* Once: whoever waits was woken by it, and looks. */
static void tell_ready(struct stream_listener *listener)
{
    if (!listener->is_told) {
        listener->is_told = true;
        tell_owner(listener, LISTENER_READY);
    }
}

static void make_ready(struct stream *stream, struct stream_listener *listener)
{
    ASSERT_SLOW(listener != NULL && stream->listener == listener);
    stream_set_state(stream, STREAM_READY, &listener->ready);
    tell_ready(listener);
}

void stream_listener_end_deferring(struct stream *stream)
{
    if (stream->state == STREAM_DEFERRED) {
        make_ready(stream, stream->listener);
    }
}

/* Wait for data first, but not for ever. */
static __attribute__((noinline)) void defer_stream(struct stream *stream)
{
    struct stream_listener *listener = stream->listener;

    stream->confirmed_ns = dispatch_now_ns();
    while (listener->deferred.count >= listener->backlog) {
        make_ready(listener->deferred.head, listener); /* bounded: it has waited longest */
    }
    stream_set_state(stream, STREAM_DEFERRED, &listener->deferred);
    ASSERT(listener->deferred.count <= listener->backlog);
    if (!timer_is_set(&defer_timer) &&
        timer_start(&defer_timer, stream->confirmed_ns + listener->defer_ns) != 0) {
        make_ready(stream, listener); /* no memory for a timer: as if it had waited */
    }
}

/* Make ready what has been deferred until `now_ns`; returns when the next one's time is over, or
 * UINT64_MAX. */
static uint64_t end_deferring_until(uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        struct stream_listener *listener = stream_listeners[i];
        if (listener == NULL) {
            continue;
        }
        struct stream *first = listener->deferred.head;
        ASSERT(listener->index == i);
        while (first != NULL && first->confirmed_ns + listener->defer_ns <= now_ns) {
            make_ready(first, listener);
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

static __attribute__((noinline)) void decline(node_id_t ts,
                                              const struct connection_available *available)
{
    request_decline(ts, available->connection_index, available->generation,
                    available->availability_number);
}

/* Those that declined for lack of memory ask again, if there is room in their backlog. Those that
 * declined for a full one may be among them: they have room no sooner than that is so. */
static void end_memory_wait(struct timer *timer)
{
    (void)timer;
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (stream_listeners[i] != NULL && stream_listeners[i]->has_declined &&
            has_room(stream_listeners[i])) {
            stream_listener_lose_place(stream_listeners[i]);
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

static __attribute__((noinline)) void
decline_for_memory(struct stream_listener *listener, node_id_t ts,
                   const struct connection_available *available)
{
    counter_increment(COUNTER_DROP_NO_MEMORY);
    decline(ts, available);
    listener->has_declined = true;
    wait_for_memory();
}

static struct dispatch_source source = {.flush = taken_end_round, .prepare_sleep = prepare_sleep};

/* NULL: no memory. */
static struct stream *create_stream(node_id_t ts, const struct connection_available *available,
                                    struct message_payload data)
{
    struct stream *stream = stream_create(ts, available);

    if (stream != NULL &&
        received_keep(&stream->received, ts, (const struct message *)available, data) != 0) {
        stream_destroy(stream);
        return NULL;
    }
    return stream;
}

/* It is ours: whoever accepts may have it, at once or when something comes on it. */
static void begin_stream(struct stream *stream, struct stream_listener *listener)
{
    ASSERT_SLOW(listener != NULL && stream->listener == listener);
    if (UNLIKELY(stream->received.bytes == 0 && listener->defer_ns != 0)) {
        if (stream->is_claim_due) {
            stream->is_claim_due = false;
            request_claim(stream); /* or nothing would come on it */
        }
        defer_stream(stream);
    } else {
        stream_enter_queue(stream, STREAM_READY, &listener->ready);
        tell_ready(listener);
    }
}

static bool is_recalled(const struct stream *stream, node_id_t ts,
                        const struct recall_connection *recall)
{
    return stream->is_claim_due && stream->ts == ts &&
           stream->connection_index == recall->connection_index &&
           stream->generation == recall->generation &&
           stream->availability_number == recall->availability_number;
}

/* All in one: each connection comes by it. */
__attribute__((flatten)) static void handle_connection_available(node_id_t from,
                                                                 const struct message *message,
                                                                 struct message_payload data)
{
    const struct connection_available *available = (const void *)message;
    struct stream_listener *listener = available->listener_index < LISTENER_MAX
                                           ? stream_listeners[available->listener_index]
                                           : NULL;

    if (listener == NULL || listener->port != swap16(available->flow.local_port)) {
        decline(from, available); /* closed meanwhile */
        return;
    }
    if (!has_room(listener)) {
        listener->has_declined = true; /* until what has the room is taken, or gone */
        decline(from, available);
        return;
    }
    struct stream *stream = create_stream(from, available, data);
    if (UNLIKELY(stream == NULL)) {
        decline_for_memory(listener, from, available);
        return;
    }
    stream->listener = listener;
    /* Also by one that was not: not all that were granted come, as handshakes fail and TSs die. */
    if (listener->granted_count != 0) {
        listener->granted_count--;
    }
    if (available->send_window_bytes != 0) {
        begin_stream(stream, listener);
        return;
    }
    stream_set_state(stream, STREAM_AVAILABLE, &listener->available);
    listener->undecided_count++;
    tell_owner(listener, LISTENER_CLAIMABLE);
}

/* Its TS has waited long enough for one that was granted: it may have it back, if nobody has taken
 * it. Else it hears of that by the claim, which may be on its way. */
static void handle_recall_connection(node_id_t from, const struct message *message)
{
    const struct recall_connection *recall = (const void *)message;
    struct stream_listener *listener;
    struct stream *stream;

    if (recall->listener_index >= LISTENER_MAX) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    listener = stream_listeners[recall->listener_index];
    if (listener == NULL) {
        return; /* closed meanwhile: all were declined */
    }
    stream = listener->ready.head; /* the one that has waited longest stands first */
    while (stream != NULL && !is_recalled(stream, from, recall)) {
        stream = stream->next;
    }
    if (stream != NULL) {
        decline_stream(stream);
        if (listener->is_on_list) {
            stream_listener_lose_place(listener);
        }
    }
}

/* One that was available is ours or has gone: there is room for another. */
static void end_undecided(struct stream_listener *listener)
{
    ASSERT_SLOW(listener->undecided_count > 0);
    listener->undecided_count--;
    if (listener->has_declined) {
        stream_listener_lose_place(listener);
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
    if (listener == NULL || received_keep(&stream->received, from, message, data) != 0) {
        stream_close(stream, CLOSE_ABORT);
        if (listener != NULL) {
            counter_increment(COUNTER_DROP_NO_MEMORY);
            end_undecided(listener);
        }
        return;
    }
    end_undecided(listener);
    stream->send_window_bytes = confirmed->send_window_bytes;
    stream->send_credit_bytes = confirmed->send_window_bytes;
    begin_stream(stream, listener);
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
        stream_listener_lose_place(listener);
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
        if (stream_listeners[i] != NULL && stream_listeners[i]->is_on_list &&
            (was_ts || stream_listeners[i]->cm == node)) {
            stream_listener_lose_place(stream_listeners[i]);
        }
    }
}

void stream_listener_start(void)
{
    grant_most = grant_option_most(platform_command_line());
    timer_initialise(&memory_timer, end_memory_wait);
    dispatch_register_source(&source);
    stream_returns_start();
    stream_draining_start();
    net_register_message(RECALL_CONNECTION, handle_recall_connection);
    timer_initialise(&defer_timer, defer_expired);
    net_register_payload_message(CONNECTION_AVAILABLE, handle_connection_available);
    net_register_payload_message(CLAIM_CONFIRMED, handle_claim_confirmed);
    net_register_message(CLAIM_REJECTED, handle_claim_rejected);
}
