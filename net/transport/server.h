/* SPDX-License-Identifier: MIT */
/*
 * The transport server (TS): one lwIP instance; owns all state of its flows. The first living
 * TS also speaks ARP and DHCP for all and reassembles fragments.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct frame;

/* Start the TS role on this node. */
void transport_server_start(const struct configuration *configuration);

/* A frame for this TS from the LS on the same node: hands the buffer over. */
void transport_server_receive(struct frame *frame);

/*
 * Of a frame with a bare acknowledgement (net/steering.h), its checksums good: whether it belongs
 * to an established connection here and acknowledges no more than has been sent. Then it says all
 * that an earlier one did. Costs a search by hash.
 */
bool transport_server_expects_acknowledgment(const struct frame *frame);
