/* SPDX-License-Identifier: MIT */
/*
 * A message is built where it is sent: reserve a place for it, fill in its fields, publish.
 *
 *     struct consumed *message = message_reserve_posted(ts, CONSUMED, sizeof(*message));
 *
 *     message->consumed_bytes = bytes;
 *     message_publish();
 *
 * The place is in the receiver's channel or, if that is this node, in the node's own ring, from
 * which it goes to its handler later in the round, never inside the send. The header is filled in
 * and is left alone; all else of the fixed part is zero. Nothing waits or sends between reserve and
 * publish. Without a place the functions that reserve return NULL: message_refusal() says why. The
 * first messages to a node, up to 64, wait in this node's memory until the channel is open.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "kernel/platform.h"

enum message_place {
    BUILT_NOWHERE,
    BUILT_IN_OWN_RING,
    BUILT_IN_CHANNEL,
    BUILT_TO_WAIT,
};

/* For this file, send.c and receive.c. Own messages lie behind each other from the ring's start; in
 * the header's place for a sequence stands how far it is to the next. */
extern struct own_ring {
    uint8_t *end;   /* of the messages that are there, with the one under construction */
    uint8_t *limit; /* where the last one must end; the ring's start while others wait elsewhere */
    enum message_place building; /* where the message under construction is, if there is one */
    node_id_t node;              /* this one */
} own_ring;

/* Added to the type of an own message that ends in a struct message_loan instead of a payload. */
#define OWN_IS_LENT         0x8000u
#define OWN_ROUND_UP(bytes) ALIGN_UP(bytes, sizeof(uint64_t))

/* A payload that lies elsewhere. It is copied once into a channel, and never on its way to this
 * node: it must stay as it is until `done` is called, unless that is NULL. */
struct message_loan {
    const void *bytes;
    size_t length_bytes;
    void (*done)(void *context); /* by message_publish(), or behind this node's handler */
    void *context;
};

/* For the handler of a message, once: if its payload was lent to this node, keep it beyond the
 * handler, who then calls `done`. False: it was not lent. */
bool message_keep_loan(const struct message *message, struct message_loan *loan);
/* The same for another node's message, whose payload lies in its lines: `done` is called by the end
 * of the round, because its channel gets no room until then. False: that node may need the room. */
bool message_keep_lines(node_id_t from, struct message_payload payload, struct message_loan *loan);

/* When there is no room in the own ring, or the message is for another node. */
MUST_CHECK struct message *send_reserve(node_id_t to, size_t length_bytes);
MUST_CHECK struct message *send_reserve_loan(node_id_t to, size_t fixed_bytes,
                                             const struct message_loan *loan);
struct message *send_reserve_posted(node_id_t to, size_t length_bytes);
void send_publish(void);

static inline bool own_has_room(node_id_t to, size_t bytes)
{
    ASSERT(own_ring.building == BUILT_NOWHERE);
    return LIKELY(to == own_ring.node && own_ring.end + bytes <= own_ring.limit);
}

static inline struct message *own_reserve(size_t bytes)
{
    struct message *message = (struct message *)own_ring.end;

    message->header.sequence = (uint32_t)bytes;
    own_ring.end += bytes;
    own_ring.building = BUILT_IN_OWN_RING;
    return message;
}

static inline void message_check(uint16_t type, size_t fixed_bytes, size_t length_bytes)
{
    ASSERT(type > MESSAGE_PADDING && type < MESSAGE_TYPE_MAX);
    ASSERT(fixed_bytes >= sizeof(struct message_header) && fixed_bytes <= CHANNEL_LINE_BYTES);
    ASSERT(length_bytes <= MESSAGE_MAX_BYTES);
}

__attribute__((always_inline)) static inline void *
message_begin(struct message *message, uint16_t type, size_t fixed_bytes, size_t length_bytes)
{
    message->header.type = type;
    message->header.length_bytes = (uint16_t)length_bytes;
#pragma GCC unroll 8
    for (size_t i = 1; i < OWN_ROUND_UP(fixed_bytes) / sizeof(uint64_t); i++) {
        ((uint64_t *)message)[i] = 0;
    }
    return message;
}

/* --- For everybody --- */

/* With a payload, which the sender writes behind the fixed part; that is at most a line. */
MUST_CHECK static inline void *message_reserve_payload(node_id_t to, uint16_t type,
                                                       size_t fixed_bytes, size_t payload_bytes)
{
    size_t length_bytes = fixed_bytes + payload_bytes;
    struct message *message;

    message_check(type, fixed_bytes, length_bytes);
    if (own_has_room(to, OWN_ROUND_UP(length_bytes))) {
        message = own_reserve(OWN_ROUND_UP(length_bytes));
    } else {
        message = send_reserve(to, length_bytes);
        if (message == NULL) {
            return NULL;
        }
    }
    return message_begin(message, type, fixed_bytes, length_bytes);
}

MUST_CHECK static inline void *message_reserve(node_id_t to, uint16_t type, size_t fixed_bytes)
{
    return message_reserve_payload(to, type, fixed_bytes, 0);
}

/* With a payload that is lent, by message_publish() and not before. */
MUST_CHECK __attribute__((always_inline)) static inline void *
message_reserve_loan(node_id_t to, uint16_t type, size_t fixed_bytes,
                     const struct message_loan *loan)
{
    size_t length_bytes = fixed_bytes + loan->length_bytes;
    size_t own_bytes = OWN_ROUND_UP(fixed_bytes) + sizeof(*loan);
    struct message *message;

    message_check(type, fixed_bytes, length_bytes);
    if (own_has_room(to, own_bytes)) {
        message = own_reserve(own_bytes);
        *((struct message_loan *)own_ring.end - 1) = *loan;
        type |= OWN_IS_LENT;
    } else {
        message = send_reserve_loan(to, fixed_bytes, loan);
        if (message == NULL) {
            return NULL;
        }
    }
    return message_begin(message, type, fixed_bytes, length_bytes);
}

/* For control messages that must not be lost: never NULL. Without room in the channel the message
 * waits in this node's memory, and nothing else can be reserved for that node, so that order is
 * kept. A message to a dead node vanishes: node_down tells of that. What waits is bounded, for each
 * node and by memory, of which some is kept; at a bound who lets most wait is dead (watch.h). */
static inline void *message_reserve_posted(node_id_t to, uint16_t type, size_t fixed_bytes)
{
    message_check(type, fixed_bytes, fixed_bytes);
    return message_begin(own_has_room(to, OWN_ROUND_UP(fixed_bytes))
                             ? own_reserve(OWN_ROUND_UP(fixed_bytes))
                             : send_reserve_posted(to, fixed_bytes),
                         type, fixed_bytes, fixed_bytes);
}

static inline void message_publish(void)
{
    if (LIKELY(own_ring.building == BUILT_IN_OWN_RING)) {
        own_ring.building = BUILT_NOWHERE;
    } else {
        send_publish();
    }
}

/* Why message_reserve() was NULL: -EAGAIN, no room in this round; -ENODEV, the node is gone. */
int message_refusal(node_id_t to);
/* Whether a message of so many bytes can be reserved now. If not, that is what a send without room
 * is: it asks for a channel that is not there yet, and this node is rung when there is room. */
bool message_ask_for_room(node_id_t to, size_t length_bytes);
