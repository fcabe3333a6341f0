/* SPDX-License-Identifier: MIT */
/*
 * What splicing.c and splice_copy.c know of a stream that is, or was, spliced.
 */
#pragma once

#include "libc/core/pool.h"
#include "libc/core/timer.h"
#include "net/streams/splicing.h"
#include "net/streams/table.h"

enum way_state {
    WAY_CLOSED,
    WAY_COPIED,
    WAY_SERVER, /* its TS has been asked, and has not said that it is over */
};

/* Of a stream that is, or was, spliced. */
struct spliced {
    struct pool_object place;
    struct stream *stream;
    void (*changed)(void *owner, unsigned readiness); /* the owner's, while a way is open */
    struct spliced *next_due;                         /* to be looked at in the next round */
    bool is_due;

    /* As a source. */
    uint8_t way;           /* enum way_state */
    bool may_ask;          /* its TS has the drain as well, and has not refused */
    bool is_stopping;      /* SPLICE_STOP has been sent */
    uint32_t number;       /* of the last SPLICE_BEGIN */
    int error;             /* why it has ended, until that is told; 0: nothing to be told */
    struct spliced *drain; /* while the way is open; NULL: it is closed, which its TS is to hear */
    struct splice_limits limits;
    uint64_t bytes, moved_ns; /* that have gone, as far as is known; and when the last have */
    struct timer timer;       /* of limits.idle_ns, while it is copied */

    /* As a drain. */
    struct spliced *source; /* while its way is open */
    bool is_servers;        /* its TS sends on it */
    uint32_t kept_credit_bytes;
    uint32_t lent_number; /* of the splice that it is for */
};

/* splicing.c's: its way is closed; `error`: 0, or what the source's owner is told. */
void spliced_end(struct spliced *source, int error);
/* splicing.c's: its TS shall go on. */
void spliced_ask_server(struct spliced *source);
/* splice_copy.c's: move what there is, as far as there is room, and see what comes next. */
void splice_copy(struct spliced *source);

/* How many bytes may still go. */
static inline uint64_t spliced_left_of_most(const struct spliced *source)
{
    return source->limits.bytes_most == 0 ? UINT64_MAX : source->limits.bytes_most - source->bytes;
}

static inline int spliced_error_of(const struct stream *stream, int otherwise)
{
    return stream->error != 0 ? stream->error : otherwise;
}
