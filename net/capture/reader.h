/* SPDX-License-Identifier: MIT */
/*
 * A capture as an application reads it: the frames of all link servers, in order of time, each in a
 * copy that nobody changes. Several at a time, each bounded: a link server is asked for no more
 * than has room here, and one that does not answer is left out after a while.
 *
 * Times are those of net/capture_messages.h.
 */
#pragma once

#include "kernel/base.h"
#include "net/capture/filter.h"

struct capture_reader;

#define CAPTURE_READER_MAX 4u

/* A link server that had nothing is asked again after so long: two messages. */
#define CAPTURE_WAIT_NS (20 * NS_PER_MS)

enum capture_progress {
    CAPTURE_HAS_FRAME,
    CAPTURE_WAITS, /* ask again when `wake` is called, and after CAPTURE_WAIT_NS */
    CAPTURE_IS_OVER,
};

struct captured {
    unsigned interface; /* which link server's: 0 .. capture_interface_count() - 1 */
    uint64_t time_ns;
    unsigned direction;      /* CAPTURE_IN or CAPTURE_OUT */
    uint32_t original_bytes; /* `bytes`, or more */
    const uint8_t *data;     /* until the next call here */
    uint32_t bytes;
    uint64_t lost_count; /* of this link server, before it: overwritten before they were read */
};

enum capture_end {
    CAPTURE_ENDED_WELL, /* or not yet */
    CAPTURE_NODE_DEAD,
    CAPTURE_NODE_SILENT, /* it has not answered */
    CAPTURE_NODE_WRONG,  /* it has answered what cannot be */
};

/* What a link server has said of itself, and what has become of it. */
struct capture_interface {
    node_id_t node;
    enum capture_end end;
    uint64_t seen_count;     /* frames in and out since its start */
    uint64_t recorded_count; /* of them recorded */
    uint64_t lost_count;     /* of this capture, overwritten before they were read */
    uint64_t early_count;    /* recorded, and overwritten before this capture began */
    uint64_t read_count;     /* told to us */
};

/* On a node with an application, before it is started. */
void capture_reader_initialise(void);

/* The time now. */
uint64_t capture_now_ns(void);

/*
 * Begin to read what is recorded, up to `until_ns`, which may be to come.
 *
 * wake  called, never inside a call here, when capture_reader_next() may have something new
 *
 * Returns NULL without memory, or when CAPTURE_READER_MAX are open.
 */
struct capture_reader *capture_reader_open(const struct capture_filter *filter,
                                           const struct capture_peer *peer, uint64_t until_ns,
                                           void (*wake)(void *context), void *context);
/* Takes the next frame, if there is one. */
enum capture_progress capture_reader_next(struct capture_reader *reader, struct captured *frame);
unsigned capture_interface_count(const struct capture_reader *reader);
struct capture_interface capture_interface(const struct capture_reader *reader, unsigned index);
void capture_reader_close(struct capture_reader *reader);
