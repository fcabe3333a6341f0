/* SPDX-License-Identifier: MIT */
/*
 * Transmit ring of one queue (datasheet 7.2). A frame is gathered from its fragments where they
 * lie. Its owner is told, in order, when the device has read it; the device is asked to report
 * only now and then, because a report covers all that came before it.
 *
 * Indices run freely: descriptors head .. tail - 1 may still be read by the device, those from
 * flushed_tail on it does not know yet.
 */
#include "drivers/ixgbe/ixgbe.h"

#include <errno.h>
#include <string.h>

#include "drivers/ixgbe/descriptor.h"
#include "drivers/ixgbe/regs.h"
#include "drivers/nic/nic.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

#define RING_MASK        (IXGBE_TX_RING_COUNT - 1)
#define QUEUE_TIMEOUT_US 20000

/* Within one flush, ask for a report each time so many descriptors have been written; the end of a
 * flush always asks. Chosen: a sixteenth of the ring, so that a full one gets room soon. */
#define REPORT_INTERVAL (IXGBE_TX_RING_COUNT / 16)

/* The device fetches descriptors in lines: as other drivers have it (7.2.3.4.1). */
#define PREFETCH_THRESHOLD 32
#define HOST_THRESHOLD     1

MEMORY_KIND(ring_kind, "ixgbe_tx_ring");

int ixgbe_tx_start(struct ixgbe_tx *tx, void *registers, unsigned queue)
{
    size_t ring_bytes = IXGBE_TX_RING_COUNT * sizeof(struct ixgbe_tx_descriptor);
    uint32_t txdctl =
        FIELD_PREP(TXDCTL_PTHRESH, PREFETCH_THRESHOLD) | FIELD_PREP(TXDCTL_HTHRESH, HOST_THRESHOLD);
    bus_addr_t ring_bus_addr;
    int result;

    ASSERT(queue < IXGBE_QUEUE_MAX);
    *tx = (struct ixgbe_tx){.registers = registers, .tail_register = IXGBE_TDT(queue)};
    tx->ring = memory_allocate_pages(&ring_kind, ring_bytes / PAGE_BYTES);
    /* A frame takes at least one descriptor: neither list can be longer than the ring. */
    tx->reports = memory_allocate(&ring_kind, IXGBE_TX_RING_COUNT * sizeof(*tx->reports));
    tx->completions = memory_allocate(&ring_kind, IXGBE_TX_RING_COUNT * sizeof(*tx->completions));
    if (tx->ring == NULL || tx->reports == NULL || tx->completions == NULL) {
        return -ENOMEM;
    }
    memset(tx->ring, 0, ring_bytes);

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

_Static_assert(offsetof(struct frame_to_send, offload) == offsetof(struct frame_to_send, form),
               "the low half");
_Static_assert(FRAME_INSERT_IP_CHECKSUM == TX_IXSM && FRAME_INSERT_TCP_CHECKSUM == TX_TXSM &&
                   FRAME_INSERT_UDP_CHECKSUM >> 2 == TX_TXSM &&
                   (uint64_t)FRAME_SEGMENT_TCP << 16 == TX_TSE,
               "offload has the descriptor's bits");

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
        difference |= (uint32_t)(frame->segment_bytes ^ tx->context_segment_bytes) |
                      (uint32_t)(frame->tcp_header_bytes ^ tx->context_tcp_header_bytes);
    }
    return difference != 0 && frame->offload != 0;
}

static void write_context(struct ixgbe_tx *tx, const struct frame_to_send *frame)
{
    struct ixgbe_tx_descriptor *descriptor = &tx->ring[tx->tail++ & RING_MASK];
    uint32_t l4_type = (frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0 ? L4T_TCP : L4T_UDP;

    ASSERT_SLOW(
        FIELD_GET(TX_CONTEXT_MACLEN, FIELD_PREP(TX_CONTEXT_MACLEN, frame->ip_header_offset)) ==
        frame->ip_header_offset);
    ASSERT_SLOW(ixgbe_tx_in_flight(tx) < RING_MASK); /* a fragment comes behind it */
    tx->context_form = frame->form;
    tx->context_segment_bytes = is_cut(frame) ? frame->segment_bytes : 0;
    tx->context_tcp_header_bytes = is_cut(frame) ? frame->tcp_header_bytes : 0;
    tx->context_header_bytes = (uint16_t)nic_header_bytes(frame);
    descriptor->context_lengths = FIELD_PREP(TX_CONTEXT_MACLEN, frame->ip_header_offset) |
                                  FIELD_PREP(TX_CONTEXT_IPLEN, frame->ip_header_bytes);
    descriptor->command = TX_DEXT | FIELD_PREP(TX_DTYP, DTYP_CONTEXT) | TX_CONTEXT_IPV4 |
                          FIELD_PREP(TX_CONTEXT_L4T, l4_type);
    /* Context slot 0. */
    descriptor->status = FIELD_PREP(TX_CONTEXT_L4LEN, tx->context_tcp_header_bytes) |
                         FIELD_PREP(TX_CONTEXT_MSS, tx->context_segment_bytes);
}

static __attribute__((noinline)) void request_report(struct ixgbe_tx *tx)
{
    ASSERT_SLOW(tx->report_end - tx->report_first < IXGBE_TX_RING_COUNT);
    tx->ring[(tx->tail - 1) & RING_MASK].command |= TX_RS;
    tx->reports[tx->report_end++ & RING_MASK] =
        (struct ixgbe_tx_report){.end = tx->tail, .completion_end = tx->completion_end};
    tx->last_report = tx->tail;
}

/* The frame's own bytes, in as many descriptors as it has fragments. False if `bus_addr_of` does
 * not know where one lies: nothing has been written that counts. */
__attribute__((always_inline)) static inline bool
write_fragments(struct ixgbe_tx *tx, const struct frame_to_send *frame, uint32_t header_bytes,
                bus_addr_t (*bus_addr_of)(const void *vaddr))
{
    const struct frame_fragment *fragment = frame->fragments;
    const struct frame_fragment *end = fragment + frame->fragment_count;
    uint32_t form = frame->form;
    uint32_t status = FIELD_PREP(TX_PAYLEN, frame->length_bytes - header_bytes) |
                      ((form | form >> 2) & (TX_IXSM | TX_TXSM)); /* TCP or UDP: TXSM */
    uint64_t words = (uint64_t)status << 32 | TX_DEXT | FIELD_PREP(TX_DTYP, DTYP_DATA) | TX_IFCS |
                     (form & FRAME_SEGMENT_TCP) << 16;
    struct ixgbe_tx_descriptor *descriptor;
    uint32_t tail = tx->tail;

    do {
        bus_addr_t bus_addr = bus_addr_of(fragment->data);

        ASSERT_SLOW(fragment->length_bytes >= 1 &&
                    fragment->length_bytes <= FRAME_FRAGMENT_MAX_BYTES);
        if (UNLIKELY(bus_addr == BUS_ADDR_NONE)) {
            return false;
        }
        descriptor = &tx->ring[tail++ & RING_MASK];
        descriptor->buffer_bus_addr = bus_addr;
        descriptor->words = words | fragment->length_bytes;
    } while (++fragment != end);
    descriptor->command |= TX_EOP;
    tx->tail = tail;
    ASSERT_SLOW(ixgbe_tx_in_flight(tx) <= RING_MASK);
    return true;
}

static inline void note_written(struct ixgbe_tx *tx, const struct frame_to_send *frame,
                                uint32_t header_bytes)
{
    nic_count_sent(frame, header_bytes);
    if (LIKELY(frame->done != NULL)) {
        ASSERT_SLOW(tx->completion_end - tx->completion_first < IXGBE_TX_RING_COUNT);
        tx->completions[tx->completion_end++ & RING_MASK] =
            (struct ixgbe_tx_completion){.done = frame->done, .context = frame->context};
    }
    if (UNLIKELY(tx->tail - tx->last_report >= REPORT_INTERVAL)) {
        request_report(tx);
    }
}

static inline bool has_room(const struct ixgbe_tx *tx, const struct frame_to_send *frame)
{
    return ixgbe_tx_room(tx) >= frame->fragment_count + (unsigned)needs_context(tx, frame);
}

/* For a frame that may need anything. Apart from its caller, whose usual frame needs nothing, and
 * so no registers saved. */
static __attribute__((noinline)) int transmit_slowly(struct ixgbe_tx *tx,
                                                     const struct frame_to_send *frame)
{
    if (!has_room(tx, frame)) {
        /* The device may be waiting for the tail; and owners may send meanwhile. */
        ixgbe_tx_flush(tx);
        (void)ixgbe_tx_reclaim(tx);
        if (!has_room(tx, frame)) {
            return -EAGAIN;
        }
    }
    if (needs_context(tx, frame)) {
        write_context(tx, frame);
    }
    (void)write_fragments(tx, frame, nic_header_bytes(frame), platform_bus_addr);
    note_written(tx, frame, nic_header_bytes(frame));
    return 0;
}

int ixgbe_transmit(struct ixgbe_tx *tx, const struct frame_to_send *frame)
{
    /* As the context has it, which is the frame's if it needs no other. */
    uint32_t header_bytes = is_cut(frame) ? tx->context_header_bytes : 0;

    ASSERT_SLOW(frame->fragment_count >= 1 && frame->fragment_count <= FRAME_FRAGMENT_MAX);
    if (UNLIKELY(ixgbe_tx_room(tx) < frame->fragment_count || needs_context(tx, frame) ||
                 !write_fragments(tx, frame, header_bytes, platform_bus_addr_at_once))) {
        return transmit_slowly(tx, frame);
    }
    note_written(tx, frame, header_bytes);
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

static inline void take_reports(struct ixgbe_tx *tx)
{
    while (tx->report_first != tx->report_end) {
        struct ixgbe_tx_report report = tx->reports[tx->report_first & RING_MASK];
        const struct ixgbe_tx_descriptor *descriptor = &tx->ring[(report.end - 1) & RING_MASK];

        if ((mmio_read32(descriptor, offsetof(struct ixgbe_tx_descriptor, status)) & TX_DD) == 0) {
            break;
        }
        ASSERT_SLOW(report.end - tx->head <= ixgbe_tx_in_flight(tx));
        tx->head = report.end;
        tx->report_first++;
        tx->completion_due = report.completion_end;
    }
}

unsigned ixgbe_tx_reclaim(struct ixgbe_tx *tx)
{
    unsigned told = 0;

    take_reports(tx);
    while (tx->completion_first != tx->completion_due) {
        /* A copy, and off the list first: the owner may send from inside. */
        struct ixgbe_tx_completion completion = tx->completions[tx->completion_first & RING_MASK];

        ASSERT_SLOW(completion.done != NULL);
        tx->completion_first++;
        completion.done(completion.context);
        told++;
    }
    return told;
}
