/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive: from a frame of the backend to the descriptors of one queue.
 *
 * Nothing is counted or changed until it is certain that the frame is consumed: a frame for
 * which there is no descriptor, in a queue that must not drop, is refused as a whole and comes
 * again when a tail has moved.
 */
#include "ixgbe82599.h"

#include "net/eth.h"
#include "sysemu/dma.h"

#include <zlib.h>

enum {
    FRAME_BYTES_MIN = 60,
    /* A frame with its CRC, unless MAXFRS allows more. */
    FRAME_BYTES_MAX = 1518,
    CRC_BYTES = 4,
    VLAN_TAG_BYTES = 4,
    DESCRIPTOR_BYTES = 16,
};

static bool is_enabled(IXGBEState *s, unsigned queue)
{
    return ixgbe_get(s, IXGBE_RXDCTL(queue)) & XXDCTL_ENABLE;
}

static size_t buffer_bytes(IXGBEState *s, unsigned queue)
{
    return (ixgbe_get(s, IXGBE_SRRCTL(queue)) & SRRCTL_BUFFER_KB) * KiB;
}

static bool drops_when_full(IXGBEState *s, unsigned queue)
{
    return (ixgbe_get(s, IXGBE_SRRCTL(queue)) & SRRCTL_DROP_EN) ||
           (s->queue_drop_enable[queue / 64] >> queue % 64 & 1);
}

static bool is_too_long(IXGBEState *s, const IXGBEFrame *frame)
{
    size_t limit = ixgbe_get(s, IXGBE_HLREG0) & HLREG0_JUMBO ?
                   ixgbe_get(s, IXGBE_MAXFRS) >> 16 : FRAME_BYTES_MAX;

    limit += frame->has_vlan ? VLAN_TAG_BYTES : 0;
    limit += frame->has_outer_vlan ? VLAN_TAG_BYTES : 0;
    return frame->bytes + CRC_BYTES > limit;
}

/*
 * Write a descriptor back. The half that says "done" goes last and in one piece, because
 * drivers poll it without a lock: some its length, some its DD bit.
 */
static void write_back(IXGBEState *s, unsigned queue, dma_addr_t address, const IXGBERxReport *report,
                       size_t bytes, bool is_last)
{
    PCIDevice *pci = PCI_DEVICE(s);
    uint32_t type = extract32(ixgbe_get(s, IXGBE_SRRCTL(queue)), SRRCTL_DESCTYPE_SHIFT,
                              SRRCTL_DESCTYPE_LENGTH);
    uint32_t status = is_last ? report->status_error : RXD_DD;

    if (type == DESCTYPE_LEGACY) {
        uint32_t legacy = status & RXD_LEGACY_STATUS;

        legacy |= status & RXD_L4E ? RXD_LEGACY_TCPE : 0;
        legacy |= status & RXD_IPE ? RXD_LEGACY_IPE : 0;
        stq_le_pci_dma(pci, address + 8, bytes | report->dword1 >> 16 << 16 |
                       (uint64_t)legacy << 32 | (uint64_t)report->vlan_tag << 48,
                       MEMTXATTRS_UNSPECIFIED);
        return;
    }
    stq_le_pci_dma(pci, address, report->dword0 | (uint64_t)report->dword1 << 32,
                   MEMTXATTRS_UNSPECIFIED);
    smp_wmb();
    stq_le_pci_dma(pci, address + 8, status | (uint64_t)bytes << 32 |
                   (uint64_t)report->vlan_tag << 48, MEMTXATTRS_UNSPECIFIED);
}

static void deliver(IXGBEState *s, unsigned queue, IXGBERing *ring, const IXGBERxReport *report,
                    const uint8_t *data, size_t bytes)
{
    PCIDevice *pci = PCI_DEVICE(s);
    size_t room = buffer_bytes(s, queue);

    while (bytes) {
        dma_addr_t address = ring->base + ring->head * DESCRIPTOR_BYTES;
        size_t part = MIN(bytes, room);
        uint64_t buffer = 0;

        if (ldq_le_pci_dma(pci, address, &buffer, MEMTXATTRS_UNSPECIFIED) != MEMTX_OK ||
            pci_dma_write(pci, buffer, data, part) != MEMTX_OK) {
            ixgbe_log_once(s, IXGBE_LOG_DMA);
            break;
        }
        /* The frame before the descriptor that announces it. */
        smp_wmb();
        write_back(s, queue, address, report, part, part == bytes);
        data += part;
        bytes -= part;
        ring->head = ring->head + 1 == ring->count ? 0 : ring->head + 1;
    }
    *ixgbe_csr(s, IXGBE_RDH(queue)) = ring->head;
}

/* What can become of a frame in its queue. */
typedef enum RxFate { RX_DELIVER, RX_DROP, RX_HOLD } RxFate;

static RxFate decide_fate(IXGBEState *s, unsigned queue, IXGBERing *ring, size_t bytes)
{
    size_t room = buffer_bytes(s, queue), needed, available;

    if (!is_enabled(s, queue) ||
        !ixgbe_core_ring(s, ring, IXGBE_RXQ(queue), IXGBE_LOG_RX_RING)) {
        return RX_DROP;
    }
    if (room == 0) {
        ixgbe_log_once(s, IXGBE_LOG_BUFFER_SIZE);
        return RX_DROP;
    }
    needed = DIV_ROUND_UP(bytes, room);
    available = ring->tail >= ring->head ? ring->tail - ring->head
                                         : ring->count - ring->head + ring->tail;
    if (needed <= available) {
        return RX_DELIVER;
    }
    /* A frame that could never fit must not block the wire for good. */
    return drops_when_full(s, queue) || needed >= ring->count ? RX_DROP : RX_HOLD;
}

/*
 * What lies in the buffers is not always what came over the wire: the tag may be taken out,
 * the CRC kept. Returns the data to deliver.
 */
static const uint8_t *shape(IXGBEState *s, const IXGBEFrame *frame, bool is_stripped,
                            bool keeps_crc, size_t *bytes)
{
    size_t front = frame->bytes, behind = 0;

    *bytes = frame->bytes;
    if (!is_stripped && !keeps_crc) {
        return frame->data;
    }
    if (is_stripped) {
        front = frame->vlan_offset;
        behind = frame->bytes - front - VLAN_TAG_BYTES;
    }
    memmove(s->rx_frame, frame->data, front);
    memmove(s->rx_frame + front, frame->data + frame->bytes - behind, behind);
    *bytes = front + behind;
    if (keeps_crc) {
        stl_le_p(s->rx_frame + *bytes, crc32(0, frame->data, frame->bytes));
        *bytes += CRC_BYTES;
    }
    return s->rx_frame;
}

static void count_accepted(IXGBEState *s, const IXGBEFrame *frame, const IXGBESteering *steering)
{
    ixgbe_stats_rx_seen(s, frame->bytes);
    ixgbe_stats_rx_accepted(s, frame->data, frame->bytes);
    ixgbe_fdir_count(s, &steering->fdir);
}

/* A frame that passed the layer 2 filters. Returns false to have it held. */
static bool receive_accepted(IXGBEState *s, const IXGBEFrame *frame)
{
    bool keeps_crc = !(ixgbe_get(s, IXGBE_HLREG0) & HLREG0_RX_CRC_STRIP);
    bool is_stripped;
    IXGBESteering steering;
    IXGBERing ring;
    IXGBERxReport report;
    const uint8_t *data;
    size_t bytes;

    ixgbe_steer(s, frame, &steering);
    is_stripped = frame->has_vlan &&
                  (ixgbe_get(s, IXGBE_RXDCTL(steering.queue)) & RXDCTL_VME);
    bytes = frame->bytes - (is_stripped ? VLAN_TAG_BYTES : 0) + (keeps_crc ? CRC_BYTES : 0);
    switch (decide_fate(s, steering.queue, &ring, bytes)) {
    case RX_HOLD:
        return false;
    case RX_DROP:
        count_accepted(s, frame, &steering);
        ixgbe_stats_rx_dropped(s, steering.queue);
        return true;
    case RX_DELIVER:
        break;
    }
    count_accepted(s, frame, &steering);
    ixgbe_rx_describe(s, frame, &steering, is_stripped, &report);
    data = shape(s, frame, is_stripped, keeps_crc, &bytes);
    deliver(s, steering.queue, &ring, &report, data, bytes);
    ixgbe_stats_rx_queue(s, steering.queue, bytes);
    if (report.status_error & (RXD_L4E | RXD_IPE)) {
        ixgbe_stats_add(s, IXGBE_XEC, 1);
    }
    ixgbe_intr_rx(s, steering.queue);
    return true;
}

ssize_t ixgbe_rx_frame(IXGBEState *s, const uint8_t *data, size_t bytes)
{
    uint16_t outer_vlan_type = ixgbe_get(s, IXGBE_CTRL_EXT) & CTRL_EXT_EXTENDED_VLAN ?
                               ixgbe_get(s, IXGBE_EXVET) >> 16 : 0;
    uint8_t padded[FRAME_BYTES_MIN];
    size_t offered = bytes;
    IXGBEFrame frame;

    if (!(ixgbe_get(s, IXGBE_RXCTRL) & RXCTRL_RXEN) || !ixgbe_core_can_dma(s) ||
        bytes < ETH_HLEN || bytes > IXGBE_RX_FRAME_BYTES - CRC_BYTES) {
        return offered;
    }
    /* Backends hand over frames as the sender's software made them, not as a wire pads them. */
    if (bytes < FRAME_BYTES_MIN) {
        memcpy(padded, data, bytes);
        memset(padded + bytes, 0, FRAME_BYTES_MIN - bytes);
        data = padded;
        bytes = FRAME_BYTES_MIN;
    }
    ixgbe_frame_parse(&frame, data, bytes, ixgbe_get(s, IXGBE_VLNCTRL), outer_vlan_type);
    if (is_too_long(s, &frame)) {
        ixgbe_stats_rx_seen(s, bytes);
        ixgbe_stats_add(s, IXGBE_ROC, 1);
        return offered;
    }
    if (!ixgbe_filter_accepts(s, &frame)) {
        ixgbe_stats_rx_seen(s, bytes);
        return offered;
    }
    if (!receive_accepted(s, &frame)) {
        s->rx_is_blocked = true;
        return 0;
    }
    return offered;
}

static void flush_backend(void *opaque)
{
    IXGBEState *s = opaque;

    qemu_flush_queued_packets(qemu_get_queue(s->nic));
}

void ixgbe_rx_unblock(IXGBEState *s)
{
    if (s->rx_is_blocked) {
        s->rx_is_blocked = false;
        qemu_bh_schedule(s->rx_flush_bh);
    }
}

/* A tail, an enable bit: what has kept frames waiting may be over. */
static void rx_state_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    ixgbe_rx_unblock(s);
}

static void srrctl_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (extract32(value, SRRCTL_DESCTYPE_SHIFT, SRRCTL_DESCTYPE_LENGTH) >
        DESCTYPE_ADVANCED_ONE_BUFFER) {
        ixgbe_log_once(s, IXGBE_LOG_HEADER_SPLIT);
    }
    ixgbe_rx_unblock(s);
}

static void rscctl_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value & BIT(0)) {
        ixgbe_log_once(s, IXGBE_LOG_RSC);
    }
}

static void pfqde_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    const uint32_t is_write = BIT(16);
    unsigned queue = extract32(value, 8, 7);

    if (value & is_write) {
        s->queue_drop_enable[queue / 64] =
            deposit64(s->queue_drop_enable[queue / 64], queue % 64, 1, value & 1);
        ixgbe_rx_unblock(s);
    } else {
        *ixgbe_csr(s, IXGBE_PFQDE) = deposit32(value, 0, 1,
            s->queue_drop_enable[queue / 64] >> queue % 64 & 1);
    }
}

void ixgbe_rx_reset(IXGBEState *s)
{
    memset(s->queue_drop_enable, 0, sizeof(s->queue_drop_enable));
    ixgbe_rx_unblock(s);
}

void ixgbe_rx_init(IXGBEState *s)
{
    s->rx_flush_bh = qemu_bh_new(flush_backend, s);
    s->rx_frame = g_malloc(IXGBE_RX_FRAME_BYTES);
}

void ixgbe_rx_finalize(IXGBEState *s)
{
    qemu_bh_delete(s->rx_flush_bh);
    g_free(s->rx_frame);
}

/* One register of each of the 64 queues of a bank. */
#define RX_QUEUE(base, first_queue, at, ...)                                              \
    { .first = (base) + (at), .count = 64, .stride = 0x40, .index = (first_queue), __VA_ARGS__ }

#define RX_BANK(base, first_queue)                                                        \
    RX_QUEUE(base, first_queue, QUEUE_BAL, .writable = 0xffffff80),                       \
    RX_QUEUE(base, first_queue, QUEUE_BAH, .writable = IXGBE_ALL),                        \
    RX_QUEUE(base, first_queue, QUEUE_LEN, .writable = 0x000fff80),                       \
    RX_QUEUE(base, first_queue, 0x0c /* DCA_RXCTRL */, .reset = BIT(12),                  \
             .writable = IXGBE_ALL),                                                      \
    RX_QUEUE(base, first_queue, QUEUE_HEAD, .writable = 0xffff,                           \
             .written = rx_state_written),                                                \
    RX_QUEUE(base, first_queue, 0x14 /* SRRCTL */, .reset = 0x402, .writable = IXGBE_ALL, \
             .written = srrctl_written),                                                  \
    RX_QUEUE(base, first_queue, QUEUE_TAIL, .writable = 0xffff,                           \
             .written = rx_state_written),                                                \
    RX_QUEUE(base, first_queue, 0x28 /* RXDCTL */,                                        \
             .writable = ~(uint32_t)XXDCTL_SWFLSH, .written = rx_state_written),          \
    RX_QUEUE(base, first_queue, 0x2c /* RSCCTL */, .writable = IXGBE_ALL,                 \
             .written = rscctl_written)

const IXGBERegRule ixgbe_rx_rules[] = {
    RX_BANK(0x01000, 0),
    RX_BANK(0x0d000, 64),
    { .first = 0x02100, .count = 16, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_SRRCTL(0) },
    { .first = 0x02200, .count = 16, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_RXQ(0) + 0x0c },
    /* RDRXCTL: DMA initialisation is done. */
    { .first = 0x02f00, .count = 1, .stride = 4, .reset = 8, .writable = ~8u },
    { .first = IXGBE_PFQDE, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = pfqde_written },
    { .first = IXGBE_RXCTRL, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = rx_state_written },
    { .first = IXGBE_RXCSUM, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = 0x05008, .count = 1, .stride = 4, .writable = IXGBE_ALL },   /* RFCTL */
    { .first = 0x0ea00, .count = 64, .stride = 4, .writable = IXGBE_ALL },  /* PSRTYPE */
    { .first = 0x05480, .count = 16, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = 0x0ea00 },
    { .count = 0 },
};
