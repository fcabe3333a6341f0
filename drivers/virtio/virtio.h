/* SPDX-License-Identifier: MIT */
/*
 * Driver for virtio network cards, as hypervisors offer them: what its own files share. Others use
 * it through drivers/nic/nic.h, which driver.c implements with this.
 *
 * One node starts the device as a whole (struct virtio_device), and it alone touches the common
 * registers. Each queue pair (struct virtio_rx, struct virtio_tx) is driven through rings in memory
 * and a register of its own to notify the device.
 *
 * The device is not trusted. What it writes is read once and checked; one that lies about a queue
 * stops that queue, which is logged and counted (ring.c), and nothing else. Waits have a bound.
 *
 * Source: "Virtual I/O Device (VIRTIO)" version 1.2; sections are named where they are followed.
 */
#pragma once

#include "drivers/nic/buffers.h"
#include "drivers/nic/frame.h"
#include "drivers/pci/pci.h"
#include "drivers/virtio/regs.h"
#include "drivers/virtio/ring.h"
#include "drivers/virtio/split.h"
#include "kernel/base.h"
#include "libc/core/machine.h"

/* --- Transports: how a device's registers are reached --- */

/* The registers that all devices have, whatever the transport. Of 64 bits each half is one. */
enum virtio_register {
    REGISTER_DEVICE_FEATURE_SELECT,
    REGISTER_DEVICE_FEATURE,
    REGISTER_DRIVER_FEATURE_SELECT,
    REGISTER_DRIVER_FEATURE,
    REGISTER_CONFIG_VECTOR,
    REGISTER_STATUS,
    REGISTER_GENERATION,
    REGISTER_QUEUE_SELECT,
    REGISTER_QUEUE_SIZE_MAX, /* before the size is written */
    REGISTER_QUEUE_SIZE,
    REGISTER_QUEUE_VECTOR,
    REGISTER_QUEUE_ENABLE,
    REGISTER_QUEUE_NOTIFY_OFFSET,
    REGISTER_QUEUE_DESCRIPTORS,
    REGISTER_QUEUE_DESCRIPTORS_HIGH,
    REGISTER_QUEUE_AVAILABLE,
    REGISTER_QUEUE_AVAILABLE_HIGH,
    REGISTER_QUEUE_USED,
    REGISTER_QUEUE_USED_HIGH,
    REGISTER_QUEUE_RESET,
    VIRTIO_REGISTER_COUNT
};

struct virtio_transport {
    struct {
        uint8_t offset, bytes; /* 0 bytes: the transport has none */
    } registers[VIRTIO_REGISTER_COUNT];
    bool notifies_by_32_bits;
};

struct virtio_device {
    const struct virtio_transport *transport;
    void *common; /* mapped registers */
    void *config; /* the device's own */
    /* Where queues are notified: in which range of registers, and where there. */
    paddr_t notify_bar_paddr;
    uint64_t notify_bar_bytes;
    uint32_t notify_offset, notify_bytes, notify_multiplier;
    bool has_reset_register;
    bool has_rss_fields; /* its configuration is long enough for them */
    uint64_t features;   /* that both sides have agreed on */
};

/* One access, by the register's own width. One that the transport has not got reads as all ones,
 * and what is written to it is lost. */
uint32_t virtio_register_read(const struct virtio_device *device, enum virtio_register reg);
void virtio_register_write(struct virtio_device *device, enum virtio_register reg, uint32_t value);

/*
 * On PCI (capabilities.c): find and map a device's registers, by its capabilities (4.1.4): the
 * first that fits of each kind. Returns 0; -ENODEV, logged, when something is missing, as on a
 * device for old drivers only; or -ENOMEM.
 */
MUST_CHECK int virtio_map_registers(struct virtio_device *device, const struct pci_device *pci,
                                    const struct pci_bar bars[PCI_BAR_COUNT]);

/*
 * On no bus (mmio.c): the slots in which there is a network card, by their addresses. Returns how
 * many; the first slot_max are in `slots`. Devices for old drivers are logged.
 */
unsigned virtio_mmio_find(const struct virtio_slot **slots, unsigned slot_max);
/* Map the registers of such a card. 0; -ENODEV, logged, when there is none any more; or -ENOMEM. */
MUST_CHECK int virtio_mmio_map(struct virtio_device *device, const struct virtio_slot *slot);
/* Whether queues of a device in some slot are notified there: by a word of another node's. */
bool virtio_mmio_is_notified_at(paddr_t bar_paddr, uint64_t bar_bytes, uint32_t offset);
/* Devices in all slots use no memory any more. On any node, at any time. */
void virtio_mmio_reset_all(void);

/* The line by which such a device interrupts, on the node that has its queue. */
struct virtio_line {
    void *registers; /* NULL: it has none */
};
/* Let it come to this node, with that vector. False, logged: it cannot. */
MUST_CHECK bool virtio_line_start(struct virtio_line *line, const struct virtio_slot *slot,
                                  uint8_t vector);
/* The device may interrupt again: what it has interrupted for is looked for afterwards. False,
 * logged, when it does not let go of the line: its interrupts are of no use. */
MUST_CHECK bool virtio_line_acknowledge(const struct virtio_line *line);

/* --- The device as a whole (device.c) --- */

/* Reset, and wait for its end. 0 or -ETIMEDOUT (logged). */
int virtio_reset(struct virtio_device *device);

/*
 * Reset, and agree on features: of those offered what is in `wanted` and can be used. Returns 0;
 * -ENOTSUP when the device offers no VIRTIO_F_VERSION_1 or refuses what was chosen; -ETIMEDOUT.
 * Each is logged.
 */
MUST_CHECK int virtio_negotiate(struct virtio_device *device, uint64_t wanted);
static inline bool virtio_has(const struct virtio_device *device, uint64_t feature)
{
    return (device->features & feature) != 0;
}
/* What it offers. At any time. */
uint64_t virtio_read_offered(struct virtio_device *device);

/* Fields of the device's configuration that are there by its features; of more than a byte they are
 * read again when they change meanwhile. */
uint8_t virtio_config_read8(const struct virtio_device *device, unsigned offset);
uint16_t virtio_config_read16(const struct virtio_device *device, unsigned offset);
uint32_t virtio_config_read32(const struct virtio_device *device, unsigned offset);
void virtio_config_read_mac(const struct virtio_device *device, uint8_t mac[6]);

/* The interrupt at a change of the configuration: an entry of MSI-X, or VECTOR_NONE. False: the
 * device cannot. */
bool virtio_set_config_vector(struct virtio_device *device, unsigned entry);

/* A queue of the device, before and after it has been started. */
struct virtio_queue_place {
    uint16_t index;
    uint16_t size;          /* of its ring: a power of two */
    uint32_t notify_offset; /* of the register to notify it by, in the BAR */
};

/* Choose the size of a queue's ring: as the device has it, at most size_max. 0; -ENODEV (logged)
 * when there is no such queue or it cannot be used. */
MUST_CHECK int virtio_queue_describe(struct virtio_device *device, unsigned index,
                                     unsigned size_max, struct virtio_queue_place *place);
/* Give the device the ring, and its interrupt: an entry of MSI-X or VECTOR_NONE. It may use the
 * ring as soon as virtio_run() has been called. 0 or -ENODEV (logged). */
MUST_CHECK int virtio_queue_start(struct virtio_device *device,
                                  const struct virtio_queue_place *place, bus_addr_t ring_bus_addr,
                                  unsigned entry);
/* Stop a queue alone, with VIRTIO_F_RING_RESET: the device reaches its rings and buffers no more,
 * and the queue can be started again. 0 or -ETIMEDOUT (logged). */
MUST_CHECK int virtio_queue_reset(struct virtio_device *device, unsigned index);
/* The device works from now on. 0 or -ENODEV (logged). */
MUST_CHECK int virtio_run(struct virtio_device *device);
/* Whether it has given up, or is gone. */
bool virtio_is_broken(const struct virtio_device *device);

/* --- Commands (control.c): on the node that started the device --- */

struct virtio_control {
    struct virtio_ring ring;
    bool is_open;                   /* there is a control queue, and it works */
    struct virtio_command *command; /* where the device reads and answers */
    struct virtio_turn *turn;       /* whose command the device has; NULL: nobody's */
};

/* Allocate the ring, or use it again: `size` is what the device takes. 0 or -ENOMEM. */
MUST_CHECK int virtio_control_open(struct virtio_control *control, unsigned size,
                                   struct virtio_notifier notifier);
/* The device has been reset: whoever waits for an answer gets none. */
void virtio_control_close(struct virtio_control *control);
/* Give the device a command, and wait for its answer, with a bound: in a thread others run
 * meanwhile, and may give others, even from a handler. Returns 0; -EINVAL when the device refuses;
 * -ETIMEDOUT. Either is logged. data_bytes at most COMMAND_DATA_MAX; 0: there is none. */
#define COMMAND_DATA_MAX 400u
int virtio_command(struct virtio_control *control, unsigned command_class, unsigned command,
                   const void *data, size_t data_bytes);

/* --- Receive (rx.c) --- */

struct virtio_rx_slot;

/* What becomes of further buffers of a frame in several. */
enum virtio_pieces {
    PIECES_DROPPED,
    PIECES_SPLIT,  /* each is made a frame */
    PIECES_JOINED, /* the second is copied behind the first */
};

struct virtio_rx {
    struct virtio_ring ring;
    struct virtio_rx_slot *slots;
    struct nic_pool pool;
    uint32_t buffer_bytes;  /* that the device may write into each, with its header */
    uint16_t flags_good[4]; /* by the header's flags: of a frame whose IP header is good */
    bool can_merge;
    /* Of a frame in several buffers. */
    uint32_t pieces_left; /* so many are to come */
    enum virtio_pieces pieces;
    struct frame *first; /* while they are joined: not handed over yet */
    struct virtio_split split;
};

/* Allocate the ring and buffers, of one that is all zeros, and make all of it available. 0 or
 * -ENOMEM: what has been had then is kept. Or, when it has a ring, which is at most of that size:
 * the same memory again, with what it lacked, and empty but for buffers to be filled. Those that
 * the device had are free: it must not know of them any more. */
MUST_CHECK int virtio_rx_open(struct virtio_rx *rx, unsigned size, uint64_t features,
                              struct virtio_notifier notifier);

/*
 * Take up to frame_max frames, which the caller owns from then on and returns by frame->release, at
 * once or later. Give free buffers to the device, with one notification for a whole batch at most.
 * A TCP segment longer than the wire takes is handed over as several frames (split.h); of other
 * frames of that kind only the first buffer, as damaged.
 */
MUST_CHECK unsigned virtio_receive(struct virtio_rx *rx, struct frame **frames, unsigned frame_max);
/* Whether that would do nothing at all. */
bool virtio_rx_is_idle(const struct virtio_rx *rx);
struct nic_buffers virtio_rx_count_buffers(const struct virtio_rx *rx);

/* --- Transmit (tx.c) --- */

struct virtio_tx_frame;

struct virtio_tx {
    struct virtio_ring ring;
    struct virtio_tx_frame
        *frames; /* beside descriptors: what is known of a frame that begins there */
    struct virtio_net_header *headers; /* likewise */
    bus_addr_t headers_bus_addr;
    uint32_t tail, head;   /* free-running: descriptors head .. tail - 1 are in use */
    uint32_t returned_end; /* used entries before this one are there: others are not looked at */
    uint32_t early_count;  /* frames that were returned before their turn */
    uint32_t usual_max;    /* with more in flight no frame is usual; 0 when the ring is stopped */
    /* The header written last: for which frames, and what it is. */
    uint64_t header_form;
    struct virtio_net_header header;
    uint64_t header_mark; /* part of all forms */
    bool can_checksum, can_segment;
};

/* Likewise: the ring. Owners of what the device had are told as if that had been sent. Nothing is
 * taken until virtio_tx_run(), or after virtio_tx_pause(). */
MUST_CHECK int virtio_tx_open(struct virtio_tx *tx, unsigned size, uint64_t features,
                              struct virtio_notifier notifier);
void virtio_tx_pause(struct virtio_tx *tx);
void virtio_tx_run(struct virtio_tx *tx);
/*
 * Queue one frame by reference: fragment_count 1 .. FRAME_FRAGMENT_MAX, none empty, each in one
 * piece of physical memory. Returns 0, or -EAGAIN when the ring is full: nothing was taken. The
 * device learns of it at virtio_tx_flush().
 */
MUST_CHECK int virtio_transmit(struct virtio_tx *tx, const struct frame_to_send *frame);
void virtio_tx_flush(struct virtio_tx *tx);
/* Tell the owners of frames that the device has read, in order; returns how many were told. */
unsigned virtio_tx_reclaim(struct virtio_tx *tx);
/* Whether that would be none. */
bool virtio_tx_is_idle(const struct virtio_tx *tx);
static inline unsigned virtio_tx_in_flight(const struct virtio_tx *tx)
{
    return tx->tail - tx->head;
}

/* --- A queue pair (queue.c) --- */

/* Queues of a device (5.1.2): of each pair receive and transmit, behind all pairs control. */
#define RX_QUEUE(pair)       (2u * (pair))
#define TX_QUEUE(pair)       (2u * (pair) + 1u)
#define CONTROL_QUEUE(pairs) (2u * (pairs))

struct nic_queue;
struct nic_queue_key;
struct nic_queue_report;

/* What a queue's key says. */
struct virtio_key {
    paddr_t bar_paddr;  /* of the BAR with the registers to notify by */
    uint64_t bar_bytes; /* a power of two */
    uint64_t features;
    uint32_t rx_offset, tx_offset; /* of those registers */
    unsigned rx_size, tx_size;     /* of the rings, at most; both 0: there is no pair for it */
    unsigned pair;
    unsigned starter; /* the queue of the node that drives the card */
    bool has_interrupt;
    bool notifies_by_32_bits; /* the words do not say it: by the transport */
    /* As struct virtio_notifier has it. */
    unsigned pair_count;
    uint32_t pair_offset_bytes;
};
void virtio_key_write(struct nic_queue_key *key, const struct virtio_key *known);
/* It is another node's word. False when it cannot be, or names features beyond these; whether there
 * is such a BAR was not looked at. Fills in what it says either way. */
bool virtio_key_read(const struct nic_queue_key *key, uint64_t features, struct virtio_key *known);

/* Rings of a queue pair, as the device must be told of them. */
struct virtio_queue_rings {
    bus_addr_t rx_bus_addr, tx_bus_addr;
    uint16_t rx_size, tx_size;
};
void virtio_report_write(struct nic_queue_report *report, const struct virtio_queue_rings *rings);
/* It is another node's word. False unless these are rings in memory of that node, of such sizes at
 * most. */
bool virtio_report_read(const struct nic_queue_report *report, node_id_t node, unsigned rx_size_max,
                        unsigned tx_size_max, struct virtio_queue_rings *rings);

/* This node's queue pair: allocate its rings and buffers, or use them again, empty; it interrupts
 * by that line, if it has one. It stands still until virtio_queue_run(). 0 or -ENOMEM. */
MUST_CHECK int virtio_queue_open(const struct virtio_key *known, struct virtio_line line,
                                 struct nic_queue **queue, struct virtio_queue_rings *rings);
/* Whether it has been opened; it moves frames; it stands still. */
bool virtio_queue_is_open(void);
void virtio_queue_run(void);
void virtio_queue_pause(void);

/* --- Pairs that stand in for others' (queue.c): of the card that this node drives --- */

/* Receives for a pair whose node does not serve it. */
struct virtio_stand_in;

/* Allocate it, or use again what is there, and have this node's queue look after it. 0 or -ENOMEM.
 */
MUST_CHECK int virtio_stand_in_open(struct virtio_stand_in **stand_in, unsigned rx_size_max,
                                    unsigned tx_size_max, uint64_t features,
                                    struct virtio_notifier rx_notifier,
                                    struct virtio_queue_rings *rings);
/* The device does not know of it any more. */
void virtio_stand_in_close(struct virtio_stand_in *stand_in);
