/* SPDX-License-Identifier: MIT */
/*
 * Connections that were granted and have been taken: their TSs hear of it in the same round. Who
 * takes one most often says something about it right away, which is its claim; if not,
 * CLAIM_CONNECTION is sent at the end of the round.
 */
#pragma once

struct stream;

/* A stream is about to be taken. */
void taken_note(struct stream *stream);
/* Claim those about which nothing was said: a dispatch_source's flush. */
void taken_end_round(void *context);
