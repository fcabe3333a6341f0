/* SPDX-License-Identifier: MIT */
/*
 * What lwIP has dropped, in the node's counters.
 */
#pragma once

/* Add what has come since the last call. At the end of a round; costs a few loads when lwIP has
 * dropped nothing. */
void drops_count(void);
