/* SPDX-License-Identifier: MIT */
/*
 * Bytes of one connection that have been received and not yet read, in the order in which they
 * came. They are read where the TS's message has them, if that is in the same round; all else is
 * copied once, into chunks that grow with what arrives.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"

/* A TS may send this much ahead of the application. Above any TCP window: a TS that sends more is
 * damaged, and its connection is aborted rather than memory exhausted. Chosen. */
#define RECEIVED_MAX_BYTES (1 * MIB)

struct received_chunk;

/* Zeroes are an empty one. */
struct received {
    struct received_chunk *head, *tail; /* head NULL: nothing is there, and tail means nothing */
    uint32_t bytes;                     /* all together, without what has been read */
    uint8_t loan_number;                /* in front of the chunks: which of the loans; 0: none */
};

/* Keep the payload of a message from that node: as a loan until the end of the round, if nothing
 * else is there; else like received_append(). `received` stays where it is as long as it is not
 * empty. */
MUST_CHECK int received_keep(struct received *received, node_id_t from,
                             const struct message *message, struct message_payload payload);
/* Copy what is lent and not read, and return all loans. What there is no memory for waits for the
 * end of the next round, if this node has lent it: another one's lines are always copied. */
void received_end_round(void);

/* Keep a copy of these. Returns 0, or -ENOMEM or -EMSGSIZE (more than RECEIVED_MAX_BYTES would be
 * there): nothing was kept, and the byte stream has a hole. */
MUST_CHECK int received_append(struct received *received, const void *bytes, size_t length_bytes);
/* Copy up to `length_bytes` into `buffer`, and forget them unless `is_peek`. Returns how many: 0
 * only if nothing is there, or was asked for. */
size_t received_take(struct received *received, void *buffer, size_t length_bytes, bool is_peek);
/* All of it as read, where it lies: there it stays until the end of the round. NULL, and nothing is
 * read, unless all lies in one place that no other node can write to. */
const void *received_take_lent(struct received *received);
/* Forget all. */
void received_drop(struct received *received);
