/* SPDX-License-Identifier: MIT */
/*
 * A transport server's node whose log, and others', goes to a collector, for unit tests of
 * apps/syslog/sender.c: the test plays other nodes and the way to the collector. Nodes 0 and 1 are
 * transport servers. The sender lives as long as the process.
 */
#pragma once

#include "kernel/base.h"

#define SYSLOG_SENT_MAX 2000u

/* What a datagram comes to: 0, or as transport_send_own_datagram(). */
extern int syslog_send_result;
/* Datagrams since the count was last set to 0. */
extern char syslog_sent[SYSLOG_SENT_MAX][300];
extern unsigned syslog_sent_count;

/* Start the sender on this node. */
void syslog_start_on(node_id_t node);
void syslog_pass_ms(unsigned ms);
/* As another node writes to its own page. */
void syslog_write_as(node_id_t node, const char *text);
void syslog_expect(unsigned number, const char *wanted);
