/* SPDX-License-Identifier: MIT */
/*
 * How a card shall tell flows apart which it steers: TCP segments over IPv4, by their ports.
 */
#pragma once

#include "kernel/base.h"

/* What a card with a table of NIC_FOLDED_COUNT places tells apart (nic_fold()). */
#define NIC_FOLDED_BITS  7
#define NIC_FOLDED_COUNT (1u << NIC_FOLDED_BITS)

/*
 * How a card shall tell flows apart. Either the group is so many low bits of the source port and,
 * above them, so many of the destination port; or it is nic_fold() of the source port, or, with
 * bits of the destination port, of the exclusive or of both.
 */
struct nic_grouping {
    uint8_t source_port_bits;
    uint8_t destination_port_bits;
    bool is_folded;
};

/* Bits 5 to 11 onto the low 7: ports in steps of up to 32 still meet all groups. */
static inline unsigned nic_fold(unsigned ports)
{
    return (ports ^ ports >> 5) & (NIC_FOLDED_COUNT - 1);
}

static inline uint16_t nic_group_count(struct nic_grouping grouping)
{
    return (uint16_t)(grouping.is_folded
                          ? NIC_FOLDED_COUNT
                          : 1u << (grouping.source_port_bits + grouping.destination_port_bits));
}
