/* SPDX-License-Identifier: MIT */
/*
 * The NIC as a whole. Queues are steered to one by one, as their link servers report that they
 * have started them; frames that come elsewhere until then are forwarded in software.
 */
#include "net/link/device.h"

#include <errno.h>
#include <string.h>

#include "drivers/ixgbe/ixgbe.h"
#include "drivers/pci/pci.h"
#include "drivers/vectors.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/format.h"
#include "net/configuration.h"
#include "net/link/port.h"
#include "net/messages.h"
#include "net/status_text.h"
#include "net/steering.h"

_Static_assert(STEERING_GROUP_COUNT == IXGBE_FDIR_GROUP_COUNT, "a filter for each group");

/* Chosen: some ten microseconds. */
#define STEERED_WITHOUT_YIELD 16

static const struct configuration *configuration;

static struct {
    bool is_started;
    struct ixgbe nic;
    struct pci_bar bars[PCI_BAR_COUNT];
    struct ixgbe_link link;
    uint8_t link_vector;
    uint64_t link_interrupts_seen;
    bool is_attached[NODE_MAX]; /* by queue */
} device;

/* --- The link --- */

static void show_link(void)
{
    const uint8_t *mac = device.nic.mac;
    char text[STATUS_TEXT_BYTES];
    int length;

    if (device.link.is_up) {
        log_info("ls", "link is up, %u Mbit/s", device.link.megabits);
        length = format_text(text, sizeof(text), "up, %u Mbit/s", device.link.megabits);
    } else {
        log_warning("ls", "link is down");
        length = format_text(text, sizeof(text), "down");
    }
    (void)format_text(text + length, sizeof(text) - (size_t)length,
                      ", MAC %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                      mac[5]);
    status_set_text(STATUS_TEXT_LINK, text);
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
    show_link();
    tell_transport_servers();
}

/* --- Steering --- */

/* Let the NIC use this queue in its share of what no filter matches. */
static void spread_to_queue(unsigned index)
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
}

/* And for the groups whose owner its LS serves. Frames of groups without a filter are forwarded in
 * software until then. A thread lets others run now and then: these are milliseconds. */
static void steer_to_queue(unsigned index)
{
    for (unsigned group = 0; group < STEERING_GROUP_COUNT && device.nic.queue_count > 1; group++) {
        if (steering_ls(configuration, group) != configuration->ls[index]) {
            continue;
        }
        if (ixgbe_fdir_steer(&device.nic, group, index) != 0) {
            log_warning("ls", "the NIC does not steer to queue %u: forwarding in software", index);
            return;
        }
        if (group % STEERED_WITHOUT_YIELD == 0 && thread_self() != NULL) {
            thread_yield();
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
        spread_to_queue(index); /* otherwise its LS has said why */
        steer_to_queue(index);
    }
}

static void attach_other_queues(void)
{
    struct attach_queue message = {
        .header = {.type = ATTACH_QUEUE, .length_bytes = sizeof(message)},
        .registers_paddr = device.bars[0].paddr,
    };

    for (unsigned i = 1; i < device.nic.queue_count; i++) {
        message.queue_index = (uint16_t)i;
        message_post(configuration->ls[i], &message.header);
    }
}

/* --- Bringing the NIC up --- */

static void start_interrupts(const struct pci_msix *msix)
{
    unsigned other = ixgbe_other_vector(device.nic.queue_count, msix->entry_count);

    for (unsigned i = 0; i < device.nic.queue_count; i++) {
        pci_msix_set_entry(msix, i, interrupt_apic_id(configuration->ls[i]), INTERRUPT_VECTOR_NIC);
    }
    device.link_vector = INTERRUPT_VECTOR_NIC;
    if (other != 0) {
        device.link_vector = INTERRUPT_VECTOR_NIC_OTHER;
        pci_msix_set_entry(msix, other, interrupt_apic_id(platform_node()),
                           INTERRUPT_VECTOR_NIC_OTHER);
    }
    ixgbe_interrupts_start(&device.nic, other);
}

/* Everything up to the point where frames come in. Whatever fails has logged why. */
static int start_nic(const struct pci_device *pci,
                     int (*start_own_queue)(void *registers, unsigned index))
{
    unsigned queue_count = configuration->ls_count;
    struct pci_msix msix;
    void *registers;
    int result = link_port_map(pci, device.bars, &registers);

    if (result != 0) {
        return result;
    }
    result = pci_msix_enable(pci, device.bars, &msix);
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
    result = start_own_queue(registers, 0);
    if (result != 0) {
        return result;
    }
    spread_to_queue(0);
    return ixgbe_enable_receive(&device.nic);
}

static void log_device(const struct pci_device *pci)
{
    const uint8_t *mac = device.nic.mac;

    log_info("ls",
             "82599 (%04x:%04x) at %04x:%02x:%02x.%u, MAC %02x:%02x:%02x:%02x:%02x:%02x, %u %s",
             pci->id.vendor, pci->id.device, pci->address.segment, pci->address.bus,
             pci->address.device, pci->address.function, mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5], device.nic.queue_count, device.nic.queue_count == 1 ? "queue" : "queues");
}

int link_device_start(const struct configuration *current,
                      int (*start_own_queue)(void *registers, unsigned index))
{
    struct pci_device pci;
    int result;

    configuration = current;
    dispatch_register_message(QUEUE_ATTACHED, sizeof(struct queue_attached),
                              queue_attached_arrived);
    result = link_port_find(&pci);
    if (result != 0) {
        return result;
    }
    result = start_nic(&pci, start_own_queue);
    if (result != 0) {
        pci_disable(&pci);
        log_error("ls", "the 82599 at %04x:%02x:%02x.%u does not start: going on without a network",
                  pci.address.segment, pci.address.bus, pci.address.device, pci.address.function);
        return result;
    }
    device.is_started = true;
    device.link = ixgbe_link_read(&device.nic);
    log_device(&pci);
    show_link();
    return 0;
}

void link_device_announce(void)
{
    attach_other_queues();
    tell_transport_servers();
    steer_to_queue(0);
}

/* --- While it runs --- */

void link_device_before_sleep(void)
{
    uint64_t interrupts;

    if (!device.is_started) {
        return;
    }
    interrupts = interrupt_count(device.link_vector);
    if (interrupts != device.link_interrupts_seen) {
        device.link_interrupts_seen = interrupts;
        check_link();
    }
}

uint32_t link_device_look(void)
{
    if (!device.is_started) {
        return 0;
    }
    check_link(); /* its interrupt is taken only in sleep, and a busy node does not sleep */
    return ixgbe_stats_missed(&device.nic);
}
