/* SPDX-License-Identifier: MIT */
/*
 * SYN cookies (RFC 4987 3.6): when entries for handshakes run out, all that a SYN says that must be
 * remembered is kept in our initial sequence number: a keyed hash of flow, client's number and data
 * in the upper 24 bits, and in the lower 8 the data, hidden by the hash: which secret 1, SACK 1,
 * window scale 3, MSS 3. A forgery passes once in 2^24. A secret lasts 32 s, and the one
 * before it is valid, too.
 */
#pragma once

#include "kernel/base.h"

struct handshake;
struct packet;
struct tcp_options;

/* Chosen: longer than a client waits for our SYN-ACK, and the more guesses at a number the longer.
 */
#define COOKIE_SECRET_NS   (32 * NS_PER_S)
#define COOKIE_LIFETIME_NS (2 * COOKIE_SECRET_NS) /* at most; half of that at least */

void cookie_initialise(void);
/* Our initial sequence number for this SYN. What cannot be said exactly is rounded down. */
uint32_t cookie_make(const struct packet *syn, const struct tcp_options *options, uint64_t now_ns);
/* Whether one may come back now: whether any was made in the last 64 s. */
bool cookie_is_awaited(uint64_t now_ns);
/* Whether this segment, which has ACK, returns one of ours that is valid; then all of `handshake`
 * is filled in, with nobody as acceptor. It may carry data, but none may have come before it. */
bool cookie_check(const struct packet *ack, uint64_t now_ns, struct handshake *handshake);
