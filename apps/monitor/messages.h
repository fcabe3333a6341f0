/* SPDX-License-Identifier: MIT */
/*
 * The monitor's messages, from a node to any other: behind those of net/messages.h. Each is owned
 * by the file that is named with it.
 */
#pragma once

#include "kernel/limits.h"
#include "kernel/message/message.h"
#include "net/messages.h"

enum {
    /* control.c */
    MESSAGE_STOP_NODE = MESSAGE_TYPE_AFTER_NET, /* the receiver halts for good */
    MESSAGE_SET_LOG,                            /* struct set_log */
    MESSAGE_DRAIN,                              /* struct drain */
    /* fault.c */
    MESSAGE_FAULT, /* struct fault_order */
    /* connections.c */
    MESSAGE_ASK_CONNECTIONS, /* answers owed: MESSAGE_TELL_CONNECTION */
    MESSAGE_TELL_CONNECTION, /* struct tell_connection */
    /* balance.c */
    MESSAGE_ASK_BALANCE,  /* answers owed: MESSAGE_TELL_BALANCE */
    MESSAGE_TELL_BALANCE, /* struct tell_balance */
    /* get.c */
    MESSAGE_GET, /* struct get_order */
    MESSAGE_TYPE_AFTER_MONITOR
};

_Static_assert(MESSAGE_TYPE_AFTER_MONITOR <= MESSAGE_TYPE_MAX, "the dispatcher's table has room");

/* --- balance.c --- */

enum told {
    TOLD_APPLICATION,
    TOLD_OFFER,
    TOLD_LEFT_OUT, /* the last one, if it is needed: `count` things more */
};

/* One thing that a manager knows. No answer. */
struct tell_balance {
    struct message_header header;
    uint8_t told; /* enum told */
    /* Of an application: it would take a connection; those that it has open take longer than its
     * median; it is offered to others. Of an offer: connections may go there. */
    uint8_t is_accepting, is_overdue, is_offered, counts;
    uint8_t reserved;
    uint16_t port;
    node_id_t node, cm;
    uint32_t open, sample_count;
    uint32_t count;
    uint64_t service_ns; /* 0: not known */
    uint64_t assigned, closed_for_others;
};

_Static_assert(sizeof(struct tell_balance) <= CHANNEL_LINE_BYTES, "one line");

/* --- get.c --- */

#define GET_PATH_BYTES 40u /* with the zero at its end */

/* The receiver fetches this page so many times. The host follows, as text: an address or a name, at
 * most DOMAIN_NAME_MAX_BYTES. No answer: it logs. */
struct get_order {
    struct message_header header;
    uint32_t count;
    uint16_t port; /* machine's order */
    char path[GET_PATH_BYTES];
    uint16_t reserved;
};

_Static_assert(sizeof(struct get_order) <= CHANNEL_LINE_BYTES, "one line");

/* --- fault.c --- */

/* The receiver fails, or stops another node. No answer is owed. */
struct fault_order {
    struct message_header header;
    uint32_t kind; /* enum fault_kind */
    uint32_t seed;
    node_id_t victim;
};

_Static_assert(sizeof(struct fault_order) <= CHANNEL_LINE_BYTES, "one line");

/* --- connections.c --- */

/* One connection; with state CONNECTION_FREE: so many more, and the last answer. No answer. */
struct tell_connection {
    struct message_header header;
    uint32_t remote_address; /* in network byte order, as the ports */
    uint16_t remote_port, local_port;
    node_id_t application; /* its node; NODE_NONE: nobody's yet, or no longer */
    uint8_t state;         /* enum connection_state */
    uint8_t reserved;
    uint32_t count;
};

_Static_assert(sizeof(struct tell_connection) <= CHANNEL_LINE_BYTES, "one line");
