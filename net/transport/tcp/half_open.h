/* SPDX-License-Identifier: MIT */
/*
 * Connections before the ACK that completes their handshake (SYN-RECEIVED): an entry of 64 bytes
 * each, or none at all: when entries run out, or for one remote address that has too many, a SYN
 * cookie (cookie.h) stands for one. Three queues, by how often the SYN-ACK has been sent, in place
 * of timers: again after 1 s and 2 s more, and gone after 4 more, which is 7.
 *
 * Beside the SYN-ACK of a new entry goes the question who shall have the connection
 * (net/transport/admission.h). The acceptor that is the answer goes to the connection, or is
 * reported closed (net/transport/closed.h) when its entry ends without one; a connection that comes
 * first waits for it.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct half_open;
struct segment;
struct tcb;

#define HALF_OPEN_MAX          4096u /* entries; chosen */
#define HALF_OPEN_MAX_PER_PEER 64u   /* for one remote address: chosen */
/* No acceptor is asked for while there are more: then they may be a flood's, and a CM is asked when
 * one of them is complete. */
#define HALF_OPEN_ASKED_MAX    (HALF_OPEN_MAX / 2)
/* One flow gets an answer to what it repeats, or should not have sent, no sooner than so long after
 * the last one: 101 ms, in units of 2^20 ns. */
#define HALF_OPEN_ANSWER_TICKS 96u
/* So far beyond the last number of a connection in TIME_WAIT its successor begins at least. */
#define HALF_OPEN_ISS_DISTANCE 65536u

void half_open_initialise(void);
uint32_t half_open_count(void);

/*
 * A SYN for a served port, of a flow that has neither connection nor entry, its checksum verified.
 * Looked at in this order: whether a host may have such an address (that it is not the link's
 * broadcast, the caller knows), the budget of the round (flood.h), whether the node takes a
 * connection of that address; then an entry is made, or a cookie.
 *
 * least_iss      our initial sequence number is to lie beyond it (TIME_WAIT), if has_least_iss;
 *                such a flow is known and gets an entry while there are any
 */
void half_open_syn(struct segment *segment, uint32_t least_iss, bool has_least_iss);
/*
 * A CM has answered (ASSIGN_CONNECTION): that acceptor, or, without node, nobody yet; refused: the
 * entry is forgotten, and what its peer sends next is a stranger's. Returns whether there is an
 * entry of the flow that waits for an answer; if not the acceptor stays the caller's.
 */
MUST_CHECK bool half_open_assign(const struct flow *flow, const struct acceptor *acceptor,
                                 bool is_refused);
/* Of a flow that has an entry, a SYN: with the budget of the round. */
void half_open_syn_again(struct half_open *entry, const struct segment *segment);
/*
 * Any other segment of such a flow. If it completes the handshake, returns the block of a
 * connection that is there now (connection_open()) and has the entry's place, with the window that
 * the segment names; the caller gives it the rest. Else NULL.
 */
MUST_CHECK struct tcb *half_open_segment(struct half_open *entry, const struct segment *segment);
/* Of a flow without entry, connection and TIME_WAIT, no SYN: whether it may be the answer to a
 * cookie. If it is, and there is room, `opened` is such a block, else it stays as it is. */
MUST_CHECK bool half_open_cookie(const struct segment *segment, struct tcb **opened);
/* Whether there is one of such a flow. Walks through all. */
bool half_open_has_any(bool (*is_such)(const struct flow *flow));
/* A node has died: entries forget it as the application of their acceptor, or as its CM. */
void half_open_lose_node(node_id_t node);
