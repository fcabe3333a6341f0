/* SPDX-License-Identifier: MIT */
/*
 * Segments that are forwarded. None is answered, split, joined or kept here: each goes on at once,
 * with other addresses and ports, and what it says, and does not say, is its sender's word to its
 * receiver. RFC 5382, RFC 7857.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct flow_entry;
struct segment;

/* A SYN for a port that nobody serves, of a flow that is not in the table. Returns whether the port
 * is forwarded: then it is dealt with. */
MUST_CHECK bool forward_syn(struct segment *segment);
/* A segment of a flow with such an entry: whole, its checksums verified. */
void forward_segment(struct flow_entry *entry, struct segment *segment);
