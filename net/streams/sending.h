/* SPDX-License-Identifier: MIT */
/*
 * What sending.c needs of stream.c.
 */
#pragma once

#include <stdint.h>

struct stream;

/* There was no place for a message: look again when there is. Returns -EAGAIN, or why the
 * connection failed. */
int64_t stream_note_refusal(struct stream *stream);
