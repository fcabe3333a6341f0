/* SPDX-License-Identifier: MIT */
/*
 * What transport servers on other nodes send through this node's link server.
 */
#pragma once

/* Register the messages of transmit.c: on every link server. */
void link_transmit_initialise(void);
