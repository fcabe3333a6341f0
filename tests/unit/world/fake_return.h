/* SPDX-License-Identifier: MIT */
/*
 * Other nodes that are built again, for unit tests over fake_platform.h.
 */
#pragma once

#include "kernel/base.h"

/* The next incarnation of a node that runs: what the one before had on its page is gone. */
void fake_build_again(node_id_t node);
