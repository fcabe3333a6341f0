/* SPDX-License-Identifier: MIT */
/*
 * Which port the link server drives, of those that are there (nic= on the command line).
 */
#pragma once

#include "drivers/nic/nic.h"

/*
 * Find the port. Says what others there are, and why it is not the one that was asked for if it is
 * not. Returns 0, or -ENODEV (logged) when there is no port that a driver can drive.
 */
MUST_CHECK int link_port_find(struct nic_port *port);

/* A MAC address as text: "52:54:00:12:34:56". */
#define LINK_MAC_TEXT_BYTES 18
void link_print_mac(char text[LINK_MAC_TEXT_BYTES], const uint8_t mac[6]);

/* Whether flows are told apart by few groups (nic_folds_ports()): on every node, with an LS or not.
 */
bool link_port_folds(void);
