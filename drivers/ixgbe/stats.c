/* SPDX-License-Identifier: MIT */
/*
 * Statistics registers (datasheet 4.6.5, 8.2.3.23). All clear when read, so each call returns what
 * has come since the one before. Frames that we have seen are counted by software; these registers
 * tell of those that never reached a ring.
 */
#include "drivers/ixgbe/ixgbe.h"

#include "drivers/ixgbe/regs.h"
#include "kernel/platform.h"

#define QUEUES_PER_MAP 4 /* in RQSMR and TQSM */

/* Queues share sixteen sets of counters; what is lost is counted by whichever queue asks first. */
static unsigned counter_set(unsigned queue)
{
    return queue % IXGBE_COUNTER_SET_COUNT;
}

void ixgbe_stats_start(struct ixgbe *nic)
{
    for (unsigned i = 0; i < IXGBE_QUEUE_MAX / QUEUES_PER_MAP; i++) {
        uint32_t sets = 0;

        for (unsigned k = 0; k < QUEUES_PER_MAP; k++) {
            sets |= counter_set(QUEUES_PER_MAP * i + k) << (8 * k);
        }
        ixgbe_write(nic->registers, IXGBE_RQSMR(i), sets);
        ixgbe_write(nic->registers, IXGBE_TQSM(i), sets);
    }
    for (unsigned set = 0; set < IXGBE_COUNTER_SET_COUNT; set++) {
        (void)ixgbe_read(nic->registers, IXGBE_QPRC(set));
        (void)ixgbe_read(nic->registers, IXGBE_QPRDC(set));
        (void)ixgbe_read(nic->registers, IXGBE_QPTC(set));
    }
    (void)ixgbe_read(nic->registers, IXGBE_MPC(0));
}

uint32_t ixgbe_stats_take_dropped(void *registers, unsigned queue)
{
    ASSERT(queue < IXGBE_QUEUE_MAX);
    return ixgbe_read(registers, IXGBE_QPRDC(counter_set(queue)));
}

uint32_t ixgbe_stats_take_missed(struct ixgbe *nic)
{
    return ixgbe_read(nic->registers, IXGBE_MPC(0));
}
