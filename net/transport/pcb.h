/* SPDX-License-Identifier: MIT */
/*
 * lwIP's PCBs: each has its connection from the SYN on. Our side of TCP_REG and TCP_RMV in
 * net/transport/lwip/hooks.h.
 */
#pragma once

#include "kernel/base.h"

struct connection;
struct tcp_pcb;
struct tcp_pcb_listen;

/* A PCB that listens; those that lwIP makes from it get connections. */
struct tcp_pcb_listen *pcb_listen(void);
/* NULL for one that has none: it listens, or there was no memory. */
struct connection *pcb_connection(const struct tcp_pcb *pcb);

/* Put the PCB where the slow timer sees it, or take it away, as its state asks for. */
void pcb_park(struct connection *connection);
/* The same for all PCBs that the slow timer has just visited, and the orphans among them are
 * watched from now on. */
void pcb_park_all(void);
/* Whether the slow timer has PCBs to visit. */
bool pcb_is_any_ticking(void);
