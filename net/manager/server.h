/* SPDX-License-Identifier: MIT */
/*
 * This node's connection manager: a struct manager wired to the dispatcher.
 */
#pragma once

struct configuration;

/* Start the CM role on this node. */
void connection_manager_start(const struct configuration *configuration);
