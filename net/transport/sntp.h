/* SPDX-License-Identifier: MIT */
/*
 * The date from an NTP server (`ntp=ADDRESS`, or `ntp=dhcp`: the one that the lease names). The
 * speaker asks, and moves the date for all nodes (net/wall_clock.h). Addresses in network byte
 * order.
 */
#pragma once

#include "kernel/base.h"

/* On each transport server: read the command line. */
void transport_sntp_initialise(void);
/* This node is the speaker from now on. */
void transport_sntp_start(void);
/* On the speaker, so many seconds after the last call, or after the start. */
void transport_sntp_pass(uint64_t seconds);
/* A lease names this server, 0: none. */
void transport_sntp_offer(uint32_t server);
