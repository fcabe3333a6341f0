/* SPDX-License-Identifier: MIT */
/*
 * What handshakes meet, for unit tests: clients by number, the segments that they get, the
 * connections that come of it. Time moves only by half_open_world_pass().
 */
#pragma once

#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/overload.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"

#define WORLD_ADDRESS 0x0100000Au /* 10.0.0.1, ours */
#define WORLD_PORT    80u
#define WORLD_IRS     0xFFFFFFF0u /* of a client: its numbers wrap soon */
#define WORLD_CM      2u
#define WORLD_NODE    3u

extern struct half_open_world {
    /* What has been sent since half_open_world_clear(), and the last of it. */
    unsigned sent_count, refused_count, closed_count;
    struct bare_segment sent;
    struct acceptor closed;
    /* Connections, in all, and the last one. */
    unsigned opened_count;
    struct handshake opened;
    struct handshake_completion completion;
    bool is_table_full, has_no_memory;
    uint32_t asked_admission_of; /* the last address of which that was asked */
    /* The client of the functions at the end, and who shall be told. */
    struct flow flow;
    struct acceptor acceptor;
    /* How often an acceptor has been asked for; and whether the manager cannot be. */
    unsigned asked_count;
    bool is_manager_full;
    unsigned overload_counts[OVERLOAD_COUNT];
} world;

/* A test's set-up and tear-down: after this all time has passed, and nothing is left. */
int half_open_world_set_up(void **state);
int half_open_world_tear_down(void **state);
void half_open_world_clear(void);
/* Rounds go by, one each millisecond and for each deadline in between. */
void half_open_world_pass(uint64_t ns);
uint64_t half_open_world_now_ns(void);

/* The flow of client `number`: each has an address of its own. */
struct flow world_flow(unsigned number);
/* A segment of that flow without options or payload, for more to be filled in. */
struct packet world_packet(const struct flow *flow, uint8_t tcp_flags, uint32_t sequence,
                           uint32_t acknowledgment);
/* As demux.c hands it over. */
struct segment world_segment_of(const struct packet *packet);

/* A SYN, as demux.c hands it over. */
void world_syn_segment(struct segment *segment, uint32_t least_iss, bool has_least_iss);
/* Nothing is half-open. */
void world_forget(void);
/* A SYN as usual systems send it: MSS 1460, SACK, scale 7. With an acceptor the manager answers at
 * once: returns whether the handshake has taken it. */
bool world_syn(const struct flow *flow, uint32_t irs, const struct acceptor *acceptor);
/* With those options, and without an answer. */
void world_syn_with(const struct flow *flow, uint32_t irs, const uint8_t *options,
                    unsigned option_bytes);
/* Returns whether a connection is there now; is_known: whether it was a
 * part of a handshake. */
bool world_segment(const struct packet *packet, bool *is_known);
/* The ACK for the SYN-ACK that was sent last. Returns whether a connection is there now. */
bool world_acknowledge(const struct flow *flow);
/* Somebody who shall be told. */
struct acceptor world_acceptor(node_id_t node);
uint64_t world_counted(unsigned counter);

/* A handshake of world.flow begins, with world.acceptor. Returns our number. */
uint32_t world_begin(void);
/* A segment of world.flow, so far behind WORLD_IRS + 1. Returns whether a connection is there now.
 * It must be known as a handshake's. */
bool world_answer(uint8_t tcp_flags, uint32_t sequence, uint32_t acknowledgment);
/* Whether it is; and it must not complete any. */
bool world_is_known(const struct packet *packet);
