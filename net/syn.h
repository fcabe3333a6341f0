/* SPDX-License-Identifier: MIT */
/*
 * A SYN's way to a connection manager, which decides who shall have the connection (PIKA 3.2).
 */
#pragma once

#include "kernel/base.h"

/*
 * Send SYN_ARRIVED to this CM. The frame is one that steering_classify() calls FRAME_SYN, at most
 * SYN_FRAME_MAX_BYTES long; `ts` owns its flow; flags as in drivers/nic/frame.h. What cannot be
 * sent is lost, and counted: the peer sends its SYN again.
 */
void syn_send(node_id_t cm, node_id_t ts, const uint8_t *frame, size_t length_bytes,
              uint16_t frame_flags);

/*
 * Cut off what follows the headers of a FRAME_SYN: data (RFC 9293 3.10.7.2 lets us leave it; the
 * peer sends it again), so that any fits SYN_FRAME_MAX_BYTES. Checksums that the NIC has not
 * verified are, while the data is there: `flags` says so of all of them afterwards.
 *
 * Returns 0 with the new length in *length_bytes; -EBADMSG if a checksum is wrong.
 */
MUST_CHECK int syn_cut_data(uint8_t *frame, size_t *length_bytes, uint16_t *flags);
