/* SPDX-License-Identifier: MIT */
/*
 * The names of the transport server's own counters.
 */
#include "net/transport/counters.h"

COUNTER_TABLE_DEFINE(transport_counters, TRANSPORT_COUNTER_FIRST, TRANSPORT_COUNTERS);
COUNTER_TABLE_DEFINE(share_counters, SHARE_COUNTER_FIRST, SHARE_COUNTERS);
COUNTER_TABLE_DEFINE(forward_counters, FORWARD_COUNTER_FIRST, FORWARD_COUNTERS);
COUNTER_TABLE_DEFINE(dns_counters, DNS_COUNTER_FIRST, DNS_COUNTERS);
