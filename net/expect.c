/* SPDX-License-Identifier: MIT */
#include "net/expect.h"

static void (*expecter)(uint32_t stream_index, enum expect_step step);

void net_register_expecter(void (*expect)(uint32_t stream_index, enum expect_step step))
{
    expecter = expect;
}

void net_expect(const uint32_t *stream_indices, unsigned count)
{
    for (enum expect_step step = 0; step < EXPECT_STEPS && expecter != NULL; step++) {
        for (unsigned i = 0; i < count; i++) {
            expecter(stream_indices[i], step);
        }
    }
}
