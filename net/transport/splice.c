/* SPDX-License-Identifier: MIT */
/*
 * Splices: see splice.h. All of it is done where connections are settled, at the end of a round;
 * beside that only when its time has come.
 */
#include "net/transport/splice.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/splice_counters.h"
#include "net/transport/connection.h"
#include "net/transport/stream.h"
#include "net/transport/tcp/receiver.h"

#include "lwip/pbuf.h"

/* After which one that has found no memory for its bytes tries again. Chosen: some round trips. */
#define MEMORY_RETRY_NS (5 * NS_PER_MS)

enum way_state {
    WAY_CLOSED,
    WAY_HELD, /* what comes is kept, until the application has sent what came before */
    WAY_OPEN,
};

/* From one end of a pair to the other. */
struct way {
    struct timer timer; /* of idle_ns, or for memory */
    uint8_t state;      /* enum way_state */
    uint8_t end;        /* which end it comes from */
    bool is_waiting;    /* for memory */
    uint32_t number;    /* the application's */
    uint64_t bytes, bytes_most;
    uint64_t idle_ns, moved_ns; /* 0: none; when bytes have last gone */
};

struct pair {
    struct pool_object place;
    node_id_t application;
    struct connection *ends[2];
    struct way ways[2]; /* by the end that they come from */
};

POOL(pairs, "splice", struct pair, SPLICE_PAIR_MAX / POOL_CHUNK * POOL_CHUNK);

static struct pair *pair_of(const struct connection *connection)
{
    ASSERT_SLOW((connection->due & DUE_IS_SPLICED) != 0);
    return pool_at(&pairs, connection->splice_place);
}

static struct pair *pair_of_way(struct way *way)
{
    return CONTAINER_OF(way - way->end, struct pair, ways);
}

static unsigned end_of(const struct pair *pair, const struct connection *connection)
{
    ASSERT_SLOW(pair->ends[0] == connection || pair->ends[1] == connection);
    return pair->ends[1] == connection;
}

uint32_t splice_count(void)
{
    return (uint32_t)pairs.kind.counts->objects;
}

/* --- Pairs --- */

/* Both ends know of it as long as one way is not closed. */
static void mark_end(struct pair *pair, unsigned end)
{
    unsigned is_source = pair->ways[end].state != WAY_CLOSED;
    unsigned is_drain = pair->ways[!end].state != WAY_CLOSED;
    struct connection *connection = pair->ends[end];

    connection->splice_place = (uint16_t)pair->place.index;
    connection_set_spliced(
        connection, (uint8_t)((is_source ? DUE_IS_SOURCE : 0) | (is_drain ? DUE_IS_DRAIN : 0)));
}

static void mark_ends(struct pair *pair)
{
    mark_end(pair, 0);
    mark_end(pair, 1);
    if (pair->ways[0].state == WAY_CLOSED && pair->ways[1].state == WAY_CLOSED) {
        pool_release(&pairs, pair);
    }
}

static void look(struct timer *timer);

/* Whether its timer can be started whenever it has to be. */
static bool prepare_way(struct pair *pair, unsigned end)
{
    struct way *way = &pair->ways[end];

    way->end = (uint8_t)end;
    way->state = WAY_CLOSED;
    if (!way->timer.has_place) {
        timer_initialise(&way->timer, look);
    }
    return way->timer.has_place;
}

static struct pair *make_pair(node_id_t application, struct connection *source,
                              struct connection *drain)
{
    struct pair *pair = pool_take(&pairs);

    if (pair == NULL) {
        return NULL;
    }
    if (!prepare_way(pair, 0) || !prepare_way(pair, 1)) {
        pool_release(&pairs, pair);
        return NULL;
    }
    pair->application = application;
    pair->ends[0] = source;
    pair->ends[1] = drain;
    return pair;
}

/* Theirs, or a new one. NULL: one of them is in another one, or there is no room. */
static struct pair *find_pair(node_id_t application, struct connection *source,
                              struct connection *drain)
{
    bool is_source_spliced = (source->due & DUE_IS_SPLICED) != 0;
    bool is_drain_spliced = (drain->due & DUE_IS_SPLICED) != 0;

    if (!is_source_spliced && !is_drain_spliced) {
        return make_pair(application, source, drain);
    }
    return is_source_spliced && is_drain_spliced && pair_of(source) == pair_of(drain)
               ? pair_of(source)
               : NULL;
}

/* --- What the application is told --- */

/* Of what is not there any more it has no name. */
static void tell(node_id_t application, const struct connection *source,
                 const struct connection *drain, struct splice_state state)
{
    struct splice_state *message =
        message_reserve_posted(application, SPLICE_STATE, sizeof(*message));

    message->state = state.state;
    message->error_number = state.error_number;
    message->bytes = state.bytes;
    message->number = state.number;
    if (source != NULL) {
        message->source_stream = source->stream_index;
        message->source_generation = source->generation;
    }
    if (drain != NULL) {
        message->drain_stream = drain->stream_index;
        message->drain_generation = drain->generation;
        message->drain_credit_bytes = drain->allowance_bytes;
        message->drain_window_bytes = drain->window_bytes;
    }
    message_publish();
}

/* From here on what comes is the application's again. One that has not begun ends without a word:
 * whatever ends it the application knows. */
static void close_way(struct pair *pair, unsigned end, unsigned error_number)
{
    struct way *way = &pair->ways[end];
    struct connection *source = pair->ends[end], *drain = pair->ends[!end];
    bool has_begun = way->state == WAY_OPEN;

    ASSERT(way->state != WAY_CLOSED);
    timer_stop(&way->timer);
    way->state = WAY_CLOSED;
    if (has_begun && error_number == 0) {
        stream_keep_peer_closed(source);
    }
    if (has_begun && (source->state == CONNECTION_CLAIMED || drain->state == CONNECTION_CLAIMED)) {
        stream_take_credit(drain);
        tell(pair->application, source, drain,
             (struct splice_state){.state = SPLICE_ENDED,
                                   .error_number = error_number,
                                   .bytes = way->bytes,
                                   .number = way->number});
    }
    connection_mark_dirty(source);
    mark_ends(pair);
}

/* --- Bytes --- */

static void start_timer(struct way *way, uint64_t deadline_ns)
{
    if (timer_start(&way->timer, deadline_ns) != 0) {
        PANIC("no memory for the timer of a splice"); /* prepare_way() has seen to it */
    }
}

static void wait_for_memory(struct way *way)
{
    if (!way->is_waiting) {
        way->is_waiting = true;
        counter_increment(COUNTER_SPLICES_WAITING);
        start_timer(way, dispatch_now_ns() + MEMORY_RETRY_NS);
    }
}

static uint32_t least(uint64_t one, uint64_t other)
{
    return (uint32_t)(one < other ? one : other);
}

/* Of the first of what has come. */
static void drop_bytes(struct connection *source, uint32_t bytes)
{
    struct pbuf *packet = source->received_head;

    if (bytes == packet->len) {
        pbuf_free(connection_take_received(source));
    } else {
        packet->payload = (uint8_t *)packet->payload + bytes;
        packet->len = (u16_t)(packet->len - bytes);
        packet->tot_len = packet->len;
    }
}

static uint64_t left_of_most(const struct way *way)
{
    return way->bytes_most == 0 ? UINT64_MAX : way->bytes_most - way->bytes;
}

/* As many as the drain takes now. Returns how many. */
static uint32_t move_some(struct way *way, struct connection *source, struct connection *drain)
{
    uint32_t moved_bytes = 0;

    while (source->received_head != NULL) {
        const struct pbuf *packet = source->received_head;
        uint32_t bytes =
            least(packet->len, least(left_of_most(way) - moved_bytes, drain->allowance_bytes));

        if (bytes == 0 && packet->len != 0) {
            break;
        }
        if (bytes != 0 && !stream_append(drain, packet->payload, bytes)) {
            wait_for_memory(way);
            break;
        }
        drop_bytes(source, bytes);
        moved_bytes += bytes;
    }
    return moved_bytes;
}

static void move(struct pair *pair, unsigned end)
{
    struct way *way = &pair->ways[end];
    struct connection *source = pair->ends[end], *drain = pair->ends[!end];
    uint32_t moved_bytes = move_some(way, source, drain);

    if (moved_bytes != 0) {
        way->bytes += moved_bytes;
        way->moved_ns = dispatch_now_ns();
        counter_add(COUNTER_SPLICE_BYTES_SERVER, moved_bytes);
        stream_consume(source, moved_bytes);
    }
    if (left_of_most(way) == 0) {
        close_way(pair, end, EFBIG);
    } else if (source->has_peer_closed && source->received_head == NULL) {
        stream_end(drain);
        close_way(pair, end, 0);
    }
}

/* Let it go on, or end. */
static void run_way(struct pair *pair, unsigned end)
{
    const struct way *way = &pair->ways[end];
    const struct connection *source = pair->ends[end], *drain = pair->ends[!end];

    if (way->state == WAY_CLOSED) {
        return;
    }
    if (source->error_number != 0) {
        close_way(pair, end, source->error_number);
    } else if (drain->error_number != 0) {
        close_way(pair, end, drain->error_number);
    } else if (source->state != CONNECTION_CLAIMED) {
        close_way(pair, end, ECANCELED);
    } else if (!stream_can_send(drain)) {
        close_way(pair, end, EPIPE);
    } else if (way->state == WAY_OPEN) {
        move(pair, end);
    }
}

static inline bool is_spliced(const struct connection *connection)
{
    return (connection->due & DUE_IS_SPLICED) != 0;
}

void splice_settle(struct connection *connection)
{
    struct pair *pair = pair_of(connection);
    unsigned end = end_of(pair, connection);

    if (pair->ways[!end].state == WAY_OPEN) {
        stream_take_credit(connection);
    }
    run_way(pair, !end);
    if (is_spliced(connection)) { /* there still is a pair */
        run_way(pair, end);
    }
}

bool splice_forget(struct connection *connection)
{
    struct pair *pair;
    unsigned end;

    if (!is_spliced(connection)) {
        return false;
    }
    pair = pair_of(connection);
    end = end_of(pair, connection);
    if (pair->ways[!end].state != WAY_CLOSED) {
        close_way(pair, !end, EPIPE);
    }
    if (is_spliced(connection)) {
        close_way(pair, end, ECANCELED);
    }
    ASSERT(!is_spliced(connection));
    return true;
}

/* Its timer has expired. */
static void look(struct timer *timer)
{
    struct way *way = CONTAINER_OF(timer, struct way, timer);
    struct pair *pair = pair_of_way(way);
    bool is_idle = dispatch_now_ns() - way->moved_ns >= way->idle_ns;

    ASSERT(way->state == WAY_OPEN);
    if (way->is_waiting) {
        way->is_waiting = false;
        connection_mark_dirty(pair->ends[way->end]);
    }
    if (way->idle_ns != 0 && is_idle) {
        close_way(pair, way->end, ETIMEDOUT);
    } else if (way->idle_ns != 0) {
        start_timer(way, way->moved_ns + way->idle_ns);
    }
}

/* --- Orders --- */

static uint32_t waiting_bytes(const struct connection *connection)
{
    uint32_t bytes = 0;

    for (const struct pbuf *packet = connection->received_head; packet != NULL;
         packet = packet->next) {
        bytes += packet->len;
    }
    return bytes;
}

/* Whether the application has taken all that it was sent. */
static bool has_taken_all(const struct connection *connection)
{
    return connection->tcb.rcv_unread_bytes == waiting_bytes(connection);
}

static void open_way(struct pair *pair, unsigned end, const struct splice_connections *order)
{
    struct way *way = &pair->ways[end];

    way->state = WAY_OPEN;
    way->is_waiting = false;
    way->bytes = 0;
    way->bytes_most = order->bytes_most;
    way->idle_ns = order->idle_ms * NS_PER_MS;
    way->moved_ns = dispatch_now_ns();
    if (way->idle_ns != 0) {
        start_timer(way, way->moved_ns + way->idle_ns);
    }
    counter_increment(COUNTER_SPLICES_SERVER);
    connection_mark_dirty(pair->ends[end]);
}

static void begin(node_id_t from, struct connection *source, struct connection *drain,
                  const struct splice_connections *order)
{
    struct pair *pair;
    unsigned end;

    stream_consume(source, order->consumed_bytes);
    pair = connection_has_tcp(source) && stream_can_send(drain) ? find_pair(from, source, drain)
                                                                : NULL;
    if (pair == NULL) {
        counter_increment(COUNTER_SPLICES_REFUSED);
        tell(from, source, drain,
             (struct splice_state){.state = SPLICE_REFUSED, .number = order->number});
        return;
    }
    end = end_of(pair, source);
    if (pair->ways[end].state == WAY_OPEN) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    pair->ways[end].number = order->number;
    if (has_taken_all(source)) {
        open_way(pair, end, order);
    } else {
        pair->ways[end].state = WAY_HELD;
        tell(from, source, drain,
             (struct splice_state){.state = SPLICE_HELD, .number = order->number});
    }
    mark_ends(pair);
}

/* That of this number, if it is there. One that is held has been answered. Returns whether it was.
 */
static bool stop_way(struct connection *source, uint32_t number)
{
    struct pair *pair;
    unsigned end;

    if ((source->due & DUE_IS_SOURCE) == 0) {
        return false;
    }
    pair = pair_of(source);
    end = end_of(pair, source);
    if (pair->ways[end].number != number) {
        return false;
    }
    close_way(pair, end, ECANCELED);
    return true;
}

static void handle_splice_connections(node_id_t from, const struct message *message)
{
    const struct splice_connections *order = (const struct splice_connections *)message;
    struct connection *source = stream_find(from, order->source_index, order->source_generation);
    struct connection *drain = stream_find(from, order->drain_index, order->drain_generation);

    if (order->order == SPLICE_STOP) {
        if (source == NULL || !stop_way(source, order->number)) {
            tell(from, source, drain,
                 (struct splice_state){
                     .state = SPLICE_ENDED, .error_number = ECANCELED, .number = order->number});
        }
        return;
    }
    if (order->order != SPLICE_BEGIN || (source == drain && source != NULL)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (source != NULL && drain != NULL) {
        begin(from, source, drain, order);
    } /* else it has failed, of which the application is told */
}

void splice_initialise(void)
{
    net_register_message(SPLICE_CONNECTIONS, handle_splice_connections);
}
