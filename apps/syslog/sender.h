/* SPDX-License-Identifier: MIT */
/*
 * The log of all nodes to a collector of syslog (syslog=ADDRESS[:PORT]; RFC 5424, 5426), a line a
 * datagram. The speaker (net/configuration.h) reads what all nodes have logged where the console's
 * printer does, and sends it by its transport server; when it dies the next speaker goes on where
 * it stopped, so also with its last words.
 */
#pragma once

/* On each transport server, behind it. */
void syslog_sender_start(void);
