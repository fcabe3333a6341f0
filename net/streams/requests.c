/* SPDX-License-Identifier: MIT */
/*
 * Each message as net/messages.h has it.
 */
#include "net/streams/requests.h"

#include "kernel/message/send.h"
#include "net/configuration.h"
#include "net/streams/table.h"

void request_listen_from(node_id_t cm, uint16_t port, uint16_t listener_index, uint32_t backlog)
{
    struct listen *message = message_reserve_posted(cm, LISTEN, sizeof(*message));

    message->port = port;
    message->listener_index = listener_index;
    message->backlog = backlog;
    message_publish();
}

void request_listen(uint16_t port, uint16_t listener_index, uint32_t backlog)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->cm_count; i++) {
        request_listen_from(configuration->cm[i], port, listener_index, backlog);
    }
}

void request_end_listening_from(node_id_t cm)
{
    (void)message_reserve_posted(cm, LISTENERS_TOLD, sizeof(struct listeners_told)); /* no fields */
    message_publish();
}

void request_unlisten(uint16_t port, uint16_t listener_index)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->cm_count; i++) {
        struct unlisten *message =
            message_reserve_posted(configuration->cm[i], UNLISTEN, sizeof(*message));

        message->port = port;
        message->listener_index = listener_index;
        message_publish();
    }
}

void request_accept(node_id_t cm, const struct accept_connection *request)
{
    struct accept_connection *message =
        message_reserve_posted(cm, ACCEPT_CONNECTION, sizeof(*message));

    message->port = request->port;
    message->listener_index = request->listener_index;
    message->is_renewal = request->is_renewal;
    message->request_number = request->request_number;
    message->grant_count = request->grant_count;
    message->wants_data = request->wants_data;
    message_publish();
}

void request_give_up_place(node_id_t cm, uint16_t port, uint16_t listener_index,
                           uint16_t request_number)
{
    struct give_up_place *message = message_reserve_posted(cm, GIVE_UP_PLACE, sizeof(*message));

    message->port = port;
    message->listener_index = listener_index;
    message->request_number = request_number;
    message_publish();
}

void request_claim(const struct stream *stream)
{
    struct claim_connection *message =
        message_reserve_posted(stream->ts, CLAIM_CONNECTION, sizeof(*message));

    message->connection_index = stream->connection_index;
    message->generation = stream->generation;
    message->stream_index = stream->stream_index;
    message->availability_number = stream->availability_number;
    message_publish();
}

void request_decline(node_id_t ts, uint32_t connection_index, uint32_t generation,
                     uint16_t availability_number)
{
    struct decline_connection *message =
        message_reserve_posted(ts, DECLINE_CONNECTION, sizeof(*message));

    message->connection_index = connection_index;
    message->generation = generation;
    message->availability_number = availability_number;
    message_publish();
}
