/* SPDX-License-Identifier: MIT */
/*
 * The messages of UDP, a part of the table in net/messages.h, which includes this file. A port
 * belongs to one application. It asks the speaker for it, which decides, and tells the other TSs:
 * so whichever gets a datagram knows whose it is, and whoever speaks next knows all.
 *
 * Addresses are in network byte order, ports in the machine's.
 */
#pragma once

#include "kernel/message/message.h"

/* clang-format off: a table */
#define DATAGRAM_MESSAGE_TABLE(X)                                                                  \
    X(BIND_PORT, bind_port, APP, TS)                                                               \
    X(PORT_BOUND, port_bound, TS, APP)                                                             \
    X(SEND_DATAGRAM, send_datagram, APP, TS)                                                       \
    X(DATAGRAM_ARRIVED, datagram_arrived, TS, APP)                                                 \
    X(DATAGRAM_REFUSED, datagram_refused, TS, APP)
/* clang-format on */

/* What one message holds; longer ones are not sent, and not received. */
#define DATAGRAM_MAX_BYTES 4032u

/* Ports that are chosen for who names none (RFC 6056 3.2: as many as can be). Those above are
 * lwIP's to choose. */
#define DATAGRAM_CHOSEN_PORT_FIRST 0x8000u
#define DATAGRAM_CHOSEN_PORT_COUNT 0x4000u

enum bind_port_kind {
    BIND_PORT_ASK = 0,  /* to the speaker: may I have it? */
    BIND_PORT_TELL = 1, /* to another: I have it, whoever had it */
    BIND_PORT_FREE = 2, /* I no longer have it; no answer */
};

/* Answer owed: PORT_BOUND. */
struct bind_port {
    struct message_header header;
    uint16_t port; /* not 0 */
    uint16_t kind; /* enum bind_port_kind */
    uint32_t request_number;
};

/* error_number as errno: EADDRINUSE, ENOMEM; 0: datagrams for it are yours from now on. */
struct port_bound {
    struct message_header header;
    uint32_t request_number; /* as in the question */
    uint32_t error_number;
};

/* Of a port that the sender has told; at most DATAGRAM_MAX_BYTES follow the struct. No answer: what
 * cannot be sent is lost, as on any wire, and counted. */
struct send_datagram {
    struct message_header header;
    uint32_t remote_address; /* not 0 */
    uint16_t remote_port;    /* not 0 */
    uint16_t local_port;
    uint8_t group_ttl; /* if it is for a group; 0: not beyond this machine */
    uint8_t is_looped; /* likewise: to those on this machine who have joined it, too */
    uint16_t reserved;
    uint32_t reserved_2;
};

/* Its bytes follow the struct. */
struct datagram_arrived {
    struct message_header header;
    uint32_t remote_address;
    uint32_t local_address; /* whom it was sent to: perhaps everybody */
    uint16_t remote_port;
    uint16_t local_port;
    uint32_t reserved;
};

/* One that was sent from that port to this address and port has come to where nobody wants it
 * (ICMP, port unreachable). Anybody can have made that up. */
struct datagram_refused {
    struct message_header header;
    uint32_t remote_address;
    uint16_t remote_port;
    uint16_t local_port;
};
