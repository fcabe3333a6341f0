/* SPDX-License-Identifier: MIT */
/*
 * The packets of SNTP (RFC 4330, RFC 5905 7.3), as a client has them. No network here.
 */
#pragma once

#include "kernel/base.h"

#define NTP_PORT         123
/* What is behind it, as keys for authentication, is not looked at. */
#define NTP_PACKET_BYTES 48

/* The server's times of our request and of its answer: nanoseconds since 1970, UTC. */
struct ntp_times {
    uint64_t receive_ns;
    uint64_t transmit_ns;
};

enum ntp_verdict {
    NTP_GOOD,
    NTP_BROKEN,         /* not a server's packet, or one whose times cannot be */
    NTP_NOT_ANSWER,     /* to another request, or to none */
    NTP_UNSYNCHRONISED, /* the server says that it does not know the time, or is too far from it */
    NTP_GO_AWAY,        /* kiss-o'-death: ask more rarely */
};

/* Where a client's time would stand is a number that only the server gets to know: whoever answers
 * has seen the request. */
void ntp_write_request(uint8_t packet[NTP_PACKET_BYTES], uint64_t nonce);
/* `times` is set when it is NTP_GOOD. */
enum ntp_verdict ntp_read_answer(const uint8_t *packet, size_t bytes, uint64_t nonce,
                                 struct ntp_times *times);
