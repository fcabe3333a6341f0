/* SPDX-License-Identifier: MIT */
/*
 * Steering (PIKA 4.1): which TS owns a flow, and so which LS's queue its frames should reach. A
 * pure function of the configuration and the flow, the same on every node that knows of the same
 * deaths, and the same that the flow director is programmed with.
 */
#pragma once

#include "kernel/base.h"
#include "net/configuration.h"

/* Groups of flows: the low 12 bits of the peer's TCP port. */
#define STEERING_GROUP_BITS  12
#define STEERING_GROUP_COUNT (1u << STEERING_GROUP_BITS)

/* Near STEERING_GROUP_COUNT divided by the golden ratio: see steering_owner(). */
#define STEERING_MULTIPLIER 2531u

_Static_assert(STEERING_MULTIPLIER % 2 == 1, "only an odd number permutes the groups");
_Static_assert(STEERING_GROUP_COUNT <= UINT32_MAX / STEERING_MULTIPLIER &&
                   STEERING_GROUP_COUNT <= UINT32_MAX / NODE_MAX,
               "products of positions fit 32 bits");

static inline unsigned steering_group(uint16_t remote_port)
{
    return remote_port & (STEERING_GROUP_COUNT - 1);
}

/*
 * The TS that owns a group's flows.
 *
 * Clients number their ports in steps: Linux takes only even ones for connect(), some NATs every
 * fourth or eighth. So groups are first permuted, by a multiplication with STEERING_MULTIPLIER: any
 * small step then visits all parts of the range evenly. The range is cut into one piece for each
 * TS, equal to within one group. A dead one's piece is the next living one's.
 */
static inline node_id_t steering_owner(const struct configuration *configuration, unsigned group)
{
    unsigned position = group * STEERING_MULTIPLIER % STEERING_GROUP_COUNT;

    return configuration->flow_owners[position * configuration->ts_count >> STEERING_GROUP_BITS];
}

/* The LS whose queue the group's frames should reach: the owner's own. */
static inline node_id_t steering_ls(const struct configuration *configuration, unsigned group)
{
    return configuration_own_ls(configuration, steering_owner(configuration, group));
}

/* What a frame is, as far as the way to its server depends on it. */
enum frame_kind {
    FRAME_PLAIN,
    FRAME_SYN,      /* a TCP segment with SYN and without ACK, FIN and RST */
    FRAME_BARE_ACK, /* a TCP segment with ACK and no other flag, no data, no options of IP or TCP */
};

/*
 * The TS that shall receive this frame: the flow's owner for unfragmented IPv4 TCP with a whole
 * TCP header, the speaker (ARP, ICMP, UDP, DHCP, fragments) for all else. Any bytes
 * will do: nothing beyond length_bytes is read.
 */
node_id_t steering_classify(const struct configuration *configuration, const uint8_t *frame,
                            size_t length_bytes, enum frame_kind *kind);

/*
 * Whether the later of two frames says all that the earlier one does: both are FRAME_BARE_ACK, of
 * the same flow, with nothing sent in between, and the later one acknowledges more.
 */
bool steering_supersedes(const uint8_t *later, const uint8_t *earlier);
