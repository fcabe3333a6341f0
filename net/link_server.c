/* SPDX-License-Identifier: MIT */
/*
 * The link server. Its own queue pair is all it touches, but for the first one, which also brings
 * up the NIC, steers flows to the queues as their link servers report, and watches the link.
 *
 * The NIC's interrupt only wakes the node: it masks itself when it is sent, and is unmasked before
 * sleep, when frames have been taken since.
 */
#include "net/link_server.h"

#include <errno.h>
#include <string.h>

#include "drivers/ixgbe/ixgbe.h"
#include "kernel/dispatch.h"
#include "kernel/frame.h"
#include "kernel/interrupt.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/paging.h"
#include "kernel/pci.h"
#include "kernel/platform.h"
#include "kernel/status.h"
#include "kernel/timer.h"
#include "net/configuration.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/steering.h"
#include "net/transport_server.h"

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

_Static_assert(STEERING_GROUP_COUNT == IXGBE_FDIR_GROUP_COUNT, "a filter for each group");

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

static struct copy_buffer *free_copies;
static unsigned copy_count;

/* The NIC as a whole: only on the first LS. */
static struct {
    bool is_started;
    struct ixgbe nic;
    struct pci_bar bar;
    struct ixgbe_link link;
    enum interrupt_vector link_vector;
    uint64_t link_interrupts_seen;
    bool is_attached[NODE_MAX]; /* by queue */
} device;

static bool is_first(void)
{
    return configuration->ls[0] == self;
}

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

static void deliver(struct frame *frame)
{
    bool is_syn;
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
    owner = steering_classify(configuration, frame->data, frame->length_bytes, &is_syn);
    if (is_syn && frame->length_bytes <= SYN_FRAME_MAX_BYTES) {
        send_syn(frame, owner);
        frame->release(frame);
    } else if (owner == self) {
        transport_server_receive(frame);
    } else {
        forward(frame, owner);
        frame->release(frame);
    }
}

/* --- Transmit --- */

int link_server_transmit(const struct frame_to_send *frame)
{
    return LIKELY(queue.is_started) ? ixgbe_transmit(&queue.tx, frame) : -ENODEV;
}

unsigned link_server_transmit_room(void)
{
    return queue.is_started ? ixgbe_tx_room(&queue.tx) : 0;
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

static bool is_transmit_frame_valid(const struct transmit_frame *message, size_t frame_bytes)
{
    return frame_bytes >= ETHERNET_HEADER_BYTES && frame_bytes <= FRAME_MAX_BYTES &&
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

/* --- The link, on the first LS --- */

static void log_link(void)
{
    if (device.link.is_up) {
        log_info("ls", "link is up, %u Mbit/s", device.link.megabits);
    } else {
        log_warning("ls", "link is down");
    }
}

static void tell_transport_servers(void)
{
    struct nic_ready message = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(message)},
        .queue_count = device.nic.queue_count,
        .is_link_up = device.link.is_up,
    };

    memcpy(message.mac, device.nic.mac, sizeof(message.mac));
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        message_post(configuration->ts[i], &message.header);
    }
}

static void check_link(void)
{
    struct ixgbe_link link;

    ixgbe_interrupt_clear_link(&device.nic); /* first: a change after the look interrupts again */
    link = ixgbe_link_read(&device.nic);
    if (link.is_up == device.link.is_up && link.megabits == device.link.megabits) {
        return;
    }
    device.link = link;
    log_link();
    tell_transport_servers();
}

/* --- This LS's turn in the event loop --- */

static void read_statistics(void)
{
    uint32_t missed = ixgbe_stats_queue_dropped(queue.registers, queue.index);

    if (device.is_started) {
        missed += ixgbe_stats_missed(&device.nic);
        check_link(); /* its interrupt is seen only in sleep, and a busy node does not sleep */
    }
    counter_add(COUNTER_NIC_RX_MISSED, missed);
    queue.next_statistics_ns = dispatch_now_ns() + STATISTICS_INTERVAL_NS;
}

static unsigned poll_queue(void *context)
{
    (void)context;
    return ixgbe_receive(&queue.rx, RECEIVE_BUDGET, deliver) + ixgbe_tx_reclaim(&queue.tx);
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
    /* A source that flushes after us may have sent; and another's prepare_sleep. */
    ixgbe_tx_flush(&queue.tx);
    reclaim_while_asleep();
    if (device.is_started) {
        uint64_t link_interrupts = interrupt_count((uint8_t)device.link_vector);

        if (link_interrupts != device.link_interrupts_seen) {
            device.link_interrupts_seen = link_interrupts;
            check_link();
        }
    }
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

/* --- Queues of the other LSs --- */

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

/* Let the NIC use this queue: for the groups whose owner its LS serves, and in its share of what no
 * filter matches. Frames of groups without a filter are forwarded in software until then. */
static void steer_to_queue(unsigned index)
{
    uint8_t attached[NODE_MAX];
    unsigned attached_count = 0;

    device.is_attached[index] = true;
    if (device.nic.queue_count == 1) {
        return;
    }
    for (unsigned i = 0; i < device.nic.queue_count; i++) {
        if (device.is_attached[i]) {
            attached[attached_count++] = (uint8_t)i;
        }
    }
    ixgbe_rss_spread(&device.nic, attached, attached_count);
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        if (steering_ls(configuration, group) == configuration->ls[index] &&
            ixgbe_fdir_steer(&device.nic, group, index) != 0) {
            log_warning("ls", "the NIC does not steer to queue %u: forwarding in software", index);
            return;
        }
    }
}

static void queue_attached_arrived(node_id_t from, const struct message *raw)
{
    const struct queue_attached *message = (const struct queue_attached *)raw;
    unsigned index = message->queue_index;

    if (!device.is_started || index >= device.nic.queue_count || configuration->ls[index] != from) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (message->error_number == 0) {
        steer_to_queue(index); /* otherwise its LS has said why */
    }
}

static void attach_other_queues(void)
{
    struct attach_queue message = {
        .header = {.type = ATTACH_QUEUE, .length_bytes = sizeof(message)},
        .registers_paddr = device.bar.paddr,
    };

    for (unsigned i = 1; i < device.nic.queue_count; i++) {
        message.queue_index = (uint16_t)i;
        message_post(configuration->ls[i], &message.header);
    }
}

/* --- Bringing the NIC up, on the first LS --- */

static void start_interrupts(const struct pci_msix *msix)
{
    unsigned other = ixgbe_other_vector(device.nic.queue_count, msix->entry_count);

    for (unsigned i = 0; i < device.nic.queue_count; i++) {
        pci_msix_set_entry(msix, i, interrupt_apic_id(configuration->ls[i]), INTERRUPT_VECTOR_NIC);
    }
    device.link_vector = INTERRUPT_VECTOR_NIC;
    if (other != 0) {
        device.link_vector = INTERRUPT_VECTOR_NIC_OTHER;
        pci_msix_set_entry(msix, other, interrupt_apic_id(self), INTERRUPT_VECTOR_NIC_OTHER);
    }
    ixgbe_interrupts_start(&device.nic, other);
}

/* Everything up to the point where frames come in. Whatever fails has logged why. */
static int start_nic(const struct pci_device *pci)
{
    unsigned queue_count = configuration->ls_count;
    struct pci_msix msix;
    void *registers;
    int result = pci_read_bar(pci, 0, &device.bar);

    if (result != 0 || device.bar.bytes < IXGBE_REGISTERS_BYTES) {
        log_error("ls", "the NIC's BAR 0 has no address, or is too small");
        return -ENODEV;
    }
    pci_enable(pci);
    registers = paging_map_device(device.bar.paddr, IXGBE_REGISTERS_BYTES);
    if (registers == NULL) {
        return -ENOMEM;
    }
    result = pci_msix_enable(pci, &msix);
    if (result != 0) {
        log_error("ls", "the NIC's MSI-X does not work: error %d", -result);
        return result;
    }
    if (queue_count > msix.entry_count) {
        log_warning("ls", "the NIC has interrupts for %u queues only, not for %u", msix.entry_count,
                    queue_count);
        queue_count = msix.entry_count;
    }
    result = ixgbe_start(&device.nic, registers, pci->id.device, queue_count);
    if (result != 0) {
        return result;
    }
    start_interrupts(&msix);
    result = start_queue(registers, 0);
    if (result != 0) {
        return result;
    }
    steer_to_queue(0);
    return ixgbe_enable_receive(&device.nic);
}

static void bring_up(void)
{
    const uint8_t *mac = device.nic.mac;
    struct pci_device pci;

    if (pci_find(ixgbe_ids, ixgbe_id_count, 0, &pci) != 0) {
        log_warning("ls", "no Intel 82599 on the PCI bus: going on without a network");
        return;
    }
    if (start_nic(&pci) != 0) {
        pci_disable(&pci);
        log_error("ls", "the 82599 at %04x:%02x:%02x.%u does not start: going on without a network",
                  pci.address.segment, pci.address.bus, pci.address.device, pci.address.function);
        return;
    }
    use_queue();
    device.is_started = true;
    device.link = ixgbe_link_read(&device.nic);
    log_info("ls",
             "82599 (8086:%04x) at %04x:%02x:%02x.%u, MAC %02x:%02x:%02x:%02x:%02x:%02x, %u %s",
             pci.id.device, pci.address.segment, pci.address.bus, pci.address.device,
             pci.address.function, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
             device.nic.queue_count, device.nic.queue_count == 1 ? "queue" : "queues");
    log_link();
    attach_other_queues();
    tell_transport_servers();
}

void link_server_start(const struct configuration *current)
{
    configuration = current;
    self = platform_node();
    dispatch_register_message(TRANSMIT_FRAME, sizeof(struct transmit_frame),
                              transmit_frame_arrived);
    if (is_first()) {
        dispatch_register_message(QUEUE_ATTACHED, sizeof(struct queue_attached),
                                  queue_attached_arrived);
        bring_up();
    } else {
        dispatch_register_message(ATTACH_QUEUE, sizeof(struct attach_queue), attach_queue_arrived);
    }
}
