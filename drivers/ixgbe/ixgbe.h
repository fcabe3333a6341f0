/* SPDX-License-Identifier: MIT */
/*
 * Driver for the Intel 82599 (ixgbe): what its own files share. Others use it through
 * drivers/nic/nic.h, which driver.c implements with this.
 *
 * One node starts the device as a whole (struct ixgbe): reset, filters, steering, link. Each node
 * with a queue pair (struct ixgbe_rx, struct ixgbe_tx) starts and drives it by the registers of
 * that queue alone, so queues need no locks among them. Waits have a bound; one that fails is
 * logged with the register it was for.
 *
 * Source: the 82599 datasheet; sections are named where they are followed.
 */
#pragma once

#include "drivers/nic/buffers.h"
#include "drivers/nic/frame.h"
#include "drivers/nic/grouping.h"
#include "drivers/pci/pci.h"
#include "kernel/base.h"
#include "libc/core/mmio.h"

/* --- Devices that this driver knows (devices.c) --- */

extern const struct pci_id ixgbe_ids[];
extern const size_t ixgbe_id_count;

/* Whether such a card takes SFP+ modules, and so has a laser to be switched on. */
bool ixgbe_has_optics(uint16_t device_id);

/* --- The device as a whole (ixgbe.c) --- */

/* What is used of BAR 0. */
#define IXGBE_REGISTERS_BYTES 0x20000u

struct ixgbe {
    void *registers;
    uint16_t device_id;
    uint16_t queue_count;
    struct nic_grouping grouping; /* by which the flow director tells flows apart */
    uint8_t mac[6];
};

/*
 * Reset the device and set up all that queues share, for queue_count queues (1 .. 128), in the
 * order of datasheet 4.6.3. Takes some 12 ms, mostly the waits that a reset demands, in which other
 * threads run if this is one. Receive stays shut until ixgbe_enable_receive().
 *
 * Returns 0; -ENODEV when nothing answers at `registers` or its NVM is not usable; -ETIMEDOUT when
 * a step does not end. Either way it is logged.
 */
MUST_CHECK int ixgbe_start(struct ixgbe *nic, void *registers, uint16_t device_id,
                           unsigned queue_count, struct nic_grouping grouping);
/* The MAC address that the NVM holds, which the device loads by itself: also before it is started.
 * 0, or -ENODEV (logged) when there is none. */
MUST_CHECK int ixgbe_read_mac(const void *registers, uint8_t mac[6]);
/* Let frames in: after the first queue has been started. 0 or -ETIMEDOUT (logged). */
MUST_CHECK int ixgbe_enable_receive(struct ixgbe *nic);

/* --- Steering: which queue gets a frame (rss.c, fdir.c) --- */

/* What no filter matches is spread over these queues by hash; those above 15 cannot be reached by
 * it and are left out. `queues` holds at least one queue that can. */
void ixgbe_rss_spread(struct ixgbe *nic, const uint8_t *queues, unsigned count);

/* ARP has no hash: the device gives it to queue 0 unless a filter names another queue. */
void ixgbe_arp_steer(struct ixgbe *nic, unsigned queue);

/* Bits of ports by which the flow director tells flows apart: as many filters as it has room for,
 * one for each value. */
#define IXGBE_FDIR_GROUP_BITS_MAX 12u

/* How many groups of flows there are filters for: as nic->grouping says, or 0 where it says more
 * than that, and with one queue. */
unsigned ixgbe_fdir_group_count(const struct ixgbe *nic);

/* TCP over IPv4 of this group (struct nic_grouping), of which there must be filters, goes to this
 * queue from now on. Costs four register accesses. 0 or -ETIMEDOUT. */
MUST_CHECK int ixgbe_fdir_steer(struct ixgbe *nic, unsigned group, unsigned queue);

/* Halves of a queue. */
#define IXGBE_RX_HALF 1u
#define IXGBE_TX_HALF 2u

/*
 * Stop one or both halves of a queue: afterwards the device neither reads nor writes where its ring
 * is, which may be another node's memory. Waits, with a bound. Returns 0 or -ETIMEDOUT (logged).
 */
MUST_CHECK int ixgbe_queue_stop(void *registers, unsigned queue, unsigned halves);
/* Where the device has been told that this queue's receive ring is. */
bus_addr_t ixgbe_rx_ring_bus_addr(const void *registers, unsigned queue);

/* --- A queue for SYNs alone (ixgbe.c; datasheet 7.1.2.6) --- */

/* The one behind the others; there is none where all are in use. Only on the node that started the
 * device. */
bool ixgbe_has_syn_queue(const struct ixgbe *nic);
static inline unsigned ixgbe_syn_queue(const struct ixgbe *nic)
{
    return nic->queue_count;
}
/* What comes there raises the interrupt of queue 0. */
void ixgbe_syn_interrupt_start(struct ixgbe *nic);
/* All TCP segments with SYN go there from now on, or to the queues that other filters name. With
 * ACK, too, perhaps: the datasheet does not say. */
void ixgbe_syn_direct(struct ixgbe *nic, bool is_directed);

/* Let in what is for these groups, and for those that share a bit of the table with one. */
void ixgbe_set_groups(struct ixgbe *nic, const uint8_t (*macs)[6], unsigned count);

/* --- Link (link.c) --- */

struct ixgbe_link {
    bool is_up;
    uint32_t megabits; /* per second; 0 while down */
};
struct ixgbe_link ixgbe_link_read(struct ixgbe *nic);

/* --- Receive (rx.c) --- */

struct ixgbe_rx_descriptor;

/* Of one queue. When owners keep more buffers than the most there may be the device finds no
 * descriptor and drops (counted in NIC_RX_MISSED). */
struct ixgbe_rx_size {
    uint32_t given_max; /* buffers that the device has at a time, below IXGBE_RX_RING_COUNT */
    uint32_t buffer_start, buffer_max; /* there are to begin with, and at most */
};

struct ixgbe_rx {
    void *registers;
    struct ixgbe_rx_descriptor *ring;
    struct nic_buffer **slots; /* whose data each descriptor points to */
    uint32_t next;             /* free-running: the next descriptor to look at */
    uint32_t filled;           /* free-running: one past the last one given to the device */
    uint32_t tail_register;
    struct nic_pool pool;
    struct ixgbe_rx_size size;
    bool is_discarding; /* inside a frame longer than a buffer */
};

/* A queue for all that comes; and one for SYNs, which nobody keeps: of those that are too many it
 * shall hold few. */
extern const struct ixgbe_rx_size ixgbe_rx_size_usual, ixgbe_rx_size_syns;
/* One of a dead node's, for as long as frames still come there. */
extern const struct ixgbe_rx_size ixgbe_rx_size_adopted;

/* Allocate the ring and buffers, and start the queue. `rx` is all 0, or what failed here for want
 * of memory, or was of a queue that has been stopped, perhaps another one: then it keeps what it
 * has. 0, -ENOMEM or -ETIMEDOUT. */
MUST_CHECK int ixgbe_rx_start(struct ixgbe_rx *rx, void *registers, unsigned queue,
                              struct ixgbe_rx_size size);

/*
 * Take up to frame_max frames, which the caller owns from then on and returns by frame->release, at
 * once or later. Give free buffers to the device, with one tail write for a whole batch. Of a frame
 * longer than a buffer only the last piece is handed over, as damaged. Returns how many there are.
 */
MUST_CHECK unsigned ixgbe_receive(struct ixgbe_rx *rx, struct frame **frames, unsigned frame_max);

/* Whether ixgbe_receive() would find something; and whether it would do nothing at all. */
bool ixgbe_rx_is_pending(const struct ixgbe_rx *rx);
bool ixgbe_rx_is_idle(const struct ixgbe_rx *rx);

/* --- Transmit (tx.c) --- */

struct ixgbe_tx_descriptor;

/* Whom to tell when the device has read a descriptor and all before it. */
struct ixgbe_tx_completion {
    void (*done)(void *context); /* NULL: a frame does not end there, or nobody wants to know */
    union {
        void *context;
        uintptr_t skipped_count; /* without `done`: of the following, nobody has put anything */
    };
};

struct ixgbe_tx {
    void *registers;
    struct ixgbe_tx_descriptor *ring;
    struct ixgbe_tx_completion *completions; /* beside descriptors */
    uint32_t tail;        /* free-running: one past the last descriptor written */
    uint32_t head;        /* free-running: the oldest whose owner has not been told */
    uint32_t last_report; /* the newest that the device was asked for; head when all have come */
    /* A frame of this form in one piece needs its descriptor alone, which says this of it. */
    uint32_t usual_form;
    uint64_t usual_words;
    /* What the device's context slot holds, as of a frame; all 0: nothing. */
    uint32_t context_form, context_cut;
    uint32_t flushed_tail; /* as the device knows it */
    uint32_t tail_register;
    uint32_t reported; /* free-running: the device has read those before it */
    /* Reports that the device has been asked for, oldest first: of the descriptors before each. */
    uint32_t *reports;
    uint32_t report_first, report_end; /* free-running */
};

/* Allocate the ring and start the queue. 0, -ENOMEM or -ETIMEDOUT. */
MUST_CHECK int ixgbe_tx_start(struct ixgbe_tx *tx, void *registers, unsigned queue);

/*
 * Queue one frame by reference: fragment_count 1 .. FRAME_FRAGMENT_MAX, none empty, each in one
 * piece of physical memory. Returns 0, or -EAGAIN when the ring is full: nothing was taken. The
 * device learns of it at ixgbe_tx_flush().
 */
MUST_CHECK int ixgbe_transmit(struct ixgbe_tx *tx, const struct frame_to_send *frame);

/* Let the device see what has been queued: one tail write, or none. */
void ixgbe_tx_flush(struct ixgbe_tx *tx);

/* Tell the owners of frames that the device has read; returns how many were told. */
unsigned ixgbe_tx_reclaim(struct ixgbe_tx *tx);
/* Whether that would be none. */
bool ixgbe_tx_is_idle(const struct ixgbe_tx *tx);

/* Free descriptors: a frame takes one for each 16 KiB of a fragment, and perhaps one more. */
unsigned ixgbe_tx_room(const struct ixgbe_tx *tx);
/* Descriptors that it may still read, or whose owners have not been told. */
static inline unsigned ixgbe_tx_in_flight(const struct ixgbe_tx *tx)
{
    return tx->tail - tx->head;
}

/* --- Interrupts (ixgbe.c; datasheet 7.3). A queue's MSI-X entry is its index --- */

/* The entry for the causes that belong to no queue; shared with queue 0 when the table is full. */
unsigned ixgbe_other_vector(unsigned queue_count, unsigned entry_count);
void ixgbe_interrupts_start(struct ixgbe *nic, unsigned other_vector);

/* Forget what the queue has raised so far: the caller looks at its ring after this and, if that is
 * empty, unmasks. A frame that comes in between raises its interrupt when the mask opens. */
void ixgbe_interrupt_clear(void *registers, unsigned queue);
void ixgbe_interrupt_unmask(void *registers, unsigned queue);
/* Let the next change of the link raise its interrupt. */
void ixgbe_interrupt_clear_link(struct ixgbe *nic);

/* --- Statistics (stats.c) --- */

void ixgbe_stats_start(struct ixgbe *nic);
/* Frames that this queue's counter set lost since the last call. */
uint32_t ixgbe_stats_take_dropped(void *registers, unsigned queue);
/* Frames that the whole device lost because its packet buffer was full, since the last call. */
uint32_t ixgbe_stats_take_missed(struct ixgbe *nic);

/* --- Registers --- */

static inline uint32_t ixgbe_read(const void *registers, uint32_t offset)
{
    return mmio_read32(registers, offset);
}

static inline void ixgbe_write(void *registers, uint32_t offset, uint32_t value)
{
    mmio_write32(registers, offset, value);
}

static inline void ixgbe_set(void *registers, uint32_t offset, uint32_t bits)
{
    ixgbe_write(registers, offset, ixgbe_read(registers, offset) | bits);
}

static inline void ixgbe_clear(void *registers, uint32_t offset, uint32_t bits)
{
    ixgbe_write(registers, offset, ixgbe_read(registers, offset) & ~bits);
}

/* Wait until (register & mask) == want. Returns 0, or -ETIMEDOUT after logging the register by
 * `name` and its last value. */
MUST_CHECK int ixgbe_wait_named(const void *registers, uint32_t offset, const char *name,
                                uint32_t mask, uint32_t want, uint64_t timeout_us);
#define ixgbe_wait(registers, offset, mask, want, timeout_us)                                      \
    ixgbe_wait_named(registers, offset, #offset, mask, want, timeout_us)

/* --- Parts of the bring-up --- */

/* Close or open the gate before the packet buffer: steering tables change only while it is shut. */
MUST_CHECK int ixgbe_receive_path_close(void *registers);
void ixgbe_receive_path_open(void *registers);

void ixgbe_rss_start(struct ixgbe *nic);

/* The packet fields that the flow director hashes (datasheet 7.1.2.7), in the machine's order,
 * after masking; what it could also hash (VLAN, pool, flexible bytes) is 0. */
struct ixgbe_fdir_tuple {
    uint32_t source_address;
    uint32_t destination_address;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t flow_type; /* FDIRCMD bits 7:5: 2 is TCP over IPv4 */
};
/* 15 bits; a table with fewer buckets takes the low ones. */
uint32_t ixgbe_fdir_hash(const struct ixgbe_fdir_tuple *tuple, uint32_t key);
MUST_CHECK int ixgbe_fdir_start(struct ixgbe *nic);
/* Before ixgbe_fdir_steer() on a node that has not started the device. */
void ixgbe_fdir_prepare(const struct ixgbe *nic);

void ixgbe_link_start(struct ixgbe *nic);
