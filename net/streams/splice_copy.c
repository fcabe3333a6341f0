/* SPDX-License-Identifier: MIT */
/*
 * Splices whose bytes this node copies: from what has been received into messages to the drain's
 * TS, one at a time, each as large as the drain's credit and its channel have room for.
 */
#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "net/splice_counters.h"
#include "net/streams/sending.h"
#include "net/streams/spliced.h"
#include "net/streams/stream.h"

/* What one SEND carries. */
#define COPY_BYTES (MESSAGE_MAX_BYTES - sizeof(struct send))

static uint8_t copied[COPY_BYTES];

/* Why nothing can be copied any more, or 0. */
static int find_failure(const struct spliced *source)
{
    const struct stream *from = source->stream, *to = source->drain->stream;

    if (to->is_gone || to->is_send_shut) {
        return spliced_error_of(to, EPIPE);
    }
    return from->is_gone && from->received.bytes == 0 ? spliced_error_of(from, ECANCELED) : 0;
}

/* As many as one message holds and there is room for. Returns whether to go on. */
static bool copy_some(struct spliced *source)
{
    struct stream *from = source->stream, *to = source->drain->stream;
    uint64_t bytes = from->received.bytes;
    struct stream_piece piece = {.data = copied};

    bytes = bytes < spliced_left_of_most(source) ? bytes : spliced_left_of_most(source);
    bytes = bytes < to->send_credit_bytes ? bytes : to->send_credit_bytes;
    bytes = bytes < COPY_BYTES ? bytes : COPY_BYTES;
    if (bytes == 0) {
        to->is_short_of_room = true;
        return false;
    }
    if (!message_ask_for_room(to->ts, MESSAGE_MAX_BYTES)) {
        (void)stream_note_refusal(to); /* the stream fails, or is told when there is room */
        return false;
    }
    piece.bytes = stream_take(from, copied, bytes);
    if (stream_send(to, &piece, piece.bytes, CLOSE_NOT) != (int64_t)piece.bytes) {
        return false; /* it has failed */
    }
    source->bytes += piece.bytes;
    source->moved_ns = dispatch_now_ns();
    counter_add(COUNTER_SPLICE_BYTES_COPIED, piece.bytes);
    return true;
}

void splice_copy(struct spliced *source)
{
    struct stream *from = source->stream, *to = source->drain->stream;
    int error;

    while (find_failure(source) == 0 && from->received.bytes != 0 &&
           spliced_left_of_most(source) != 0) {
        if (!copy_some(source)) {
            break;
        }
    }
    error = find_failure(source);
    if (error != 0) {
        spliced_end(source, error);
    } else if (spliced_left_of_most(source) == 0) {
        spliced_end(source, EFBIG);
    } else if (from->received.bytes != 0) {
        return; /* the drain has no room */
    } else if (from->is_peer_closed) {
        stream_shut_send(to);
        spliced_end(source, 0);
    } else if (source->may_ask && !source->drain->is_servers) {
        spliced_ask_server(source);
    }
}
