/* SPDX-License-Identifier: MIT */
/*
 * ICMP's errors about flows that are forwarded (RFC 5508 4): what a router, or a host, says of a
 * segment that we have sent on is told to who sent it first, of the segment as that one knows it.
 */
#pragma once

#include "kernel/base.h"

struct packet;
struct pbuf;

/* A message of ICMP, its checksum verified, its header whole in the first piece. Returns whether it
 * is about a flow that this server forwards: then it has gone on. The packet stays the caller's. */
MUST_CHECK bool quote_take_error(const struct pbuf *packet);
/* Tell who sent this segment that there is no way to its host (RFC 1122 3.2.2.1, code 1). */
void quote_report_unreachable(const struct packet *packet);
