/* SPDX-License-Identifier: MIT */
/*
 * Frames to a link server on another node: TRANSMIT_FRAME and TRANSMIT_SEGMENT.
 */
#pragma once

#include "kernel/base.h"

struct pbuf;

/*
 * Send a packet whose headers are whole and in its first pbuf, as output.c has prepared it; nothing
 * refers to it afterwards.
 *
 * sent_bytes  of its payload, have gone already; 0 for a packet that is tried for the first time
 *
 * Returns 0; -EAGAIN when the channel is full: sent_bytes then says what has gone nevertheless, and
 * is given again with the same packet; -ENODEV when that node is not there.
 */
MUST_CHECK int remote_transmit(node_id_t link_server, const struct pbuf *packet, uint16_t offload,
                               uint32_t *sent_bytes);
