/* SPDX-License-Identifier: MIT */
/*
 * How a card shall tell flows apart which it steers: the group of a TCP segment over IPv4 is so
 * many low bits of its source port and, above them, so many of its destination port.
 */
#pragma once

#include "kernel/base.h"

/*
 * How a card shall tell flows apart: the group of a TCP segment over IPv4 is so many low bits of
 * its source port and, above them, so many of its destination port.
 */
struct nic_grouping {
    uint8_t source_port_bits;
    uint8_t destination_port_bits;
};

static inline uint16_t nic_group_count(struct nic_grouping grouping)
{
    return (uint16_t)(1u << (grouping.source_port_bits + grouping.destination_port_bits));
}
