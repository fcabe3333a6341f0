/* SPDX-License-Identifier: MIT */
/*
 * The NIC as a whole. Queues are steered to one by one, as their link servers report that they
 * have opened them; frames that come elsewhere until then are forwarded in software. A dead node's
 * queue is taken out, and its groups go where steering_ls() says from then on.
 */
#include "net/link/device.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/format.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/link/groups.h"
#include "net/link/port.h"
#include "net/link/syns.h"
#include "net/link/takeover.h"
#include "net/messages.h"
#include "net/status_text.h"
#include "net/steering.h"

/* Groups of flows that are steered at once. Chosen: some ten microseconds of an 82599. */
#define STEERED_WITHOUT_YIELD 16

static const struct configuration *configuration;

/* More than any queue. */
#define QUEUE_UNKNOWN UINT8_MAX

static struct {
    struct nic *nic;   /* NULL until it is started, or taken over */
    bool is_announced; /* others know of it */
    struct nic_link link;
    uint64_t link_interrupts_seen;
    struct node_set attached; /* queues from which their LS takes frames */
    struct node_set missing;  /* queues that their LS could not open, or whose LS is dead */
    struct node_set put_off;  /* queues whose LS is asked when it is taken over no more */
    /* As the NIC steers now: the queue of each group. */
    uint8_t group_queues[STEERING_GROUP_COUNT];
    bool is_steering;
    bool is_steering_due; /* again */
    bool is_setting_groups;
    bool is_groups_due; /* they have changed since the NIC was told */
} device;

_Static_assert(NIC_QUEUE_MAX < QUEUE_UNKNOWN && NIC_QUEUE_MAX <= NODE_SET_LIMIT,
               "numbers of queues, and sets of them");

/* --- The link --- */

static void show_link(void)
{
    char text[STATUS_TEXT_BYTES];
    char mac[LINK_MAC_TEXT_BYTES];
    int length;

    if (device.link.is_up && device.link.megabits != 0) {
        log_info("ls", "link is up, %u Mbit/s", device.link.megabits);
        length = format_text(text, sizeof(text), "up, %u Mbit/s", device.link.megabits);
    } else if (device.link.is_up) {
        log_info("ls", "link is up");
        length = format_text(text, sizeof(text), "up");
    } else {
        log_warning("ls", "link is down");
        length = format_text(text, sizeof(text), "down");
    }
    link_print_mac(mac, device.nic->mac);
    (void)format_text(text + length, sizeof(text) - (size_t)length, ", MAC %s", mac);
    status_set_text(STATUS_TEXT_LINK, text);
}

static struct node_set usable_queues(void)
{
    struct node_set queues = {{0}};

    for (unsigned i = 0; i < device.nic->queue_count; i++) {
        if (!node_set_has(&device.missing, i)) {
            node_set_add(&queues, i);
        }
    }
    return queues;
}

static void tell_transport_server(node_id_t ts)
{
    struct nic_ready *message = message_reserve_posted(ts, NIC_READY, sizeof(*message));

    memcpy(message->mac, device.nic->mac, sizeof(message->mac));
    message->queues = usable_queues();
    message->is_link_up = device.link.is_up;
    message->can_segment_tcp = device.nic->can_segment_tcp;
    message_publish();
}

static void tell_transport_servers(void)
{
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        tell_transport_server(configuration->ts[i]);
    }
}

static void check_link(void)
{
    struct nic_link link = nic_check_link(device.nic);

    ASSERT(link.is_up || link.megabits == 0);
    if (link.is_up == device.link.is_up && link.megabits == device.link.megabits) {
        return;
    }
    device.link = link;
    show_link();
    tell_transport_servers();
}

/* --- Steering --- */

/* A peer's port is the source of what comes in. */
static struct nic_grouping grouping(void)
{
    struct steering_bits bits = steering_bits(configuration);

    return (struct nic_grouping){.source_port_bits = bits.remote_port,
                                 .destination_port_bits = bits.local_port};
}

/* Let the NIC use the attached queues, and no others, for what belongs to no steered group. Nor
 * that of one that is about to go. */
static void spread(void)
{
    uint8_t attached[NIC_QUEUE_MAX];
    unsigned attached_count = 0;

    NODE_SET_EACH(&device.attached, queue)
    {
        if (!node_set_has(&configuration->draining, configuration->ls[queue])) {
            attached[attached_count++] = (uint8_t)queue;
        }
    }
    if (device.nic->queue_count > 1 && attached_count != 0) {
        nic_spread(device.nic, attached, attached_count);
    }
}

/* Fills in, by the node of its LS, the queue to which frames can be steered, or QUEUE_UNKNOWN. */
static void list_queues(uint8_t queues[NODE_MAX])
{
    memset(queues, QUEUE_UNKNOWN, NODE_MAX);
    NODE_SET_EACH(&device.attached, queue)
    {
        queues[configuration->ls[queue]] = (uint8_t)queue;
    }
}

static void steer_each_group(void)
{
    uint8_t queues[NODE_MAX];
    unsigned steered_count = 0;

    list_queues(queues);
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        node_id_t ls = steering_ls(configuration, group);
        uint8_t queue = queues[ls];

        if (queue == QUEUE_UNKNOWN) {
            /* One beyond the TSs has no queue, or not yet: then the owner's own LS takes in all. */
            ls = configuration_own_ls(configuration, steering_owner(configuration, group));
            queue = queues[ls];
        }
        if (queue == QUEUE_UNKNOWN || device.group_queues[group] == queue) {
            continue;
        }
        if (nic_steer(device.nic, queue, &(uint16_t){(uint16_t)group}, 1) != 0) {
            log_warning("ls", "the NIC does not steer to queue %u: forwarding in software", queue);
            queues[ls] = QUEUE_UNKNOWN;
            continue;
        }
        device.group_queues[group] = queue;
        if (++steered_count % STEERED_WITHOUT_YIELD == 0 && thread_self() != NULL) {
            thread_yield();
        }
    }
}

/* When no more queues are to come, until one is lost. */
static void log_steering(void)
{
    const struct steering_bits bits = steering_bits(configuration);
    unsigned queue_count = 0;

    for (unsigned i = 0; i < device.nic->queue_count; i++) {
        queue_count += node_set_has(&device.attached, i);
        if (!node_set_has(&device.attached, i) && !node_set_has(&device.missing, i)) {
            return;
        }
    }
    log_info("ls", "the NIC steers to %u %s, by %u bits of the peer's port and %u of ours",
             queue_count, queue_count == 1 ? "queue" : "queues", bits.remote_port, bits.local_port);
}

static void ask_for_queue(unsigned index)
{
    struct nic_queue_key key;
    struct attach_queue *message;

    nic_make_queue_key(device.nic, index, &key);
    message = message_reserve_posted(configuration->ls[index], ATTACH_QUEUE, sizeof(*message));
    memcpy(message->key, &key, sizeof(message->key));
    message_publish();
}

/* All is steered to queues whose LS lives: what still came to a dead one's has been taken so far.
 */
static void end_takeover(void)
{
    link_takeover_end();
    NODE_SET_EACH(&device.put_off, queue)
    {
        if (!link_takeover_has(queue)) {
            node_set_remove(&device.put_off, queue);
            ask_for_queue(queue);
        }
    }
}

/* To each attached queue the groups whose owner its LS serves, if the NIC tells groups apart as we
 * do. Frames of other groups are forwarded in software. Asked again while it works, it begins again
 * when it is through: so many queues that come one after the other cost few passes. */
static void steer_all(void *argument)
{
    (void)argument;
    if (device.nic->group_count != STEERING_GROUP_COUNT) {
        end_takeover();
        return;
    }
    device.is_steering_due = true;
    if (device.is_steering) {
        return;
    }
    device.is_steering = true;
    while (device.is_steering_due) {
        device.is_steering_due = false;
        steer_each_group();
    }
    device.is_steering = false;
    end_takeover();
    log_steering();
}

/* In a thread, which lets others run now and then: these are milliseconds. */
static void steer_in_thread(void)
{
    if (thread_run_handler("steering", steer_all, NULL) != 0) {
        steer_all(NULL);
    }
}

/* --- Groups --- */

_Static_assert(NIC_GROUP_MAX >= LINK_GROUP_MAX, "the NIC may be told of all");

static void set_groups(void *argument)
{
    static uint8_t macs[LINK_GROUP_MAX][6]; /* one thread at a time uses it */

    (void)argument;
    while (device.is_groups_due) {
        device.is_groups_due = false;
        nic_set_groups(device.nic, (const uint8_t(*)[6])macs, link_groups_list(macs));
    }
    device.is_setting_groups = false;
}

/* In a thread, as the NIC may take its time over a command. */
static void set_groups_if_due(void)
{
    if (device.nic == NULL || !device.is_announced || !device.is_groups_due ||
        device.is_setting_groups) {
        return;
    }
    device.is_setting_groups = true;
    if (thread_run_handler("groups", set_groups, NULL) != 0) {
        device.is_setting_groups = false; /* no memory for one: later */
    }
}

void link_device_note_groups(void)
{
    device.is_groups_due = true;
    set_groups_if_due();
}

static void handle_queue_attached(node_id_t from, const struct message *raw)
{
    const struct queue_attached *message = (const struct queue_attached *)raw;
    unsigned index = message->queue_index;

    if (device.nic == NULL || index >= device.nic->queue_count ||
        configuration->ls[index] != from) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    bool is_attached = message->error_number == 0; /* else its LS has said why */

    node_set_put(&device.attached, index, is_attached);
    if (node_set_has(&device.missing, index) == is_attached) {
        node_set_put(&device.missing, index, !is_attached);
        tell_transport_servers();
    }
    if (is_attached) {
        spread();
        steer_in_thread();
    }
}

static void attach_other_queues(void)
{
    for (unsigned i = 0; i < device.nic->queue_count; i++) {
        if (!node_set_has(&device.missing, i) && configuration->ls[i] != platform_node()) {
            ask_for_queue(i);
        }
    }
}

static void note_missing_queues(void)
{
    for (unsigned i = 0; i < device.nic->queue_count; i++) {
        if (configuration_is_dead(configuration, configuration->ls[i])) {
            node_set_remove(&device.attached, i);
            node_set_remove(&device.put_off, i);
            node_set_add(&device.missing, i);
        }
    }
}

static void announce(void)
{
    device.is_announced = true;
    attach_other_queues();
    tell_transport_servers();
    link_device_note_groups();
}

/* --- Bringing the NIC up --- */

static unsigned own_index(void)
{
    unsigned index = 0;

    while (configuration->ls[index] != platform_node()) {
        index++;
        ASSERT(index < configuration->ls_count);
    }
    return index;
}

/* Up to the point where frames come in. Whatever fails has logged why. */
static int open_nic(struct nic *nic, int (*open_own_queue)(const struct nic_queue_key *key))
{
    struct nic_queue_key key;
    unsigned own = own_index();
    int result;

    if (own >= nic->queue_count) {
        log_error("ls", "the NIC has no queue for the node that drives it");
        return -ENOSPC;
    }
    nic_make_queue_key(nic, own, &key);
    result = open_own_queue(&key);
    if (result != 0) {
        return result;
    }
    node_set_add(&device.attached, own);
    spread();
    result = nic_enable_receive(nic);
    if (result == 0) {
        link_syns_open(nic);
    }
    return result;
}

static int start_nic(const struct nic_port *port,
                     int (*open_own_queue)(const struct nic_queue_key *key))
{
    unsigned most =
        configuration->ls_count < NIC_QUEUE_MAX ? configuration->ls_count : NIC_QUEUE_MAX;
    int result;

    ASSERT(device.nic == NULL);
    memset(device.group_queues, QUEUE_UNKNOWN, sizeof(device.group_queues));
    result = nic_start(port, configuration->ls, most, grouping(), &device.nic);
    if (result != 0) {
        return result;
    }
    result = open_nic(device.nic, open_own_queue);
    if (result != 0) {
        nic_stop(device.nic);
        device.nic = NULL;
    }
    return result;
}

static void log_device(const struct nic_port *port)
{
    char mac[LINK_MAC_TEXT_BYTES];

    link_print_mac(mac, device.nic->mac);
    log_info("ls", "%s (%s) at %s, MAC %s, %u %s", port->driver->name, port->model, port->name, mac,
             device.nic->queue_count, device.nic->queue_count == 1 ? "queue" : "queues");
    /* It costs a message a frame, and somebody will ask why. */
    if (device.nic->queue_count > 1 && device.nic->group_count != STEERING_GROUP_COUNT) {
        log_warning("ls", "it tells %u groups of flows apart, not %u: forwarding in software",
                    device.nic->group_count, STEERING_GROUP_COUNT);
    }
}

int link_device_start(const struct configuration *current,
                      int (*open_own_queue)(const struct nic_queue_key *key))
{
    struct nic_port port;
    int result;

    configuration = current;
    ASSERT(configuration_has_role(current, platform_node(), ROLE_LS));
    result = link_port_find(&port);
    if (result != 0) {
        return result;
    }
    result = start_nic(&port, open_own_queue);
    if (result != 0) {
        log_error("ls", "the %s at %s does not start: going on without a network",
                  port.driver->name, port.name);
        return result;
    }
    device.link = nic_check_link(device.nic);
    log_device(&port);
    show_link();
    return 0;
}

void link_device_announce(void)
{
    ASSERT(device.nic != NULL && node_set_has(&device.attached, own_index()));
    note_missing_queues();
    announce();
    steer_all(NULL);
}

/* --- After deaths --- */

void link_device_take_over(const struct configuration *current, const struct nic_queue_key *key,
                           bool is_queue_open)
{
    configuration = current;
    ASSERT(device.nic == NULL && current->device_ls == platform_node());
    if (key == NULL || nic_adopt(key, grouping(), &device.nic) != 0) {
        log_error("ls", "nobody drives the NIC any more: its steering stays as it is");
        link_takeover_end();
        return;
    }
    if (device.nic->queue_count > current->ls_count) {
        device.nic->queue_count = current->ls_count; /* there is nobody for the others */
    }
    log_info("ls", "the NIC is driven from here now; SYNs have no queue of their own any more");
    memset(device.group_queues, QUEUE_UNKNOWN, sizeof(device.group_queues));
    node_set_put(&device.attached, key->queue_index, is_queue_open);
    node_set_put(&device.missing, key->queue_index, !is_queue_open);
    device.link = nic_check_link(device.nic);
    show_link();
    note_missing_queues();
    spread();
    announce();
    steer_in_thread();
}

void link_device_lose_node(node_id_t node)
{
    if (!device.is_announced) {
        link_takeover_end();
        return; /* link_device_announce() will see it */
    }
    note_missing_queues();
    if (configuration_has_role(configuration, node, ROLE_LS)) {
        spread();
        tell_transport_servers();
    }
    steer_in_thread();
}

void link_device_regain_node(node_id_t node)
{
    if (!device.is_announced) {
        return;
    }
    /* Its queue stays a missing one until it says that it is open. */
    for (unsigned i = 0; i < device.nic->queue_count; i++) {
        if (configuration->ls[i] == node) {
            if (link_takeover_has(i)) {
                node_set_add(&device.put_off, i);
            } else {
                ask_for_queue(i);
            }
        }
    }
    if (configuration_has_role(configuration, node, ROLE_TS)) {
        tell_transport_server(node);
    }
}

void link_device_note_serving(void)
{
    if (device.is_announced) {
        steer_in_thread();
    }
}

void link_device_note_draining(void)
{
    if (device.is_announced) {
        spread();
        steer_in_thread();
    }
}

void link_device_initialise(void)
{
    net_register_message(QUEUE_ATTACHED, handle_queue_attached);
}

/* --- While it runs --- */

void link_device_before_sleep(void)
{
    uint64_t interrupts;

    if (device.nic == NULL) {
        return;
    }
    interrupts = nic_link_interrupts(device.nic);
    if (interrupts != device.link_interrupts_seen) {
        device.link_interrupts_seen = interrupts;
        check_link();
    }
}

void link_device_check(void)
{
    if (device.nic != NULL) {
        check_link();
        set_groups_if_due();
    }
}

uint32_t link_device_take_missed(void)
{
    return device.nic == NULL ? 0 : nic_take_missed(device.nic);
}
