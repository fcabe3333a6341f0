/* SPDX-License-Identifier: MIT */
/*
 * What the web server tells the system it runs on, beyond POSIX: a few calls, answered by
 * host_talus.c and linux/host.c.
 */
#pragma once

#include <stdint.h>

/* Which of the machine's nodes it runs on; 0 where there are none. */
unsigned host_node(void);
/* The server accepts connections on this port: say where, in the one line that people and
 * harnesses wait for. */
void host_announce(uint16_t port);
/* A request has been answered. */
void host_count_request(void);
/* A round of the event loop is over: what it has answered leaves now. */
void host_end_round(void);
/* A client was sent away, or lost, for lack of room. */
void host_count_turned_away(void);
/* A request was refused with this status. */
void host_note_refusal(unsigned status);
