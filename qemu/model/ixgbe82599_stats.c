/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 82599's counters: cleared by reading, and stopping at their largest value. Bytes and
 * sizes on the wire count the CRC, which no frame carries here.
 */
#include "ixgbe82599.h"

#include "net/eth.h"

enum { CRC_BYTES = 4 };

void ixgbe_stats_add(IXGBEState *s, uint32_t counter, uint32_t amount)
{
    uint32_t *value = ixgbe_csr(s, counter);

    *value = amount > UINT32_MAX - *value ? UINT32_MAX : *value + amount;
}

/* A pair of registers: 32 bits, and 4 more in the next one. */
static void add_pair(IXGBEState *s, uint32_t low, uint32_t amount)
{
    uint32_t *value = ixgbe_csr(s, low);
    uint64_t sum = ((uint64_t)value[1] << 32 | value[0]) + amount;

    sum = MIN(sum, MAKE_64BIT_MASK(0, 36));
    value[0] = sum;
    value[1] = sum >> 32;
}

/* Which of the six counters by size, each up to a length with CRC, starting at `first`. */
static void count_size(IXGBEState *s, uint32_t first, size_t wire_bytes)
{
    static const uint16_t limits[] = { 64, 127, 255, 511, 1023 };
    unsigned i = 0;

    while (i < ARRAY_SIZE(limits) && wire_bytes > limits[i]) {
        i++;
    }
    ixgbe_stats_add(s, first + 4 * i, 1);
}

/* The counter set that a queue is mapped to: four bits of one byte a queue. */
static unsigned stat_set(uint32_t map, unsigned queue)
{
    return map >> 8 * (queue % 4) & (IXGBE_STAT_SETS - 1);
}

static unsigned rx_set(IXGBEState *s, unsigned queue)
{
    return stat_set(ixgbe_get(s, IXGBE_RQSMR(queue / 4)), queue);
}

static unsigned tx_set(IXGBEState *s, unsigned queue)
{
    return stat_set(ixgbe_get(s, IXGBE_TQSM(queue / 4)), queue);
}

void ixgbe_stats_rx_seen(IXGBEState *s, size_t bytes)
{
    ixgbe_stats_add(s, IXGBE_TPR, 1);
    add_pair(s, IXGBE_TORL, bytes + CRC_BYTES);
}

void ixgbe_stats_rx_accepted(IXGBEState *s, const uint8_t *destination, size_t bytes)
{
    ixgbe_stats_add(s, IXGBE_GPRC, 1);
    add_pair(s, IXGBE_GORCL, bytes + CRC_BYTES);
    ixgbe_stats_add(s, IXGBE_RXNFGPC, 1);
    add_pair(s, IXGBE_RXNFGBCL, bytes + CRC_BYTES);
    count_size(s, IXGBE_PRC64, bytes + CRC_BYTES);
    if (is_broadcast_ether_addr(destination)) {
        ixgbe_stats_add(s, IXGBE_BPRC, 1);
    } else if (is_multicast_ether_addr(destination)) {
        ixgbe_stats_add(s, IXGBE_MPRC, 1);
    }
}

void ixgbe_stats_rx_queue(IXGBEState *s, unsigned queue, size_t bytes)
{
    unsigned set = rx_set(s, queue);

    ixgbe_stats_add(s, IXGBE_QPRC(set), 1);
    add_pair(s, IXGBE_QBRCL(set), bytes);
    ixgbe_stats_add(s, IXGBE_RXDGPC, 1);
    add_pair(s, IXGBE_RXDGBCL, bytes);
}

void ixgbe_stats_rx_dropped(IXGBEState *s, unsigned queue)
{
    ixgbe_stats_add(s, IXGBE_QPRDC(rx_set(s, queue)), 1);
}

void ixgbe_stats_tx(IXGBEState *s, unsigned queue, const uint8_t *destination, size_t bytes)
{
    unsigned set = tx_set(s, queue);

    ixgbe_stats_add(s, IXGBE_GPTC, 1);
    ixgbe_stats_add(s, IXGBE_TPT, 1);
    add_pair(s, IXGBE_GOTCL, bytes + CRC_BYTES);
    count_size(s, IXGBE_PTC64, bytes + CRC_BYTES);
    if (is_broadcast_ether_addr(destination)) {
        ixgbe_stats_add(s, IXGBE_BPTC, 1);
    } else if (is_multicast_ether_addr(destination)) {
        ixgbe_stats_add(s, IXGBE_MPTC, 1);
    }
    ixgbe_stats_add(s, IXGBE_TXDGPC, 1);
    add_pair(s, IXGBE_TXDGBCL, bytes);
    ixgbe_stats_add(s, IXGBE_QPTC(set), 1);
    add_pair(s, IXGBE_QBTCL(set), bytes);
}

/* Counters from offset `from` up to and including `to`. */
#define COUNTERS(from, to) \
    { .first = (from), .count = ((to) - (from)) / 4 + 1, .stride = 4, \
      .flags = IXGBE_REG_COUNTER }
/* One counter of each of the 16 sets, which stand between the registers of the queues. */
#define SET_COUNTERS(from) \
    { .first = (from), .count = IXGBE_STAT_SETS, .stride = 0x40, .flags = IXGBE_REG_COUNTER }

const IXGBERegRule ixgbe_stats_rules[] = {
    SET_COUNTERS(IXGBE_QPRC(0)),
    SET_COUNTERS(IXGBE_QBRCL(0)),
    SET_COUNTERS(IXGBE_QBRCL(0) + 4),
    SET_COUNTERS(IXGBE_QPRDC(0)),
    SET_COUNTERS(IXGBE_QPTC(0)),
    COUNTERS(IXGBE_QBTCL(0), 0x0877c),
    { .first = IXGBE_RQSMR(0), .count = 32, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_TQSM(0), .count = 32, .stride = 4, .writable = IXGBE_ALL },
    COUNTERS(0x0241c, 0x0242c),                /* FCoE */
    { .first = 0x02f40, .count = 1, .stride = 4, .writable = IXGBE_ALL },  /* RXDSTATCTRL */
    COUNTERS(IXGBE_RXDGPC, 0x02f7c),
    COUNTERS(0x03240, 0x0325c),                /* PXON2OFFCNT */
    COUNTERS(0x03f00, 0x03fdc),                /* pause sent, MPC */
    COUNTERS(0x04000, 0x041c4),
    COUNTERS(0x05118, 0x05118),                /* FCoE CRC errors */
    COUNTERS(0x08780, 0x08788),                /* spoofed, FCoE */
    COUNTERS(IXGBE_TXDGPC, 0x087a8),
    COUNTERS(0x0cf00, 0x0cf90),                /* manageability */
    { .count = 0 },
};
