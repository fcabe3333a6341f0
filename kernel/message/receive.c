/* SPDX-License-Identifier: MIT */
/*
 * Messages to this node: who handles each type. Of what others send the handlers' copy is checked.
 */
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

/* Messages taken from one channel in a round, so that a busy sender does not keep others and
 * sources waiting. Chosen: half a ring of the smallest size holds four times as many. */
#define RECEIVE_BATCH 32

struct handler {
    union {
        message_handler plain; /* if payload_max_bytes is 0 */
        message_payload_handler with_payload;
    };
    uint32_t fixed_bytes;
    uint32_t payload_max_bytes;
};

static struct handler handlers[MESSAGE_TYPE_MAX];

void receive_initialise(void)
{
    memset(handlers, 0, sizeof(handlers));
}

static void add_handler(uint16_t type, struct handler handler)
{
    ASSERT(type > MESSAGE_PADDING && type < MESSAGE_TYPE_MAX);
    ASSERT(handlers[type].fixed_bytes == 0 && handler.plain != NULL);
    ASSERT(handler.fixed_bytes >= sizeof(struct message_header) &&
           handler.fixed_bytes <= CHANNEL_LINE_BYTES);
    handlers[type] = handler;
    for (unsigned node = 0; node < platform_node_count(); node++) {
        peers[node].types[type / 64] |= UINT64_C(1) << type % 64;
    }
}

void dispatch_limit_senders(uint16_t type, struct node_set nodes)
{
    ASSERT(type < MESSAGE_TYPE_MAX && handlers[type].fixed_bytes != 0);
    for (unsigned node = 0; node < platform_node_count(); node++) {
        uint64_t *types = &peers[node].types[type / 64];

        *types &= ~(UINT64_C(1) << type % 64);
        *types |= (uint64_t)node_set_has(&nodes, node) << type % 64;
    }
}

void dispatch_register_message(uint16_t type, size_t bytes, message_handler handler)
{
    add_handler(type, (struct handler){.plain = handler, .fixed_bytes = (uint32_t)bytes});
}

void dispatch_register_payload_message(uint16_t type, size_t fixed_bytes,
                                       message_payload_handler handler)
{
    add_handler(type, (struct handler){.with_payload = handler,
                                       .fixed_bytes = (uint32_t)fixed_bytes,
                                       .payload_max_bytes = MESSAGE_MAX_BYTES});
}

static __attribute__((noinline)) void refuse(node_id_t from, const struct message_header *header)
{
    counter_increment(COUNTER_DROP_BAD_MESSAGE);
    log_debug("dispatch", "message of type %u, %u bytes from node%u refused", header->type,
              header->length_bytes, from);
}

/* The payload lies behind the fixed part at `place`, unless there is a loan. Where a type has no
 * handler all is payload, and too long. `from`: NULL for this node, which knows what it sends. */
static inline void handle(const struct peer *from, uint16_t type, uint16_t length_bytes,
                          const struct message *message, const uint8_t *place,
                          const struct message_loan *loan)
{
    const struct handler *handler = &handlers[type % MESSAGE_TYPE_MAX];
    uint32_t payload_bytes = length_bytes - handler->fixed_bytes;
    node_id_t node = from != NULL ? from->node : own_ring.node;
    bool is_possible =
        from == NULL || (type < MESSAGE_TYPE_MAX && (from->types[type / 64] >> type % 64 & 1) != 0);

    if (UNLIKELY(!is_possible || payload_bytes > handler->payload_max_bytes)) {
        refuse(node, &message->header);
    } else if (handler->payload_max_bytes == 0) {
        handler->plain(node, message);
    } else {
        place = loan != NULL ? loan->bytes : place + handler->fixed_bytes;
        handler->with_payload(node, message, (struct message_payload){place, payload_bytes});
    }
}

/* A sender that found no room has some when a quarter of the ring is acknowledged. Less never helps
 * it: while the longest message with its padding does not fit, another quarter follows. */
static inline void note_room(struct peer *peer)
{
    if (UNLIKELY(peer->receiver.has_made_room)) {
        peer->receiver.has_made_room = false;
        send_note_due(peer, DUE_ROOM);
    }
}

unsigned receive_from(struct peer *peer)
{
    unsigned count = 0;

    for (; count < RECEIVE_BATCH; count++) {
        struct channel_line line;
        const uint8_t *place = channel_receive(&peer->receiver, &line);

        if (place == NULL) {
            break;
        }
        /* The header is in a register. */
        handle(peer, (uint16_t)line.words[0], (uint16_t)(line.words[0] >> 16),
               (const struct message *)&line, place, NULL);
        channel_release(&peer->receiver);
    }
    note_room(peer);
    return count;
}

static void end_keeping(void *context)
{
    struct peer *peer = context;

    if (LIKELY(peer->receiver.ring != NULL)) { /* else it has died in this round */
        channel_end_keeping(&peer->receiver);
        note_room(peer);
    }
}

bool message_keep_lines(node_id_t from, struct message_payload payload, struct message_loan *loan)
{
    *loan = (struct message_loan){payload.bytes, payload.length_bytes, end_keeping, &peers[from]};
    return channel_keep(&peers[from].receiver);
}

/* --- This node's own --- */

static struct message_loan *loan_of(const struct message *message)
{
    ASSERT_SLOW((message->header.type & OWN_IS_LENT) != 0);
    return (struct message_loan *)((uintptr_t)message + message->header.sequence) - 1;
}

bool message_keep_loan(const struct message *message, struct message_loan *loan)
{
    if ((message->header.type & OWN_IS_LENT) == 0) {
        return false;
    }
    *loan = *loan_of(message);
    loan_of(message)->done = NULL;
    return true;
}

static __attribute__((noinline)) void handle_lent(const struct message *message)
{
    const struct message_loan *loan = loan_of(message);

    handle(NULL, message->header.type % OWN_IS_LENT, message->header.length_bytes, message, NULL,
           loan);
    if (loan->done != NULL) {
        loan->done(loan->context);
    }
}

static __attribute__((noinline)) void handle_all_own(void)
{
    struct peer *self = &peers[own_ring.node];
    unsigned posted_count = self->posted_count;

    ASSERT(own_ring.building == BUILT_NOWHERE);
    /* Handlers may send meanwhile: those are behind, and have their turn, too. */
    for (uint8_t *place = own_ring_bytes; place != own_ring.end;
         place += ((struct message *)place)->header.sequence) {
        const struct message *message = (const struct message *)place;

        ASSERT_SLOW(message->header.sequence >= sizeof(*message)); /* nobody has touched it */
        if (LIKELY(message->header.type < MESSAGE_TYPE_MAX)) {
            handle(NULL, message->header.type, message->header.length_bytes, message, place, NULL);
        } else {
            handle_lent(message);
        }
    }
    own_ring.end = own_ring_bytes;
    /* Those that found the ring full, and no more that come meanwhile. */
    for (; UNLIKELY(posted_count > 0); posted_count--) {
        const struct message *message = (const struct message *)self->first_posted->message;

        handle(NULL, message->header.type, message->header.length_bytes, message,
               (const uint8_t *)message, NULL);
        send_release_first_posted(self);
    }
}

bool peers_is_own_waiting(void)
{
    return own_ring.end != own_ring_bytes || own_ring.limit == own_ring_bytes;
}

bool peers_handle_own(void)
{
    if (!peers_is_own_waiting()) {
        return false;
    }
    handle_all_own();
    return true;
}
