/* SPDX-License-Identifier: MIT */
/*
 * One connection of lwIP alone, with its own sender, for comparison: the same lwIP as is lent our
 * receive half, compiled once more without our seams, as an object of which only these names can be
 * seen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As enum tcb_state has them. */
enum reference_state {
    REFERENCE_CLOSED,
    REFERENCE_ESTABLISHED,
    REFERENCE_FIN_WAIT_1,
    REFERENCE_FIN_WAIT_2,
    REFERENCE_CLOSE_WAIT,
    REFERENCE_CLOSING,
    REFERENCE_LAST_ACK,
    REFERENCE_TIME_WAIT,
};

struct reference {
    enum reference_state state;
    uint32_t rcv_nxt, snd_una, snd_nxt;
    bool has_reset, has_peer_closed; /* the peer has; bytes and FIN have come */
    bool has_aborted;                /* it has itself */
    bool is_fin_sent;
    const char *assertion; /* that it has violated; it is worth nothing from then on. Or NULL */
    uint32_t stream_bytes; /* that the application has got */
};
extern struct reference reference;

struct reference_wire {
    /* Each segment that it sends, from the TCP header on, and bytes that have come in order. */
    void (*send)(const uint8_t *tcp, size_t bytes);
    void (*receive)(const uint8_t *stream, size_t bytes);
};

void reference_initialise(const struct reference_wire *wire);
/* Forget the old connection, and have one that is ESTABLISHED: `rcv_nxt`, `snd_nxt` the next
 * numbers of both sides, `window_bytes` the one that it has announced. `stream` takes what comes.
 */
void reference_open(uint32_t rcv_nxt, uint32_t snd_nxt, uint32_t window_bytes, bool has_sack,
                    uint16_t mss);
void reference_end(void);
/* A segment, from its TCP header on, checksum apart. */
void reference_segment(const uint8_t *tcp, size_t bytes);
/* False: no room. */
bool reference_write(const uint8_t *bytes, size_t length_bytes);
/* FIN; with `is_whole` nobody reads any more either. */
void reference_close(bool is_whole);
/* The application takes so many bytes: its window opens. */
void reference_consumed(uint32_t bytes);
/* One of its slow ticks, of 500 ms, and two fast ones. */
void reference_tick(void);
/* Its windows, instead of what it would have. */
void reference_set_windows(uint32_t receive_bytes, uint32_t send_bytes, uint32_t congestion_bytes);
