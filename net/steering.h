/* SPDX-License-Identifier: MIT */
/*
 * Steering (PIKA 4.1): which TS owns a flow, and so which LS's queue its frames should reach. A
 * pure function of the configuration and the flow, the same on every node that knows of the same
 * deaths, and the same that the flow director is programmed with.
 */
#pragma once

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
 */
#define STEERING_GROUP_BITS  12
#define STEERING_GROUP_COUNT (1u << STEERING_GROUP_BITS)
#define STEERING_XOR6_BITS   6
#define STEERING_XOR6_TS_MAX (1u << STEERING_XOR6_BITS)

/* Near STEERING_GROUP_COUNT and 1 << STEERING_XOR6_BITS divided by the golden ratio: see
 * steering_owner(). */
#define STEERING_MULTIPLIER      2531u
#define STEERING_XOR6_MULTIPLIER 39u

_Static_assert(STEERING_MULTIPLIER % 2 == 1 && STEERING_XOR6_MULTIPLIER % 2 == 1,
               "only an odd number permutes the groups");
_Static_assert(STEERING_GROUP_COUNT <= UINT32_MAX / STEERING_MULTIPLIER &&
                   STEERING_GROUP_COUNT <= UINT32_MAX / NODE_MAX,
               "products of positions fit 32 bits");
_Static_assert(2 * STEERING_XOR6_BITS == STEERING_GROUP_BITS, "as many filters in both schemes");

/* So many low bits of the peer's port, and above them of ours. */
struct steering_bits {
    uint8_t remote_port, local_port;
};

static inline struct steering_bits steering_bits(const struct configuration *configuration)
{
    return configuration->steering == STEERING_XOR6
               ? (struct steering_bits){STEERING_XOR6_BITS, STEERING_XOR6_BITS}
               : (struct steering_bits){STEERING_GROUP_BITS, 0};
}

/* Ports in the machine's order. */
static inline unsigned steering_group(const struct configuration *configuration,
                                      uint16_t remote_port, uint16_t local_port)
{
    const unsigned xor6_mask = (1u << STEERING_XOR6_BITS) - 1;

    if (UNLIKELY(configuration->steering == STEERING_XOR6)) {
        return (remote_port & xor6_mask) | (local_port & xor6_mask) << STEERING_XOR6_BITS;
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
    if (UNLIKELY(configuration->steering == STEERING_XOR6)) {
        unsigned both = group ^ group >> STEERING_XOR6_BITS;

        return both * STEERING_XOR6_MULTIPLIER << (32 - STEERING_XOR6_BITS);
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
