/* SPDX-License-Identifier: MIT */
/*
 * What an application's node does about CMs that come back: it tells them of its listeners, and
 * changes from their successors' acceptor lists to theirs when they serve again.
 */
#pragma once

void stream_returns_start(void);
/* Another CM is this node's own now: from the lists of those before to its. */
void stream_returns_change_lists(void);
