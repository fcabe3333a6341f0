/* SPDX-License-Identifier: MIT */
/*
 * The mailbox pages of hosted nodes. Each node's lie in a file in memory of its own: its status
 * page, then its outgoing rings, one for each node. This is the one place that knows it.
 */
#pragma once

/* Map this node's, and what it may read of the others': before anything looks at them. */
void hosted_mailbox_initialise(void);
