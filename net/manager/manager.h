/* SPDX-License-Identifier: MIT */
/*
 * The connection manager (CM): listening ports and acceptors; decides which application gets a
 * new connection. Meets the other roles only in messages.
 */
#pragma once

struct configuration;

/* Start the CM role on this node. */
void connection_manager_start(const struct configuration *configuration);
