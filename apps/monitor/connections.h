/* SPDX-License-Identifier: MIT */
/*
 * A transport server's connections, one by one: whose they are.
 */
#pragma once

#include "kernel/base.h"

/* Ask that node, whatever it runs; what it tells is printed as it comes. */
void connections_show(node_id_t node);
