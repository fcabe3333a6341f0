/* SPDX-License-Identifier: MIT */
/*
 * What messages are soon to be about, fetched into the cache. A transport server knows early, from
 * a batch of frames, of which streams on its own node it will tell. With very many connections
 * those lie in no cache, and to wait for one object after the other takes longer than all that is
 * done with them. One object names the next, so there are steps: each finds there what the step
 * before has had fetched for the whole batch.
 *
 * Nothing depends on it: who expects only fetches, and may be given the name of no stream.
 */
#pragma once

#include "kernel/base.h"

enum expect_step {
    EXPECT_STREAM,
    EXPECT_OWNER,          /* whom the stream tells */
    EXPECT_OWNERS_OBJECTS, /* what that will look at */
    EXPECT_STEPS,
};

/* By the streams of this node. */
void net_register_expecter(void (*expect)(uint32_t stream_index, enum expect_step step));
/* All steps. Costs some twenty instructions a stream and step. */
void net_expect(const uint32_t *stream_indices, unsigned count);

static inline void expect_bytes(const void *object, size_t bytes)
{
    for (size_t offset = 0; offset < bytes; offset += 64) {
        __builtin_prefetch((const uint8_t *)object + offset, 1);
    }
}
