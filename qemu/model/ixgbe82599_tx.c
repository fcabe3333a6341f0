/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmit: from the descriptors of the queues to frames.
 *
 * A tail write only marks its queue; a bottom half sends, so that the writing processor goes
 * on at once. A packet is looked at when all of it, up to the end-of-packet bit, has been handed
 * over: no half-gathered packet outlives the bottom half. Completion is synchronous, whatever
 * the backend does with the frame, so descriptors never stay pending.
 */
#include "ixgbe82599.h"

#include "net/eth.h"
#include "sysemu/dma.h"

enum {
    FRAME_BYTES_MIN = 60,
    DESCRIPTOR_BYTES = 16,
    /* Descriptors read from the guest at a time. */
    WINDOW = 64,
    /* Descriptors after which one queue gives way to the others, and all to the main loop. */
    QUEUE_BUDGET = 256,
    ROUND_BUDGET = 1024,
};

typedef struct TxDescriptor {
    uint32_t dword[4];
} TxDescriptor;

/* A ring, and the part of it that was read last. */
typedef struct TxRing {
    IXGBERing ring;
    TxDescriptor window[WINDOW];
    uint32_t window_first;
    uint32_t window_count;
} TxRing;

static uint32_t next_index(const TxRing *tx, uint32_t index)
{
    return index + 1 == tx->ring.count ? 0 : index + 1;
}

/*
 * Read descriptors from `index` to the tail or to where the ring wraps. A ring outside memory
 * reads as zeros: a packet without an end, which is never sent.
 */
static void load_window(IXGBEState *s, TxRing *tx, uint32_t index)
{
    uint32_t end = tx->ring.tail > index ? tx->ring.tail : tx->ring.count;

    tx->window_first = index;
    tx->window_count = MIN(end - index, WINDOW);
    if (pci_dma_read(PCI_DEVICE(s), tx->ring.base + (dma_addr_t)index * DESCRIPTOR_BYTES,
                     tx->window, tx->window_count * DESCRIPTOR_BYTES) != MEMTX_OK) {
        ixgbe_log_once(s, IXGBE_LOG_DMA);
        memset(tx->window, 0, sizeof(tx->window));
    }
    for (uint32_t i = 0; i < tx->window_count; i++) {
        for (int dword = 0; dword < 4; dword++) {
            tx->window[i].dword[dword] = le32_to_cpu(tx->window[i].dword[dword]);
        }
    }
}

static TxDescriptor descriptor_at(IXGBEState *s, TxRing *tx, uint32_t index)
{
    if (index - tx->window_first >= tx->window_count) {
        load_window(s, tx, index);
    }
    return tx->window[index - tx->window_first];
}

static bool is_context(const TxDescriptor *descriptor)
{
    return (descriptor->dword[2] & TXD_DEXT) &&
           extract32(descriptor->dword[2], TXD_DTYP_SHIFT, 4) == TXD_DTYP_CONTEXT;
}

static void store_context(IXGBEState *s, unsigned queue, const TxDescriptor *descriptor)
{
    IXGBETxContext *context = &s->tx_context[queue][!!(descriptor->dword[3] & TXC_IDX)];

    memcpy(context->dword, descriptor->dword, sizeof(context->dword));
}

/*
 * Copy a packet together. Returns its length, or 0 if it is empty, too long or not in memory; in
 * either case *index moves behind it and *last is its last descriptor.
 */
static size_t gather(IXGBEState *s, TxRing *tx, uint32_t *index, TxDescriptor *last)
{
    uint8_t *packet = s->tx_packet + IXGBE_TX_HEADROOM;
    size_t bytes = 0;
    bool fits = true;

    do {
        size_t part;

        *last = descriptor_at(s, tx, *index);
        part = last->dword[2] & TXD_LENGTH;
        fits = fits && bytes + part <= IXGBE_TX_PACKET_BYTES;
        if (fits && part) {
            fits = pci_dma_read(PCI_DEVICE(s), (uint64_t)last->dword[1] << 32 | last->dword[0],
                                packet + bytes, part) == MEMTX_OK;
            bytes += part;
        }
        *index = next_index(tx, *index);
    } while (!(last->dword[2] & TXD_EOP));
    if (!fits || bytes < ETH_HLEN) {
        ixgbe_log_once(s, IXGBE_LOG_TX_PACKET);
        return 0;
    }
    return bytes;
}

/* Has the driver handed over a whole packet from `index` on? */
static bool is_complete(IXGBEState *s, TxRing *tx, uint32_t index)
{
    while (index != tx->ring.tail) {
        if (descriptor_at(s, tx, index).dword[2] & TXD_EOP) {
            return true;
        }
        index = next_index(tx, index);
    }
    return false;
}

/* Report a descriptor done, and everything before it: in itself, or as the ring's head. */
static void write_back(IXGBEState *s, unsigned queue, const TxRing *tx, uint32_t index,
                       const TxDescriptor *descriptor)
{
    PCIDevice *pci = PCI_DEVICE(s);
    uint32_t head_low = ixgbe_get(s, IXGBE_TDWBAL(queue));
    uint32_t head_high = ixgbe_get(s, IXGBE_TDWBAH(queue));

    if (head_low & TDWBAL_ENABLE) {
        stl_le_pci_dma(pci, (uint64_t)head_high << 32 | (head_low & ~3u), next_index(tx, index),
                       MEMTXATTRS_UNSPECIFIED);
    } else {
        stl_le_pci_dma(pci, tx->ring.base + (dma_addr_t)index * DESCRIPTOR_BYTES + 12,
                       descriptor->dword[3] | TXD_DD, MEMTXATTRS_UNSPECIFIED);
    }
}

static void send_packet(IXGBEState *s, unsigned queue, const TxDescriptor *first,
                        const TxDescriptor *last, size_t bytes)
{
    uint8_t *packet = s->tx_packet + IXGBE_TX_HEADROOM;

    if (first->dword[2] & TXD_DEXT) {
        ixgbe_offload_advanced(s, queue, first->dword, packet, bytes);
    } else {
        ixgbe_offload_legacy(s, queue, first->dword, last->dword, packet, bytes);
    }
}

/* Send what one queue holds, within its budget. Returns the descriptors used. */
static unsigned run_queue(IXGBEState *s, unsigned queue)
{
    TxRing tx = { .window_count = 0 };
    uint32_t index, done = 0;
    bool is_reported = false;

    if (!(ixgbe_get(s, IXGBE_TXDCTL(queue)) & XXDCTL_ENABLE) ||
        !ixgbe_core_ring(s, &tx.ring, IXGBE_TXQ(queue), IXGBE_LOG_TX_RING)) {
        return 0;
    }
    index = tx.ring.head;
    while (index != tx.ring.tail && done < QUEUE_BUDGET) {
        TxDescriptor first = descriptor_at(s, &tx, index), last = first;
        uint32_t start = index, end;

        if (is_context(&first)) {
            store_context(s, queue, &first);
            index = next_index(&tx, index);
        } else {
            size_t bytes;

            if (!is_complete(s, &tx, index)) {
                break;
            }
            bytes = gather(s, &tx, &index, &last);
            if (bytes) {
                send_packet(s, queue, &first, &last, bytes);
            }
        }
        end = index == 0 ? tx.ring.count - 1 : index - 1;
        done += (end >= start ? end - start : tx.ring.count - start + end) + 1;
        /* Before the head, which some drivers read instead. */
        if (last.dword[2] & TXD_RS) {
            write_back(s, queue, &tx, end, &last);
            is_reported = true;
        }
        *ixgbe_csr(s, IXGBE_TDH(queue)) = index;
    }
    if (index != tx.ring.tail && done >= QUEUE_BUDGET) {
        s->tx_pending[queue / 64] |= 1ull << queue % 64;
    }
    if (is_reported) {
        ixgbe_intr_tx(s, queue);
    }
    return done;
}

static bool has_pending(IXGBEState *s)
{
    return s->tx_pending[0] | s->tx_pending[1];
}

static void run_queues(void *opaque)
{
    IXGBEState *s = opaque;
    unsigned done = 0;

    if (!(ixgbe_get(s, IXGBE_DMATXCTL) & DMATXCTL_TE) || !ixgbe_core_can_dma(s)) {
        return;
    }
    while (has_pending(s) && done < ROUND_BUDGET) {
        for (unsigned half = 0; half < 2; half++) {
            uint64_t pending = s->tx_pending[half];

            s->tx_pending[half] = 0;
            while (pending) {
                done += run_queue(s, half * 64 + ctz64(pending));
                pending &= pending - 1;
            }
        }
    }
    if (has_pending(s)) {
        qemu_bh_schedule(s->tx_bh);
    }
}

void ixgbe_tx_frame(IXGBEState *s, unsigned queue, uint8_t *data, size_t bytes)
{
    uint32_t hlreg0 = ixgbe_get(s, IXGBE_HLREG0);
    uint8_t padded[FRAME_BYTES_MIN];

    if (bytes < FRAME_BYTES_MIN && (hlreg0 & HLREG0_TX_PAD)) {
        memcpy(padded, data, bytes);
        memset(padded + bytes, 0, FRAME_BYTES_MIN - bytes);
        data = padded;
        bytes = FRAME_BYTES_MIN;
    }
    ixgbe_stats_tx(s, queue, data, bytes);
    if (hlreg0 & HLREG0_LOOPBACK) {
        ixgbe_rx_frame(s, data, bytes);
    } else {
        ixgbe_wire_send(s, data, bytes);
    }
}

static void tdt_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    s->tx_pending[n / 64] |= 1ull << n % 64;
    qemu_bh_schedule(s->tx_bh);
}

void ixgbe_tx_resume(IXGBEState *s)
{
    memset(s->tx_pending, 0xff, sizeof(s->tx_pending));
    qemu_bh_schedule(s->tx_bh);
}

static void dmatxctl_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value & ~old & DMATXCTL_TE) {
        ixgbe_tx_resume(s);
    }
}

static void mtqc_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value) {
        ixgbe_log_once(s, IXGBE_LOG_MTQC);
    }
}

void ixgbe_tx_reset(IXGBEState *s)
{
    memset(s->tx_pending, 0, sizeof(s->tx_pending));
    memset(s->tx_context, 0, sizeof(s->tx_context));
    qemu_bh_cancel(s->tx_bh);
}

void ixgbe_tx_init(IXGBEState *s)
{
    s->tx_bh = qemu_bh_new(run_queues, s);
    s->tx_packet = g_malloc(IXGBE_TX_HEADROOM + IXGBE_TX_PACKET_BYTES);
    s->tx_segment = g_malloc(IXGBE_TX_HEADROOM + IXGBE_TX_PACKET_BYTES);
}

void ixgbe_tx_finalize(IXGBEState *s)
{
    qemu_bh_delete(s->tx_bh);
    g_free(s->tx_packet);
    g_free(s->tx_segment);
}

/* One register of each of the 128 queues. */
#define TX_QUEUE(at, ...) \
    { .first = IXGBE_TXQ(0) + (at), .count = IXGBE_QUEUES, .stride = 0x40, __VA_ARGS__ }

const IXGBERegRule ixgbe_tx_rules[] = {
    TX_QUEUE(QUEUE_BAL, .writable = 0xffffff80),
    TX_QUEUE(QUEUE_BAH, .writable = IXGBE_ALL),
    TX_QUEUE(QUEUE_LEN, .writable = 0x000fff80),
    TX_QUEUE(0x0c, .writable = IXGBE_ALL),                                   /* DCA_TXCTRL */
    TX_QUEUE(QUEUE_HEAD, .writable = 0xffff),
    TX_QUEUE(QUEUE_TAIL, .writable = 0xffff, .written = tdt_written),
    TX_QUEUE(0x28, .writable = ~(uint32_t)XXDCTL_SWFLSH, .written = tdt_written), /* TXDCTL */
    TX_QUEUE(0x38, .writable = ~2u),                                         /* TDWBAL */
    TX_QUEUE(0x3c, .writable = IXGBE_ALL),                                   /* TDWBAH */
    { .first = 0x04900, .count = 1, .stride = 4, .reset = BIT(22) | BIT(23),
      .writable = IXGBE_ALL },                                               /* RTTDCS */
    { .first = 0x04950, .count = 1, .stride = 4, .reset = 0x96, .writable = IXGBE_ALL },
    { .first = 0x04954, .count = 7, .stride = 4, .writable = IXGBE_ALL },    /* TXPBTHRESH */
    { .first = IXGBE_DMATXCTL, .count = 1, .stride = 4, .reset = 0x81000000,
      .writable = IXGBE_ALL, .written = dmatxctl_written },
    { .first = IXGBE_DTXTCPFLGL, .count = 1, .stride = 4, .reset = 0x0ff60ff6,
      .writable = 0x0fff0fff },
    { .first = IXGBE_DTXTCPFLGH, .count = 1, .stride = 4, .reset = 0xf7f, .writable = 0xfff },
    { .first = 0x08100, .count = 1, .stride = 4, .reset = 0x10, .writable = 0xfff },
    { .first = 0x08120, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = mtqc_written },                                             /* MTQC */
    { .count = 0 },
};
