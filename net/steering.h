/* SPDX-License-Identifier: MIT */
/*
 * Steering (PIKA 4.1): which TS owns a flow, and so which LS's queue its frames should reach. A
 * pure function of the configuration and the flow, the same on every node that knows of the same
 * deaths, and the same that the flow director is programmed with.
 */
#pragma once

#include "drivers/nic/grouping.h"
#include "kernel/base.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/packet.h"

/*
 * Groups of flows: what the NIC tells apart, and so as many as it has exact filters. steer= says
 * which bits of a flow's TCP ports make its group:
 *
 *   source12  the peer's port, the low 12 bits (the paper's, and what is used without the word)
 *   xor6      the peer's port, the low 6 bits, and above them the low 6 bits of our own. The owner
 *             depends on the exclusive or of the two alone. So flows to one port of ours are shared
 *             out by the peers' ports, and flows to one port of a peer's by ours: who opens a
 *             connection can pick a port by which the answers return to itself. The price is that
 *             there are 64 shares, not 4096: STEERING_XOR6_TS_MAX servers, not all equal.
 *
 * A card that has no filters, but a table that its hash is looked up in, tells 128 groups apart:
 * by a fold of the same ports, or of their exclusive or (nic_fold()). In a machine that has only
 * such cards those are the groups, whatever the card that is driven can do, for all nodes must
 * agree from the start: unless there are more servers than STEERING_FOLDED_TS_MAX.
 */
#define STEERING_GROUP_BITS    12
#define STEERING_GROUP_COUNT   (1u << STEERING_GROUP_BITS)
#define STEERING_XOR6_BITS     6
#define STEERING_XOR6_TS_MAX   (1u << STEERING_XOR6_BITS)
/* Chosen: each has two groups at the least. */
#define STEERING_FOLDED_TS_MAX (NIC_FOLDED_COUNT / 2)

/* Near STEERING_GROUP_COUNT, 1 << STEERING_XOR6_BITS and NIC_FOLDED_COUNT divided by the golden
 * ratio: see steering_owner(). */
#define STEERING_MULTIPLIER        2531u
#define STEERING_XOR6_MULTIPLIER   39u
#define STEERING_FOLDED_MULTIPLIER 79u

_Static_assert(STEERING_MULTIPLIER % 2 == 1 && STEERING_XOR6_MULTIPLIER % 2 == 1 &&
                   STEERING_FOLDED_MULTIPLIER % 2 == 1,
               "only an odd number permutes the groups");
_Static_assert(STEERING_GROUP_COUNT <= UINT32_MAX / STEERING_MULTIPLIER &&
                   STEERING_GROUP_COUNT <= UINT32_MAX / NODE_MAX,
               "products of positions fit 32 bits");
_Static_assert(2 * STEERING_XOR6_BITS == STEERING_GROUP_BITS, "as many filters in both schemes");

static inline bool steering_is_folded(const struct configuration *configuration)
{
    return configuration->steering >= STEERING_SOURCE12_FOLDED;
}

/* Whether who opens a connection can pick its port so that the answers return to it. */
static inline bool steering_goes_by_both_ports(const struct configuration *configuration)
{
    return configuration->steering == STEERING_XOR6 ||
           configuration->steering == STEERING_XOR6_FOLDED;
}

/* The same for a card: a peer's port is the source of what comes in. */
static inline struct nic_grouping steering_grouping(const struct configuration *configuration)
{
    switch (configuration->steering) {
    case STEERING_XOR6:
        return (struct nic_grouping){STEERING_XOR6_BITS, STEERING_XOR6_BITS, false};
    case STEERING_SOURCE12_FOLDED:
        return (struct nic_grouping){NIC_FOLDED_BITS, 0, true};
    case STEERING_XOR6_FOLDED:
        return (struct nic_grouping){NIC_FOLDED_BITS, NIC_FOLDED_BITS, true};
    default:
        return (struct nic_grouping){STEERING_GROUP_BITS, 0, false};
    }
}

/* How many groups there are: at most STEERING_GROUP_COUNT. */
static inline unsigned steering_group_count(const struct configuration *configuration)
{
    return steering_is_folded(configuration) ? NIC_FOLDED_COUNT : STEERING_GROUP_COUNT;
}

/* Ports in the machine's order. */
static inline unsigned steering_group(const struct configuration *configuration,
                                      uint16_t remote_port, uint16_t local_port)
{
    const unsigned xor6_mask = (1u << STEERING_XOR6_BITS) - 1;

    if (UNLIKELY(configuration->steering != STEERING_SOURCE12)) {
        if (configuration->steering == STEERING_XOR6) {
            return (remote_port & xor6_mask) | (local_port & xor6_mask) << STEERING_XOR6_BITS;
        }
        return nic_fold(configuration->steering == STEERING_SOURCE12_FOLDED
                            ? remote_port
                            : remote_port ^ local_port);
    }
    return remote_port & (STEERING_GROUP_COUNT - 1);
}

/*
 * The group's place in the range of all, by which it is shared out: a fraction of 2^32.
 *
 * Clients number their ports in steps: Linux takes only even ones for connect(), some NATs every
 * fourth or eighth. So groups are permuted, by a multiplication: any small step then visits all
 * parts of the range evenly.
 */
static inline uint32_t steering_place(const struct configuration *configuration, unsigned group)
{
    if (UNLIKELY(configuration->steering != STEERING_SOURCE12)) {
        unsigned both = group ^ group >> STEERING_XOR6_BITS;

        return configuration->steering == STEERING_XOR6
                   ? both * STEERING_XOR6_MULTIPLIER << (32 - STEERING_XOR6_BITS)
                   : group * STEERING_FOLDED_MULTIPLIER << (32 - NIC_FOLDED_BITS);
    }
    return group * (STEERING_MULTIPLIER << (32 - STEERING_GROUP_BITS));
}

/*
 * The TS that owns a group's flows. The range of places is cut into one piece for each TS, equal
 * to within one group. A dead one's piece is the next living one's.
 */
static inline node_id_t steering_owner(const struct configuration *configuration, unsigned group)
{
    uint64_t place = steering_place(configuration, group);

    return configuration->flow_owners[place * configuration->ts_count >> 32];
}

/*
 * The LS whose queue the group's frames should reach: the owner's own. Where there are more LSs
 * than TSs, a piece has others as well (struct configuration), and is cut into one part for each.
 */
node_id_t steering_ls(const struct configuration *configuration, unsigned group);

/*
 * Ephemeral ports: those from which this machine opens connections. Their range is cut into one
 * block for each transport server, in the order of struct configuration; who is dead keeps his. All
 * that is opened from a port of a block, also when a program names that port, is opened by the
 * block's server: so no two servers open the same flow, and whoever gets a segment for such a port
 * and does not know it has somebody to ask (net/transport/kept.h). 32768 .. 65535: most of what
 * IANA calls dynamic (RFC 6335 6) and Linux uses.
 */
#define EPHEMERAL_FIRST     32768u
#define EPHEMERAL_COUNT_LOG 15u

/* Where the block of server `i` begins, counted from the first port; of i = ts_count: all ports. */
static inline uint32_t steering_block_start(const struct configuration *configuration, unsigned i)
{
    return ((uint32_t)i << EPHEMERAL_COUNT_LOG) / configuration->ts_count;
}

/* The server in whose block this port (machine's order) is; NODE_NONE: it is no such port. */
node_id_t steering_port_owner(const struct configuration *configuration, uint16_t port);

/*
 * steer= of the command line, for a configuration whose servers are known. Returns 0, also without
 * the word; -EINVAL when it cannot be understood or does not fit: `reason` then says why in one
 * sentence, and the scheme is the one without the word.
 */
MUST_CHECK int steering_parse(struct configuration *configuration, const char *line, char *reason,
                              size_t reason_bytes);

/* Where no card tells more groups apart (nic_folds_ports()): before any server starts, and on every
 * node or none. */
void steering_fold(struct configuration *configuration);

/* The TS that shall receive this packet: the flow's owner, or the speaker (ARP, ICMP, UDP, DHCP,
 * fragments, options of IP) for PACKET_OTHER. */
static inline node_id_t steering_packet_owner(const struct configuration *configuration,
                                              const struct packet *packet)
{
    if (UNLIKELY(packet->kind == PACKET_OTHER)) {
        return configuration->speaker;
    }
    return steering_owner(configuration,
                          steering_group(configuration, swap16(packet->flow.remote_port),
                                         swap16(packet->flow.local_port)));
}
