/* SPDX-License-Identifier: MIT */
/*
 * UDP ports of this application, without descriptors: asked for, told of, given back; datagrams out
 * and in. Nothing here blocks or keeps a datagram. Addresses are in network byte order, ports in
 * the machine's.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "net/datagram_messages.h"

struct datagram_port;

/* What its owner is told; none of these calls back into here but for datagram_port_number(). */
struct datagram_functions {
    /* It is bound, or will not be: error as -errno, and the port is gone. Once. */
    void (*settled)(void *owner, int error);
    void (*arrived)(void *owner, const struct datagram_arrived *datagram,
                    struct message_payload payload);
    /* Nobody is there who would want what was sent to that port. */
    void (*refused)(void *owner, uint32_t remote_address, uint16_t remote_port);
};

/* Register what an application receives of UDP. On its node, before the application is started. */
void datagrams_start(void);

/*
 * Ask for this port, or, if it is 0, for one that is chosen at random. The answer is settled().
 * Returns NULL, and *error is -EADDRINUSE, this application has it, or -ENOMEM.
 */
struct datagram_port *datagram_port_open(uint16_t number,
                                         const struct datagram_functions *functions, void *owner,
                                         int *error);
/* Give it back, whether it is settled or not; it is not told of anything any more. */
void datagram_port_close(struct datagram_port *port);
uint16_t datagram_port_number(const struct datagram_port *port);
bool datagram_port_is_bound(const struct datagram_port *port);

/* Where one shall go. */
struct datagram_way {
    uint32_t remote_address; /* not 0 */
    uint16_t remote_port;    /* not 0 */
    uint8_t group_ttl;       /* to a group: how many routers away, less one; 0: none of the wire */
    bool is_looped;          /* likewise: and to those of this machine who are in it */
};

struct datagram_piece {
    const void *data;
    size_t bytes;
};

/*
 * Send the pieces, `bytes` in all, at most DATAGRAM_MAX_BYTES, as one datagram, by a living
 * transport server: this node's own, if it has one.
 *
 * Returns 0: it is on its way, or lost as on any wire. -EAGAIN: no room in this round. -ENETDOWN:
 * no transport server lives.
 */
MUST_CHECK int datagram_send(const struct datagram_port *port, const struct datagram_way *way,
                             const struct datagram_piece *pieces, size_t bytes);
