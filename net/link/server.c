/* SPDX-License-Identifier: MIT */
/*
 * The link server: one queue pair of the NIC, from the event loop's side. What concerns the device
 * as a whole is in link_device.c, for the first link server.
 *
 * The NIC's interrupt only wakes the node: it masks itself when it is sent, and is unmasked before
 * sleep, when frames have been taken since.
 */
#include "net/link/server.h"

#include <errno.h>
#include <string.h>

#include "drivers/ixgbe/ixgbe.h"
#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "drivers/vectors.h"
#include "kernel/log.h"
#include "kernel/memory/memory.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "kernel/x86/paging.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/link/device.h"
#include "net/messages.h"
#include "net/steering.h"
#include "net/transport/server.h"

/* Frames taken in one round: channels and the transport server's timers wait that long. */
#define RECEIVE_BUDGET 64

/* Registers that count drops are read so often, and only while the node is awake. */
#define STATISTICS_INTERVAL_NS NS_PER_S

/* A sleeping node learns that frames have been sent when it wakes. When many wait to be reported
 * their owners may lack memory for more: then it wakes by itself, ever later while the NIC sends
 * nothing (as without a link). */
#define IN_FLIGHT_MAX_ASLEEP 256
#define RECLAIM_DELAY_MIN_NS NS_PER_MS
#define RECLAIM_DELAY_MAX_NS NS_PER_S

/* Frames of other nodes' TSs that wait in the transmit ring. */
#define COPY_BUFFER_MAX 1024

struct copy_buffer {
    struct copy_buffer *next; /* on the free list */
    uint8_t data[FRAME_MAX_BYTES];
};

static const struct configuration *configuration;
static node_id_t self;

/* This LS's own queue. */
static struct {
    bool is_started;
    unsigned index;
    void *registers;
    struct ixgbe_rx rx;
    struct ixgbe_tx tx;
    bool is_armed; /* the interrupt is unmasked, as far as we know */
    uint64_t interrupts_seen;
    uint64_t next_statistics_ns;
    struct timer reclaim_timer;
    uint64_t reclaim_delay_ns;
} queue;

/* The last frame of the batch so far, if it is an acknowledgement that may still be superseded. */
static struct {
    struct frame *frame;
    node_id_t owner;
} held;

static struct copy_buffer *free_copies;
static unsigned copy_count;

/* --- Receive --- */

static void count_undelivered(int error)
{
    counter_increment(error == -EAGAIN ? COUNTER_DROP_CHANNEL_FULL : COUNTER_DROP_NOT_OURS);
}

/* A SYN, checked by steering_classify(): the CM decides who shall have the connection. */
static void send_syn(const struct frame *frame, node_id_t owner)
{
    struct syn_arrived message = {
        .header.type = SYN_ARRIVED, .ts = owner, .frame_flags = frame->flags};
    const uint8_t *ip = frame->data + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp = ip + ipv4_header_bytes(ip);
    int error;

    memcpy(&message.flow.remote_address, ip + IPV4_SOURCE_OFFSET, 4);
    memcpy(&message.flow.local_address, ip + IPV4_DESTINATION_OFFSET, 4);
    memcpy(&message.flow.remote_port, tcp + TCP_SOURCE_PORT_OFFSET, 2);
    memcpy(&message.flow.local_port, tcp + TCP_DESTINATION_PORT_OFFSET, 2);
    error =
        message_send_payload(configuration_own_cm(configuration, self), &message.header,
                             offsetof(struct syn_arrived, frame), frame->data, frame->length_bytes);
    if (error != 0) {
        count_undelivered(error);
    }
}

static void forward(const struct frame *frame, node_id_t owner)
{
    struct forward_frame message = {.header.type = FORWARD_FRAME, .frame_flags = frame->flags};
    int error = message_send_payload(owner, &message.header, sizeof(message), frame->data,
                                     frame->length_bytes);

    if (error != 0) {
        count_undelivered(error);
    } else if (configuration_own_ls(configuration, owner) != self) {
        counter_increment(COUNTER_STEER_FORWARDED); /* the NIC chose another LS's queue */
    }
}

static void hand_over(struct frame *frame, node_id_t owner)
{
    if (owner == self) {
        transport_server_receive(frame);
    } else {
        forward(frame, owner);
        frame->release(frame);
    }
}

static void hand_over_held(void)
{
    struct frame *frame = held.frame;

    if (frame != NULL) {
        held.frame = NULL;
        hand_over(frame, held.owner);
    }
}

/*
 * A peer that takes in much acknowledges every second segment, and its acknowledgements come in
 * bunches. Each is held until the next frame of the batch is seen: if that acknowledges more, it
 * says all there is to say. Duplicates are never merged: TCP counts them.
 */
static void hold(struct frame *frame, node_id_t owner)
{
    if (held.frame != NULL && held.owner == owner && frame->flags == held.frame->flags &&
        steering_supersedes(frame->data, held.frame->data)) {
        held.frame->release(held.frame);
        counter_increment(COUNTER_NIC_RX_MERGED);
    } else {
        hand_over_held();
    }
    held.frame = frame;
    held.owner = owner;
}

static void deliver(struct frame *frame)
{
    enum frame_kind kind;
    node_id_t owner;

    if (UNLIKELY((frame->flags & FRAME_CHECKSUM_BAD) != 0)) {
        counter_increment(COUNTER_DROP_CHECKSUM);
        frame->release(frame);
        return;
    }
    if (UNLIKELY(frame->length_bytes < ETHERNET_HEADER_BYTES)) {
        counter_increment(COUNTER_DROP_TRUNCATED);
        frame->release(frame);
        return;
    }
    owner = steering_classify(configuration, frame->data, frame->length_bytes, &kind);
    if (kind == FRAME_BARE_ACK && (frame->flags & FRAME_L4_CHECKSUM_GOOD) != 0) {
        hold(frame, owner);
        return;
    }
    hand_over_held();
    if (kind == FRAME_SYN && frame->length_bytes <= SYN_FRAME_MAX_BYTES) {
        send_syn(frame, owner);
        frame->release(frame);
    } else {
        hand_over(frame, owner);
    }
}

/* --- Transmit --- */

int link_server_transmit(const struct frame_to_send *frame)
{
    return LIKELY(queue.is_started) ? ixgbe_transmit(&queue.tx, frame) : -ENODEV;
}

static void release_copy(void *context)
{
    struct copy_buffer *copy = context;

    copy->next = free_copies;
    free_copies = copy;
}

static struct copy_buffer *take_copy(void)
{
    struct copy_buffer *copy = free_copies;

    if (copy != NULL) {
        free_copies = copy->next;
    } else if (copy_count < COPY_BUFFER_MAX) {
        copy = memory_allocate(sizeof(*copy));
        copy_count += copy != NULL;
    }
    return copy;
}

#define INSERT_FLAGS                                                                               \
    (FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM)

static bool is_transmit_frame_valid(const struct transmit_frame *message, size_t frame_bytes)
{
    return frame_bytes >= ETHERNET_HEADER_BYTES && frame_bytes <= FRAME_MAX_BYTES &&
           (message->offload & ~INSERT_FLAGS) == 0 &&
           (message->offload == 0 ||
            (message->ip_header_offset >= ETHERNET_HEADER_BYTES &&
             message->ip_header_bytes >= IPV4_HEADER_MIN_BYTES &&
             (size_t)message->ip_header_offset + message->ip_header_bytes <= frame_bytes));
}

/* A TS on another node sends. There is nobody to wait for room: what finds none is lost, as on any
 * wire, and TCP sends it again. */
static void transmit_frame_arrived(node_id_t from, const struct message *raw)
{
    const struct transmit_frame *message = (const struct transmit_frame *)raw;
    size_t frame_bytes = message->header.length_bytes - sizeof(*message);
    struct frame_to_send frame;
    struct copy_buffer *copy;

    (void)from;
    if (!is_transmit_frame_valid(message, frame_bytes)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    copy = take_copy();
    if (copy == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return;
    }
    memcpy(copy->data, message->frame, frame_bytes);
    frame.fragments[0].data = copy->data;
    frame.fragments[0].length_bytes = (uint32_t)frame_bytes;
    frame.fragment_count = 1;
    frame.offload = message->offload;
    frame.ip_header_offset = message->ip_header_offset;
    frame.ip_header_bytes = message->ip_header_bytes;
    frame.length_bytes = (uint16_t)frame_bytes;
    frame.done = release_copy;
    frame.context = copy;
    if (link_server_transmit(&frame) != 0) {
        counter_increment(COUNTER_DROP_TX_FULL);
        release_copy(copy);
    }
}

/* --- This LS's turn in the event loop --- */

static void read_statistics(void)
{
    uint32_t missed = ixgbe_stats_queue_dropped(queue.registers, queue.index) + link_device_look();

    counter_add(COUNTER_NIC_RX_MISSED, missed);
    queue.next_statistics_ns = dispatch_now_ns() + STATISTICS_INTERVAL_NS;
}

static unsigned poll_queue(void *context)
{
    unsigned work = ixgbe_receive(&queue.rx, RECEIVE_BUDGET, deliver);

    (void)context;
    hand_over_held();
    return work + ixgbe_tx_reclaim(&queue.tx);
}

static void flush_queue(void *context)
{
    (void)context;
    ixgbe_tx_flush(&queue.tx);
    if (UNLIKELY(dispatch_now_ns() >= queue.next_statistics_ns)) {
        read_statistics();
    }
}

static void reclaim_timer_expired(struct timer *timer)
{
    (void)timer;
    (void)ixgbe_tx_reclaim(&queue.tx);
}

static void reclaim_while_asleep(void)
{
    if (ixgbe_tx_in_flight(&queue.tx) <= IN_FLIGHT_MAX_ASLEEP) {
        queue.reclaim_delay_ns = RECLAIM_DELAY_MIN_NS;
    } else if (!timer_is_set(&queue.reclaim_timer)) {
        if (timer_start(&queue.reclaim_timer, platform_now_ns() + queue.reclaim_delay_ns) != 0) {
            return; /* no memory for a timer: the next frame wakes us */
        }
        queue.reclaim_delay_ns *= 2;
        if (queue.reclaim_delay_ns > RECLAIM_DELAY_MAX_NS) {
            queue.reclaim_delay_ns = RECLAIM_DELAY_MAX_NS;
        }
    }
}

static bool prepare_sleep(void *context)
{
    uint64_t interrupts = interrupt_count(INTERRUPT_VECTOR_NIC);

    (void)context;
    link_device_before_sleep();
    /* Whoever flushes after us, or prepares to sleep before us, may have sent. */
    ixgbe_tx_flush(&queue.tx);
    reclaim_while_asleep();
    if (interrupts != queue.interrupts_seen) {
        counter_add(COUNTER_NIC_INTERRUPTS, interrupts - queue.interrupts_seen);
        queue.interrupts_seen = interrupts;
        queue.is_armed = false;
    }
    if (queue.is_armed) {
        /* Not taken since: a frame that comes now, or came while we were awake, has raised it. */
        return ixgbe_rx_is_pending(&queue.rx);
    }
    ixgbe_interrupt_clear(queue.registers, queue.index);
    if (ixgbe_rx_is_pending(&queue.rx)) {
        return true;
    }
    ixgbe_interrupt_unmask(queue.registers, queue.index);
    queue.is_armed = true;
    return false;
}

static struct dispatch_source source = {
    .poll = poll_queue,
    .flush = flush_queue,
    .prepare_sleep = prepare_sleep,
};

static int start_queue(void *registers, unsigned index)
{
    int result;

    queue.registers = registers;
    queue.index = index;
    queue.interrupts_seen = interrupt_count(INTERRUPT_VECTOR_NIC);
    queue.reclaim_delay_ns = RECLAIM_DELAY_MIN_NS;
    timer_initialise(&queue.reclaim_timer, reclaim_timer_expired);
    result = ixgbe_tx_start(&queue.tx, registers, index);
    if (result == 0) {
        result = ixgbe_rx_start(&queue.rx, registers, index);
    }
    if (result != 0) {
        log_error("ls", "queue %u cannot be started: error %d", index, -result);
    }
    return result;
}

static void use_queue(void)
{
    queue.is_started = true;
    dispatch_register_source(&source);
}

/* --- Start --- */

static void attach_queue_arrived(node_id_t from, const struct message *raw)
{
    const struct attach_queue *message = (const struct attach_queue *)raw;
    struct queue_attached answer = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(answer)},
        .queue_index = message->queue_index,
    };
    void *registers;

    if (from != configuration->ls[0] || message->queue_index >= configuration->ls_count ||
        configuration->ls[message->queue_index] != self || queue.is_started) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    registers = paging_map_device(message->registers_paddr, IXGBE_REGISTERS_BYTES);
    if (registers == NULL) {
        answer.error_number = ENOMEM;
    } else {
        answer.error_number = (uint32_t)-start_queue(registers, message->queue_index);
    }
    if (answer.error_number == 0) {
        use_queue();
    }
    message_post(from, &answer.header);
}

/* A thread, so that the node goes on while the NIC resets. */
static void start_device(void *argument)
{
    (void)argument;
    if (link_device_start(configuration, start_queue) == 0) {
        use_queue();
        link_device_announce();
    }
}

void link_server_start(const struct configuration *current)
{
    configuration = current;
    self = platform_node();
    dispatch_register_message(TRANSMIT_FRAME, sizeof(struct transmit_frame),
                              transmit_frame_arrived);
    if (current->ls[0] == self) {
        if (thread_run_handler("ls", start_device, NULL) != 0) {
            PANIC("no memory to start the link server");
        }
    } else {
        dispatch_register_message(ATTACH_QUEUE, sizeof(struct attach_queue), attach_queue_arrived);
    }
}
