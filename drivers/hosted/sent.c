/* SPDX-License-Identifier: MIT */
/*
 * A ring of whom to tell.
 */
#include "drivers/hosted/sent.h"

#include "kernel/platform.h"

#define RING_FRAMES 1024u /* a power of two */

static struct sent {
    void (*done)(void *context);
    void *context;
} ring[RING_FRAMES];
static uint32_t head, tail; /* free-running */

bool sent_has_room(void)
{
    return tail - head != RING_FRAMES;
}

void sent_note(const struct frame_to_send *frame)
{
    ASSERT_SLOW(sent_has_room());
    ring[tail++ % RING_FRAMES] = (struct sent){frame->done, frame->context};
}

unsigned sent_reclaim(void)
{
    unsigned told = 0;

    while (head != tail) {
        struct sent sent = ring[head++ % RING_FRAMES];

        if (sent.done != NULL) {
            sent.done(sent.context);
            told++;
        }
    }
    return told;
}

unsigned sent_in_flight(void)
{
    return tail - head;
}
