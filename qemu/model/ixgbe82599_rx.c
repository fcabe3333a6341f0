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
#include "qemu/crc32c.h"
#include "sysemu/dma.h"

#include <zlib.h>

#include "ixgbe82599_hash.h"

enum {
    FRAME_BYTES_MIN = 60,
    /* A frame with its CRC, unless MAXFRS allows more. */
    FRAME_BYTES_MAX = 1518,
    CRC_BYTES = 4,
    VLAN_TAG_BYTES = 4,
    DESCRIPTOR_BYTES = 16,
};

/* What a descriptor says about its frame. */
typedef struct RxReport {
    uint32_t dword0;       /* RSS and packet type */
    uint32_t dword1;       /* hash, flow director id, or fragment checksum */
    uint32_t status_error;
    uint16_t vlan_tag;
} RxReport;

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

/* The packet type field, already in its place in dword 0. */
static uint32_t packet_type(const IXGBEFrame *frame, const IXGBESteering *steering)
{
    static const uint32_t l4_type[] = {
        [IXGBE_L4_OTHER] = 0, [IXGBE_L4_UDP] = PACKET_UDP, [IXGBE_L4_TCP] = PACKET_TCP,
        [IXGBE_L4_SCTP] = PACKET_SCTP,
    };
    uint32_t type = l4_type[frame->l4];

    if (steering->ether_filter >= 0) {
        type = PACKET_ETQF | steering->ether_filter;
    } else if (frame->ip_version == 4) {
        type |= frame->has_ip_options ? PACKET_IPV4 | PACKET_IPV4_OPTIONS : PACKET_IPV4;
    } else if (frame->ip_version == 6) {
        type |= frame->has_ip_options ? PACKET_IPV6 | PACKET_IPV6_EXTENSIONS : PACKET_IPV6;
    }
    return type << RXD_PACKET_TYPE_SHIFT;
}

static bool sctp_is_intact(const IXGBEFrame *frame)
{
    static const uint8_t zero[4];
    const uint8_t *packet = frame->data + frame->l4_offset;
    uint32_t crc;

    /* The checksum is taken with its own field zero. QEMU's crc32c() complements its result. */
    crc = ~crc32c(0xffffffff, packet, 8);
    crc = ~crc32c(crc, zero, sizeof(zero));
    crc = crc32c(crc, packet + 12, frame->l4_bytes - 12);
    return ldl_le_p(packet + 8) == crc;
}

static bool l4_is_intact(const IXGBEFrame *frame)
{
    uint64_t sum;

    if (frame->l4_offset + frame->l4_bytes > frame->bytes) {
        return false;
    }
    if (frame->l4 == IXGBE_L4_SCTP) {
        return sctp_is_intact(frame);
    }
    sum = ixgbe_frame_pseudo_sum(frame) + frame->l4_bytes;
    sum = ixgbe_checksum_add(sum, frame->data + frame->l4_offset, frame->l4_bytes);
    return ixgbe_checksum_fold(sum) == 0xffff;
}

static uint32_t l4_status(const IXGBEFrame *frame)
{
    uint32_t status = RXD_L4I;

    if (frame->l4 == IXGBE_L4_OTHER || frame->l4_not_checkable) {
        return 0;
    }
    if (frame->l4 == IXGBE_L4_UDP) {
        if (ixgbe_get16(frame->data + frame->l4_offset + 6) == 0) {
            /* No checksum: allowed over IPv4, an error over IPv6. */
            return frame->ip_version == 4 ? 0 : RXD_L4I | RXD_UDPCS | RXD_L4E;
        }
        status |= RXD_UDPCS;
    }
    return l4_is_intact(frame) ? status : status | RXD_L4E;
}

static uint32_t checksum_status(const IXGBEFrame *frame)
{
    uint32_t status = 0;

    if (frame->ip_version == 0) {
        return 0;
    }
    if (frame->ip_version == 4) {
        uint64_t sum = ixgbe_checksum_add(0, frame->data + frame->ip_offset,
                                          frame->ip_header_bytes);

        status = ixgbe_checksum_fold(sum) == 0xffff ? RXD_IPCS : RXD_IPCS | RXD_IPE;
    }
    return status | l4_status(frame);
}

/* Dword 1 when RXCSUM asks for it instead of the hash: IP id, and a fragment's raw checksum. */
static uint32_t fragment_report(IXGBEState *s, const IXGBEFrame *frame)
{
    uint32_t sum = 0;

    if (frame->ip_version != 4) {
        return 0;
    }
    if ((ixgbe_get(s, IXGBE_RXCSUM) & RXCSUM_IPPCSE) && frame->is_fragment) {
        size_t bytes = MIN(frame->l4_bytes, frame->bytes - frame->l4_offset);

        sum = ixgbe_checksum_fold(ixgbe_checksum_add(0, frame->data + frame->l4_offset, bytes));
    }
    return sum << 16 | ixgbe_get16(frame->data + frame->ip_offset + 4);
}

/* Is dword 1 the flow director's instead of the hash? */
static bool reports_flow_director(IXGBEState *s, const IXGBEFdirResult *fdir)
{
    uint32_t control = ixgbe_get(s, IXGBE_FDIRCTRL);

    if (control & FDIRCTRL_REPORT_ALWAYS) {
        return fdir->is_candidate;
    }
    return (control & FDIRCTRL_REPORT_STATUS) && fdir->is_match;
}

static void describe(IXGBEState *s, const IXGBEFrame *frame, const IXGBESteering *steering,
                     bool is_stripped, RxReport *report)
{
    const bool is_l2 = steering->ether_filter >= 0;

    memset(report, 0, sizeof(*report));
    report->dword0 = packet_type(frame, steering);
    if (!(ixgbe_get(s, IXGBE_RXCSUM) & RXCSUM_PCSD)) {
        report->dword1 = fragment_report(s, frame);
    } else if (reports_flow_director(s, &steering->fdir)) {
        report->dword0 |= RXD_RSS_TYPE_FLOW_DIRECTOR;
        report->dword1 = steering->fdir.id;
    } else {
        report->dword0 |= steering->rss_type;
        report->dword1 = steering->rss_hash;
    }
    report->status_error = RXD_DD | RXD_EOP | (is_l2 ? 0 : checksum_status(frame));
    report->status_error |= steering->fdir.errors;
    report->status_error |= steering->fdir.is_match ? RXD_FLM : 0;
    report->status_error |= is_multicast_ether_addr(frame->data) ? RXD_PIF : 0;
    report->status_error |= frame->has_vlan ? RXD_VP : 0;
    report->status_error |= frame->has_outer_vlan ? RXD_VEXT : 0;
    report->vlan_tag = is_stripped ? frame->vlan_tci : 0;
}

/*
 * Write a descriptor back. The half that says "done" goes last and in one piece, because
 * drivers poll it without a lock: some its length, some its DD bit.
 */
static void write_back(IXGBEState *s, unsigned queue, dma_addr_t address, const RxReport *report,
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

static void deliver(IXGBEState *s, unsigned queue, IXGBERing *ring, const RxReport *report,
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
    RxReport report;
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
    describe(s, frame, &steering, is_stripped, &report);
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

static void rdt_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
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

/* The registers of receive queues first..first+63, which start at `base`. */
#define RX_QUEUE_RULES(base, first_index)                                                     \
    { .first = (base) + 0x00, .count = 64, .stride = 0x40, .index = (first_index),            \
      .writable = 0xffffff80 },                                              /* RDBAL */      \
    { .first = (base) + 0x04, .count = 64, .stride = 0x40, .index = (first_index),            \
      .writable = IXGBE_ALL },                                               /* RDBAH */      \
    { .first = (base) + 0x08, .count = 64, .stride = 0x40, .index = (first_index),            \
      .writable = 0x000fff80 },                                              /* RDLEN */      \
    { .first = (base) + 0x0c, .count = 64, .stride = 0x40, .index = (first_index),            \
      .reset = BIT(12), .writable = IXGBE_ALL },                             /* DCA_RXCTRL */ \
    { .first = (base) + 0x10, .count = 64, .stride = 0x40, .index = (first_index),            \
      .writable = 0xffff, .written = rdt_written },                          /* RDH */        \
    { .first = (base) + 0x14, .count = 64, .stride = 0x40, .index = (first_index),            \
      .reset = 0x402, .writable = IXGBE_ALL, .written = srrctl_written },    /* SRRCTL */     \
    { .first = (base) + 0x18, .count = 64, .stride = 0x40, .index = (first_index),            \
      .writable = 0xffff, .written = rdt_written },                          /* RDT */        \
    { .first = (base) + 0x28, .count = 64, .stride = 0x40, .index = (first_index),            \
      .writable = ~(uint32_t)XXDCTL_SWFLSH, .written = rdt_written },        /* RXDCTL */     \
    { .first = (base) + 0x2c, .count = 64, .stride = 0x40, .index = (first_index),            \
      .writable = IXGBE_ALL, .written = rscctl_written }                     /* RSCCTL */

const IXGBERegRule ixgbe_rx_rules[] = {
    RX_QUEUE_RULES(0x01000, 0),
    RX_QUEUE_RULES(0x0d000, 64),
    { .first = 0x02100, .count = 16, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_SRRCTL(0) },
    { .first = 0x02200, .count = 16, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_RXQ(0) + 0x0c },
    /* RDRXCTL: DMA initialisation is done. */
    { .first = 0x02f00, .count = 1, .stride = 4, .reset = 8, .writable = ~8u },
    { .first = IXGBE_PFQDE, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = pfqde_written },
    { .first = IXGBE_RXCTRL, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = rdt_written },
    { .first = IXGBE_RXCSUM, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = 0x05008, .count = 1, .stride = 4, .writable = IXGBE_ALL },   /* RFCTL */
    { .first = 0x0ea00, .count = 64, .stride = 4, .writable = IXGBE_ALL },  /* PSRTYPE */
    { .first = 0x05480, .count = 16, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = 0x0ea00 },
    { .count = 0 },
};
