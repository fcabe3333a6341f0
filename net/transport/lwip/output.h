/* SPDX-License-Identifier: MIT */
/*
 * Frames that lwIP has made, on their way to a link server: what the NIC is to do with them, and a
 * queue for those that find no room.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/node_set.h"
#include "lwip/err.h"

struct configuration;
struct pbuf;

void output_initialise(const struct configuration *configuration);

/* Send a whole frame, or queue it. The caller keeps its reference. What cannot be sent is lost, as
 * on any wire; ERR_MEM when memory is why. */
err_t output_frame(struct pbuf *packet);
/* Send what the transmit ring had no room for; returns how many frames went. */
unsigned output_send_queued(void);

/* Only the link servers in `queues` have a queue (struct nic_ready). Long segments are made only if
 * the NIC can cut them. May be called again. */
void output_set_nic(struct node_set queues, bool can_segment_tcp);
/* Send through the node's own link server if it has a queue, else through one of those that have
 * and live: again when a node has died. */
void output_choose_link_server(void);

/* The pseudo-header's sum (RFC 9293 3.1), not complemented: the NIC adds the rest. Where it cuts
 * segments, it adds their lengths, too: length_bytes, of what follows the IP header, is 0 then. */
void output_put_pseudo_sum(uint8_t *ip_bytes, uint16_t l4_checksum_offset, uint32_t length_bytes);
