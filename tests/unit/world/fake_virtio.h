/* SPDX-License-Identifier: MIT */
/*
 * A virtio network card on a PCI bus, or on none, for unit tests of drivers/virtio (built with
 * -DMMIO_FAKE): its capabilities and registers, and its side of the rings, which the test steps,
 * and which may lie. Offsets are written out as numbers here: a slip in the driver's regs.h must
 * not hide in its own test.
 *
 * Bus addresses are the test's own addresses. For the driver's waits to end, the clock of
 * fake_platform.h must run (fake_set_clock_step_ns).
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/machine.h"

#define FAKE_VIRTIO_QUEUES  64
#define FAKE_VIRTIO_ENTRIES 64

struct fake_virtio_queue {
    uint16_t size, size_max, vector, enable;
    uint64_t descriptors, available, used;
    uint16_t taken, returned;
    unsigned notify_count;
    unsigned reset_count; /* alone */
    bool never_resets, never_starts;
};

/* A node's memory, as the machine has it: for reports of rings there. */
#define FAKE_VIRTIO_NODES 8

/* For the test to change before the driver starts it. */
extern struct fake_virtio {
    uint64_t offered;
    uint64_t agreed;
    uint8_t status;
    uint8_t mac[6];
    uint16_t link_status, mtu;
    uint32_t speed;
    bool is_stuck;       /* it does not reset */
    bool refuses;        /* FEATURES_OK */
    bool breaks_at_once; /* at DRIVER_OK */
    bool has_no_common;
    unsigned msix_entries; /* 0: it has no MSI-X */
    uint16_t config_vector;
    uint16_t selected;
    struct fake_virtio_queue queues[FAKE_VIRTIO_QUEUES];
    uint16_t pairs; /* with FAKE_MQ or FAKE_RSS; its control queue is behind them */
    uint8_t rss_key_bytes;
    uint16_t rss_table_length;
    uint32_t rss_hash_types;
    uint32_t entries[FAKE_VIRTIO_ENTRIES]; /* of MSI-X: which node's, and 0x100 beside; 0: none's */
    /* The last command, and what is answered. */
    uint8_t command[2], command_data[400];
    unsigned command_count;
    uint8_t table[400]; /* the last one of addresses, as long as the command says */
    unsigned table_bytes;
    unsigned rss_count; /* of those the ones about RSS */
    uint8_t answer;
    uint8_t rss_answer;
    bool is_silent; /* commands are not answered */
    bool is_mastering;
    bool was_mastering_at_reset; /* from a state in which it moved frames */
    unsigned log_count;
    char last_log[256];
    /* On no bus: in the slot at FAKE_VIRTIO_SLOT (fake_virtio_mmio.c). */
    bool is_mmio;
    uint32_t magic, version, device;
    uint32_t feature_selects[2]; /* what it offers, what is taken */
    uint32_t causes;             /* of its interrupt */
    bool holds_its_line;         /* whatever is acknowledged */
    bool has_no_line;            /* no I/O APIC has it */
    unsigned acknowledge_count, write_count;
    struct irq_route routed;
    uint8_t routed_vector;
} fake_virtio;

/* Features, by their bits. */
#define FAKE_CSUM       (1ull << 0)
#define FAKE_GUEST_CSUM (1ull << 1)
#define FAKE_MTU        (1ull << 3)
#define FAKE_MAC        (1ull << 5)
#define FAKE_GUEST_TSO4 (1ull << 7)
#define FAKE_TSO4       (1ull << 11)
#define FAKE_MRG        (1ull << 15)
#define FAKE_STATUS     (1ull << 16)
#define FAKE_CTRL_VQ    (1ull << 17)
#define FAKE_CTRL_RX    (1ull << 18)
#define FAKE_ANNOUNCE   (1ull << 21)
#define FAKE_MQ         (1ull << 22)
#define FAKE_EVENT_IDX  (1ull << 29)
#define FAKE_VERSION_1  (1ull << 32)
#define FAKE_RING_RESET (1ull << 40)
#define FAKE_RSS        (1ull << 60)
#define FAKE_SPEED      (1ull << 63)
#define FAKE_USED                                                                                  \
    (FAKE_CSUM | FAKE_GUEST_CSUM | FAKE_GUEST_TSO4 | FAKE_MTU | FAKE_MAC | FAKE_TSO4 | FAKE_MRG |  \
     FAKE_STATUS | FAKE_CTRL_VQ | FAKE_CTRL_RX | FAKE_ANNOUNCE | FAKE_EVENT_IDX | FAKE_VERSION_1 | \
     FAKE_SPEED)
/* With control of VLANs, indirect descriptors, packed rings and hash reports, which nobody takes.
 */
#define FAKE_ALL (FAKE_USED | 1ull << 19 | 1ull << 28 | 1ull << 34 | 1ull << 57)

/* A card after power-on, with all features of one pair, rings of 64 and MAC address
 * 52:54:00:12:34:56. */
void fake_virtio_reset(void);
/* The same with so many pairs, each with its queues, and RSS. */
void fake_virtio_reset_pairs(uint16_t pairs);
/* So many bytes in that node's memory, zeroed. */
void *fake_virtio_memory_of(node_id_t node, size_t bytes);
/* All of it may be given again. */
void fake_virtio_forget_memory(void);

/* The same in a slot, with the line that is given. */
#define FAKE_VIRTIO_SLOT 0xFEB00E00u
void fake_virtio_reset_mmio(struct irq_route line);

/* A queue that has been opened is never closed: for the sanitizer's leaks. */
void fake_virtio_keep(void *memory);

/* How many buffers the driver has made available that have not been taken. */
unsigned fake_virtio_available(unsigned queue);
/* Put a frame into the next buffer, behind a header of these fields. */
void fake_virtio_receive(unsigned queue, const void *data, uint32_t length_bytes, uint8_t flags,
                         uint16_t buffer_count);
/* Write these bytes, as many as it takes, into the next buffer, which is not returned yet. Returns
 * how many; `id` is its. */
uint32_t fake_virtio_fill(unsigned queue, const void *bytes, uint32_t count, uint16_t *id);
/* Where a descriptor's buffer is. */
uint8_t *fake_virtio_buffer(unsigned queue, uint16_t id);
/* Say that a chain has been used, whatever is true. */
void fake_virtio_return(unsigned queue, uint32_t id, uint32_t length_bytes);
/* Move the index of used entries, whatever is true. */
void fake_virtio_skip(unsigned queue, uint16_t count);

struct fake_virtio_sent {
    uint8_t header[12];
    uint8_t data[65536];
    uint32_t length_bytes;
    unsigned descriptor_count;
    uint16_t id;
};
/* Take the next chain off a transmit ring; false: there is none. It is not returned yet. */
bool fake_virtio_take(unsigned queue, struct fake_virtio_sent *sent);

/* The driver's wish of interrupts, and the device's of notifications. */
uint16_t fake_virtio_used_event(unsigned queue);
uint16_t fake_virtio_available_flags(unsigned queue);
void fake_virtio_set_available_event(unsigned queue, uint16_t event);
void fake_virtio_set_used_flags(unsigned queue, uint16_t flags);

/* --- Between the fake's own files --- */

struct fake_virtio_queue *fake_virtio_selected(void);
void fake_virtio_write_status(uint8_t value);
uint64_t fake_virtio_read_config(uint32_t offset);
void fake_virtio_write_half(uint64_t *address, uint32_t offset, uint32_t value);
void fake_virtio_notify(uint64_t queue);
/* Offsets from the BAR's address, which a slot has none of. */
uint64_t fake_virtio_read_mmio(uint32_t offset, unsigned bits);
void fake_virtio_write_mmio(uint32_t offset, uint64_t value, unsigned bits);

/* Between its files: what has been put into the control queue is done. */
void fake_virtio_run_command(struct fake_virtio_queue *queue);
