/* SPDX-License-Identifier: MIT */
/*
 * Network cards: all that a link server may ask of one, whatever its driver.
 *
 * Drivers find ports (struct nic_port). The first link server chooses one and starts the card as a
 * whole (struct nic), with a queue pair for each link server. Then each link server opens its own
 * queue (struct nic_queue) on its own node, with the key to it that the first one has sent. Queues
 * share nothing, so no call takes a lock. The structs declared here are parts of the driver's own.
 *
 * There are two kinds of cards. Of one each node sets up its own queue while the card runs:
 * nic_queue_open(). The other must know all queues before it runs, through registers that only the
 * first link server touches: each node prepares its queue in its own memory (nic_queue_prepare()),
 * reports where that is, and the first one gives it to the card (nic_give_queue()). What it has not
 * been given when it starts to run it gets from the driver, on the first link server's node.
 *
 * What a card may lack, and who makes up for it:
 *
 *   queues            queue_count is less than was asked for, perhaps 1: link servers with a queue
 *                     forward in software, and send for those without
 *   steering          group_count is 0: link servers forward in software
 *   thousands of groups   nic_folds_ports(): flows are shared out by fewer from the start
 *   checksums, out    the driver inserts them (drivers/nic/checksum.h)
 *   checksums, in     a frame lacks FRAME_..._GOOD: whoever takes the packet checks it
 *   TCP segmentation  can_segment_tcp is false: nobody sends FRAME_SEGMENT_TCP
 *   interrupts        interrupt_vector is 0: the link server looks again by a timer
 *   a queue for SYNs  nic_open_syn_queue() says -ENOTSUP: they share the others' queues
 *   groups' frames    nic_set_groups() changes nothing: whatever comes, link servers sort out
 *
 * Finding, starting, steering and opening may wait for hardware, each wait with a bound; in a
 * thread others run meanwhile where that is said. Nothing else here waits.
 */
#pragma once

#include <errno.h>

#include "drivers/nic/buffers.h"
#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "drivers/nic/grouping.h"
#include "kernel/base.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "libc/core/linker_set.h"

struct nic;
struct nic_queue;

/* --- Ports --- */

/* So many may be asked for. */
#define NIC_PORT_MAX  16u
#define NIC_QUEUE_MAX 128u

#define NIC_PORT_NAME_BYTES   24
#define NIC_PORT_MODEL_BYTES  16
#define NIC_PORT_DRIVER_BYTES 16

/* A port that some driver can drive. */
struct nic_port {
    const struct nic_driver *driver;
    char name[NIC_PORT_NAME_BYTES];   /* where it is: "0000:5e:00.1" */
    char model[NIC_PORT_MODEL_BYTES]; /* "8086:10fb" */
    _Alignas(8) uint8_t driver_data[NIC_PORT_DRIVER_BYTES];
};

/* What opens one queue on another node: goes there in a message. */
#define NIC_QUEUE_KEY_WORDS 4
struct nic_queue_key {
    uint16_t driver_number; /* in this image */
    uint16_t queue_index;
    uint32_t reserved;
    uint64_t words[NIC_QUEUE_KEY_WORDS]; /* the driver's own */
};

/* What a node that has prepared its queue says of it: goes to the first link server in a message.
 */
#define NIC_QUEUE_REPORT_WORDS 2
struct nic_queue_report {
    uint64_t words[NIC_QUEUE_REPORT_WORDS]; /* the driver's own */
};

/* One kind of cards. */
struct nic_driver {
    const char *name;  /* of such a card: "82599" */
    const char *cards; /* what it looks for: "Intel 82599 on the PCI bus" */
    /* The ports there are, in the order of their addresses. Returns how many; the first port_max,
     * at most NIC_PORT_MAX, are in `ports`, all but the driver filled in. */
    unsigned (*find)(struct nic_port *ports, unsigned port_max);
    /* nic_start(), nic_queue_open() */
    int (*start)(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic);
    int (*open_queue)(const struct nic_queue_key *key, struct nic_queue **queue);
    /* nic_queue_prepare(). Absent: queues are set up while the card runs. */
    int (*prepare_queue)(const struct nic_queue_key *key, struct nic_queue **queue,
                         struct nic_queue_report *report);
    /* nic_read_mac(), nic_adopt(). May be absent: such a card has no address before it is started;
     * only the node that started it can drive it. */
    int (*read_mac)(const struct nic_port *port, uint8_t mac[6]);
    int (*adopt)(const struct nic_queue_key *key, struct nic_grouping grouping, struct nic **nic);
    /* nic_quieten(). May be absent: where a dead node's queue can be stopped by another one. */
    void (*quieten)(void);
    /* nic_folds_ports(): whether all cards that boot has found are of this kind, and fold. May be
     * absent: it never is so. */
    bool (*folds_ports)(void);
};

LINKER_SET_DECLARE(nic_drivers, struct nic_driver);
#define NIC_DRIVER(driver) LINKER_SET_ADD(nic_drivers, struct nic_driver, driver)

/* The ports of all drivers. Returns how many there are; the first port_max, at most NIC_PORT_MAX,
 * are in `ports`. */
unsigned nic_find(struct nic_port *ports, unsigned port_max);

/* What drivers look for, as text: "Intel 82599 on the PCI bus or ...". */
void nic_list_drivers(char *text, size_t text_bytes);

/* The MAC address of a port that is not started. 0; -ENODEV where it has none yet; or an error that
 * has been logged. */
MUST_CHECK int nic_read_mac(const struct nic_port *port, uint8_t mac[6]);

/* Whether flows should be told apart by nic_fold(), because no card of this machine can do it by
 * more. Depends on what boot has found, and so is the same on all nodes at all times. */
bool nic_folds_ports(void);

/* Whoever drove a card is dead, and nobody else has a queue of it: see that it does not write to
 * memory any more. At once, and before that memory is used again. */
void nic_quieten(void);

/* --- The card as a whole: on the first link server's node --- */

struct nic_link {
    bool is_up;
    /* The card moves nothing any more, until it has been stopped and started anew. Not of one that
     * was adopted. */
    bool has_given_up;
    /* The machine is somewhere else now: its addresses should be made known to the network, and
     * then the card be told: nic_note_announced(). */
    bool is_announcement_wanted;
    uint32_t megabits; /* per second; 0 while down, or when nobody knows */
};

/* All but the first may be absent, where there is nothing to be done: the calls below see to it. */
struct nic_operations {
    struct nic_link (*check_link)(struct nic *nic);
    void (*note_announced)(struct nic *nic);
    void (*make_queue_key)(const struct nic *nic, unsigned index, struct nic_queue_key *key);
    int (*enable_receive)(struct nic *nic);
    void (*stop)(struct nic *nic);
    uint32_t (*take_missed)(struct nic *nic);
    void (*spread)(struct nic *nic, const uint8_t *queues, unsigned count);
    /* Only without groups. */
    int (*steer)(struct nic *nic, unsigned queue, const uint16_t *groups, unsigned count);
    /* In place of the two before, for cards that have a table of groups. */
    int (*steer_table)(struct nic *nic, const uint8_t *queues, unsigned others);
    void (*drop_table)(struct nic *nic);
    /* Where queues are prepared, and must be. */
    int (*give_queue)(struct nic *nic, unsigned index, const struct nic_queue_report *report);
    /* Both or neither. */
    int (*open_syn_queue)(struct nic *nic, struct nic_queue **queue);
    void (*direct_syns)(struct nic *nic, bool is_directed);
    /* Where the card lets in what is for groups, or nothing of it, whatever is wanted. */
    void (*set_groups)(struct nic *nic, const uint8_t (*macs)[6], unsigned count);
};

struct nic {
    const struct nic_operations *operations;
    const struct nic_driver *driver;
    uint8_t mac[6];
    uint8_t link_vector;  /* of the interrupt at a change of the link; 0: there is none */
    uint16_t queue_count; /* 1 .. as many as were asked for */
    /* Groups of flows that the card tells apart, or 0 if it cannot in the way that was asked for.
     * As many as were asked for, or fewer, a power of two: then by their low bits alone. */
    uint16_t group_count;
    bool can_segment_tcp; /* takes FRAME_SEGMENT_TCP */
};

/*
 * Start the card with a queue pair for each of these nodes, as far as it has queues; their
 * interrupts go there. It tells flows apart as `grouping` says, if it can. Frames stay shut out
 * until nic_enable_receive(). In a thread: others run while the card resets.
 *
 * Returns 0; or an error that has been logged, with the card switched off: -ENODEV, -ENOSPC,
 * -ENOMEM, -ETIMEDOUT.
 */
MUST_CHECK int nic_start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                         struct nic_grouping grouping, struct nic **nic);

/*
 * Go on driving a card as a whole whose node has died, with the key of any of its queues. The
 * queues go on, nothing is reset, and the card steers as it did: `grouping` is that of its start.
 * There is no interrupt at a change of the link any more.
 *
 * The key is another node's word. Returns 0; -EINVAL when no driver could have made it; -ENODEV
 * when this card cannot be adopted; -ENOMEM.
 */
MUST_CHECK int nic_adopt(const struct nic_queue_key *key, struct nic_grouping grouping,
                         struct nic **nic);

/* The key to queue `index`, below queue_count. */
void nic_make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key);

/* Whether other nodes' queues are prepared and given to the card, which does not run before. */
static inline bool nic_takes_prepared(const struct nic *nic)
{
    return nic->operations->give_queue != NULL;
}

/*
 * Give the card a queue that its node has prepared: it takes frames as soon as the card runs, and
 * then its node must be told to use it. Waits, with a bound.
 *
 * The report is that node's word. Returns 0; -EINVAL when it cannot be; -ENOTSUP when the card,
 * which runs, takes no queue anew; -ETIMEDOUT (logged): the queue is not used.
 */
MUST_CHECK int nic_give_queue(struct nic *nic, unsigned index,
                              const struct nic_queue_report *report);

/* Let frames in: after the queue of the node that drives the card has been opened. In a thread.
 * Returns 0; or an error that has been logged: -ETIMEDOUT, -ENODEV, -ENOMEM. */
MUST_CHECK static inline int nic_enable_receive(struct nic *nic)
{
    return nic->operations->enable_receive == NULL ? 0 : nic->operations->enable_receive(nic);
}

/* Switch the card off for good: nothing may be asked of it afterwards. */
static inline void nic_stop(struct nic *nic)
{
    if (nic->operations->stop != NULL) {
        nic->operations->stop(nic);
    }
}

/* Look at the link, and let its next change raise the interrupt: one that comes during the look
 * raises it, too. */
static inline struct nic_link nic_check_link(struct nic *nic)
{
    return nic->operations->check_link(nic);
}

/* What struct nic_link asks for is on its way. In a thread: others run meanwhile. */
static inline void nic_note_announced(struct nic *nic)
{
    if (nic->operations->note_announced != NULL) {
        nic->operations->note_announced(nic);
    }
}

/* How often the interrupt at a change of the link has been taken by this node. */
static inline uint64_t nic_link_interrupts(const struct nic *nic)
{
    return interrupt_count(nic->link_vector);
}

/* How many frames the card as a whole has lost since the last call, for lack of room. */
static inline uint32_t nic_take_missed(struct nic *nic)
{
    return nic->operations->take_missed == NULL ? 0 : nic->operations->take_missed(nic);
}

/* Spread what belongs to no steered group over these queues, which have been opened. */
void nic_spread(struct nic *nic, const uint8_t *queues, unsigned count);

/* These groups (below group_count) go to this queue from now on. Cheaper with many at once. Returns
 * 0; or -ETIMEDOUT (logged): some may still go where they went. */
MUST_CHECK int nic_steer(struct nic *nic, unsigned queue, const uint16_t *groups, unsigned count);

/* Whether the card steers by a table of all its groups: then nic_steer_table(), and else
 * nic_spread() and nic_steer(). */
static inline bool nic_has_table(const struct nic *nic)
{
    return nic->operations->steer_table != NULL;
}

/* Each of the group_count groups goes to its queue in `queues` from now on, and what belongs to no
 * group to the queue `others`. Waits, with a bound. Returns 0; -EIO (logged) when the card does
 * not: then group_count has become 0. */
MUST_CHECK int nic_steer_table(struct nic *nic, const uint8_t *queues, unsigned others);

/* A card with a table does not do as that says: it is to choose queues by itself from now on, also
 * when it has been started anew. Then group_count is 0. Waits, with a bound; in a thread others run
 * meanwhile. */
static inline void nic_drop_table(struct nic *nic)
{
    nic->operations->drop_table(nic);
    ASSERT(nic->group_count == 0);
}

/*
 * Open a queue that takes only SYNs, and no more of them than a ring much shorter than the others'
 * holds: a flood of them does not take the place of other frames. It is the node's that started the
 * card, which has opened queue 0: a frame raises that queue's interrupt, so whoever arms it looks
 * here afterwards. Of a queue it has nic_queue_receive(), nic_queue_is_pending(),
 * nic_queue_take_dropped() and nic_queue_count_buffers() alone. Nothing comes until
 * nic_direct_syns(). Once for a card.
 *
 * Returns 0; -ENOTSUP when the card has none, or was adopted; -ENOMEM; -ETIMEDOUT (logged).
 */
MUST_CHECK static inline int nic_open_syn_queue(struct nic *nic, struct nic_queue **queue)
{
    return nic->operations->open_syn_queue == NULL ? -ENOTSUP
                                                   : nic->operations->open_syn_queue(nic, queue);
}

/* TCP segments with SYN, whoever owns their flow, go to that queue from now on, which is open; or
 * as all others do. Some cards take those with ACK for such, too. Whoever adopts a card finds them
 * going as all others do. */
static inline void nic_direct_syns(struct nic *nic, bool is_directed)
{
    nic->operations->direct_syns(nic, is_directed);
}

/* Most that nic_set_groups() takes. */
#define NIC_GROUP_MAX 257u

/*
 * Of frames to groups, but that of all, let in those to these addresses from now on, at most
 * NIC_GROUP_MAX, and perhaps others. Until the first call there are none. A card that cannot (this
 * is logged) lets in more. In a thread: others run meanwhile.
 */
static inline void nic_set_groups(struct nic *nic, const uint8_t (*macs)[6], unsigned count)
{
    if (nic->operations->set_groups != NULL) {
        nic->operations->set_groups(nic, macs, count);
    }
}

/* --- One queue pair: on its own node --- */

struct nic_queue_operations {
    unsigned (*receive)(struct nic_queue *queue, struct frame **frames, unsigned frame_max);
    bool (*is_pending)(const struct nic_queue *queue);
    int (*transmit)(struct nic_queue *queue, const struct frame_to_send *frame);
    void (*flush)(struct nic_queue *queue);
    unsigned (*reclaim)(struct nic_queue *queue);
    unsigned (*in_flight)(const struct nic_queue *queue);
    /* May be absent: where a look costs no more; where an interrupt comes as long as a frame waits;
     * where nobody counts. All that a round calls is above, and this one. */
    bool (*is_idle)(const struct nic_queue *queue);
    bool (*arm)(struct nic_queue *queue);
    uint32_t (*take_dropped)(struct nic_queue *queue);
    struct nic_buffers (*count_buffers)(const struct nic_queue *queue);
    /* Where queues share nothing but the card, and a dead node's reaches its memory. */
    int (*stop_other)(struct nic_queue *queue, unsigned index, node_id_t node);
    /* Both or neither; the second of an adopted queue. */
    int (*adopt_other)(struct nic_queue *queue, unsigned index, struct nic_queue **adopted);
    int (*leave)(struct nic_queue *adopted);
    /* Of queues that are prepared. */
    void (*run)(struct nic_queue *queue);
};

struct nic_queue {
    const struct nic_queue_operations *operations;
    uint8_t interrupt_vector; /* 0: it has no interrupt */
    bool can_segment_tcp;     /* as the card: takes FRAME_SEGMENT_TCP */
};

/*
 * Start the queue that this key is for, and let the card put frames into it.
 *
 * The key is another node's word. Returns 0; -EINVAL when no driver could have made it; -ENOMEM;
 * -ETIMEDOUT (logged).
 */
MUST_CHECK int nic_queue_open(const struct nic_queue_key *key, struct nic_queue **queue);

/* Whether that key is for a queue to be prepared, and used later. */
bool nic_queue_is_prepared(const struct nic_queue_key *key);

/*
 * Allocate the queue that this key is for, and say in `report` where it is. It takes and sends
 * nothing until nic_queue_run(), when the card has it. A node does so again when the card has been
 * started anew: the queue is the same then, and empty. Frames that it has handed over stay with
 * their owners, and those that it was given to send count as sent.
 *
 * The key is another node's word. Returns 0; -EINVAL when no driver could have made it; -ENOTSUP
 * (logged) when the card has no queue for this node; -ENOMEM.
 */
MUST_CHECK int nic_queue_prepare(const struct nic_queue_key *key, struct nic_queue **queue,
                                 struct nic_queue_report *report);
static inline void nic_queue_run(struct nic_queue *queue)
{
    queue->operations->run(queue);
}

/* Whether nic_queue_receive() and nic_queue_reclaim() would do nothing now. False: perhaps. */
static inline bool nic_queue_is_idle(const struct nic_queue *queue)
{
    return queue->operations->is_idle != NULL && queue->operations->is_idle(queue);
}

/*
 * Take the frames that have come, at most frame_max, oldest first: they belong to the caller, who
 * returns each by frame->release, at once or later. The card gets free buffers in their place.
 * Returns how many. Cheap when there are none.
 */
MUST_CHECK static inline unsigned nic_queue_receive(struct nic_queue *queue, struct frame **frames,
                                                    unsigned frame_max)
{
    return queue->operations->receive(queue, frames, frame_max);
}

/* Whether the card has given us something that has not been taken. */
static inline bool nic_queue_is_pending(const struct nic_queue *queue)
{
    return queue->operations->is_pending(queue);
}

/*
 * Let the next frame raise the interrupt, once. False when one is already there: nothing is armed
 * then, and the caller stays awake. Only with an interrupt.
 */
MUST_CHECK static inline bool nic_queue_arm(struct nic_queue *queue)
{
    return queue->operations->arm == NULL ? !nic_queue_is_pending(queue)
                                          : queue->operations->arm(queue);
}

static inline bool nic_queue_has_interrupt(const struct nic_queue *queue)
{
    return queue->interrupt_vector != 0;
}

/* How often the queue's interrupt has been taken by this node. */
static inline uint64_t nic_queue_interrupts(const struct nic_queue *queue)
{
    return interrupt_count(queue->interrupt_vector);
}

/*
 * Give the card one frame, by reference (drivers/nic/frame.h says what it must be like). Returns 0,
 * or -EAGAIN when there is no room: nothing was taken or changed. The card learns of it at
 * nic_queue_flush(). Drivers count it (nic_count_sent()).
 */
MUST_CHECK static inline int nic_queue_transmit(struct nic_queue *queue,
                                                const struct frame_to_send *frame)
{
    return queue->operations->transmit(queue, frame);
}

/* Let the card see what it has been given: one register access for all, or none. */
static inline void nic_queue_flush(struct nic_queue *queue)
{
    queue->operations->flush(queue);
}

/* Tell the owners of frames that the card has read (frame->done); returns how many were told. */
static inline unsigned nic_queue_reclaim(struct nic_queue *queue)
{
    return queue->operations->reclaim(queue);
}

/* How much of the transmit ring the card may still read, in descriptors. */
static inline unsigned nic_queue_in_flight(const struct nic_queue *queue)
{
    return queue->operations->in_flight(queue);
}

/* How many frames for this queue the card has lost since the last call, for lack of buffers. */
static inline uint32_t nic_queue_take_dropped(struct nic_queue *queue)
{
    return queue->operations->take_dropped == NULL ? 0 : queue->operations->take_dropped(queue);
}

/*
 * Of the same card, stop the queue of a node that has died, and what else of the card's was in its
 * memory: afterwards the card reaches it no more. On every node with a queue, whoever drives the
 * card, for those that die at a time may include whoever would do it for the others: what one of
 * them has adopted meanwhile goes on. Waits, with a bound. Returns 0; -EINVAL when the card has no
 * such queue; -ETIMEDOUT (logged); -ENODEV when the card had to be switched off with all its
 * queues, this one, too: it moves nothing until it is prepared again by whoever starts the card
 * anew.
 */
MUST_CHECK static inline int nic_queue_stop_other(struct nic_queue *queue, unsigned index,
                                                  node_id_t node)
{
    return queue->operations->stop_other == NULL
               ? 0
               : queue->operations->stop_other(queue, index, node);
}

/*
 * Take what comes to that queue, which is stopped, until the card sends it elsewhere: on one node.
 * Of an adopted queue there are nic_queue_receive(), nic_queue_is_pending() and nic_queue_leave()
 * alone: no interrupt says that something has come. One at a time; it keeps its memory for the
 * next. Waits, with a bound. Returns 0; -ENOTSUP when such a card has no such thing; -EINVAL when
 * it has no such queue; -ENOMEM; -ETIMEDOUT (logged).
 */
MUST_CHECK static inline int nic_queue_adopt_other(struct nic_queue *queue, unsigned index,
                                                   struct nic_queue **adopted)
{
    return queue->operations->adopt_other == NULL
               ? -ENOTSUP
               : queue->operations->adopt_other(queue, index, adopted);
}

/* Nothing more comes there, and its own node may open it: what has come can still be received.
 * Waits, with a bound; in a thread others run meanwhile. Returns 0 or -ETIMEDOUT (logged). */
MUST_CHECK static inline int nic_queue_leave(struct nic_queue *adopted)
{
    return adopted->operations->leave(adopted);
}

/* None of either where the driver does not say. */
static inline struct nic_buffers nic_queue_count_buffers(const struct nic_queue *queue)
{
    struct nic_buffers none = {0};

    return queue->operations->count_buffers == NULL ? none
                                                    : queue->operations->count_buffers(queue);
}

/* --- For drivers --- */

/* Of a frame that is cut: what stands before each segment. Of others 0. */
static inline uint32_t nic_header_bytes(const struct frame_to_send *frame)
{
    return (frame->offload & FRAME_SEGMENT_TCP) == 0
               ? 0
               : frame->ip_header_offset + frame->ip_header_bytes + frame->tcp_header_bytes;
}

/* Count a frame that has been taken, as it is on the wire, where each segment has headers of its
 * own: nic_header_bytes(). The driver does, because the link server's call of transmit then needs
 * nothing after it: measured, this saves some 25 instructions a frame. */
static inline void nic_count_sent(const struct frame_to_send *frame, uint32_t header_bytes)
{
    uint32_t packet_count = 1;
    uint32_t copied_bytes = 0;

    if (header_bytes != 0) {
        ASSERT_SLOW(frame->segment_bytes > 0 && frame->length_bytes > header_bytes);
        packet_count =
            (frame->length_bytes - header_bytes + frame->segment_bytes - 1) / frame->segment_bytes;
        copied_bytes = (packet_count - 1) * header_bytes;
    }
    counter_add(COUNTER_NIC_TX_PACKETS, packet_count);
    counter_add(COUNTER_NIC_TX_BYTES, frame->length_bytes + copied_bytes);
}
