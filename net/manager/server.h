/* SPDX-License-Identifier: MIT */
/*
 * This node's connection manager: a struct manager wired to the dispatcher.
 */
#pragma once

struct configuration;
struct manager;

/* Start the CM role on this node. */
void connection_manager_start(const struct configuration *configuration);
/* This node's manager, to look at (figures.h); NULL on a node without the role. */
const struct manager *connection_manager_own(void);
