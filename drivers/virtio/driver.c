/* SPDX-License-Identifier: MIT */
/*
 * Virtio network cards as drivers/nic/nic.h wants them: ports found on the PCI bus and beside it,
 * the card started with its interrupts, queues opened by a key that says where to notify the
 * device.
 */
#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/pci/port.h"
#include "drivers/vectors.h"
#include "drivers/virtio/virtio.h"
#include "kernel/component.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/format.h"
#include "libc/core/memory.h"

static const struct pci_id ids[] = {
    {VIRTIO_VENDOR, VIRTIO_DEVICE_NETWORK},
    {VIRTIO_VENDOR, VIRTIO_DEVICE_NETWORK_LEGACY},
};

/* Whatever of this a device offers is used. */
#define FEATURES_WANTED                                                                            \
    (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MAC |       \
     VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM |        \
     VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_MRG_RXBUF |                   \
     VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_SPEED_DUPLEX)

/* A ring is as long as the device makes it, up to this. */
#define CONTROL_SIZE_MAX 64u
#define CONTROL_SIZE_MIN 4u /* a command takes three descriptors */

#define MTU_BYTES     1500u
#define SPEED_UNKNOWN UINT32_MAX

/* Where a device is: one of both. */
struct place {
    const struct pci_card *pci; /* first: as drivers/pci/port.h fills in a port */
    const struct virtio_slot *slot;
};

_Static_assert(sizeof(struct place) <= NIC_PORT_DRIVER_BYTES, "a port remembers its device");

struct card {
    struct nic nic;
    struct virtio_device device;
    struct virtio_queue_place rx_place, tx_place;
    struct virtio_queue_rings rings;
    struct virtio_control control;
    void *notify_registers;
    unsigned queue_entry; /* of MSI-X, or VECTOR_NONE */
    uint8_t queue_vector; /* of the queue's interrupt; 0: none */
    /* The link server's queue is the one of its number; this is the only one that can be opened. */
    unsigned own_index;
    bool is_broken; /* and that has been said */
    struct place place;
    struct virtio_line line; /* in a slot */
};

MEMORY_KIND(card_kind, "virtio_card");

/* The card that this node has started: it alone has registers that all queues share. */
static struct card *driven;

static struct card *card_of(const struct nic *nic)
{
    return CONTAINER_OF(nic, struct card, nic);
}

/* --- Ports --- */

static struct place place_of(const struct nic_port *port)
{
    struct place place;

    memcpy(&place, port->driver_data, sizeof(place));
    return place;
}

static void describe_slot(struct nic_port *port, const struct virtio_slot *slot)
{
    const struct place place = {.slot = slot};

    *port = (struct nic_port){0};
    memcpy(port->driver_data, &place, sizeof(place));
    (void)format_text(port->name, sizeof(port->name), "mmio@%llx", (unsigned long long)slot->paddr);
    (void)format_text(port->model, sizeof(port->model), "virtio-mmio");
}

/* Those on PCI first. */
static unsigned find(struct nic_port *ports, unsigned port_max)
{
    const struct virtio_slot *slots[NIC_PORT_MAX];
    unsigned count = pci_list_ports(ids, ARRAY_COUNT(ids), ports, port_max);
    unsigned slot_count = virtio_mmio_find(slots, NIC_PORT_MAX);

    for (unsigned i = 0; i < slot_count && i < NIC_PORT_MAX && count + i < port_max; i++) {
        describe_slot(&ports[count + i], slots[i]);
    }
    return count + slot_count;
}

/* --- Where the device is: PCI, or a slot --- */

static int map_registers(const struct place *place, struct virtio_device *device)
{
    return place->slot != NULL
               ? virtio_mmio_map(device, place->slot)
               : virtio_map_registers(device, &place->pci->device, place->pci->bars);
}

/* It may use memory, or not; what keeps one in a slot from it is its reset. */
static void let_use_memory(const struct place *place, bool may)
{
    if (place->pci != NULL && may) {
        pci_start(&place->pci->device);
    } else if (place->pci != NULL) {
        pci_stop(&place->pci->device);
    }
}

static bool is_station(const uint8_t mac[6])
{
    static const uint8_t none[6] = {0};

    return (mac[0] & 1) == 0 && memcmp(mac, none, sizeof(none)) != 0;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    const struct place place = place_of(port);
    struct virtio_device device;
    int result = map_registers(&place, &device);

    if (result == 0) {
        if ((virtio_read_offered(&device) & VIRTIO_NET_F_MAC) != 0) {
            virtio_config_read_mac(&device, mac);
        } else {
            memset(mac, 0, 6);
        }
        result = is_station(mac) ? 0 : -ENODEV;
    }
    return result;
}

/* --- The card as a whole --- */

/* A card without an address of its own gets one by chance, administered locally (IEEE 802, 8.2). */
static void make_mac(uint8_t mac[6])
{
    uint64_t chance = platform_random();

    memcpy(mac, &chance, 6);
    mac[0] = (uint8_t)((mac[0] & ~3u) | 2u);
}

static void read_address(struct card *card)
{
    uint8_t mac[6] = {0};

    if (virtio_has(&card->device, VIRTIO_NET_F_MAC)) {
        virtio_config_read_mac(&card->device, mac);
    }
    if (!is_station(mac)) {
        log_info("virtio", "the card has no address: it gets a local one");
        make_mac(mac);
    }
    memcpy(card->nic.mac, mac, sizeof(mac));
}

/* A network that takes no full frames is not agreed to: some then pass, and the log says why others
 * do not. */
static uint64_t features_wanted(struct virtio_device *device)
{
    if ((virtio_read_offered(device) & VIRTIO_NET_F_MTU) != 0) {
        unsigned mtu_bytes = virtio_config_read16(device, CONFIG_MTU);

        if (mtu_bytes < MTU_BYTES) {
            log_warning("virtio", "the network takes packets of %u bytes only, not of %u",
                        mtu_bytes, MTU_BYTES);
            return FEATURES_WANTED & ~VIRTIO_NET_F_MTU;
        }
    }
    return FEATURES_WANTED;
}

static int check_size(const struct virtio_queue_place *place, unsigned size_min)
{
    if (place->size < size_min) {
        log_error("virtio", "queue %u has a ring of %u only", place->index, place->size);
        return -ENODEV;
    }
    return 0;
}

static int describe_queues(struct card *card)
{
    int result =
        virtio_queue_describe(&card->device, RX_QUEUE(0), VIRTIO_RING_SIZE_MAX, &card->rx_place);

    if (result == 0) {
        result = virtio_queue_describe(&card->device, TX_QUEUE(0), VIRTIO_RING_SIZE_MAX,
                                       &card->tx_place);
    }
    if (result == 0) {
        result = check_size(&card->rx_place, VIRTIO_RING_SIZE_MIN);
    }
    return result == 0 ? check_size(&card->tx_place, VIRTIO_RING_SIZE_MIN) : result;
}

static void start_messages(struct card *card, const struct pci_msix *msix)
{
    unsigned other = msix->entry_count > 1 ? 1 : 0;

    card->queue_entry = 0;
    card->queue_vector = INTERRUPT_VECTOR_NIC;
    pci_msix_set_entry(msix, 0, interrupt_apic_id(platform_node()), INTERRUPT_VECTOR_NIC);
    if (other != 0) {
        pci_msix_set_entry(msix, other, interrupt_apic_id(platform_node()),
                           INTERRUPT_VECTOR_NIC_OTHER);
    }
    if (virtio_set_config_vector(&card->device, other)) {
        card->nic.link_vector = other != 0 ? INTERRUPT_VECTOR_NIC_OTHER : INTERRUPT_VECTOR_NIC;
    }
}

/* By messages on PCI; in a slot one line for all. */
static void start_interrupts(struct card *card)
{
    const struct place *place = &card->place;
    struct pci_msix msix;

    card->queue_entry = VECTOR_NONE;
    if (place->slot != NULL) {
        if (virtio_line_start(&card->line, place->slot, INTERRUPT_VECTOR_NIC)) {
            card->queue_vector = INTERRUPT_VECTOR_NIC;
            card->nic.link_vector = INTERRUPT_VECTOR_NIC;
        }
    } else if (pci_msix_enable(&place->pci->device, place->pci->bars, &msix) == 0) {
        start_messages(card, &msix);
    } else {
        log_warning("virtio", "the card's MSI-X does not work: frames are found by looking");
    }
}

static int start_card(struct card *card)
{
    int result;

    /* A node that has died may have left it with rings in memory. */
    let_use_memory(&card->place, false);
    result = map_registers(&card->place, &card->device);
    if (result != 0) {
        return result;
    }
    result = virtio_reset(&card->device);
    if (result != 0) {
        return result;
    }
    let_use_memory(&card->place, true);
    result = virtio_negotiate(&card->device, features_wanted(&card->device));
    if (result == 0) {
        result = describe_queues(card);
    }
    if (result != 0) {
        return result;
    }
    start_interrupts(card);
    card->notify_registers = paging_map_device(
        card->device.notify_bar_paddr + card->device.notify_offset, card->device.notify_bytes);
    if (card->notify_registers == NULL) {
        return -ENOMEM;
    }
    read_address(card);
    return 0;
}

static const struct nic_operations operations;

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    struct card *card = memory_allocate_zeroed(&card_kind, sizeof(*card));
    int result;

    (void)grouping; /* of one queue */
    if (card == NULL) {
        return -ENOMEM;
    }
    ASSERT(driven == NULL);
    while (card->own_index < node_count && nodes[card->own_index] != platform_node()) {
        card->own_index++;
    }
    ASSERT(card->own_index < node_count);
    card->place = place_of(port);
    result = start_card(card);
    if (result != 0) {
        let_use_memory(&card->place, false);
        memory_release(&card_kind, card);
        return result;
    }
    card->nic.operations = &operations;
    card->nic.queue_count = (uint16_t)(card->own_index + 1);
    card->nic.can_segment_tcp = virtio_has(&card->device, VIRTIO_NET_F_HOST_TSO4);
    log_info("virtio", "features 0x%llx, rings of %u and %u",
             (unsigned long long)card->device.features, card->rx_place.size, card->tx_place.size);
    iommu_watch_faults();
    driven = card;
    *nic = &card->nic;
    return 0;
}

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    const struct card *card = card_of(nic);
    struct virtio_key known = {
        .bar_paddr = card->device.notify_bar_paddr,
        .bar_bytes = card->device.notify_bar_bytes,
        .features = card->device.features,
        .rx_offset = card->rx_place.notify_offset,
        .tx_offset = card->tx_place.notify_offset,
        .rx_size = card->rx_place.size,
        .tx_size = card->tx_place.size,
        .has_interrupt = card->queue_vector != 0,
    };

    ASSERT(index <= card->own_index);
    virtio_key_write(key, &known);
}

static struct virtio_notifier notifier_of(const struct card *card,
                                          const struct virtio_queue_place *place)
{
    return (struct virtio_notifier){
        .address =
            (uint8_t *)card->notify_registers + (place->notify_offset - card->device.notify_offset),
        .queue_index = place->index,
        .is_wide = card->device.transport->notifies_by_32_bits,
    };
}

/* The control queue, where there is one: without it the card works, too. Opened before the device
 * runs, and used afterwards. */
static void open_control(struct card *card)
{
    struct virtio_queue_place place;

    if (!virtio_has(&card->device, VIRTIO_NET_F_CTRL_VQ)) {
        return;
    }
    if (virtio_queue_describe(&card->device, CONTROL_QUEUE(1), CONTROL_SIZE_MAX, &place) != 0 ||
        check_size(&place, CONTROL_SIZE_MIN) != 0 ||
        virtio_control_open(&card->control, place.size, notifier_of(card, &place)) != 0 ||
        virtio_queue_start(&card->device, &place, platform_bus_addr(card->control.ring.descriptors),
                           VECTOR_NONE) != 0) {
        card->control.ring.size = 0;
        log_warning("virtio", "the card takes no commands");
    }
}

static bool can_filter(const struct card *card)
{
    return virtio_has(&card->device, VIRTIO_NET_F_CTRL_RX) && card->control.ring.size != 0;
}

static int set_mode(struct card *card, unsigned mode, bool is_on)
{
    const uint8_t value = is_on;

    return virtio_command(&card->control, COMMAND_RECEIVE_MODE, mode, &value, sizeof(value));
}

/* What comes in: frames to this card and to all, until groups are wanted. Who refuses lets in more,
 * and that does no harm. */
static void set_receive_mode(struct card *card)
{
    if (can_filter(card)) {
        (void)set_mode(card, RECEIVE_MODE_PROMISCUOUS, false);
        (void)set_mode(card, RECEIVE_MODE_ALL_MULTICAST, false);
    }
}

/* As a table, where one command holds it; else, or if that is refused, all groups' come. */
static void set_groups(struct nic *nic, const uint8_t (*macs)[6], unsigned count)
{
    struct card *card = card_of(nic);
    struct virtio_mac_table table = {.group_count = count};
    bool is_in_table = false;

    if (!can_filter(card)) {
        return;
    }
    if (count <= VIRTIO_MAC_TABLE_GROUPS) {
        memcpy(table.groups, macs, count * sizeof(table.groups[0]));
        is_in_table = virtio_command(&card->control, COMMAND_MAC, MAC_TABLE_SET, &table,
                                     offsetof(struct virtio_mac_table, groups) +
                                         count * sizeof(table.groups[0])) == 0;
    }
    (void)set_mode(card, RECEIVE_MODE_ALL_MULTICAST, !is_in_table);
}

static int enable_receive(struct nic *nic)
{
    struct card *card = card_of(nic);
    struct virtio_notifier notifier = notifier_of(card, &card->rx_place);
    int result;

    ASSERT(card->rings.rx_bus_addr != 0);
    result = virtio_queue_start(&card->device, &card->rx_place, card->rings.rx_bus_addr,
                                card->queue_entry);
    if (result == 0) {
        result = virtio_queue_start(&card->device, &card->tx_place, card->rings.tx_bus_addr,
                                    card->queue_entry);
    }
    if (result != 0) {
        return result;
    }
    open_control(card);
    result = virtio_run(&card->device);
    if (result == 0) {
        virtio_notify(&notifier); /* it has buffers */
        set_receive_mode(card);
    }
    return result;
}

static void stop(struct nic *nic)
{
    struct card *card = card_of(nic);

    (void)virtio_reset(&card->device); /* logged; and on PCI it masters the bus no more */
    let_use_memory(&card->place, false);
    driven = NULL;
    memory_release(&card_kind, card);
}

/* Whether the device works; the first time that it does not, it is logged. */
static bool is_working(struct card *card)
{
    if (!card->is_broken && virtio_is_broken(&card->device)) {
        card->is_broken = true;
        counter_increment(COUNTER_NIC_QUEUES_STOPPED);
        log_error("virtio", "the card has given up: it moves no more frames");
    }
    return !card->is_broken;
}

static struct nic_link check_link(struct nic *nic)
{
    struct card *card = card_of(nic);
    struct nic_link link = {.is_up = is_working(card)};

    if (virtio_has(&card->device, VIRTIO_NET_F_STATUS)) {
        link.is_up &= (virtio_config_read16(&card->device, CONFIG_STATUS) & LINK_UP) != 0;
    }
    if (link.is_up && virtio_has(&card->device, VIRTIO_NET_F_SPEED_DUPLEX)) {
        uint32_t megabits = virtio_config_read32(&card->device, CONFIG_SPEED);

        link.megabits = megabits == SPEED_UNKNOWN ? 0 : megabits;
    }
    return link;
}

static const struct nic_operations operations = {
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .check_link = check_link,
    .set_groups = set_groups,
};

_Static_assert(sizeof(struct virtio_mac_table) <= COMMAND_DATA_MAX, "one command holds it");

/* --- A queue --- */

/* By another node's word, of which the registers are some that boot has found. */
static bool read_key(const struct nic_queue_key *key, struct virtio_key *known)
{
    if (!virtio_key_read(key, FEATURES_WANTED, known)) {
        return false;
    }
    known->notifies_by_32_bits =
        virtio_mmio_is_notified_at(known->bar_paddr, known->bar_bytes, known->rx_offset) &&
        known->tx_offset == known->rx_offset;
    return known->notifies_by_32_bits ||
           pci_card_at(ids, ARRAY_COUNT(ids), known->bar_paddr, known->bar_bytes) != NULL;
}

static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    struct virtio_key known;

    if (!read_key(key, &known) || (driven != NULL && key->queue_index != driven->own_index)) {
        log_error("virtio", "refused to open queue %u of a card at %#llx: none is known there",
                  key->queue_index, (unsigned long long)known.bar_paddr);
        return -EINVAL;
    }
    if (driven == NULL) {
        log_info("virtio", "no queue here: the card's only one is on the node that drives it");
        return -ENOTSUP;
    }
    return virtio_queue_open(&known, 0, driven->line, queue, &driven->rings);
}

static void quieten(void)
{
    pci_stop_prepared(ids, ARRAY_COUNT(ids));
    virtio_mmio_reset_all();
}

static void prepare_cards(void)
{
    pci_prepare(ids, ARRAY_COUNT(ids));
}

static const struct component virtio_component = {.steps = {[BOOT_DEVICES] = prepare_cards}};
COMPONENT(virtio_component);

static const struct nic_driver virtio_driver = {
    .name = "virtio-net",
    .cards = "virtio network card on the PCI bus or by virtio-mmio",
    .find = find,
    .read_mac = read_mac,
    .start = start,
    .open_queue = open_queue,
    .quieten = quieten,
};
NIC_DRIVER(virtio_driver);
