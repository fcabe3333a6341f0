/* SPDX-License-Identifier: MIT */
/*
 * The message of forwarding segment by segment, a part of the table in net/messages.h, which
 * includes this file: which ports of ours are forwarded, to which backends, and who is chosen.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"

/* clang-format off: a table */
#define FORWARD_MESSAGE_TABLE(X) X(FORWARD_RULE, forward_rule, APP, TS)
/* clang-format on */

/* Ports that are forwarded at a time, and backends of each. Chosen: what one looks through for each
 * new flow. */
#define FORWARD_RULE_MAX    16u
#define FORWARD_BACKEND_MAX 64u
#define FORWARD_WEIGHT_MAX  1000u

/* Which backend a new flow goes to. */
enum forward_algorithm {
    FORWARD_ROUND_ROBIN = 0,       /* in turn, as often as its weight says */
    FORWARD_LEAST_CONNECTIONS = 1, /* who has fewest flows for its weight, of this server's */
    /* By the client's address: it stays with its backend while that lives, and when one goes or
     * comes few others change. All servers choose the same. */
    FORWARD_CONSISTENT_HASH = 2,
    FORWARD_ALGORITHM_COUNT
};

/* Where flows go. */
struct forward_backend {
    uint32_t address; /* network byte order; another host's */
    uint16_t port;    /* the machine's order, not 0 */
    uint16_t weight;  /* 1 .. FORWARD_WEIGHT_MAX; 0: no new flows, those that it has go on */
};

/* Whatever its values: of both sides, the one that tells and the one that is told. */
static inline bool forward_backend_is_valid(const struct forward_backend *backend)
{
    uint8_t first_byte = (uint8_t)backend->address;

    return first_byte != 0 && first_byte != 127 && first_byte < 224 && backend->port != 0 &&
           backend->weight <= FORWARD_WEIGHT_MAX;
}

/* What fits a line. */
#define FORWARD_RULE_BACKENDS 6u

enum forward_rule_flags {
    FORWARD_RULE_FIRST = 1 << 0, /* a new set of rules begins, which is empty so far */
    FORWARD_RULE_LAST = 1 << 1,  /* it ends, and holds from now on in place of the one before */
};

/*
 * A port that is forwarded, and some of its backends: those of one port come in as many messages
 * behind each other as it takes. A set of rules is told to every TS as a whole; without a port in
 * its only message it is empty. A set with anything wrong in it is refused as a whole. It holds
 * until another one is told, whether who has told it lives or not. No answer.
 */
struct forward_rule {
    struct message_header header;
    uint16_t port;         /* the machine's order */
    uint8_t algorithm;     /* enum forward_algorithm; the same in all messages of a port */
    uint8_t flags;         /* enum forward_rule_flags, OR-ed */
    uint8_t backend_count; /* of those below; 0 only without a port */
    uint8_t reserved[3];
    struct forward_backend backends[FORWARD_RULE_BACKENDS];
};
