/* SPDX-License-Identifier: MIT */
/*
 * For tests: what a checker is told of pages that are shared.
 */
#pragma once

#include "kernel/message/status.h"
#include "kernel/node.h"

/* The rings that a dead node has named on its status page, where they lie in its memory, are plain
 * memory of its next incarnation. */
void mark_rings_private(const struct status_page *status, const struct node_place *place,
                        unsigned node_count);
