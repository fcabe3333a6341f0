/* SPDX-License-Identifier: MIT */
/*
 * What lwIP has dropped: its statistics by cause, added to the node's counters. With each of them,
 * lwIP counts one in its protocol's `drop`, but for IGMP's. A segment for no connection counts
 * there too, although a reset answers it: that is no drop to us.
 */
#include "net/transport/drops.h"

#include "drivers/nic/counters.h"
#include "kernel/base.h"
#include "kernel/message/status.h"
#include "net/counters.h"

#include "lwip/stats.h"

static struct {
    const STAT_COUNTER *statistic;
    unsigned counter;
    STAT_COUNTER counted;
} causes[] = {
    {&lwip_stats.ip.chkerr, COUNTER_DROP_CHECKSUM, 0},
    {&lwip_stats.tcp.chkerr, COUNTER_DROP_CHECKSUM, 0},
    {&lwip_stats.udp.chkerr, COUNTER_DROP_CHECKSUM, 0},
    {&lwip_stats.ip.lenerr, COUNTER_DROP_TRUNCATED, 0},
    {&lwip_stats.tcp.lenerr, COUNTER_DROP_TRUNCATED, 0},
    {&lwip_stats.udp.lenerr, COUNTER_DROP_TRUNCATED, 0},
    {&lwip_stats.ip.proterr, COUNTER_DROP_PROTOCOL, 0},  /* no such protocol */
    {&lwip_stats.udp.proterr, COUNTER_DROP_PROTOCOL, 0}, /* no such port */
    {&lwip_stats.igmp.chkerr, COUNTER_DROP_CHECKSUM, 0},
    {&lwip_stats.igmp.lenerr, COUNTER_DROP_TRUNCATED, 0},
    {&lwip_stats.igmp.proterr, COUNTER_DROP_PROTOCOL, 0}, /* of versions 1 and 3, and DVMRP's */
    {&lwip_stats.igmp.drop, COUNTER_DROP_NOT_OURS, 0},    /* about a group that nobody is in */
    {&lwip_stats.igmp.memerr, COUNTER_DROP_NO_MEMORY, 0}, /* a report that is not sent */
    /* Its list of fragments is full, or there is no memory for an entry. */
    {&lwip_stats.ip_frag.memerr, COUNTER_DROP_BACKLOG_FULL, 0},
    /* Others of the datagram did not come in time, or it was crowded out (patches/0002). */
    {&lwip_stats.ip_frag.rterr, COUNTER_DROP_INCOMPLETE, 0},
};

static STAT_COUNTER all_counted, not_ours_counted, bad_fragments_counted;

static void count(STAT_COUNTER now, STAT_COUNTER *counted, unsigned counter)
{
    counter_add(counter, now - *counted);
    *counted = now;
}

void drops_count(void)
{
    const struct stats_ *now = &lwip_stats;
    STAT_COUNTER igmp =
        now->igmp.chkerr + now->igmp.lenerr + now->igmp.proterr + now->igmp.drop + now->igmp.memerr;
    STAT_COUNTER all = now->ip.drop + now->tcp.drop + now->udp.drop + now->ip_frag.drop + igmp;

    if (LIKELY(all == all_counted)) {
        return;
    }
    all_counted = all;
    for (unsigned i = 0; i < ARRAY_COUNT(causes); i++) {
        count(*causes[i].statistic, &causes[i].counted, causes[i].counter);
    }
    /* What has no cause of its own. */
    count(now->ip.drop - now->ip.chkerr - now->ip.lenerr - now->ip.proterr, &not_ours_counted,
          COUNTER_DROP_NOT_OURS);
    count(now->ip_frag.drop - now->ip_frag.memerr - now->ip_frag.rterr, &bad_fragments_counted,
          COUNTER_DROP_MALFORMED);
}
