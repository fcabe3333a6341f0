/* SPDX-License-Identifier: MIT */
/*
 * Transmit ring of one queue (datasheet 7.2). A frame is gathered from its fragments where they
 * lie. Its owner is told, in order, when the device has read it; the device is asked to report
 * only now and then, because a report covers all that came before it.
 *
 * Indices run freely: descriptors head .. tail - 1 may still be read by the device, or their owners
 * have not been told that it has; those from flushed_tail on it does not know yet. Beside each
 * descriptor stands whom to tell of it.
 */
#include "drivers/ixgbe/ixgbe.h"

#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/ixgbe/descriptor.h"
#include "drivers/ixgbe/regs.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/ablation.h"
#include "libc/core/memory.h"

#define RING_MASK        (IXGBE_TX_RING_COUNT - 1)
#define QUEUE_TIMEOUT_US 20000

/* Within one flush, ask for a report each time so many descriptors have been written; the end of a
 * flush always asks. Chosen: a sixteenth of the ring, so that a full one gets room soon. */
#define REPORT_INTERVAL (IXGBE_TX_RING_COUNT / 16)

/* Of one descriptor. It has room for 16 bits; other drivers name no more either (7.2.3.2.4). */
#define DESCRIPTOR_MAX_BYTES 16384u

/* The device fetches descriptors in lines: as other drivers have it (7.2.3.4.1). */
#define PREFETCH_THRESHOLD 32
#define HOST_THRESHOLD     1

MEMORY_KIND(ring_kind, "ixgbe_tx_ring");

_Static_assert(offsetof(struct frame_to_send, offload) == offsetof(struct frame_to_send, form),
               "the low half");
_Static_assert(FRAME_INSERT_IP_CHECKSUM == TX_IXSM && FRAME_INSERT_TCP_CHECKSUM == TX_TXSM &&
                   FRAME_INSERT_UDP_CHECKSUM >> 2 == TX_TXSM &&
                   (uint64_t)FRAME_SEGMENT_TCP << 16 == TX_TSE,
               "offload has the descriptor's bits");

/* What a data descriptor of a frame of this form says, but for lengths and the end: both words. */
static inline uint64_t words_of_form(uint32_t form)
{
    uint32_t checksums = (form | form >> 2) & (TX_IXSM | TX_TXSM); /* TCP or UDP: TXSM */

    return (uint64_t)checksums << 32 | TX_DEXT | FIELD_PREP(TX_DTYP, DTYP_DATA) | TX_IFCS |
           (form & FRAME_SEGMENT_TCP) << 16;
}

/* Frames of this form that are not cut need nothing but their own descriptor from now on. */
static void set_usual_form(struct ixgbe_tx *tx, uint32_t form)
{
    tx->usual_form = form;
    tx->usual_words = words_of_form(form) | TX_EOP;
}

int ixgbe_tx_start(struct ixgbe_tx *tx, void *registers, unsigned queue)
{
    size_t ring_bytes = IXGBE_TX_RING_COUNT * sizeof(struct ixgbe_tx_descriptor);
    uint32_t txdctl =
        FIELD_PREP(TXDCTL_PTHRESH, PREFETCH_THRESHOLD) | FIELD_PREP(TXDCTL_HTHRESH, HOST_THRESHOLD);
    bus_addr_t ring_bus_addr;
    int result;

    ASSERT(queue < IXGBE_QUEUE_MAX);
    *tx = (struct ixgbe_tx){.registers = registers, .tail_register = IXGBE_TDT(queue)};
    tx->ring = iommu_allocate_pages(&ring_kind, ring_bytes / PAGE_BYTES);
    tx->reports = memory_allocate(&ring_kind, IXGBE_TX_RING_COUNT * sizeof(*tx->reports));
    tx->completions = memory_allocate(&ring_kind, IXGBE_TX_RING_COUNT * sizeof(*tx->completions));
    if (tx->ring == NULL || tx->reports == NULL || tx->completions == NULL) {
        return -ENOMEM;
    }
    memset(tx->ring, 0, ring_bytes);
    set_usual_form(tx, 0); /* no checksum, no context */

    /* Switching DMA on may have switched on queue 0 with it; head moves only while it is off. */
    if ((ixgbe_read(registers, IXGBE_TXDCTL(queue)) & TXDCTL_ENABLE) != 0) {
        ixgbe_write(registers, IXGBE_TXDCTL(queue), TXDCTL_SWFLSH);
        result = ixgbe_wait(registers, IXGBE_TXDCTL(queue), TXDCTL_ENABLE, 0, QUEUE_TIMEOUT_US);
        if (result != 0) {
            return result;
        }
    }
    /* 4.6.8.1 */
    ring_bus_addr = platform_bus_addr(tx->ring);
    ASSERT(ring_bus_addr % IXGBE_RING_ALIGNMENT == 0);
    ixgbe_write(registers, IXGBE_TDBAL(queue), (uint32_t)ring_bus_addr);
    ixgbe_write(registers, IXGBE_TDBAH(queue), (uint32_t)(ring_bus_addr >> 32));
    ixgbe_write(registers, IXGBE_TDLEN(queue), (uint32_t)ring_bytes);
    ixgbe_write(registers, IXGBE_TDH(queue), 0);
    ixgbe_write(registers, IXGBE_TDT(queue), 0);
    ixgbe_write(registers, IXGBE_TXDCTL(queue), txdctl);
    ixgbe_write(registers, IXGBE_TXDCTL(queue), txdctl | TXDCTL_ENABLE);
    return ixgbe_wait(registers, IXGBE_TXDCTL(queue), TXDCTL_ENABLE, TXDCTL_ENABLE,
                      QUEUE_TIMEOUT_US);
}

unsigned ixgbe_tx_room(const struct ixgbe_tx *tx)
{
    ASSERT_SLOW(ixgbe_tx_in_flight(tx) <= RING_MASK);
    /* One stays free: head == tail means an empty ring to the device. */
    return RING_MASK - ixgbe_tx_in_flight(tx);
}

/* What of a frame's form a context descriptor says: where the headers lie and what they are. */
#define FORM_OF_CONTEXT                                                                            \
    (UINT32_C(0xFFFF0000) | FRAME_INSERT_TCP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM)

static inline bool is_cut(const struct frame_to_send *frame)
{
    return (frame->form & FRAME_SEGMENT_TCP) != 0;
}

/* Whether the device must be given this frame's context first. It remembers one; how to cut matters
 * only to frames that are cut. */
static inline bool needs_context(const struct ixgbe_tx *tx, const struct frame_to_send *frame)
{
    uint32_t difference = (frame->form ^ tx->context_form) & FORM_OF_CONTEXT;

    if (is_cut(frame)) {
        difference |= frame->cut ^ tx->context_cut;
    }
    return difference != 0 && frame->offload != 0;
}

static inline uint64_t payload_word(uint32_t payload_bytes)
{
    return (uint64_t)FIELD_PREP(TX_PAYLEN, payload_bytes) << 32;
}

/* The frame's descriptors are first .. end - 1: whom to tell stands beside the last, and the way
 * there beside the first. */
static inline void put_completion(struct ixgbe_tx *tx, uint32_t first, uint32_t end,
                                  const struct frame_to_send *frame)
{
    ASSERT_SLOW(frame->done != NULL || frame->context == NULL);
    if (end - 1 != first) {
        tx->completions[first & RING_MASK] =
            (struct ixgbe_tx_completion){.skipped_count = end - 1 - first - 1};
    }
    tx->completions[(end - 1) & RING_MASK] =
        (struct ixgbe_tx_completion){.done = frame->done, .context = frame->context};
}

static void write_context(struct ixgbe_tx *tx, const struct frame_to_send *frame)
{
    struct ixgbe_tx_descriptor *descriptor = &tx->ring[tx->tail & RING_MASK];
    uint32_t l4_type = (frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0 ? L4T_TCP : L4T_UDP;

    ASSERT_SLOW(
        FIELD_GET(TX_CONTEXT_MACLEN, FIELD_PREP(TX_CONTEXT_MACLEN, frame->ip_header_offset)) ==
        frame->ip_header_offset);
    ASSERT_SLOW(ixgbe_tx_in_flight(tx) < RING_MASK); /* a fragment comes behind it */
    tx->tail++;
    tx->context_form = frame->form;
    tx->context_cut = is_cut(frame) ? frame->cut : 0;
    set_usual_form(tx, frame->form & ~(uint32_t)FRAME_SEGMENT_TCP);
    descriptor->context_lengths = FIELD_PREP(TX_CONTEXT_MACLEN, frame->ip_header_offset) |
                                  FIELD_PREP(TX_CONTEXT_IPLEN, frame->ip_header_bytes);
    descriptor->command = TX_DEXT | FIELD_PREP(TX_DTYP, DTYP_CONTEXT) | TX_CONTEXT_IPV4 |
                          FIELD_PREP(TX_CONTEXT_L4T, l4_type);
    /* Context slot 0. */
    descriptor->status = is_cut(frame) ? FIELD_PREP(TX_CONTEXT_L4LEN, frame->tcp_header_bytes) |
                                             FIELD_PREP(TX_CONTEXT_MSS, frame->segment_bytes)
                                       : 0;
}

static __attribute__((noinline)) void request_report(struct ixgbe_tx *tx)
{
    ASSERT_SLOW(tx->report_end - tx->report_first < IXGBE_TX_RING_COUNT);
    tx->ring[(tx->tail - 1) & RING_MASK].command |= TX_RS;
    tx->reports[tx->report_end++ & RING_MASK] = tx->tail;
    tx->last_report = tx->tail;
}

/* What any frame needs at most, with a context; and this one. */
#define FRAME_DESCRIPTORS_MAX (1u + FRAME_FRAGMENT_MAX + UINT16_MAX / DESCRIPTOR_MAX_BYTES)

static bool has_room(const struct ixgbe_tx *tx, const struct frame_to_send *frame)
{
    return ixgbe_tx_room(tx) >=
           1u + frame->fragment_count + frame->length_bytes / DESCRIPTOR_MAX_BYTES;
}

/* The device may be waiting for the tail; and owners may send meanwhile. */
static __attribute__((noinline)) bool make_room(struct ixgbe_tx *tx,
                                                const struct frame_to_send *frame)
{
    if (!has_room(tx, frame)) {
        ixgbe_tx_flush(tx);
        (void)ixgbe_tx_reclaim(tx);
    }
    return has_room(tx, frame);
}

/* The frame's own bytes. */
static inline void write_fragments(struct ixgbe_tx *tx, const struct frame_to_send *frame,
                                   uint32_t header_bytes)
{
    const struct frame_fragment *fragment = frame->fragments;
    const struct frame_fragment *end = fragment + frame->fragment_count;
    uint64_t words = words_of_form(frame->form) | payload_word(frame->length_bytes - header_bytes);
    struct ixgbe_tx_descriptor *ring = tx->ring, *descriptor;
    uint32_t tail = tx->tail, left;

    do {
        bus_addr_t bus_addr = platform_bus_addr_at_once(fragment->data);

        ASSERT_SLOW(fragment->length_bytes >= 1);
        if (UNLIKELY(bus_addr == BUS_ADDR_NONE)) {
            bus_addr = platform_bus_addr(fragment->data);
        }
        for (left = fragment->length_bytes; left > DESCRIPTOR_MAX_BYTES;
             left -= DESCRIPTOR_MAX_BYTES, bus_addr += DESCRIPTOR_MAX_BYTES) {
            ring[tail++ & RING_MASK] = (struct ixgbe_tx_descriptor){
                .buffer_bus_addr = bus_addr, .words = words | DESCRIPTOR_MAX_BYTES};
        }
        descriptor = &ring[tail++ & RING_MASK];
        descriptor->buffer_bus_addr = bus_addr;
        descriptor->words = words | left;
    } while (++fragment != end);
    descriptor->command |= TX_EOP;
    tx->tail = tail;
    ASSERT_SLOW(ixgbe_tx_in_flight(tx) <= RING_MASK);
}

/* Any frame. Apart from its caller, whose usual frame needs nothing, and so no registers saved. */
static __attribute__((noinline)) int transmit_any(struct ixgbe_tx *tx,
                                                  const struct frame_to_send *frame)
{
    uint32_t header_bytes, first;

    ASSERT_SLOW(frame->fragment_count >= 1 && frame->fragment_count <= FRAME_FRAGMENT_MAX);
    if (UNLIKELY(ixgbe_tx_room(tx) < FRAME_DESCRIPTORS_MAX) && !make_room(tx, frame)) {
        return -EAGAIN;
    }
    header_bytes = nic_header_bytes(frame);
    first = tx->tail;
    if (frame->form != tx->usual_form) { /* as which it would need none */
        if (needs_context(tx, frame)) {
            write_context(tx, frame);
        } else if (!is_cut(frame)) {
            set_usual_form(tx, frame->form);
        }
    }
    write_fragments(tx, frame, header_bytes);
    put_completion(tx, first, tx->tail, frame);
    nic_count_sent(frame, header_bytes);
    if (UNLIKELY(tx->tail - tx->last_report >= REPORT_INTERVAL)) {
        request_report(tx);
    }
    return 0;
}

/* As a driver does whose card does not sum. The frame is its sender's, who makes another one if
 * this one is refused; so it is not before there is room. */
static bool sum_in_software(struct ixgbe_tx *tx, struct frame_to_send *frame)
{
    if (ixgbe_tx_room(tx) < FRAME_DESCRIPTORS_MAX && !make_room(tx, frame)) {
        return false;
    }
    frame_insert_checksums(frame, frame->offload);
    frame->offload = 0;
    return true;
}

int ixgbe_transmit(struct ixgbe_tx *tx, const struct frame_to_send *frame)
{
    uint32_t tail = tx->tail;
    uint32_t length_bytes = frame->length_bytes;
    struct ixgbe_tx_descriptor *descriptor = &tx->ring[tail & RING_MASK];
    bus_addr_t bus_addr;

    if (WITHOUT(SUMS_BY_CARD) && frame->offload != 0 &&
        !sum_in_software(tx, (struct frame_to_send *)(uintptr_t)frame)) {
        return -EAGAIN;
    }
    /* In one piece, as the frame before it, with room and no report due. */
    if (UNLIKELY(frame->fragment_count != 1 || frame->form != tx->usual_form ||
                 tail - tx->head >= RING_MASK || tail - tx->last_report >= REPORT_INTERVAL - 1)) {
        return transmit_any(tx, frame);
    }
    bus_addr = platform_bus_addr_at_once(frame->fragments[0].data);
    if (UNLIKELY(bus_addr == BUS_ADDR_NONE)) {
        return transmit_any(tx, frame);
    }
    ASSERT_SLOW(frame->fragments[0].length_bytes == length_bytes &&
                length_bytes <= DESCRIPTOR_MAX_BYTES);
    nic_count_sent(frame, 0);
    descriptor->buffer_bus_addr = bus_addr;
    descriptor->words = tx->usual_words | payload_word(length_bytes) | length_bytes;
    put_completion(tx, tail, tail + 1, frame);
    tx->tail = tail + 1;
    return 0;
}

void ixgbe_tx_flush(struct ixgbe_tx *tx)
{
    if (tx->tail == tx->flushed_tail) {
        return;
    }
    if (tx->last_report != tx->tail) {
        request_report(tx);
    }
    ASSERT_SLOW(tx->flushed_tail - tx->head <= ixgbe_tx_in_flight(tx));
    tx->flushed_tail = tx->tail;
    /* Descriptors and data are in memory before the device is told of them. x86 keeps stores in
     * order, a register's behind those to memory: only the compiler must be held. Pairs with the
     * device's reading of a descriptor after the tail. */
    __asm__ volatile("" ::: "memory");
    ixgbe_write(tx->registers, tx->tail_register, tx->tail & RING_MASK);
}

/* Whether the next report that was asked for is there: of what lies before this. */
static inline bool has_report(const struct ixgbe_tx *tx, uint32_t *end)
{
    const struct ixgbe_tx_descriptor *descriptor;

    if (tx->report_first == tx->report_end) {
        return false;
    }
    *end = tx->reports[tx->report_first & RING_MASK];
    descriptor = &tx->ring[(*end - 1) & RING_MASK];
    return (mmio_read32(descriptor, offsetof(struct ixgbe_tx_descriptor, status)) & TX_DD) != 0;
}

static inline void take_reports(struct ixgbe_tx *tx)
{
    uint32_t end;

    while (has_report(tx, &end)) {
        ASSERT_SLOW(end - tx->head <= ixgbe_tx_in_flight(tx));
        tx->report_first++;
        tx->reported = end;
    }
}

bool ixgbe_tx_is_idle(const struct ixgbe_tx *tx)
{
    uint32_t end;

    return tx->head == tx->reported && !has_report(tx, &end);
}

/* Apart from its caller, which mostly finds nothing. */
static __attribute__((noinline)) unsigned tell_owners(struct ixgbe_tx *tx)
{
    unsigned told = 0;

    while (tx->head != tx->reported) {
        /* A copy, and out of the ring first: the owner may send from inside. */
        struct ixgbe_tx_completion completion = tx->completions[tx->head & RING_MASK];

        tx->head++;
        if (LIKELY(completion.done != NULL)) {
            completion.done(completion.context);
            told++;
        } else {
            tx->head += completion.skipped_count;
        }
    }
    return told;
}

unsigned ixgbe_tx_reclaim(struct ixgbe_tx *tx)
{
    take_reports(tx);
    return tx->head == tx->reported ? 0 : tell_owners(tx);
}
