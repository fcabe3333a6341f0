/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layer 2 filters: which frames the 82599 accepts, by destination address and VLAN.
 */
#include "ixgbe82599.h"

#include "net/eth.h"

static bool matches_receive_address(IXGBEState *s, const uint8_t *address)
{
    uint32_t low = ldl_le_p(address);
    uint32_t high = lduw_le_p(address + 4) | RAH_VALID;

    for (int i = 0; i < IXGBE_RARS; i++) {
        if (ixgbe_get(s, IXGBE_RAL(i)) == low && ixgbe_get(s, IXGBE_RAH(i)) == high) {
            return true;
        }
    }
    return false;
}

/* Twelve of the address' last 16 bits choose a bit of the table; MCSTCTRL says which twelve. */
static bool matches_multicast_table(IXGBEState *s, const uint8_t *address)
{
    static const uint8_t shift[] = { 4, 3, 2, 0 };
    uint32_t control = ixgbe_get(s, IXGBE_MCSTCTRL);
    uint32_t index = lduw_le_p(address + 4) >> shift[control & 3] & 0xfff;

    return (control & MCSTCTRL_ENABLE) &&
           (ixgbe_get(s, IXGBE_MTA(index >> 5)) >> (index & 31) & 1);
}

static bool accepts_address(IXGBEState *s, const uint8_t *address)
{
    uint32_t control = ixgbe_get(s, IXGBE_FCTRL);

    if (is_broadcast_ether_addr(address)) {
        return control & (FCTRL_BROADCAST_ACCEPT | FCTRL_MULTICAST_PROMISCUOUS);
    }
    if (is_multicast_ether_addr(address)) {
        return (control & FCTRL_MULTICAST_PROMISCUOUS) || matches_multicast_table(s, address) ||
               matches_receive_address(s, address);
    }
    return (control & FCTRL_UNICAST_PROMISCUOUS) || matches_receive_address(s, address);
}

static bool accepts_vlan(IXGBEState *s, const IXGBEFrame *frame)
{
    uint32_t control = ixgbe_get(s, IXGBE_VLNCTRL);
    unsigned id = frame->vlan_tci & 0xfff;
    bool cfi = frame->vlan_tci >> 12 & 1;

    if (!frame->has_vlan || !(control & VLNCTRL_FILTER)) {
        return true;
    }
    if ((control & VLNCTRL_CFI_CHECK) && cfi != !!(control & VLNCTRL_CFI)) {
        return false;
    }
    return ixgbe_get(s, IXGBE_VFTA(id >> 5)) >> (id & 31) & 1;
}

bool ixgbe_filter_accepts(IXGBEState *s, const IXGBEFrame *frame)
{
    /* Pause frames end in the MAC, unless it is told to pass them on. */
    if (frame->ethertype == IXGBE_ETHERTYPE_FLOW_CONTROL &&
        !(ixgbe_get(s, IXGBE_MFLCN) & MFLCN_PASS_MAC_CONTROL)) {
        return false;
    }
    return accepts_address(s, frame->data) && accepts_vlan(s, frame);
}

const IXGBERegRule ixgbe_filter_rules[] = {
    /* EXVET: the outer tag's type has no documented reset value; 0x8100 is the usual one. */
    { .first = IXGBE_EXVET, .count = 1, .stride = 4, .reset = 0x81000000,
      .writable = 0xffff0000 },
    { .first = IXGBE_FCTRL, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_VLNCTRL, .count = 1, .stride = 4, .reset = 0x8100,
      .writable = IXGBE_ALL },
    { .first = IXGBE_MCSTCTRL, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_MTA(0), .count = 128, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNDEFINED },
    { .first = IXGBE_VFTA(0), .count = 128, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNDEFINED },
    { .first = IXGBE_RAL(0), .count = IXGBE_RARS, .stride = 8, .writable = IXGBE_ALL },
    { .first = IXGBE_RAH(0), .count = IXGBE_RARS, .stride = 8, .writable = 0x8000ffff,
      .flags = IXGBE_REG_UNDEFINED },
    { .first = 0x05400, .count = 16, .stride = 8, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_RAL(0) },
    { .first = 0x05404, .count = 16, .stride = 8, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_RAH(0) },
    { .count = 0 },
};
