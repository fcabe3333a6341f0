/* SPDX-License-Identifier: MIT */
/*
 * Flows of others. While a TS is dead the next one has its place, and opens connections there.
 * When the dead one has come back its new flows are its own again, but those connections are not:
 * they stay where they are until they end. Their frames come to the owner of the flow, who does not
 * know them, and hands them on to those that say that they have kept some (FLOWS_KEPT,
 * FORWARD_STRANGER). Whoever knows the connection takes them; of one that nobody knows the last one
 * asked says so to the peer.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct segment;

void kept_initialise(const struct configuration *configuration);
/* A segment that would be refused as of no connection: hand it to the next that may have it, if
 * there is one. Returns whether it was, or was dropped for lack of room. */
MUST_CHECK bool kept_pass_on(const struct segment *segment);
/* A node has died, as the configuration knows. */
void kept_lose_node(node_id_t node);
/* When somebody has asked in vain, look now and then whether this node still has such connections:
 * in each round in which it is searching. Returns how much work that was. */
bool kept_is_searching(void);
unsigned kept_poll(void);
