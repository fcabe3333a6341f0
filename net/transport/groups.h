/* SPDX-License-Identifier: MIT */
/*
 * Groups (RFC 1112): which applications are in which, on every transport server. The speaker's lwIP
 * tells the network by IGMP version 2 (RFC 2236), and the speaker tells the link servers.
 */
#pragma once

#include "kernel/base.h"

struct pbuf;

void groups_initialise(void);
/* Whether an application of this machine is in it, or it is that of all systems. */
bool groups_has(uint32_t address);
/* Applications on that node are in none any more. */
void groups_lose_node(node_id_t node);

/* --- The speaker --- */

/* This node speaks from now on. */
void groups_start_speaking(void);
/* What link servers must know, to one that has come back. */
void groups_greet_node(node_id_t node);
/* Once a second: what has failed for want of memory is tried again, and what has changed at the
 * interface is reported. */
void groups_pass(void);
/* A message of IGMP, from its own header on, that lwIP hands up. Takes the packet. */
void groups_receive(struct pbuf *packet);
