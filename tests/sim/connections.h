/* SPDX-License-Identifier: MIT */
/*
 * What the transport servers (TSs) know of connections, as far as the CMs and the web servers meet
 * it: net/transport/availability.c without TCP. The states are that file's.
 *
 *   HALF_OPEN --handshake--> ASSIGNED --told--> ANNOUNCED --claimed--> CLAIMED --closed--> (free)
 *   ASSIGNED, ANNOUNCED --nobody, declined, not claimed in time--> WAITING --reassigned--> ASSIGNED
 *   WAITING --refused--> (free)
 */
#pragma once

#include "net/messages.h"

struct simulation;

enum connection_state {
    CONNECTION_FREE,
    CONNECTION_HALF_OPEN,
    CONNECTION_ASSIGNED,
    CONNECTION_ANNOUNCED,
    CONNECTION_WAITING,
    CONNECTION_CLAIMED,
};

struct connection {
    enum connection_state state;
    uint32_t generation; /* entries are used again */
    node_id_t ts;
    struct acceptor acceptor;
    uint32_t availability_number; /* of the last CONNECTION_AVAILABLE: no other of the run has it */
    uint64_t syn_ns;
    uint64_t available_ns, first_available_ns;
    uint64_t begun_ns; /* an application has begun to serve it */
    uint32_t next_free;
};

struct connection_table {
    struct connection *connections;
    uint32_t count, capacity, first_free;
    uint32_t availability_count; /* of all CONNECTION_AVAILABLE: the next one's number */
    uint64_t claim_timeouts, declines;
};

void connections_start(struct simulation *simulation);
void connections_release(struct connection_table *table);
struct connection *connection_at(struct simulation *simulation, uint32_t index);
/* Whose it is; also of one that has ended meanwhile, as long as its place is not another's. */
node_id_t connections_ts(const struct simulation *simulation, uint32_t index);

/* A client's SYN comes to this TS. */
void connection_open(struct simulation *simulation, node_id_t ts);

/* From CMs: ASSIGN_CONNECTION and REASSIGN_CONNECTION. */
void connection_assign(struct simulation *simulation, uint32_t index,
                       const struct acceptor *acceptor, bool is_refused);
void connection_reassign(struct simulation *simulation, uint32_t index, uint32_t generation,
                         const struct acceptor *acceptor, bool is_refused);

/* What goes between a TS and a web server names a CONNECTION_AVAILABLE, by its number and the web
 * server that was told: both in the word of an event. */
static inline uint64_t availability_word(uint32_t number, unsigned application)
{
    return (uint64_t)application << 32 | number;
}
static inline uint32_t availability_number_of(uint64_t word)
{
    return (uint32_t)word;
}
static inline unsigned availability_application_of(uint64_t word)
{
    return (unsigned)(word >> 32);
}

/* From web servers: events for network_send(), of a connection and that word. */
void connection_handle_claim(void *simulation, uint32_t index, uint64_t word);
void connection_handle_decline(void *simulation, uint32_t index, uint64_t word);
void connection_handle_close(void *simulation, uint32_t index, uint64_t word);
