/* SPDX-License-Identifier: MIT */
/*
 * Bring-up of the 82599 as a whole, in the order of datasheet 4.6.3, and its interrupts (7.3).
 */
#include "drivers/ixgbe/ixgbe.h"

#include <errno.h>

#include "drivers/ixgbe/regs.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"

/* Bounds of waits. The datasheet gives few; these are several times what drivers are known to
 * need, and end a start-up on broken hardware within a few seconds. */
#define RESET_TIMEOUT_US          100000
#define RESET_SILENCE_NS          NS_PER_MS
#define RESET_SETTLE_US           10000 /* 4.6.3.2 */
#define MASTER_DISABLE_TIMEOUT_US 80000
#define NVM_TIMEOUT_US            1000000
#define DMA_INIT_TIMEOUT_US       1000000
#define QUEUE_TIMEOUT_US          20000
#define RECEIVE_PATH_TIMEOUT_US   40000
#define QUEUE_SETTLE_US           100 /* 4.6.7.1.2: what it has begun to write */

#define MAC_BYTES 6u
#define MAC_GROUP BIT(0) /* of the first byte: not the address of one station */

/* The packet buffers, in bytes. With several queues the flow director takes half of the receive
 * buffer for its filters. */
#define RX_BUFFER_BYTES             0x80000u
#define FDIR_BUFFER_BYTES           0x40000u
#define TX_BUFFER_BYTES             0x28000u
#define TX_THRESHOLD_KIB            0x96u /* that, less the longest frame */
#define FLOW_CONTROL_HEADROOM_BYTES 0x6000u

_Static_assert(TX_THRESHOLD_KIB *KIB < TX_BUFFER_BYTES, "room for the longest frame");

/* In a thread, others run meanwhile; more time may pass. */
static void wait_at_least(uint64_t delay_us)
{
    uint64_t end_ns = platform_now_ns() + delay_us * NS_PER_US;

    while (platform_now_ns() < end_ns) {
        if (thread_self() != NULL) {
            (void)thread_block_until(end_ns); /* woken or not: the clock decides */
        } else {
            __builtin_ia32_pause();
        }
    }
}

int ixgbe_wait_named(const void *registers, uint32_t offset, const char *name, uint32_t mask,
                     uint32_t want, uint64_t timeout_us)
{
    uint64_t end_ns = platform_now_ns() + timeout_us * NS_PER_US;

    ASSERT((want & ~mask) == 0);
    for (;;) {
        status_note_progress(); /* the wait has an end */
        /* The clock first: a core that was stopped for long still looks once more. */
        bool is_late = platform_now_ns() >= end_ns;
        uint32_t value = ixgbe_read(registers, offset);

        if ((value & mask) == want) {
            return 0;
        }
        if (is_late) {
            log_error("ixgbe", "%s is 0x%08x after %llu us: bits 0x%08x never became 0x%08x", name,
                      value, (unsigned long long)timeout_us, mask, want);
            return -ETIMEDOUT;
        }
        __builtin_ia32_pause();
    }
}

int ixgbe_queue_stop(void *registers, unsigned queue, unsigned halves)
{
    int rx_result = 0, tx_result = 0;

    if ((halves & IXGBE_RX_HALF) != 0) {
        ixgbe_clear(registers, IXGBE_RXDCTL(queue), RXDCTL_ENABLE);
    }
    if ((halves & IXGBE_TX_HALF) != 0) {
        ixgbe_write(registers, IXGBE_TXDCTL(queue), TXDCTL_SWFLSH);
        tx_result = ixgbe_wait(registers, IXGBE_TXDCTL(queue), TXDCTL_ENABLE, 0, QUEUE_TIMEOUT_US);
    }
    if ((halves & IXGBE_RX_HALF) != 0) {
        rx_result = ixgbe_wait(registers, IXGBE_RXDCTL(queue), RXDCTL_ENABLE, 0, QUEUE_TIMEOUT_US);
    }
    wait_at_least(QUEUE_SETTLE_US);
    return rx_result != 0 ? rx_result : tx_result;
}

bus_addr_t ixgbe_rx_ring_bus_addr(const void *registers, unsigned queue)
{
    return ixgbe_read(registers, IXGBE_RDBAL(queue)) |
           (bus_addr_t)ixgbe_read(registers, IXGBE_RDBAH(queue)) << 32;
}

static void mask_all_interrupts(void *registers)
{
    ixgbe_write(registers, IXGBE_EIMC, EIMC_ALL);
    ixgbe_write(registers, IXGBE_EIMC_EX(0), UINT32_MAX);
    ixgbe_write(registers, IXGBE_EIMC_EX(1), UINT32_MAX);
}

/* Stop DMA that an earlier driver, perhaps the firmware's, left running (5.2.5.3.2). */
static int disable_master(void *registers)
{
    int result;

    ixgbe_clear(registers, IXGBE_RXCTRL, RXCTRL_RXEN);
    for (unsigned queue = 0; queue < IXGBE_QUEUE_MAX; queue++) {
        if ((ixgbe_read(registers, IXGBE_RXDCTL(queue)) & RXDCTL_ENABLE) == 0) {
            continue;
        }
        ixgbe_clear(registers, IXGBE_RXDCTL(queue), RXDCTL_ENABLE);
        result = ixgbe_wait(registers, IXGBE_RXDCTL(queue), RXDCTL_ENABLE, 0, QUEUE_TIMEOUT_US);
        if (result != 0) {
            return result;
        }
    }
    ixgbe_set(registers, IXGBE_CTRL, CTRL_MASTER_DISABLE);
    return ixgbe_wait(registers, IXGBE_STATUS, STATUS_MASTER_ENABLE, 0, MASTER_DISABLE_TIMEOUT_US);
}

/* 4.6.3.2. Both resets at once, so that MAC and link start afresh, too. */
static int reset_once(void *registers)
{
    int result;

    uint64_t reset_ns = platform_now_ns();

    ixgbe_set(registers, IXGBE_CTRL, CTRL_RST | CTRL_LRST);
    /* The bits say nothing earlier (8.2.3.1.1). Nobody else runs, or the long wait would begin only
     * when they are done. */
    while (platform_now_ns() < reset_ns + RESET_SILENCE_NS) {
        __builtin_ia32_pause();
    }
    result = ixgbe_wait(registers, IXGBE_CTRL, CTRL_RST | CTRL_LRST, 0, RESET_TIMEOUT_US);
    wait_at_least(RESET_SETTLE_US);
    return result;
}

static int reset_device(void *registers)
{
    int result;

    mask_all_interrupts(registers);
    if (disable_master(registers) != 0) {
        /* DMA does not come to rest. A second reset is what the datasheet asks for then: the first
         * one may leave requests of the bus behind. */
        log_warning("ixgbe", "DMA does not stop: resetting twice");
        result = reset_once(registers);
        if (result != 0) {
            return result;
        }
    }
    result = reset_once(registers);
    if (result != 0) {
        return result;
    }
    mask_all_interrupts(registers);

    result = ixgbe_wait(registers, IXGBE_EEC, EEC_AUTO_RD, EEC_AUTO_RD, NVM_TIMEOUT_US);
    if (result != 0) {
        return result;
    }
    if ((ixgbe_read(registers, IXGBE_EEC) & EEC_EE_PRES) == 0) {
        log_error("ixgbe", "the card has no NVM, so no MAC address");
        return -ENODEV;
    }
    return ixgbe_wait(registers, IXGBE_RDRXCTL, RDRXCTL_DMAIDONE, RDRXCTL_DMAIDONE,
                      DMA_INIT_TIMEOUT_US);
}

int ixgbe_read_mac(const void *registers, uint8_t mac[6])
{
    uint32_t low = ixgbe_read(registers, IXGBE_RAL(0));
    uint32_t high = ixgbe_read(registers, IXGBE_RAH(0));

    for (unsigned i = 0; i < MAC_BYTES; i++) {
        mac[i] = (uint8_t)(i < MAC_LOW_BYTES ? low >> (8 * i) : high >> (8 * (i - MAC_LOW_BYTES)));
    }
    if ((high & RAH_AV) == 0 || (mac[0] & MAC_GROUP) != 0 ||
        (low == 0 && (high & RAH_HIGH_BYTES) == 0)) {
        log_error("ixgbe", "RAL0, RAH0 = 0x%08x, 0x%08x: no unicast MAC address", low, high);
        return -ENODEV;
    }
    return 0;
}

static void clear_table(void *registers, uint32_t first_offset, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ixgbe_write(registers, first_offset + 4 * i, 0);
    }
}

/* Tables are undefined after a reset. Of layer 2, our own MAC address and broadcast are received,
 * nothing else (7.1.1). */
static void start_filters(void *registers)
{
    for (unsigned i = 1; i < IXGBE_RAR_COUNT; i++) {
        ixgbe_write(registers, IXGBE_RAL(i), 0);
        ixgbe_write(registers, IXGBE_RAH(i), 0);
    }
    clear_table(registers, IXGBE_MTA(0), IXGBE_MTA_COUNT);
    clear_table(registers, IXGBE_PFUTA(0), IXGBE_PFUTA_COUNT);
    clear_table(registers, IXGBE_VFTA(0), IXGBE_VFTA_COUNT);
    clear_table(registers, IXGBE_VLVF(0), IXGBE_VLVF_COUNT);
    clear_table(registers, IXGBE_VLVFB(0), IXGBE_VLVFB_COUNT);
    clear_table(registers, IXGBE_MPSAR(0), IXGBE_MPSAR_COUNT);
    ixgbe_write(registers, IXGBE_MPSAR(0), MPSAR_POOL_0); /* our address */
    clear_table(registers, IXGBE_FTQF(0), IXGBE_FTQF_COUNT);
    clear_table(registers, IXGBE_ETQF(0), IXGBE_ETQF_COUNT);
    clear_table(registers, IXGBE_ETQS(0), IXGBE_ETQF_COUNT);
    ixgbe_write(registers, IXGBE_SYNQF, 0);

    ixgbe_write(registers, IXGBE_FCTRL, FCTRL_BAM);
    ixgbe_write(registers, IXGBE_VLNCTRL, VLNCTRL_VET);
    ixgbe_write(registers, IXGBE_MCSTCTRL, 0);
    ixgbe_write(registers, IXGBE_MFLCN, MFLCN_DPF);
    ixgbe_write(registers, IXGBE_FCCFG, 0);
}

/* One packet buffer for all (4.6.11.3.4: neither DCB nor virtualisation). */
static void start_packet_buffers(struct ixgbe *nic)
{
    void *registers = nic->registers;
    uint32_t rx_bytes = RX_BUFFER_BYTES - (nic->queue_count > 1 ? FDIR_BUFFER_BYTES : 0);

    ASSERT(rx_bytes % KIB == 0 && rx_bytes > FLOW_CONTROL_HEADROOM_BYTES);
    ixgbe_write(registers, IXGBE_RXPBSIZE(0), rx_bytes);
    for (unsigned i = 1; i < IXGBE_PACKET_BUFFER_COUNT; i++) {
        ixgbe_write(registers, IXGBE_RXPBSIZE(i), 0);
    }
    /* Without flow control, too, the high-water mark must lie inside the buffer (4.6.3.2). */
    ixgbe_write(registers, IXGBE_FCRTH(0), rx_bytes - FLOW_CONTROL_HEADROOM_BYTES);
}

/* 4.6.7, but for the queues. */
static void start_receive_dma(void *registers)
{
    uint32_t rdrxctl = ixgbe_read(registers, IXGBE_RDRXCTL);

    /* The CRC is stripped: HLREG0 says so after reset. The other three are what 8.2.3.8.8 demands
     * although large receive is off. */
    rdrxctl &= ~RDRXCTL_RSCFRSTSIZE;
    rdrxctl |= RDRXCTL_CRCSTRIP | RDRXCTL_RSCACKC | RDRXCTL_FCOE_WRFIX;
    ixgbe_write(registers, IXGBE_RDRXCTL, rdrxctl);
    ixgbe_write(registers, IXGBE_RFCTL, RFCTL_RSC_DIS | RFCTL_NFSW_DIS | RFCTL_NFSR_DIS);
    ixgbe_write(registers, IXGBE_RXCSUM, RXCSUM_PCSD);
    ixgbe_write(registers, IXGBE_PSRTYPE(0), 0); /* no header is split off */
    ixgbe_set(registers, IXGBE_CTRL_EXT, CTRL_EXT_NS_DIS);
}

/* 4.6.8, but for the queues. */
static void start_transmit_dma(void *registers)
{
    ixgbe_set(registers, IXGBE_RTTDCS, RTTDCS_ARBDIS);
    ixgbe_write(registers, IXGBE_DTXMXSZRQ, DTXMXSZRQ_WITHOUT_DCB);
    ixgbe_write(registers, IXGBE_TXPBSIZE(0), TX_BUFFER_BYTES);
    ixgbe_write(registers, IXGBE_TXPBTHRESH(0), TX_THRESHOLD_KIB);
    for (unsigned i = 1; i < IXGBE_PACKET_BUFFER_COUNT; i++) {
        ixgbe_write(registers, IXGBE_TXPBSIZE(i), 0);
        ixgbe_write(registers, IXGBE_TXPBTHRESH(i), 0);
    }
    ixgbe_write(registers, IXGBE_MTQC, 0);
    ixgbe_clear(registers, IXGBE_RTTDCS, RTTDCS_ARBDIS);
    /* Before any queue is switched on. */
    ixgbe_set(registers, IXGBE_DMATXCTL, DMATXCTL_TE);
}

int ixgbe_start(struct ixgbe *nic, void *registers, uint16_t device_id, unsigned queue_count,
                struct nic_grouping grouping)
{
    int result;

    ASSERT(queue_count >= 1 && queue_count <= IXGBE_QUEUE_MAX);
    *nic = (struct ixgbe){.registers = registers,
                          .device_id = device_id,
                          .queue_count = (uint16_t)queue_count,
                          .grouping = grouping};

    if (ixgbe_read(registers, IXGBE_STATUS) == UINT32_MAX) {
        log_error("ixgbe", "the device does not answer: STATUS is all ones");
        return -ENODEV;
    }
    result = reset_device(registers);
    if (result != 0) {
        return result;
    }
    result = ixgbe_read_mac(registers, nic->mac);
    if (result != 0) {
        return result;
    }
    ixgbe_link_start(nic);
    ixgbe_stats_start(nic);

    start_filters(registers);
    start_packet_buffers(nic);
    if (ixgbe_fdir_group_count(nic) != 0) {
        result = ixgbe_fdir_start(nic);
        if (result != 0) {
            return result;
        }
    }
    start_receive_dma(registers);
    ixgbe_rss_start(nic);
    start_transmit_dma(registers);
    return 0;
}

int ixgbe_receive_path_close(void *registers)
{
    ixgbe_set(registers, IXGBE_SECRXCTRL, SECRXCTRL_RX_DIS);
    return ixgbe_wait(registers, IXGBE_SECRXSTAT, SECRXSTAT_RDY, SECRXSTAT_RDY,
                      RECEIVE_PATH_TIMEOUT_US);
}

void ixgbe_receive_path_open(void *registers)
{
    ixgbe_clear(registers, IXGBE_SECRXCTRL, SECRXCTRL_RX_DIS);
}

int ixgbe_enable_receive(struct ixgbe *nic)
{
    int result = ixgbe_receive_path_close(nic->registers);

    if (result != 0) {
        return result;
    }
    ixgbe_set(nic->registers, IXGBE_RXCTRL, RXCTRL_RXEN);
    ixgbe_receive_path_open(nic->registers);
    ixgbe_set(nic->registers, IXGBE_CTRL_EXT, CTRL_EXT_DRV_LOAD);
    return 0;
}

unsigned ixgbe_other_vector(unsigned queue_count, unsigned entry_count)
{
    return queue_count < entry_count ? queue_count : 0;
}

void ixgbe_interrupts_start(struct ixgbe *nic, unsigned other_vector)
{
    void *registers = nic->registers;
    uint32_t self_clearing = 0;

    ASSERT(nic->queue_count <= IXGBE_VECTOR_COUNT && other_vector < IXGBE_VECTOR_COUNT);
    ASSERT(other_vector == 0 || other_vector >= nic->queue_count);
    ixgbe_write(registers, IXGBE_GPIE, GPIE_MULTIPLE_MSIX | GPIE_EIAME | GPIE_PBA_SUPPORT);
    for (unsigned queue = 0; queue < nic->queue_count; queue++) {
        /* Only received frames wake a node. What has been sent is found out when there is other
         * work, or by a timer. IVAR holds receive and transmit of two queues. */
        uint32_t shift = IVAR_QUEUE_SHIFT(queue);
        uint32_t others = ixgbe_read(registers, IXGBE_IVAR(queue / 2)) & ~(IVAR_QUEUE << shift);

        ixgbe_write(registers, IXGBE_IVAR(queue / 2), others | (IVAR_VALID | queue) << shift);
        /* An interrupt comes only to a node that sleeps, so there is nothing to throttle. */
        ixgbe_write(registers, IXGBE_EITR(queue), 0);
        if (queue < EICR_QUEUE_CAUSES) {
            self_clearing |= BIT(queue);
        }
    }
    ixgbe_write(registers, IXGBE_EITR(other_vector), 0);
    ixgbe_write(registers, IXGBE_IVAR_MISC, FIELD_PREP(IVAR_MISC_OTHER, IVAR_VALID | other_vector));
    ixgbe_write(registers, IXGBE_EIAC, self_clearing);
    ixgbe_write(registers, IXGBE_EIAM_EX(0), UINT32_MAX);
    ixgbe_write(registers, IXGBE_EIAM_EX(1), UINT32_MAX);
    (void)ixgbe_read(registers, IXGBE_EICR); /* reading forgets what came before */
    ixgbe_write(registers, IXGBE_EIMS, EICR_LSC);
}

bool ixgbe_has_syn_queue(const struct ixgbe *nic)
{
    return nic->queue_count < IXGBE_QUEUE_MAX;
}

void ixgbe_syn_interrupt_start(struct ixgbe *nic)
{
    unsigned queue = ixgbe_syn_queue(nic);
    uint32_t shift = IVAR_QUEUE_SHIFT(queue);
    uint32_t others = ixgbe_read(nic->registers, IXGBE_IVAR(queue / 2)) & ~(IVAR_QUEUE << shift);

    ASSERT(ixgbe_has_syn_queue(nic));
    ixgbe_write(nic->registers, IXGBE_IVAR(queue / 2), others | (IVAR_VALID | 0) << shift);
}

void ixgbe_syn_direct(struct ixgbe *nic, bool is_directed)
{
    uint32_t filter = SYNQF_ENABLE | SYNQF_FIRST | FIELD_PREP(SYNQF_RX_QUEUE, ixgbe_syn_queue(nic));

    ASSERT(!is_directed || ixgbe_has_syn_queue(nic));
    ixgbe_write(nic->registers, IXGBE_SYNQF, is_directed ? filter : 0);
}

/* Bits 47:36 of an address, as MCSTCTRL.MO 0 has it (7.1.1.1). */
static unsigned group_bit(const uint8_t mac[6])
{
    return mac[4] >> 4 | (unsigned)mac[5] << 4;
}

/* Frames come meanwhile, as they do while Linux' driver writes this table. */
void ixgbe_set_groups(struct ixgbe *nic, const uint8_t (*macs)[6], unsigned count)
{
    uint32_t table[IXGBE_MTA_COUNT] = {0};

    for (unsigned i = 0; i < count; i++) {
        unsigned bit = group_bit(macs[i]);

        table[bit / 32] |= (uint32_t)BIT(bit % 32);
    }
    for (unsigned i = 0; i < IXGBE_MTA_COUNT; i++) {
        ixgbe_write(nic->registers, IXGBE_MTA(i), table[i]);
    }
    ixgbe_write(nic->registers, IXGBE_MCSTCTRL, count > 0 ? MCSTCTRL_MFE : 0);
}

void ixgbe_interrupt_clear(void *registers, unsigned queue)
{
    if (queue < EICR_QUEUE_CAUSES) {
        ixgbe_write(registers, IXGBE_EICR, BIT(queue));
        /* A write may still be on its way while the caller looks at its ring, and would then wipe
         * out the cause of a frame that came after that look. Reading waits for it. */
        (void)ixgbe_read(registers, IXGBE_EICS);
    }
    /* Queues above 15 have no cause that could be cleared: unmasking then costs one needless
     * wake-up. */
}

void ixgbe_interrupt_unmask(void *registers, unsigned queue)
{
    ASSERT(queue < IXGBE_VECTOR_COUNT);
    ixgbe_write(registers, IXGBE_EIMS_EX(queue / 32), BIT(queue % 32));
}

void ixgbe_interrupt_clear_link(struct ixgbe *nic)
{
    ixgbe_write(nic->registers, IXGBE_EICR, EICR_LSC);
}
