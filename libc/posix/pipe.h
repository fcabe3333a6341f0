/* SPDX-License-Identifier: MIT */
/*
 * Pipes, for calls that move bytes between one and something else: splice.c.
 */
#pragma once

#include "libc/posix/byte_queue.h"
#include "libc/posix/descriptor.h"

/* While either end is open. */
struct pipe {
    struct descriptor reader, writer; /* fd -1: closed */
    struct byte_queue queue;
};

static inline bool pipe_is_open(const struct descriptor *end)
{
    return end->fd >= 0;
}

/* The pipe whose end that reads, or that writes, this is; NULL: it is none. */
struct pipe *pipe_find(struct descriptor *descriptor, bool is_reader);
/* Bytes were taken out, or put in, as byte_queue.h has it: whoever waits is told. */
void pipe_note_taken(struct pipe *pipe);
void pipe_note_put(struct pipe *pipe);
