/* SPDX-License-Identifier: MIT */
/*
 * Segments to a link server on another node: TRANSMIT_SEGMENT and TRANSMIT_FRAME. Bytes of the boot
 * archive, which every node maps, are referred to; all others are copied once, into the channel.
 */
#pragma once

#include "kernel/base.h"

struct reference;
struct segment_fields;
struct tcb;

/* How much of `most_bytes` from the start of `first` on one message can say; at least a whole
 * segment of tcb->mss, or all. */
uint32_t segment_remote_fit(const struct tcb *tcb, const struct reference *first,
                            uint32_t most_bytes);

/*
 * Send what segment_remote_fit() has allowed, or less; from `offset` in `first` on. The headers are
 * made for it; both may be NULL and 0 without payload.
 *
 * Returns 0; -EAGAIN when the channel is full; -ENODEV when that node is not there.
 */
MUST_CHECK int segment_remote_send(node_id_t link_server, const struct segment_fields *fields,
                                   const struct reference *first, uint32_t offset);
