/* SPDX-License-Identifier: MIT */
/*
 * Receive-side scaling (datasheet 7.1.2.8): queues for what no filter of the flow director
 * matches, by a Toeplitz hash of addresses and TCP ports. Of UDP only the addresses are hashed, so
 * that the fragments of a datagram stay together.
 */
#include "drivers/ixgbe/ixgbe.h"

#include "drivers/ixgbe/regs.h"
#include "kernel/platform.h"

void ixgbe_rss_start(struct ixgbe *nic)
{
    if (nic->queue_count == 1) {
        ixgbe_write(nic->registers, IXGBE_MRQC, MRQE_OFF);
        return;
    }
    /* A random key: who does not know it cannot aim all of its flows at one queue. */
    for (unsigned i = 0; i < IXGBE_RSSRK_COUNT; i++) {
        ixgbe_write(nic->registers, IXGBE_RSSRK(i), (uint32_t)platform_random());
    }
    ixgbe_rss_spread(nic, (const uint8_t[]){0}, 1);
    ixgbe_write(nic->registers, IXGBE_MRQC,
                FIELD_PREP(MRQC_MRQE, MRQE_RSS) | MRQC_TCP_IPV4 | MRQC_IPV4 | MRQC_TCP_IPV6 |
                    MRQC_IPV6);
}

void ixgbe_rss_spread(struct ixgbe *nic, const uint8_t *queues, unsigned count)
{
    uint8_t reachable[IXGBE_RSS_QUEUE_MAX] = {0};
    unsigned reachable_count = 0;
    uint32_t entries = 0;

    ASSERT(count >= 1 && count <= nic->queue_count);
    for (unsigned i = 0; i < count && reachable_count < IXGBE_RSS_QUEUE_MAX; i++) {
        ASSERT(queues[i] < nic->queue_count);
        if (queues[i] < IXGBE_RSS_QUEUE_MAX) {
            reachable[reachable_count++] = queues[i];
        }
    }
    ASSERT(reachable_count > 0); /* or no entry had a queue */

    for (unsigned entry = 0; entry < IXGBE_RETA_ENTRY_COUNT; entry++) {
        entries |= (uint32_t)reachable[entry % reachable_count] << (8 * (entry % RETA_ENTRIES));
        if (entry % RETA_ENTRIES == RETA_ENTRIES - 1) {
            ixgbe_write(nic->registers, IXGBE_RETA(entry / RETA_ENTRIES), entries);
            entries = 0;
        }
    }
}

/* By an EtherType filter (datasheet 7.1.2.3), unless it goes there anyway. */
void ixgbe_arp_steer(struct ixgbe *nic, unsigned queue)
{
    uint32_t filter = ETQF_FILTER_EN | FIELD_PREP(ETQF_ETYPE, ETHERTYPE_ARP);

    ASSERT(queue < nic->queue_count);
    ixgbe_write(nic->registers, IXGBE_ETQS(0), ETQS_QUEUE_EN | FIELD_PREP(ETQS_RX_QUEUE, queue));
    ixgbe_write(nic->registers, IXGBE_ETQF(0), queue == 0 ? 0 : filter);
}
