/* SPDX-License-Identifier: MIT */
/*
 * The 82599 as drivers/nic/nic.h wants a card: ports found on the PCI bus, the card started with
 * its interrupts, queues opened by the address of the registers and their number.
 */
#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/ixgbe/ixgbe.h"
#include "drivers/ixgbe/regs.h"
#include "drivers/pci/port.h"
#include "drivers/vectors.h"
#include "kernel/component.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/memory.h"

/* The words of a queue's key: all but the first are for when its card's node dies. */
#define KEY_REGISTERS_PADDR 0
#define KEY_CARD            1 /* device ID, and above its 16 bits the number of queues */
#define KEY_MAC             2 /* first byte lowest */

struct card {
    struct nic nic;
    struct ixgbe device;
    bool is_adopted;
    const struct pci_card *pci;
    unsigned starter; /* the queue of the node that started it; of one that was not adopted */
};

struct queue {
    struct nic_queue queue;
    void *registers;
    unsigned index;
    unsigned queue_count; /* of the card */
    struct ixgbe_rx rx;
    struct ixgbe_tx tx;
    struct queue *adopted; /* once there has been one: its receive half alone is used */
};

_Static_assert(NIC_QUEUE_MAX == IXGBE_QUEUE_MAX, "what may be asked for can be started");

MEMORY_KIND(card_kind, "ixgbe_card");

static struct card *card_of(const struct nic *nic)
{
    return CONTAINER_OF(nic, struct card, nic);
}

static inline struct queue *queue_of(const struct nic_queue *queue)
{
    return CONTAINER_OF(queue, struct queue, queue);
}

/* --- Ports --- */

static unsigned find(struct nic_port *ports, unsigned port_max)
{
    return pci_list_ports(ixgbe_ids, ixgbe_id_count, ports, port_max);
}

static int map_registers(const struct pci_card *pci, void **registers)
{
    if (pci->bars[0].bytes < IXGBE_REGISTERS_BYTES) {
        log_error("ixgbe", "the NIC's BAR 0 is missing or too small");
        return -ENODEV;
    }
    *registers = paging_map_device(pci->bars[0].paddr, IXGBE_REGISTERS_BYTES);
    return *registers == NULL ? -ENOMEM : 0;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    void *registers;
    int result = map_registers(pci_card_of(port), &registers);

    return result != 0 ? result : ixgbe_read_mac(registers, mac);
}

/* --- The card as a whole --- */

static void start_interrupts(struct card *card, const struct pci_msix *msix, const node_id_t *nodes)
{
    unsigned other = ixgbe_other_vector(card->device.queue_count, msix->entry_count);

    ASSERT(card->device.queue_count <= msix->entry_count);
    for (unsigned i = 0; i < card->device.queue_count; i++) {
        pci_msix_set_entry(msix, i, interrupt_apic_id(nodes[i]), INTERRUPT_VECTOR_NIC);
    }
    card->nic.link_vector = INTERRUPT_VECTOR_NIC;
    if (other != 0) {
        card->nic.link_vector = INTERRUPT_VECTOR_NIC_OTHER;
        pci_msix_set_entry(msix, other, interrupt_apic_id(platform_node()),
                           INTERRUPT_VECTOR_NIC_OTHER);
    }
    ixgbe_interrupts_start(&card->device, other);
}

static int start_card(struct card *card, const node_id_t *nodes, unsigned node_count,
                      struct nic_grouping grouping)
{
    unsigned queue_count = node_count;
    struct pci_msix msix;
    void *registers;
    int result = map_registers(card->pci, &registers);

    if (result != 0) {
        return result;
    }
    pci_start(&card->pci->device);
    result = pci_msix_enable(&card->pci->device, card->pci->bars, &msix);
    if (result != 0) {
        log_error("ixgbe", "the NIC's MSI-X does not work: error %d", -result);
        return result;
    }
    if (queue_count > msix.entry_count) {
        log_warning("ixgbe", "the NIC has interrupts for %u queues only, not for %u",
                    msix.entry_count, queue_count);
        queue_count = msix.entry_count;
    }
    result =
        ixgbe_start(&card->device, registers, card->pci->device.id.device, queue_count, grouping);
    if (result != 0) {
        return result;
    }
    start_interrupts(card, &msix, nodes);
    return 0;
}

static const struct nic_operations operations;

/* What others may know of a card whose device is set up. */
static void describe_card(struct card *card)
{
    card->nic.operations = &operations;
    memcpy(card->nic.mac, card->device.mac, sizeof(card->nic.mac));
    card->nic.queue_count = card->device.queue_count;
    card->nic.group_count = (uint16_t)ixgbe_fdir_group_count(&card->device);
    card->nic.can_segment_tcp = true;
}

/* It is another node's word: nothing but such a card's registers is mapped on it. NULL when it
 * names none. */
static const struct pci_card *card_of_key(const struct nic_queue_key *key)
{
    const struct pci_card *pci = pci_card_at(
        ixgbe_ids, ixgbe_id_count, key->words[KEY_REGISTERS_PADDR], IXGBE_REGISTERS_BYTES);

    return pci != NULL && pci->bars[0].paddr == key->words[KEY_REGISTERS_PADDR] &&
                   key->queue_index < IXGBE_QUEUE_MAX
               ? pci
               : NULL;
}

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    struct card *card = memory_allocate_zeroed(&card_kind, sizeof(*card));
    int result;

    if (card == NULL) {
        return -ENOMEM;
    }
    card->pci = pci_card_of(port);
    result = start_card(card, nodes, node_count, grouping);
    if (result != 0) {
        pci_stop(&card->pci->device);
        memory_release(&card_kind, card);
        return result;
    }
    ASSERT(card->device.queue_count >= 1 && card->device.queue_count <= node_count);
    while (card->starter < node_count && nodes[card->starter] != platform_node()) {
        card->starter++;
    }
    describe_card(card);
    iommu_watch_faults();
    *nic = &card->nic;
    return 0;
}

static int adopt(const struct nic_queue_key *key, struct nic_grouping grouping, struct nic **nic)
{
    unsigned queue_count = key->words[KEY_CARD] >> 16 & 0xFFFF;
    const struct pci_card *pci = card_of_key(key);
    struct card *card;

    if (pci == NULL || queue_count > IXGBE_QUEUE_MAX || key->queue_index >= queue_count) {
        return -EINVAL;
    }
    card = memory_allocate_zeroed(&card_kind, sizeof(*card));
    if (card == NULL) {
        return -ENOMEM;
    }
    card->pci = pci;
    card->device.device_id = (uint16_t)key->words[KEY_CARD];
    card->device.queue_count = (uint16_t)queue_count;
    memcpy(card->device.mac, &key->words[KEY_MAC], sizeof(card->device.mac));
    card->device.registers = paging_map_device(pci->bars[0].paddr, IXGBE_REGISTERS_BYTES);
    if (card->device.registers == NULL) {
        memory_release(&card_kind, card);
        return -ENOMEM;
    }
    card->device.grouping = grouping;
    card->is_adopted = true;
    /* The ring for SYNs was the dead node's. */
    ixgbe_syn_direct(&card->device, false);
    ixgbe_fdir_prepare(&card->device);
    describe_card(card);
    iommu_watch_faults();
    *nic = &card->nic;
    return 0;
}

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    ASSERT(key->queue_index == index); /* which is all that tells the queues' keys apart */
    key->words[KEY_REGISTERS_PADDR] = card_of(nic)->pci->bars[0].paddr;
    key->words[KEY_CARD] = card_of(nic)->device.device_id | (uint64_t)nic->queue_count << 16;
    memcpy(&key->words[KEY_MAC], nic->mac, sizeof(nic->mac));
}

static int enable_receive(struct nic *nic)
{
    return ixgbe_enable_receive(&card_of(nic)->device);
}

static void stop(struct nic *nic)
{
    struct card *card = card_of(nic);

    pci_stop(&card->pci->device);
    memory_release(&card_kind, card);
}

static struct nic_link check_link(struct nic *nic)
{
    struct ixgbe *device = &card_of(nic)->device;
    struct ixgbe_link link;

    ixgbe_interrupt_clear_link(device); /* first: a change after the look interrupts again */
    link = ixgbe_link_read(device);
    return (struct nic_link){.is_up = link.is_up, .megabits = link.megabits};
}

static uint32_t take_missed(struct nic *nic)
{
    return ixgbe_stats_take_missed(&card_of(nic)->device);
}

static void spread(struct nic *nic, const uint8_t *queues, unsigned count)
{
    ixgbe_rss_spread(&card_of(nic)->device, queues, count);
    ixgbe_arp_steer(&card_of(nic)->device, queues[0]);
}

static int steer(struct nic *nic, unsigned queue, const uint16_t *groups, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int result = ixgbe_fdir_steer(&card_of(nic)->device, groups[i], queue);

        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static int open_syn_queue(struct nic *nic, struct nic_queue **queue);

static void direct_syns(struct nic *nic, bool is_directed)
{
    ixgbe_syn_direct(&card_of(nic)->device, is_directed);
}

static void set_groups(struct nic *nic, const uint8_t (*macs)[6], unsigned count)
{
    ixgbe_set_groups(&card_of(nic)->device, macs, count);
}

static const struct nic_operations operations = {
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .check_link = check_link,
    .take_missed = take_missed,
    .spread = spread,
    .steer = steer,
    .open_syn_queue = open_syn_queue,
    .direct_syns = direct_syns,
    .set_groups = set_groups,
};

/* --- A queue --- */

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    return ixgbe_receive(&queue_of(queue)->rx, frames, frame_max);
}

static bool is_pending(const struct nic_queue *queue)
{
    return ixgbe_rx_is_pending(&queue_of(queue)->rx);
}

static bool arm(struct nic_queue *queue)
{
    struct queue *own = queue_of(queue);

    ixgbe_interrupt_clear(own->registers, own->index);
    if (ixgbe_rx_is_pending(&own->rx)) {
        return false;
    }
    ixgbe_interrupt_unmask(own->registers, own->index);
    return true;
}

static bool is_idle(const struct nic_queue *queue)
{
    return ixgbe_rx_is_idle(&queue_of(queue)->rx) && ixgbe_tx_is_idle(&queue_of(queue)->tx);
}

static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    return ixgbe_transmit(&queue_of(queue)->tx, frame);
}

static void flush(struct nic_queue *queue)
{
    ixgbe_tx_flush(&queue_of(queue)->tx);
}

static unsigned reclaim(struct nic_queue *queue)
{
    return ixgbe_tx_reclaim(&queue_of(queue)->tx);
}

static unsigned in_flight(const struct nic_queue *queue)
{
    return ixgbe_tx_in_flight(&queue_of(queue)->tx);
}

static uint32_t take_dropped(struct nic_queue *queue)
{
    return ixgbe_stats_take_dropped(queue_of(queue)->registers, queue_of(queue)->index);
}

static struct nic_buffers count_buffers(const struct nic_queue *queue)
{
    const struct ixgbe_rx *rx = &queue_of(queue)->rx;

    return nic_pool_count(&rx->pool, rx->filled - rx->next);
}

/* Which rings are in that node's memory the card itself knows: its own, that for SYNs, and one that
 * it had adopted; its own no longer, if somebody has adopted that by now. */
static int stop_other(struct nic_queue *queue, unsigned index, node_id_t node)
{
    struct queue *own = queue_of(queue);
    int result = 0;

    if (index >= own->queue_count || index == own->index) {
        return -EINVAL;
    }
    for (unsigned i = 0; i <= own->queue_count && i < IXGBE_QUEUE_MAX; i++) {
        unsigned halves = i == index ? IXGBE_TX_HALF : 0;

        if (i != own->index &&
            iommu_is_memory_of(node, ixgbe_rx_ring_bus_addr(own->registers, i))) {
            halves |= IXGBE_RX_HALF;
        }
        /* What is still sent to that of SYNs is dropped until the card is adopted. */
        if (halves != 0) {
            int error = ixgbe_queue_stop(own->registers, i, halves);

            result = result != 0 ? result : error;
        }
    }
    return result;
}

static const struct nic_queue_operations adopted_queue_operations;

static int adopt_other(struct nic_queue *queue, unsigned index, struct nic_queue **adopted)
{
    struct queue *own = queue_of(queue);
    int result;

    if (index >= own->queue_count || index == own->index) {
        return -EINVAL;
    }
    if (own->adopted == NULL) {
        own->adopted = memory_allocate_zeroed(&card_kind, sizeof(*own->adopted));
    }
    if (own->adopted == NULL) {
        return -ENOMEM;
    }
    own->adopted->index = index;
    own->adopted->registers = own->registers;
    own->adopted->queue.operations = &adopted_queue_operations;
    result = ixgbe_rx_start(&own->adopted->rx, own->registers, index, ixgbe_rx_size_adopted);
    if (result == 0) {
        *adopted = &own->adopted->queue;
    }
    return result;
}

static int leave(struct nic_queue *adopted)
{
    return ixgbe_queue_stop(queue_of(adopted)->registers, queue_of(adopted)->index, IXGBE_RX_HALF);
}

static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .is_idle = is_idle,
    .arm = arm,
    .transmit = transmit,
    .flush = flush,
    .reclaim = reclaim,
    .in_flight = in_flight,
    .take_dropped = take_dropped,
    .count_buffers = count_buffers,
    .stop_other = stop_other,
    .adopt_other = adopt_other,
};

static const struct nic_queue_operations adopted_queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .leave = leave,
};

/* What a queue needs of its card, and the stop of another one: the pages with the masks of
 * interrupts, which no other page has, and with all queues' rings. Returns where the first register
 * of the card would be, or NULL. */
static void *map_queue_registers(paddr_t paddr, unsigned queue_end)
{
    unsigned last = queue_end < IXGBE_QUEUE_MAX ? queue_end : IXGBE_QUEUE_MAX - 1;
    const uint32_t offsets[] = {IXGBE_RXQ(0), IXGBE_RXQ(last), IXGBE_TXQ(0), IXGBE_TXQ(last)};
    void *registers = paging_map_device(paddr, PAGE_BYTES);

    for (unsigned i = 0; i < ARRAY_COUNT(offsets) && registers != NULL; i++) {
        if (paging_map_device(paddr + ALIGN_DOWN(offsets[i], PAGE_BYTES), PAGE_BYTES) == NULL) {
            registers = NULL;
        }
    }
    return registers;
}

/* One that fails keeps what it has allocated: the device may know of it. */
static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    struct queue *own;
    int result;

    if (card_of_key(key) == NULL) {
        log_error("ixgbe", "refused to open queue %u of a card at %#lx: no 82599 is known there",
                  key->queue_index, key->words[KEY_REGISTERS_PADDR]);
        return -EINVAL;
    }
    if (interrupt_apic_id(platform_node()) > INTERRUPT_DEVICE_APIC_ID_MAX) {
        log_warning("ixgbe", "no queue here: MSI-X does not reach APIC id %u",
                    interrupt_apic_id(platform_node()));
        return -ENOTSUP;
    }
    own = memory_allocate_zeroed(&card_kind, sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    own->index = key->queue_index;
    own->queue_count = key->words[KEY_CARD] >> 16 & 0xFFFF;
    own->registers =
        map_queue_registers(key->words[KEY_REGISTERS_PADDR],
                            own->index < own->queue_count ? own->queue_count : own->index);
    if (own->registers == NULL) {
        memory_release(&card_kind, own);
        return -ENOMEM;
    }
    own->queue.operations = &queue_operations;
    own->queue.interrupt_vector = INTERRUPT_VECTOR_NIC;
    own->queue.can_segment_tcp = true;
    result = ixgbe_tx_start(&own->tx, own->registers, own->index);
    if (result == 0) {
        result = ixgbe_rx_start(&own->rx, own->registers, own->index, ixgbe_rx_size_usual);
    }
    if (result == 0) {
        *queue = &own->queue;
    }
    return result;
}

static const struct nic_queue_operations syn_queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .take_dropped = take_dropped,
    .count_buffers = count_buffers,
};

static int open_syn_queue(struct nic *nic, struct nic_queue **queue)
{
    struct ixgbe *device = &card_of(nic)->device;
    struct queue *own;
    int result;

    if (card_of(nic)->is_adopted || card_of(nic)->starter != 0 || !ixgbe_has_syn_queue(device)) {
        return -ENOTSUP; /* its interrupt is the first queue's; or all queues are in use */
    }
    own = memory_allocate_zeroed(&card_kind, sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    own->index = ixgbe_syn_queue(device);
    own->registers = device->registers;
    own->queue.operations = &syn_queue_operations;
    result = ixgbe_rx_start(&own->rx, own->registers, own->index, ixgbe_rx_size_syns);
    if (result == 0) {
        ixgbe_syn_interrupt_start(device);
        *queue = &own->queue;
    }
    return result;
}

static void prepare_cards(void)
{
    pci_prepare(ixgbe_ids, ixgbe_id_count);
}

static const struct component ixgbe_component = {.steps = {[BOOT_DEVICES] = prepare_cards}};
COMPONENT(ixgbe_component);

static const struct nic_driver ixgbe_driver = {
    .name = "82599",
    .cards = "Intel 82599 on the PCI bus",
    .find = find,
    .read_mac = read_mac,
    .start = start,
    .open_queue = open_queue,
    .adopt = adopt,
};
NIC_DRIVER(ixgbe_driver);
