/* SPDX-License-Identifier: MIT */
/*
 * The transport server (TS): owns all state of its flows. The first living
 * TS also speaks ARP and DHCP for all and reassembles fragments.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct frame;
struct packet;

/* Start the TS role on this node. */
void transport_server_start(const struct configuration *configuration);

/* A frame for this TS from the LS on the same node, with its headers: hands the buffer over. */
void transport_server_receive(struct frame *frame, const struct packet *packet);

/*
 * These frames come next, by transport_server_receive(): what is wanted of their connections is
 * fetched into the cache, all at once instead of one after the other, where there are so many
 * connections that it will not be there. Nothing depends on it, and nothing is checked.
 */
void transport_server_expect(struct frame *const *frames, unsigned count);

/*
 * Of a bare acknowledgement (packet_is_bare_ack()), its checksums good: whether it belongs to a
 * connection here, is not an old one, and acknowledges no more than has been sent. Then it says all
 * that an earlier one did. Costs a search by hash.
 */
bool transport_server_expects_acknowledgment(const struct packet *packet);
