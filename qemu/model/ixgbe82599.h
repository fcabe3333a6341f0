/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82599 10 Gigabit Ethernet controller: the device's state, and what its parts offer
 * each other.
 *
 *   ixgbe82599.c          the PCI function: BARs, capabilities, reset lines, the network backend
 *   ixgbe82599_core.c     the register decoder, software reset, link
 *   ixgbe82599_nvm.c      NVM and semaphores
 *   ixgbe82599_intr.c     causes, masks, moderation, messages
 *   ixgbe82599_rx.c       receive rings: from an accepted frame to descriptors
 *   ixgbe82599_report.c   what a receive descriptor says about its frame
 *   ixgbe82599_filter.c   layer 2 filters: which frames are accepted
 *   ixgbe82599_steer.c    which queue takes a frame
 *   ixgbe82599_fdir.c     the flow director's filter table
 *   ixgbe82599_tx.c       transmit rings: from descriptors to frames
 *   ixgbe82599_offload.c  checksums, segmentation and tags of sent frames
 *   ixgbe82599_stats.c    counters
 *   ixgbe82599_frame.c, ixgbe82599_hash.c   parsing and arithmetic, free of QEMU
 *
 * Everything runs under QEMU's big lock. All registers live in `csr`, indexed by offset; a part
 * keeps other state only for what no register holds.
 */
#pragma once

#include "qemu/osdep.h"

#include "hw/pci/pci.h"
#include "net/net.h"
#include "qemu/timer.h"
#include "qemu/units.h"

#include "ixgbe82599_frame.h"
#include "ixgbe82599_regs.h"

#define TYPE_IXGBE82599 "ixgbe82599"
OBJECT_DECLARE_SIMPLE_TYPE(IXGBEState, IXGBE82599)

#define IXGBE_NVM_WORDS 16384

/* A TSO packet's 64 KB and headers fit; so does the largest jumbo frame. */
#define IXGBE_TX_PACKET_BYTES (256 * KiB)
/* Room for a VLAN tag in front of a gathered packet. */
#define IXGBE_TX_HEADROOM 4
#define IXGBE_RX_FRAME_BYTES (64 * KiB)

/* What is reported only once, in the order of the texts in ixgbe_log_once(). */
typedef enum IXGBELog {
    IXGBE_LOG_RX_RING,
    IXGBE_LOG_TX_RING,
    IXGBE_LOG_TX_PACKET,
    IXGBE_LOG_DMA,
    IXGBE_LOG_TX_OFFLOAD,
    IXGBE_LOG_HEADER_SPLIT,
    IXGBE_LOG_BUFFER_SIZE,
    IXGBE_LOG_RSC,
    IXGBE_LOG_IPSEC,
    IXGBE_LOG_FDIR_IP6AT,
    IXGBE_LOG_MRQC,
    IXGBE_LOG_TCP_TIMER,
    IXGBE_LOG_MTQC,
} IXGBELog;

typedef struct IXGBETxContext {
    uint32_t dword[4];
} IXGBETxContext;

/* A descriptor ring as its registers describe it. */
typedef struct IXGBERing {
    dma_addr_t base;
    uint32_t count;
    uint32_t head;
    uint32_t tail;
} IXGBERing;

/* What programming wrote into the flow director: fields under the mask, in hash order. */
typedef struct IXGBEFdirKey {
    uint32_t word[11];
} IXGBEFdirKey;

typedef struct IXGBEFdirFilter {
    IXGBEFdirKey key;
    uint32_t command;  /* the action, as written to FDIRCMD */
    uint16_t id;       /* software index, or signature */
    bool is_collided;
    int32_t next;      /* in its bucket, or in the list of free ones; -1 ends both */
} IXGBEFdirFilter;

typedef struct IXGBEFdir {
    IXGBEFdirFilter *filters;
    int32_t *buckets;  /* first filter of each, or -1 */
    int32_t free;      /* removed filters, to be used again */
    int32_t used;      /* filters from here on were never used */
} IXGBEFdir;

/* The flow director's answer for one frame. */
typedef struct IXGBEFdirResult {
    bool is_candidate;
    bool is_match;
    bool is_drop;
    int queue;         /* -1: none assigned */
    uint32_t id;       /* for the descriptor */
    uint32_t errors;   /* descriptor error bits */
} IXGBEFdirResult;

/* Where a frame goes, and why. */
typedef struct IXGBESteering {
    int queue;
    int ether_filter;  /* matching ETQF, or -1 */
    uint8_t rss_type;
    uint32_t rss_hash;
    IXGBEFdirResult fdir;
} IXGBESteering;

/* What a receive descriptor says about its frame. */
typedef struct IXGBERxReport {
    uint32_t dword0;       /* RSS and packet type */
    uint32_t dword1;       /* hash, flow director id, or fragment checksum */
    uint32_t status_error;
    uint16_t vlan_tag;
} IXGBERxReport;

struct IXGBEState {
    PCIDevice parent_obj;

    NICState *nic;
    bool has_vnet_header;    /* the backend cuts long TCP packets itself */
    NICConf conf;
    MemoryRegion csr_region;
    MemoryRegion io_region;
    MemoryRegion msix_region;
    bool is_strict_reset;   /* property: fill tables whose reset content is undefined */
    bool is_stalled;        /* property, at run time: it moves no frames */
    uint32_t io_address;    /* BAR2's IOADDR */

    uint32_t *csr;
    uint32_t *reported_csr; /* one bit a word: access to an unknown register already logged */
    uint32_t reported;      /* one bit an IXGBELog */

    uint16_t nvm[IXGBE_NVM_WORDS];

    /* Bit v: vector v. The low 16 are also EICR, EIMS, EIAM bits 15:0. */
    uint64_t queue_causes;
    uint64_t queue_mask;
    uint64_t queue_auto_mask;
    uint64_t queue_armed;     /* recorded, and no message sent since */
    uint64_t queue_unthrottled;
    uint32_t misc_causes;     /* bits 31:16 */
    uint32_t misc_mask;
    uint32_t misc_auto_mask;
    uint32_t misc_armed;
    int64_t next_message_ns[IXGBE_VECTORS];
    QEMUTimer *moderation[IXGBE_VECTORS];

    IXGBEFdir fdir;
    unsigned five_tuple_filters;  /* how many are enabled */
    uint64_t queue_drop_enable[2]; /* PFQDE */

    QEMUBH *rx_flush_bh;
    bool rx_is_blocked;   /* the backend holds frames that it must offer again */
    uint8_t *rx_frame;

    QEMUBH *tx_bh;
    uint64_t tx_pending[2];  /* queues whose tail was written */
    IXGBETxContext tx_context[IXGBE_QUEUES][2];
    uint8_t *tx_packet;      /* IXGBE_TX_HEADROOM, then the packet being gathered */
    uint8_t *tx_segment;     /* one segment of it, with the same room in front */
};

/*
 * One rule of the register decoder: `count` registers, `stride` bytes apart.
 *
 * A write stores the writable bits, then calls `written` with the raw value and what the
 * register held; a read asks `read`, if there is one, instead of the storage.
 */
typedef struct IXGBERegRule {
    uint32_t first;
    uint16_t count;
    uint16_t stride;
    uint16_t index;          /* of the first, as handed to read and written */
    uint16_t flags;
    uint32_t reset;
    uint32_t writable;
    uint32_t alias_of;       /* same storage and rule as the registers from there on */
    uint32_t (*read)(IXGBEState *s, unsigned n);
    void (*written)(IXGBEState *s, unsigned n, uint32_t value, uint32_t old);
} IXGBERegRule;

#define IXGBE_REG_COUNTER BIT(0)    /* cleared by reading; writes are ignored */
#define IXGBE_REG_UNDEFINED BIT(1)  /* content after reset is undefined */
#define IXGBE_REG_KEPT BIT(2)       /* survives a software reset */
#define IXGBE_REG_ALIAS BIT(3)
#define IXGBE_REG_UNMODELLED BIT(4) /* a value other than reset's asks for what we do not do */

#define IXGBE_ALL 0xffffffff

/* Each part's registers; a rule with count 0 ends the list. */
extern const IXGBERegRule ixgbe_nvm_rules[];
extern const IXGBERegRule ixgbe_intr_rules[];
extern const IXGBERegRule ixgbe_rx_rules[];
extern const IXGBERegRule ixgbe_filter_rules[];
extern const IXGBERegRule ixgbe_steer_rules[];
extern const IXGBERegRule ixgbe_fdir_rules[];
extern const IXGBERegRule ixgbe_tx_rules[];
extern const IXGBERegRule ixgbe_stats_rules[];

static inline uint32_t *ixgbe_csr(IXGBEState *s, uint32_t offset)
{
    return &s->csr[offset / 4];
}

static inline uint32_t ixgbe_get(IXGBEState *s, uint32_t offset)
{
    return s->csr[offset / 4];
}

/* ixgbe82599_core.c */
void ixgbe_core_init(IXGBEState *s);
void ixgbe_core_finalize(IXGBEState *s);
/* Software reset; with `is_power_on` also what that leaves alone. */
void ixgbe_core_reset(IXGBEState *s, bool is_power_on);
uint32_t ixgbe_core_read(IXGBEState *s, uint32_t offset);
void ixgbe_core_write(IXGBEState *s, uint32_t offset, uint32_t value);
void ixgbe_core_update_link(IXGBEState *s);
/* False while DMA is off: bus mastering off, or master disable set. */
bool ixgbe_core_can_dma(IXGBEState *s);
/* Read a ring's four registers; false, and logged once, if they make no ring. */
bool ixgbe_core_ring(IXGBEState *s, IXGBERing *ring, uint32_t queue_base, IXGBELog log);
void ixgbe_log_once(IXGBEState *s, IXGBELog what);

/* ixgbe82599_nvm.c */
void ixgbe_nvm_init(IXGBEState *s);

/* ixgbe82599_intr.c */
void ixgbe_intr_init(IXGBEState *s);
void ixgbe_intr_finalize(IXGBEState *s);
void ixgbe_intr_reset(IXGBEState *s);
void ixgbe_intr_rx(IXGBEState *s, unsigned queue);
void ixgbe_intr_tx(IXGBEState *s, unsigned queue);
void ixgbe_intr_misc(IXGBEState *s, uint32_t causes);

/* ixgbe82599_rx.c */
void ixgbe_rx_init(IXGBEState *s);
void ixgbe_rx_finalize(IXGBEState *s);
void ixgbe_rx_reset(IXGBEState *s);
/*
 * Take one frame without its CRC. Returns `bytes`, whether it was delivered or dropped, or 0 if
 * the backend must hold it until rx_flush_bh asks for it again.
 */
ssize_t ixgbe_rx_frame(IXGBEState *s, const uint8_t *data, size_t bytes);
/* Something that may have kept frames from being received has changed. */
void ixgbe_rx_unblock(IXGBEState *s);

/* ixgbe82599_report.c */
void ixgbe_rx_describe(IXGBEState *s, const IXGBEFrame *frame, const IXGBESteering *steering,
                       bool is_stripped, IXGBERxReport *report);

/* ixgbe82599_filter.c */
bool ixgbe_filter_accepts(IXGBEState *s, const IXGBEFrame *frame);

/* ixgbe82599_steer.c */
void ixgbe_steer_reset(IXGBEState *s);
void ixgbe_steer(IXGBEState *s, const IXGBEFrame *frame, IXGBESteering *steering);

/* ixgbe82599_fdir.c */
void ixgbe_fdir_init(IXGBEState *s);
void ixgbe_fdir_finalize(IXGBEState *s);
void ixgbe_fdir_reset(IXGBEState *s);
void ixgbe_fdir_lookup(IXGBEState *s, const IXGBEFrame *frame, IXGBEFdirResult *result);
/* Count a lookup whose frame was taken. */
void ixgbe_fdir_count(IXGBEState *s, const IXGBEFdirResult *result);

/* ixgbe82599_tx.c */
void ixgbe_tx_init(IXGBEState *s);
void ixgbe_tx_finalize(IXGBEState *s);
void ixgbe_tx_reset(IXGBEState *s);
/* Send what all rings hold: DMA has become possible. */
void ixgbe_tx_resume(IXGBEState *s);
/* Send one finished frame of a queue. */
void ixgbe_tx_frame(IXGBEState *s, unsigned queue, uint8_t *data, size_t bytes);

/* A TCP packet that is cut on its way out. */
typedef struct IXGBEBurst {
    size_t header_bytes;     /* all headers, which each segment gets */
    size_t segment_bytes;    /* of payload */
    size_t tcp_offset;
    size_t checksum_offset;  /* in the TCP header; holds the pseudo-header's sum with length */
    bool is_ipv4;
} IXGBEBurst;

/* The network backend (ixgbe82599_wire.c). */
void ixgbe_wire_init(IXGBEState *s);
void ixgbe_wire_send(IXGBEState *s, const uint8_t *data, size_t bytes);
/* Only where the backend takes packets longer than the wire does. */
bool ixgbe_wire_can_segment(IXGBEState *s);
void ixgbe_wire_send_burst(IXGBEState *s, const IXGBEBurst *burst, const uint8_t *data,
                           size_t bytes);
/* In front of each frame that the backend hands over. */
size_t ixgbe_wire_header_bytes(IXGBEState *s);

/* ixgbe82599_offload.c */
/*
 * Do to a gathered packet what its first data descriptor asks for (a legacy one: for the tag,
 * its last), and send what comes of it.
 */
void ixgbe_offload_legacy(IXGBEState *s, unsigned queue, const uint32_t first[4],
                          const uint32_t last[4], uint8_t *packet, size_t bytes);
void ixgbe_offload_advanced(IXGBEState *s, unsigned queue, const uint32_t first[4],
                            uint8_t *packet, size_t bytes);

/* ixgbe82599_stats.c */
void ixgbe_stats_add(IXGBEState *s, uint32_t counter, uint32_t amount);
void ixgbe_stats_rx_seen(IXGBEState *s, size_t bytes);
void ixgbe_stats_rx_accepted(IXGBEState *s, const uint8_t *destination, size_t bytes);
void ixgbe_stats_rx_queue(IXGBEState *s, unsigned queue, size_t bytes);
void ixgbe_stats_rx_dropped(IXGBEState *s, unsigned queue);
void ixgbe_stats_tx(IXGBEState *s, unsigned queue, const uint8_t *destination, size_t bytes);
