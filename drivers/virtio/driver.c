/* SPDX-License-Identifier: MIT */
/*
 * Virtio network cards as drivers/nic/nic.h wants them: ports found on the PCI bus and beside it,
 * the card started with its interrupts, queues opened by a key that says where to notify it.
 */
#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/pci/port.h"
#include "drivers/vectors.h"
#include "drivers/virtio/card.h"
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
     VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS |            \
     VIRTIO_F_RING_RESET | VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_NET_F_ANNOUNCE)

/* A ring is as long as the device makes it, up to this. */
#define CONTROL_SIZE_MAX 64u
#define CONTROL_SIZE_MIN 4u /* a command takes three descriptors */

#define MTU_BYTES 1500u

_Static_assert(sizeof(struct virtio_place) <= NIC_PORT_DRIVER_BYTES, "a port remembers its device");

MEMORY_KIND(card_kind, "virtio_card");

/* The card that this node has started: it alone has registers that all queues share. What it is
 * described by lasts, for threads that wait for the card, and rings of it. */
static struct virtio_card *driven;
static bool is_driving;

/* Of a card that another node drives, and asked this one for a queue: its own, until it is dead. */
static unsigned starter = PAIR_NONE;

static struct virtio_card *card_of(const struct nic *nic)
{
    return CONTAINER_OF(nic, struct virtio_card, nic);
}

/* --- Ports --- */

static struct virtio_place place_of(const struct nic_port *port)
{
    struct virtio_place place;

    memcpy(&place, port->driver_data, sizeof(place));
    return place;
}

static void describe_slot(struct nic_port *port, const struct virtio_slot *slot)
{
    const struct virtio_place place = {.slot = slot};

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

static int map_registers(const struct virtio_place *place, struct virtio_device *device)
{
    return place->slot != NULL
               ? virtio_mmio_map(device, place->slot)
               : virtio_map_registers(device, &place->pci->device, place->pci->bars);
}

/* It may use memory, or not; what keeps one in a slot from it is its reset. */
static void let_use_memory(const struct virtio_place *place, bool may)
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
    const struct virtio_place place = place_of(port);
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

static void read_address(struct virtio_card *card)
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

/* By messages on PCI; in a slot one line for all. */
static void start_interrupts(struct virtio_card *card)
{
    const struct virtio_place *place = &card->place;
    struct pci_msix msix;

    if (place->slot != NULL) {
        if (virtio_line_start(&card->line, place->slot, INTERRUPT_VECTOR_NIC)) {
            card->nic.link_vector = INTERRUPT_VECTOR_NIC;
        }
    } else if (pci_msix_enable(&place->pci->device, place->pci->bars, &msix) == 0) {
        virtio_pairs_interrupts(card, &msix);
    } else {
        log_warning("virtio", "the card's MSI-X does not work: frames are found by looking");
    }
}

static int start_card(struct virtio_card *card, struct nic_grouping grouping)
{
    const uint64_t several_pairs = VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS;
    uint64_t wanted;
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
    wanted = features_wanted(&card->device);
    if (card->place.slot != NULL) {
        wanted &= ~several_pairs; /* all queues would share one line, to one core */
    }
    result = virtio_negotiate(&card->device, wanted);
    if (result == 0) {
        result = virtio_pairs_describe(card);
    }
    if (result != 0) {
        return result;
    }
    virtio_rss_describe(card, grouping);
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

/* One that was used before keeps what devices do not give back. */
static struct virtio_card *renew_card(const node_id_t *nodes, unsigned node_count)
{
    struct virtio_card *card = driven;

    if (card == NULL) {
        card = memory_allocate_zeroed(&card_kind, sizeof(*card));
        driven = card;
    }
    if (card == NULL) {
        return NULL;
    }
    card->nic = (struct nic){.operations = &operations};
    card->is_broken = false;
    card->node_count = node_count;
    card->own_index = 0;
    for (unsigned i = 0; i < node_count; i++) {
        card->nodes[i] = nodes[i];
        card->own_index = nodes[i] == platform_node() ? i : card->own_index;
    }
    ASSERT(nodes[card->own_index] == platform_node());
    return card;
}

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    struct virtio_card *card = renew_card(nodes, node_count);
    unsigned queue_count;
    int result;

    if (card == NULL) {
        return -ENOMEM;
    }
    ASSERT(!is_driving);
    card->place = place_of(port);
    result = start_card(card, grouping);
    if (result != 0) {
        let_use_memory(&card->place, false);
        return result;
    }
    queue_count = card->pair_count < node_count ? card->pair_count : node_count;
    if (queue_count <= card->own_index) {
        queue_count = card->own_index + 1;
    }
    card->nic.queue_count = (uint16_t)queue_count;
    card->nic.can_segment_tcp = virtio_has(&card->device, VIRTIO_NET_F_HOST_TSO4);
    log_info("virtio", "features 0x%llx, rings of %u and %u, %u queue %s%s",
             (unsigned long long)card->device.features, card->pairs[0].rx_place.size,
             card->pairs[0].tx_place.size, card->pair_count,
             card->pair_count == 1 ? "pair" : "pairs",
             card->rss.is_possible ? ", steered by RSS" : "");
    iommu_watch_faults();
    is_driving = true;
    *nic = &card->nic;
    return 0;
}

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    const struct virtio_card *card = card_of(nic);
    unsigned number = virtio_pair_of(card, index);
    const struct virtio_pair *pair = &card->pairs[number == PAIR_NONE ? 0 : number];
    struct virtio_key known = {
        .bar_paddr = card->device.notify_bar_paddr,
        .bar_bytes = card->device.notify_bar_bytes,
        .features = card->device.features,
        .rx_offset = pair->rx_place.notify_offset,
        .tx_offset = pair->tx_place.notify_offset,
        .rx_size = number == PAIR_NONE ? 0 : pair->rx_place.size,
        .tx_size = number == PAIR_NONE ? 0 : pair->tx_place.size,
        .pair = number == PAIR_NONE ? 0 : number,
        .starter = card->own_index,
        .has_interrupt = pair->entry != VECTOR_NONE || card->line.registers != NULL,
        .pair_count = card->pair_offset_bytes == 0 ? 1 : card->pair_count,
        .pair_offset_bytes = card->pair_offset_bytes,
    };

    virtio_key_write(key, &known);
}

/* The control queue, where there is one: without it the card works, too. Opened before the device
 * runs, and used afterwards. */
static void open_control(struct virtio_card *card)
{
    struct virtio_queue_place place;

    if (!virtio_has(&card->device, VIRTIO_NET_F_CTRL_VQ)) {
        return;
    }
    if (virtio_queue_describe(&card->device, CONTROL_QUEUE(card->pair_count_max), CONTROL_SIZE_MAX,
                              &place) == 0 &&
        place.size >= CONTROL_SIZE_MIN &&
        virtio_control_open(&card->control, place.size, virtio_notifier_of(card, &place)) == 0) {
        place.size = card->control.ring.size;
        if (virtio_queue_start(&card->device, &place,
                               platform_bus_addr(card->control.ring.descriptors),
                               VECTOR_NONE) == 0) {
            return;
        }
        virtio_control_close(&card->control);
    }
    log_warning("virtio", "the card takes no commands");
}

static bool can_filter(const struct virtio_card *card)
{
    return virtio_has(&card->device, VIRTIO_NET_F_CTRL_RX) && card->control.is_open;
}

static int set_mode(struct virtio_card *card, unsigned mode, bool is_on)
{
    const uint8_t value = is_on;

    return virtio_command(&card->control, COMMAND_RECEIVE_MODE, mode, &value, sizeof(value));
}

/* What comes in: frames to this card and to all, until groups are wanted. Who refuses lets in more,
 * and that does no harm. */
static void set_receive_mode(struct virtio_card *card)
{
    if (can_filter(card)) {
        (void)set_mode(card, RECEIVE_MODE_PROMISCUOUS, false);
        (void)set_mode(card, RECEIVE_MODE_ALL_MULTICAST, false);
    }
}

/* As a table, where one command holds it; else, or if that is refused, all groups' come. */
static void set_groups(struct nic *nic, const uint8_t (*macs)[6], unsigned count)
{
    struct virtio_card *card = card_of(nic);
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
    struct virtio_card *card = card_of(nic);
    int result;

    ASSERT(card->pairs[virtio_pair_of(card, card->own_index)].is_given);
    result = virtio_pairs_start(card);
    if (result != 0) {
        return result;
    }
    open_control(card);
    result = virtio_run(&card->device);
    if (result == 0) {
        card->is_running = true;
        virtio_queue_run();
        virtio_pairs_notify(card); /* they have buffers */
        set_receive_mode(card);
        virtio_rss_start(card);
    }
    return result;
}

void virtio_card_switch_off(struct virtio_card *card)
{
    card->is_running = false;
    virtio_control_close(&card->control);
    if (virtio_queue_is_open()) {
        virtio_queue_pause();
    }
    (void)virtio_reset(&card->device); /* logged; and on PCI it masters the bus no more */
    let_use_memory(&card->place, false);
}

static void stop(struct nic *nic)
{
    virtio_card_switch_off(card_of(nic));
    is_driving = false;
}

static struct nic_link check_link(struct nic *nic)
{
    return virtio_link_check(card_of(nic));
}

static void note_announced(struct nic *nic)
{
    virtio_link_note_announced(card_of(nic));
}

static int steer_table(struct nic *nic, const uint8_t *queues, unsigned others)
{
    return virtio_rss_steer(card_of(nic), queues, others);
}

static void drop_table(struct nic *nic)
{
    virtio_rss_drop(card_of(nic));
}

static int give_queue(struct nic *nic, unsigned index, const struct nic_queue_report *report)
{
    struct virtio_card *card = card_of(nic);
    unsigned pair = virtio_pair_of(card, index);
    struct virtio_queue_rings rings;

    if (pair == PAIR_NONE || index == card->own_index ||
        !virtio_report_read(report, card->nodes[index], card->pairs[pair].rx_place.size,
                            card->pairs[pair].tx_place.size, &rings)) {
        return -EINVAL;
    }
    return virtio_pair_give(card, pair, &rings);
}

static const struct nic_operations operations = {
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .check_link = check_link,
    .note_announced = note_announced,
    .set_groups = set_groups,
    .steer_table = steer_table,
    .drop_table = drop_table,
    .give_queue = give_queue,
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

static bool is_key_possible(const struct nic_queue_key *key, struct virtio_key *known)
{
    if (read_key(key, known)) {
        return true;
    }
    log_error("virtio", "refused to open queue %u of a card at %#llx: none is known there",
              key->queue_index, (unsigned long long)known->bar_paddr);
    return false;
}

static int prepare_queue(const struct nic_queue_key *key, struct nic_queue **queue,
                         struct nic_queue_report *report)
{
    struct virtio_queue_rings rings;
    struct virtio_key known;
    int result;

    if (is_driving || !is_key_possible(key, &known) || known.starter == key->queue_index) {
        return -EINVAL;
    }
    starter = known.starter;
    if (known.rx_size == 0) {
        log_info("virtio", "no queue here: the card has none for this node");
        return -ENOTSUP;
    }
    result = virtio_queue_open(&known, (struct virtio_line){0}, queue, &rings);
    if (result == 0) {
        virtio_report_write(report, &rings);
    }
    return result;
}

/* That of the node that drives the card. */
static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    struct virtio_pair *pair;
    struct virtio_key known;
    int result;

    if (!is_driving || !is_key_possible(key, &known) || key->queue_index != driven->own_index ||
        known.rx_size == 0) {
        return -EINVAL;
    }
    pair = &driven->pairs[virtio_pair_of(driven, driven->own_index)];
    result = virtio_queue_open(&known, driven->line, queue, &pair->rings);
    pair->is_given = result == 0;
    return result;
}

static void quieten(void)
{
    pci_stop_prepared(ids, ARRAY_COUNT(ids));
    virtio_mmio_reset_all();
}

int virtio_stop_other(unsigned index)
{
    unsigned pair;

    if (!is_driving && index != starter) {
        return 0; /* who drives the card sees to it */
    }
    if (!is_driving) {
        starter = PAIR_NONE;
        quieten(); /* nobody reaches its registers: others start it anew */
        virtio_queue_pause();
        return -ENODEV;
    }
    if (index >= driven->nic.queue_count || index == driven->own_index) {
        return -EINVAL;
    }
    pair = virtio_pair_of(driven, index);
    return pair == PAIR_NONE ? 0 : virtio_pair_take_back(driven, pair);
}

/* With RSS; without it forwarding by fewer groups does as well. */
static bool folds_ports(void)
{
    const struct pci_card *cards;
    unsigned count = pci_prepared(&cards);

    for (unsigned i = 0; i < count; i++) {
        if (cards[i].device.id.vendor != VIRTIO_VENDOR) {
            return false;
        }
    }
    return count > 0;
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
    .prepare_queue = prepare_queue,
    .quieten = quieten,
    .folds_ports = folds_ports,
};
NIC_DRIVER(virtio_driver);
