/* SPDX-License-Identifier: MIT */
/*
 * Connections of our own TCP without servers around them: all of net/transport/tcp but for what
 * makes frames, the wheel and TIME-WAIT. A segment is a TCP header and what follows it, as it
 * stands on the wire, without checksum. What a machine receives must be the bytes of
 * machine_byte().
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/tcb.h"

#define MACHINE_HEADER_MAX  60u
#define MACHINE_SEGMENT_MAX (MACHINE_HEADER_MAX + 65535u)

struct machine {
    struct tcb tcb;
    /* Each segment that it sends; may be NULL. */
    void (*send)(struct machine *machine, const uint8_t *tcp, size_t bytes);
    uint32_t stream_bytes; /* that the application has got, and not taken: */
    uint32_t unread_bytes;
    uint32_t acknowledged_bytes;
    bool has_peer_closed, is_over, is_in_time_wait, has_reset; /* it has sent one */
    int error;
    uint32_t last_rcv_nxt; /* as TIME-WAIT got it */
    bool is_unsettled;
};

/* What the handshake has said. */
struct machine_settings {
    uint32_t irs, iss;
    uint16_t mss;
    bool has_sack;
};

/* Everything as at first; at most so many bytes for receive buffers to grow by. */
void machine_initialise(uint64_t memory_bytes, bool can_grow);
void machine_open(struct machine *machine, const struct machine_settings *settings);
/* If it is not over. */
void machine_end(struct machine *machine);
void machine_receive(struct machine *machine, const uint8_t *tcp, size_t bytes);
/* So many bytes behind those that were written: see machine_byte(). False: no room. */
bool machine_write(struct machine *machine, uint32_t length_bytes);
/* The application takes all there is. */
void machine_read(struct machine *machine);
/* The end of a round. */
void machine_settle(struct machine *machine);
/* The timer if it is due by now. */
void machine_expire(struct machine *machine);

/* The byte at that place of a stream, of either side. */
uint8_t machine_byte(uint32_t index);
void machine_fill(uint8_t *bytes, uint32_t first, uint32_t length_bytes);

uint64_t machine_now_us(void);
void machine_advance_us(uint64_t us);
