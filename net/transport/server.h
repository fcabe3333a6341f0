/* SPDX-License-Identifier: MIT */
/*
 * The transport server (TS): one lwIP instance; owns all state of its flows. The first TS also
 * speaks ARP and DHCP for all and reassembles fragments.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct frame;

/* Start the TS role on this node. */
void transport_server_start(const struct configuration *configuration);

/* A frame for this TS from the LS on the same node: hands the buffer over. */
void transport_server_receive(struct frame *frame);
