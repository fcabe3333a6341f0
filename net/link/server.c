/* SPDX-License-Identifier: MIT */
/*
 * The link server: one queue pair of the NIC, from the event loop's side. How it gets one is in
 * attach.c; what concerns the NIC as a whole in device.c, for the link server that has lived for
 * longest.
 *
 * The NIC's interrupt only wakes the node: it comes once, and is armed again before sleep, when it
 * has been taken since. A queue that has none is looked at again by a timer.
 */
#include "net/link/server.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "drivers/nic/nic.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/link/attach.h"
#include "net/link/capture.h"
#include "net/link/device.h"
#include "net/link/groups.h"
#include "net/link/syns.h"
#include "net/link/takeover.h"
#include "net/link/transmit.h"
#include "net/messages.h"
#include "net/packet.h"
#include "net/steering.h"
#include "net/transport/server.h"

/* Frames taken in one round: channels and the transport server's timers wait that long. */
#define RECEIVE_BUDGET 64

/* The NIC's own counts of drops are asked for so often, and only while the node is awake. */
#define STATISTICS_INTERVAL_NS NS_PER_S

/* How long a node sleeps that no interrupt wakes. Chosen: what a request may well wait, and still
 * thousands of rounds in which the core rests. */
#define POLL_INTERVAL_NS NS_PER_MS

/* A sleeping node learns that frames have been sent when it wakes. When many wait to be reported
 * their owners may lack memory for more: then it wakes by itself, ever later while the NIC sends
 * nothing (as without a link). */
#define IN_FLIGHT_MAX_ASLEEP 256
#define RECLAIM_DELAY_MIN_NS NS_PER_MS
#define RECLAIM_DELAY_MAX_NS NS_PER_S

static const struct configuration *configuration;
static node_id_t self;
static bool is_only_owner; /* of all flows: nothing needs to be steered */

/* This LS's own queue. */
static struct {
    struct nic_queue *nic; /* from the moment that it takes frames; NULL before */
    bool is_armed;         /* the interrupt, as far as we know */
    uint64_t interrupts_seen;
    uint64_t next_statistics_ns;
    struct timer poll_timer; /* without an interrupt */
    struct timer reclaim_timer;
    uint64_t reclaim_delay_ns;
} queue;

/* A frame of the batch, its headers, and the TS that owns its flow, if there are several. */
struct arrival {
    struct frame *frame;
    struct packet packet;
    node_id_t owner;
};

static inline bool is_own(const struct arrival *arrival)
{
    return LIKELY(is_only_owner) || arrival->owner == self;
}

/* --- Receive --- */

/* Apart from its caller, whose common case needs fewer registers saved. */
static __attribute__((noinline)) void forward(const struct arrival *arrival)
{
    struct frame *frame = arrival->frame;
    node_id_t owner = arrival->owner;
    struct forward_frame *message =
        message_reserve_payload(owner, FORWARD_FRAME, sizeof(*message), frame->length_bytes);

    if (message == NULL) {
        counter_increment(message_refusal(owner) == -EAGAIN ? COUNTER_DROP_CHANNEL_FULL
                                                            : COUNTER_DROP_NOT_OURS);
        frame->release(frame);
        return;
    }
    message->frame_flags = frame->flags;
    memcpy(message + 1, frame->data, frame->length_bytes);
    message_publish();
    if (!configuration_is_ls_of(configuration, self, owner)) {
        counter_increment(COUNTER_STEER_FORWARDED); /* the NIC chose another TS's queue */
        counter_add(COUNTER_STEER_MISSED, arrival->packet.kind != PACKET_OTHER);
    }
    frame->release(frame);
}

__attribute__((always_inline)) static inline void hand_over(const struct arrival *arrival)
{
    if (is_own(arrival)) {
        transport_server_receive(arrival->frame, &arrival->packet);
    } else {
        ASSERT_SLOW(configuration_has_role(configuration, arrival->owner, ROLE_TS));
        forward(arrival);
    }
}

/* Nobody looks at it. */
static __attribute__((noinline)) void drop(struct frame *frame, unsigned counter)
{
    counter_increment(counter);
    frame->release(frame);
}

/* What came in a round. */
struct batch {
    uint64_t byte_count;
    unsigned syn_count;
};

/* Read the headers, and find the owner. False: it is dropped. */
__attribute__((always_inline)) static inline bool take_in(struct arrival *arrival,
                                                          struct frame *frame, struct batch *batch)
{
    const struct packet *packet = &arrival->packet;
    uint16_t length_bytes = frame->length_bytes;
    uint16_t flags = frame->flags;

    ASSERT_SLOW(length_bytes <= FRAME_BUFFER_BYTES);
    batch->byte_count += length_bytes;
    if (UNLIKELY((flags & (FRAME_DAMAGED | FRAME_CHECKSUM_BAD)) != 0)) {
        drop(frame, (flags & FRAME_DAMAGED) != 0 ? COUNTER_DROP_MALFORMED : COUNTER_DROP_CHECKSUM);
        return false;
    }
    arrival->frame = frame;
    packet_parse_here(&arrival->packet, frame->data, length_bytes, flags);
    if (UNLIKELY(packet->kind != PACKET_SEGMENT)) {
        batch->syn_count += packet->kind == PACKET_SYN;
        if (packet->kind == PACKET_OTHER && !link_groups_admit(frame)) {
            return false;
        }
    }
    if (UNLIKELY(!is_only_owner)) {
        arrival->owner = steering_packet_owner(configuration, packet);
    }
    return true;
}

/*
 * A peer that takes in much acknowledges every second segment, and its acknowledgements come in
 * bunches. One that another follows is held until that is seen: if it acknowledges more, it says
 * all there is to say, but for how many it stands for. Duplicates are never merged: TCP counts
 * them. One that acknowledges what was never sent says nothing, and must not replace one that does:
 * so the TS is asked, and where that is on another node, all are handed over.
 */
static inline bool may_be_held(const struct arrival *arrival)
{
    /* Damage must not replace. */
    return packet_is_bare_ack(&arrival->packet) &&
           (arrival->packet.flags & FRAME_L4_CHECKSUM_GOOD) != 0;
}

/* Whether the next frame may be another of the same flow: as far as length and ports say. */
static inline bool is_alike(const struct frame *next, const struct packet *packet)
{
    return next->length_bytes == packet->length_bytes &&
           load_le32(next->data + PACKET_TCP_OFFSET) == load_le32(&packet->flow.remote_port);
}

static inline bool may_replace(const struct arrival *next, const struct arrival *held)
{
    return may_be_held(next) && is_own(held) && is_own(next) &&
           next->packet.flags == held->packet.flags &&
           packet_supersedes(&next->packet, &held->packet) &&
           transport_server_expects_acknowledgment(&next->packet);
}

/* `held` is of the frame at `at`, and frames behind it are alike: hand over all of them, up to the
 * one returned. */
static __attribute__((noinline)) struct frame *const *deliver_alike(struct arrival *held,
                                                                    struct frame *const *at,
                                                                    struct frame *const *end,
                                                                    struct batch *batch)
{
    struct arrival other;
    struct arrival *next = &other;

    while (at + 1 != end && is_alike(at[1], &held->packet)) {
        struct arrival *before = held;

        if (!take_in(next, *++at, batch)) {
            continue;
        }
        if (may_replace(next, held)) {
            next->packet.merged_count = (uint16_t)(held->packet.merged_count + 1);
            held->frame->release(held->frame);
            counter_increment(COUNTER_NIC_RX_MERGED);
        } else {
            hand_over(held);
        }
        held = next;
        next = before;
    }
    hand_over(held);
    return at;
}

/* --- Transmit --- */

int link_server_transmit(const struct frame_to_send *frame)
{
    ASSERT_SLOW(frame->fragment_count >= 1 && frame->fragment_count <= FRAME_FRAGMENT_MAX);
    ASSERT_SLOW((frame->offload & FRAME_SEGMENT_TCP) != 0 ||
                frame->length_bytes <= FRAME_MAX_BYTES);
    if (UNLIKELY(queue.nic == NULL)) {
        return -ENODEV;
    }
    return nic_queue_transmit(queue.nic, frame);
}

bool link_server_can_segment_tcp(void)
{
    return queue.nic != NULL && queue.nic->can_segment_tcp;
}

/* --- This LS's turn in the event loop --- */

/* Returns how many frames have been lost since the last look. */
static uint32_t read_statistics(void)
{
    uint32_t missed =
        nic_queue_take_dropped(queue.nic) + link_device_take_missed() + link_syns_check();
    struct nic_buffers buffers = nic_queue_count_buffers(queue.nic);

    counter_set(COUNTER_NIC_RX_BUFFERS_FREE, buffers.free);
    counter_set(COUNTER_NIC_RX_BUFFERS_USED, buffers.used);
    counter_add(COUNTER_NIC_RX_MISSED, missed);
    queue.next_statistics_ns = dispatch_now_ns() + STATISTICS_INTERVAL_NS;
    return missed;
}

/* Returns how many of them were SYNs. Apart from its caller, whose common case needs none of the
 * registers that this one saves. */
static __attribute__((noinline)) unsigned deliver_all(struct frame **frames, unsigned count)
{
    struct frame *const *end = frames + count;
    struct batch batch = {0};
    struct arrival arrival;

    transport_server_expect(frames, count);
    for (struct frame *const *at = frames; at != end; at++) {
        if (!take_in(&arrival, *at, &batch)) {
            continue;
        }
        if (may_be_held(&arrival) && at + 1 != end && is_alike(at[1], &arrival.packet)) {
            at = deliver_alike(&arrival, at, end, &batch);
        } else {
            hand_over(&arrival);
        }
    }
    counter_add(COUNTER_NIC_RX_PACKETS, count);
    counter_add(COUNTER_NIC_RX_BYTES, batch.byte_count);
    return batch.syn_count;
}

/* From the queue that takes only those. */
static __attribute__((noinline)) unsigned deliver_syns(struct frame **frames, unsigned most)
{
    unsigned count = link_syns_receive(frames, most);

    if (count > 0) {
        (void)deliver_all(frames, count);
    }
    return count;
}

static __attribute__((noinline)) void note_syns(unsigned count)
{
    if (link_syns_note(count) && read_statistics() > 0) {
        link_syns_begin();
    }
}

/* The frames of a round, some of which may wait in the queue for SYNs. Returns how many. */
static __attribute__((noinline)) unsigned deliver(struct frame **frames, unsigned count)
{
    unsigned room = RECEIVE_BUDGET - count;

    ASSERT_SLOW(count <= RECEIVE_BUDGET);
    if (count > 0) {
        unsigned syn_count = deliver_all(frames, count);

        if (syn_count > 0) {
            note_syns(syn_count);
        }
    }
    if (UNLIKELY(link_syns_is_pending())) {
        count += deliver_syns(frames, room > LINK_SYNS_LEAST ? room : LINK_SYNS_LEAST);
    }
    return count;
}

/* What the card has sent counts as work: the round after it, which mostly finds nothing, lets the
 * next frames come together. Without it a node slept some ten times as often between requests. */
static unsigned poll_queue(void *context)
{
    static struct frame *frames[RECEIVE_BUDGET]; /* so that no stack needs a guard */
    unsigned count;

    (void)context;
    if (nic_queue_is_idle(queue.nic) && !link_syns_is_pending()) {
        return 0;
    }
    count = nic_queue_receive(queue.nic, frames, RECEIVE_BUDGET);
    if (count > 0 || link_syns_is_pending()) {
        count = deliver(frames, count);
    }
    return count + nic_queue_reclaim(queue.nic);
}

static void flush_queue(void *context)
{
    (void)context;
    nic_queue_flush(queue.nic);
    if (UNLIKELY(dispatch_now_ns() >= queue.next_statistics_ns)) {
        (void)read_statistics(); /* for the counters */
        link_device_check();
    }
}

static void reclaim_timer_expired(struct timer *timer)
{
    (void)timer;
    (void)nic_queue_reclaim(queue.nic);
}

static void reclaim_while_asleep(void)
{
    if (nic_queue_in_flight(queue.nic) <= IN_FLIGHT_MAX_ASLEEP) {
        queue.reclaim_delay_ns = RECLAIM_DELAY_MIN_NS;
    } else if (!timer_is_set(&queue.reclaim_timer)) {
        if (timer_start(&queue.reclaim_timer, platform_now_ns() + queue.reclaim_delay_ns) != 0) {
            return; /* no memory for a timer: the next frame wakes us */
        }
        ASSERT(queue.reclaim_delay_ns >= RECLAIM_DELAY_MIN_NS);
        queue.reclaim_delay_ns *= 2;
        if (queue.reclaim_delay_ns > RECLAIM_DELAY_MAX_NS) {
            queue.reclaim_delay_ns = RECLAIM_DELAY_MAX_NS;
        }
    }
}

static void poll_timer_expired(struct timer *timer)
{
    (void)timer; /* the round that it wakes us for is what it is for */
}

/* Returns whether to stay awake. */
static bool poll_while_asleep(void)
{
    if (!timer_is_set(&queue.poll_timer) &&
        timer_start(&queue.poll_timer, platform_now_ns() + POLL_INTERVAL_NS) != 0) {
        return true; /* no memory for a timer: nothing would wake us */
    }
    return nic_queue_is_pending(queue.nic) || link_syns_is_pending();
}

/* Returns whether to stay awake. */
static bool arm_interrupt(void)
{
    uint64_t interrupts = nic_queue_interrupts(queue.nic);

    ASSERT(interrupts >= queue.interrupts_seen);
    if (interrupts != queue.interrupts_seen) {
        counter_add(COUNTER_NIC_INTERRUPTS, interrupts - queue.interrupts_seen);
        queue.interrupts_seen = interrupts;
        queue.is_armed = false;
    }
    if (queue.is_armed) {
        /* Not taken since: a frame that comes now, or came while we were awake, has raised it. */
        return nic_queue_is_pending(queue.nic) || link_syns_is_pending();
    }
    queue.is_armed = nic_queue_arm(queue.nic);
    /* Arming has cleared the cause of SYNs, too, and has not looked at them. */
    return !queue.is_armed || link_syns_is_pending();
}

static bool prepare_sleep(void *context)
{
    (void)context;
    link_device_before_sleep();
    /* Whoever flushes after us, or prepares to sleep before us, may have sent. */
    nic_queue_flush(queue.nic);
    reclaim_while_asleep();
    return nic_queue_has_interrupt(queue.nic) ? arm_interrupt() : poll_while_asleep();
}

static struct dispatch_source source = {
    .poll = poll_queue,
    .flush = flush_queue,
    .prepare_sleep = prepare_sleep,
};

void link_server_use_queue(struct nic_queue *nic)
{
    queue.is_armed = false;
    if (queue.nic != NULL) {
        ASSERT(queue.nic == nic); /* of a card that has been started anew */
        return;
    }
    queue.nic = nic;
    link_capture_tap(nic);
    queue.interrupts_seen = nic_queue_interrupts(queue.nic);
    queue.reclaim_delay_ns = RECLAIM_DELAY_MIN_NS;
    timer_initialise(&queue.reclaim_timer, reclaim_timer_expired);
    timer_initialise(&queue.poll_timer, poll_timer_expired);
    dispatch_register_source(&source);
}

void link_server_take_over(node_id_t node)
{
    link_takeover_begin(configuration, queue.nic, node, &source, deliver_all);
}

void link_server_start(const struct configuration *current)
{
    configuration = current;
    self = platform_node();
    is_only_owner = current->ts_count == 1 && current->ts[0] == self;
    ASSERT(configuration_has_role(current, self, ROLE_LS));
    link_transmit_initialise();
    link_capture_start(current);
    link_groups_initialise();
    link_attach_start(current);
}
