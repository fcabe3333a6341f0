/* SPDX-License-Identifier: MIT */
/*
 * Streams: the application's ends of its connections. The TS owns the TCP state; here are only what
 * has been received and not yet read, and how much may be sent. Credit goes both ways.
 *
 * Streams come from stream_listener_take(), and from stream_open() (opening.h). Nothing here
 * blocks: a call that can do nothing now returns -EAGAIN, and the owner is called back when that
 * may have changed. The callback only notes that, or wakes somebody: it calls none of these
 * functions but queries.
 */
#pragma once

#include "kernel/base.h"
#include "net/expect.h"
#include "net/messages.h"

struct stream;

/* What can be done with a stream without waiting, OR-ed. The values are chosen such that
 * libc/posix, whose own are given by Linux, need not translate them. */
enum stream_readiness {
    STREAM_CAN_READ = 0x001, /* bytes, or the end of the stream */
    STREAM_CAN_WRITE = 0x004,
    STREAM_HAS_FAILED = 0x008, /* and that has not been told yet: stream_take_error() */
    STREAM_HAS_ENDED = 0x010,  /* both ways */
    STREAM_PEER_HAS_CLOSED = 0x2000,
};

/* Register the messages of streams and listeners. Once, before the first dispatch round. */
void streams_start(void);
/* What fetches a stream's owner, and then what that will look at, for net/expect.h. */
void streams_register_expecter(void (*expect)(void *owner, enum expect_step step));

/* enum stream_readiness, OR-ed. */
unsigned stream_readiness(const struct stream *stream);
/* The TS that has its connection. */
node_id_t stream_server(const struct stream *stream);
/* Addresses and ports of both ends. */
const struct flow *stream_flow(const struct stream *stream);

/*
 * Read up to `bytes`; a peek leaves them to be read again.
 *
 * Returns how many bytes were read; 0 when the stream is at its end, or for bytes == 0. -EAGAIN
 * when nothing has come. When the connection has failed and all that came before has been read,
 * why it failed (-ECONNRESET, -ETIMEDOUT ...), until stream_take_error().
 */
MUST_CHECK int64_t stream_receive(struct stream *stream, void *buffer, size_t bytes, bool is_peek);
/* Whether bytes have come and are not read; and to read up to `bytes` of them, at least one.
 * Returns how many. */
bool stream_has_received(const struct stream *stream);
size_t stream_take(struct stream *stream, void *buffer, size_t bytes);
/* All that has come as read, if it is at most `most` and lies together: *data is where, until the
 * end of the round. Returns how many bytes; 0, and nothing is read: stream_take() copies them. */
size_t stream_take_lent(struct stream *stream, size_t most, const void **data);

/* Bytes to send. As POSIX' struct iovec, so that libc/posix need not translate it. */
struct stream_piece {
    const void *data;
    size_t bytes;
};

/*
 * Send of the pieces, one behind the other, as much as credit allows and one message holds. Bytes
 * in the boot archive are not copied: TS and network card read them where they lie.
 *
 * bytes     the pieces' lengths, added up
 * end       when all has been sent: CLOSE_NOT; CLOSE_SEND_ONLY, stream_shut_send(): the FIN goes
 *           along; CLOSE_BOTH: so does what stream_close() says, which must be called then
 *
 * Returns how many bytes were sent: perhaps not all, then go on with stream_send_rest(). -EAGAIN
 * when none could be: STREAM_CAN_WRITE is told when there is room again. When the connection has
 * failed, why, until stream_take_error(); -EPIPE after that, and after stream_shut_send().
 */
MUST_CHECK int64_t stream_send(struct stream *stream, const struct stream_piece *pieces,
                               size_t bytes, enum close_kind end);
/* The same without the first `from_bytes`, which were sent before. */
MUST_CHECK int64_t stream_send_rest(struct stream *stream, const struct stream_piece *pieces,
                                    size_t bytes, size_t from_bytes, enum close_kind end);

/* Send no more: the peer gets a FIN after what has been sent. A second time changes nothing. */
void stream_shut_send(struct stream *stream);
/* Read no more: what has come may be read, then there is the end. The peer is not told. */
void stream_shut_receive(struct stream *stream);

/* Why the connection failed, a negative errno, if that has not been told yet, else 0. From here on
 * it counts as told: the stream is at its end. */
int stream_take_error(struct stream *stream);

/* Close it and forget it: CLOSE_BOTH, or CLOSE_ABORT for a reset. */
void stream_close(struct stream *stream, enum close_kind kind);
