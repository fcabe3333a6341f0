/* SPDX-License-Identifier: MIT */
/*
 * Splices: what comes on one stream, the source, goes out on another one, the drain, without their
 * owner. If both connections are at one TS, that moves the bytes (net/splice_messages.h) and this
 * node sees none; else, or when it has no room, they are copied here, between rounds.
 *
 * A splice ends when all has come and is sent, with a FIN behind it; at one of its limits; when one
 * of the two fails or is closed; or by stream_unsplice(). Then the source's owner is called back,
 * and there is something to be read: bytes, the end of the stream, or the error.
 */
#pragma once

#include "kernel/base.h"

struct stream;

struct splice_limits {
    uint64_t bytes_most; /* 0: none; then EFBIG */
    uint64_t idle_ns;    /* 0: none; when nothing has come for so long: ETIMEDOUT. Told to a TS in
                          * milliseconds, at least one */
};

/*
 * Begin. Both are connected; each may be the source of one splice and the drain of one.
 *
 * Returns 0; -EBUSY: one of them is; -ENOTCONN: one of them has ended; -ELOOP: they are one;
 * -ENOBUFS.
 */
MUST_CHECK int stream_splice(struct stream *source, struct stream *drain,
                             struct splice_limits limits);
/* End it, if there is one. What its TS has moved meanwhile is known only when that says so. */
void stream_unsplice(struct stream *source);
/* Whether it is the source of one that has not ended. */
bool stream_is_spliced(const struct stream *source);
/* What has gone by its last splice: while a TS moves the bytes that is told at its end. */
uint64_t stream_spliced_bytes(const struct stream *source);

/* --- For stream.c, of streams that have STREAM_SPLICED --- */

void splicing_start(void);
/* `ready` without what belongs to the splice, and with its end. */
unsigned splicing_readiness(const struct stream *stream, unsigned ready);
/* Why the splice of this source has ended, once; 0: by the end of the stream, or it has not. */
int splicing_take_error(struct stream *source);
/* Something has changed: what the owner would be told. */
void splicing_note(struct stream *stream, unsigned readiness);
/* It is about to be closed. */
void splicing_forget(struct stream *stream);
/* Whether its TS sends on it: then this credit is kept until that ends. */
bool splicing_keeps_credit(struct stream *stream, uint32_t bytes);
