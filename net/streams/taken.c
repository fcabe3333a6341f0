/* SPDX-License-Identifier: MIT */
/*
 * Something is nearly always said about one before the next one is taken: so only the last one is
 * remembered, and stands on no queue. What is left behind is put on one.
 */
#include "net/streams/taken.h"

#include "net/streams/requests.h"
#include "net/streams/table.h"

/* May be another stream in the same place by now. No harm: one that is unspoken was taken, and so
 * is this one, or stands on the queue. */
static struct stream *last;
static struct stream_queue earlier;

static bool is_unspoken(const struct stream *stream)
{
    return stream->state == STREAM_OPEN && stream->is_claim_due;
}

void taken_note(struct stream *stream)
{
    ASSERT_SLOW(stream->state == STREAM_READY);
    if (stream->is_claim_due) {
        if (UNLIKELY(last != NULL && is_unspoken(last))) {
            stream_queue_append(&earlier, last);
        }
        last = stream;
    }
}

static __attribute__((noinline)) void claim(struct stream *stream)
{
    request_claim(stream);
    stream_end_claim_due(stream); /* leaves the queue */
}

void taken_end_round(void *context)
{
    (void)context;
    while (UNLIKELY(earlier.head != NULL)) {
        struct stream *stream = earlier.head;

        claim(stream);
        ASSERT(earlier.head != stream);
    }
    if (last != NULL) {
        if (is_unspoken(last)) {
            claim(last);
        }
        last = NULL;
    }
}
