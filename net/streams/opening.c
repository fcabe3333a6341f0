/* SPDX-License-Identifier: MIT */
/*
 * Active opens: see opening.h. Until the TS answers the stream has no name there: its generation is
 * 0, which no connection has.
 */
#include "net/streams/opening.h"

#include <errno.h>

#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/steering.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"

/* Of what may be sent, while nothing may: not 0, of which nothing would be half. */
#define NO_WINDOW 1u

/* Any number. */
static bool is_server(const struct configuration *configuration, node_id_t node)
{
    bool is_one = false;

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        is_one |= configuration->flow_owners[i] == node;
    }
    return is_one && !configuration_is_dead(configuration, node);
}

/*
 * A port of the application's own choice: the TS in whose block it is, which alone knows what else
 * is opened from there; in no block, or of a dead one, the TS that its answers come to. Else the
 * one that is wanted, this node's own, or those that have flows, in turn. NODE_NONE: none lives.
 */
static node_id_t choose_server(node_id_t wanted, uint16_t remote_port, uint16_t local_port)
{
    const struct configuration *configuration = configuration_current();
    node_id_t self = platform_node(), server;
    unsigned turn = self;

    server = steering_port_owner(configuration, swap16(local_port));
    if (server != NODE_NONE && !configuration_is_dead(configuration, server)) {
        return server;
    }
    if (local_port != 0) {
        server = steering_owner(
            configuration, steering_group(configuration, swap16(remote_port), swap16(local_port)));
    } else if (is_server(configuration, wanted)) {
        return wanted;
    } else {
        for (unsigned i = 0; i < configuration->ts_count; i++) {
            if (configuration->flow_owners[i] == self) {
                return self;
            }
        }
        for (unsigned i = 0; i < configuration->application_count; i++) {
            turn = configuration->applications[i] == self ? i : turn;
        }
        server = configuration->flow_owners[turn % configuration->ts_count];
    }
    return configuration_is_dead(configuration, server) ? NODE_NONE : server;
}

static void post(const struct stream *stream, bool is_withdrawn)
{
    struct open_connection *message =
        message_reserve_posted(stream->ts, OPEN_CONNECTION, sizeof(*message));

    message->stream_index = stream->stream_index;
    message->remote_address = stream->flow.remote_address;
    message->remote_port = stream->flow.remote_port;
    message->local_port = stream->flow.local_port;
    message->is_withdrawn = is_withdrawn;
    message_publish();
}

struct stream *stream_open(node_id_t wanted, uint32_t remote_address, uint16_t remote_port,
                           uint16_t local_port, void (*changed)(void *owner, unsigned readiness),
                           void *owner)
{
    const struct connection_available nothing = {.flow = {.remote_address = remote_address,
                                                          .remote_port = remote_port,
                                                          .local_port = local_port}};
    node_id_t server = choose_server(wanted, remote_port, local_port);
    struct stream *stream;

    if (server == NODE_NONE) {
        return NULL;
    }
    stream = stream_create(server, &nothing);
    if (stream == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    stream->send_window_bytes = NO_WINDOW;
    stream->changed = changed;
    stream->owner = owner;
    stream_set_state(stream, STREAM_OPENING, NULL);
    post(stream, false);
    return stream;
}

bool stream_is_opening(const struct stream *stream)
{
    return stream->state == STREAM_OPENING;
}

void stream_withdraw(struct stream *stream)
{
    ASSERT(stream_is_opening(stream));
    post(stream, true);
    stream->changed = NULL; /* as stream_close() leaves it */
    stream_destroy(stream);
}

/* Of a stream that nobody wants any more. */
static void refuse(node_id_t ts, const struct connection_opened *opened)
{
    struct close *message = message_reserve_posted(ts, CLOSE, sizeof(*message));

    message->connection_index = opened->connection_index;
    message->generation = opened->generation;
    message->kind = CLOSE_ABORT;
    message->stream_index = opened->stream_index;
    message_publish();
}

static void begin(struct stream *stream, const struct connection_opened *opened)
{
    stream->connection_index = opened->connection_index;
    stream->generation = opened->generation;
    stream->flow = opened->flow;
    stream->send_window_bytes = opened->send_window_bytes;
    stream->send_credit_bytes = opened->send_window_bytes;
    stream_set_state(stream, STREAM_OPEN, NULL);
    stream->changed(stream->owner, STREAM_CAN_WRITE);
}

static void handle_connection_opened(node_id_t from, const struct message *message)
{
    const struct connection_opened *opened = (const struct connection_opened *)message;
    struct stream *stream = stream_resolve(from, opened->stream_index, 0);
    bool is_awaited = stream != NULL && stream_is_opening(stream);

    if (opened->error_number == 0 && !is_awaited) {
        refuse(from, opened);
    } else if (opened->error_number == 0 && opened->send_window_bytes > SEND_WINDOW_MAX_BYTES) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        refuse(from, opened);
        stream_fail(stream, ECONNRESET);
    } else if (opened->error_number == 0) {
        begin(stream, opened);
    } else if (is_awaited) {
        stream_fail(stream, stream_error_of(opened->error_number));
    }
}

void stream_opening_start(void)
{
    net_register_message(CONNECTION_OPENED, handle_connection_opened);
}
