/* SPDX-License-Identifier: MIT */
/*
 * One connection over a network in virtual time: the real sender, queue, recovery and congestion
 * control; a link with a rate, a queue, a delay, losses and whatever else a test has it do to
 * segments; and a receiver with or without SACK. The same options give the same run.
 *
 * Its time is tcp_now_us(); no byte of the payload is looked at.
 */
#pragma once

#include "net/transport/tcp/options.h"
#include "net/transport/tcp/tcb.h"

#define PATH_MSS 1000u

/* A segment on its way, as the sender has made it, or the card of it. */
struct path_segment {
    uint32_t offset, length_bytes; /* in the stream: from 0 on */
    unsigned ordinal;              /* of all that were sent */
    bool is_again;                 /* bytes of it were sent before */
    uint64_t sent_us;
};

#define PATH_LOST  UINT32_MAX
#define PATH_NEVER UINT64_MAX

struct path_options {
    bool has_sack;
    bool is_silent_on_duplicates; /* no D-SACK (RFC 2883) */
    uint32_t delay_us;            /* each way */
    uint32_t bytes_per_ms;        /* of the link there; 0: without bound */
    uint32_t queue_bytes;         /* before it; what finds no room is lost */
    uint32_t window_bytes;        /* 0: 16 MB */
    uint32_t window_growth_bytes; /* with each acknowledgement */
    unsigned loss_per_mille;      /* of segments there, by chance */
    unsigned duplicate_per_mille;
    uint32_t seed;
    bool is_acking_each; /* else every second segment, or after 40 ms */
    uint32_t merging_us; /* else, unless 0, all that has come in so long after the first at once */
    /* What happens to it: so many microseconds later than others, or PATH_LOST. NULL: nothing. */
    uint32_t (*fate)(const struct path_segment *segment);
    /* The same for acknowledgements: by the time at which they leave. */
    uint32_t (*ack_fate)(uint64_t now_us);
    /* The receiver drops what it has beyond a hole, once, then (RFC 2018 8). */
    uint64_t forgets_at_us;
    bool has_no_memory; /* for recovery blocks */
};

struct path {
    struct path_options options;
    struct tcb tcb;
    uint64_t now_us;                     /* does not wrap as tcp_now_us() does */
    uint32_t written_bytes, total_bytes; /* by the application */
    unsigned sent_count, again_count;    /* segments */
    uint32_t again_bytes;
    uint32_t highest_offset;            /* that was sent */
    bool is_over;                       /* the sender has given up */
    void (*observe)(struct path *path); /* after each event, if it is set */
};
extern struct path path;

/* A fresh one; the connection is open, its round trip not known yet. */
void path_open(const struct path_options *options);
/* The application writes so much more. */
void path_write(uint32_t bytes);
/* Until all that was written is acknowledged, nothing more can happen, or `limit_us` has passed.
 * Returns how long it took; PATH_NEVER if not all is acknowledged. */
uint64_t path_run(uint64_t limit_us);
/* So long nothing is written: what is on its way arrives. */
void path_wait(uint64_t wait_us);
/* Fails the test unless what recovery has summed up is what the queue's marks say. */
void path_check(void);
/* Of COUNTER_..., since path_open(). */
uint64_t path_counter(unsigned counter);

/* --- The receiver's (tcp_path_receiver.c) --- */

/* What an acknowledgement says. */
struct path_ack {
    uint32_t next_offset; /* that is expected */
    uint32_t window_bytes;
    struct tcp_options options; /* SACK's, in offsets */
};

void path_receiver_reset(void);
/* Takes a segment. Whether it is to be acknowledged now; else at path_receiver_deadline(). */
bool path_receiver_take(uint32_t offset, uint32_t length_bytes);
bool path_receiver_deadline(uint64_t *deadline_us);
/* What it says now; nothing is owed then. */
struct path_ack path_receiver_acknowledge(void);
