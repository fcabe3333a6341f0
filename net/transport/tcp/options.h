/* SPDX-License-Identifier: MIT */
/*
 * Options of TCP (RFC 9293 3.1, 7323, 2018): from outside, so read once and checked. What is cut
 * short ends the list; what is unknown is passed over.
 */
#pragma once

#include "kernel/base.h"

#define TCP_OPTION_SACK_BLOCKS_MAX 4u

/* Of a peer that says nothing (RFC 9293 3.7.1), and the least that one is believed: chosen, a third
 * of what is headers then. */
#define TCP_OPTION_MSS_DEFAULT 536u
#define TCP_OPTION_MSS_LEAST   216u
/* RFC 7323 2.3: more is taken for that. */
#define TCP_OPTION_SCALE_MAX   14u

#define TCP_OPTION_SYN_ACK_MAX_BYTES 12u

struct tcp_options {
    uint16_t mss;  /* 0: not said; else at least TCP_OPTION_MSS_LEAST */
    uint8_t scale; /* 0 .. 14; means nothing without has_scale */
    bool has_scale;
    bool is_sack_permitted;
    bool has_timestamps;
    uint8_t sack_count;
    uint32_t timestamp, timestamp_echo;
    uint32_t sack[TCP_OPTION_SACK_BLOCKS_MAX][2]; /* left and right, as they stand there */
};

/* `bytes`: 0 .. 40. Of one that is repeated the last counts; one of another length than it must
 * have is unknown. Of `sack` only sack_count are filled in. */
void tcp_options_parse(struct tcp_options *options, const uint8_t *option, unsigned bytes);
/* Of a SYN-ACK; scale and SACK only if the peer has offered them. Returns the bytes, whole words,
 * at most TCP_OPTION_SYN_ACK_MAX_BYTES. */
unsigned tcp_options_put_syn_ack(uint8_t *option, uint16_t mss, bool has_scale, uint8_t scale,
                                 bool has_sack);
