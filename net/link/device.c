/* SPDX-License-Identifier: MIT */
/*
 * The NIC as a whole. Queues are steered to one by one, as their link servers report that they
 * have opened them; frames that come elsewhere until then are forwarded in software.
 */
#include "net/link/device.h"

#include <errno.h>
#include <string.h>

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

/* Groups of flows that are steered at once. Chosen: some ten microseconds of an 82599. */
#define STEERED_WITHOUT_YIELD 16

static const struct configuration *configuration;

static struct {
    struct nic *nic; /* NULL until it is started */
    struct nic_link link;
    uint64_t link_interrupts_seen;
    bool is_attached[NODE_MAX]; /* by queue */
} device;

_Static_assert(NODE_MAX <= NIC_QUEUE_MAX, "a queue for each link server may be asked for");

/* --- The link --- */

static void show_link(void)
{
    char text[STATUS_TEXT_BYTES];
    char mac[LINK_MAC_TEXT_BYTES];
    int length;

    if (device.link.is_up) {
        log_info("ls", "link is up, %u Mbit/s", device.link.megabits);
        length = format_text(text, sizeof(text), "up, %u Mbit/s", device.link.megabits);
    } else {
        log_warning("ls", "link is down");
        length = format_text(text, sizeof(text), "down");
    }
    link_print_mac(mac, device.nic->mac);
    (void)format_text(text + length, sizeof(text) - (size_t)length, ", MAC %s", mac);
    status_set_text(STATUS_TEXT_LINK, text);
}

static void tell_transport_servers(void)
{
    struct nic_ready message = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(message)},
        .queue_count = device.nic->queue_count,
        .is_link_up = device.link.is_up,
        .can_segment_tcp = device.nic->can_segment_tcp,
    };

    ASSERT(message.queue_count >= 1 && message.queue_count <= configuration->ls_count);
    memcpy(message.mac, device.nic->mac, sizeof(message.mac));
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        message_post(configuration->ts[i], &message.header);
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

/* Let the NIC use this queue in its share of what belongs to no steered group. */
static void spread_to_queue(unsigned index)
{
    uint8_t attached[NODE_MAX];
    unsigned attached_count = 0;

    ASSERT(index < device.nic->queue_count);
    device.is_attached[index] = true;
    if (device.nic->queue_count == 1) {
        return;
    }
    for (unsigned i = 0; i < device.nic->queue_count; i++) {
        if (device.is_attached[i]) {
            attached[attached_count++] = (uint8_t)i;
        }
    }
    nic_spread(device.nic, attached, attached_count);
}

/* From `group` on, the next groups whose owner this queue's LS serves. Returns the first that was
 * not looked at. */
static unsigned gather_groups(unsigned index, unsigned group, uint16_t *groups, unsigned *count)
{
    for (*count = 0; group < STEERING_GROUP_COUNT && *count < STEERED_WITHOUT_YIELD; group++) {
        if (steering_ls(configuration, group) == configuration->ls[index]) {
            groups[(*count)++] = (uint16_t)group;
        }
    }
    ASSERT(*count <= STEERED_WITHOUT_YIELD);
    return group;
}

/* And for the groups whose owner its LS serves, if the NIC tells groups apart as we do. Frames of
 * other groups are forwarded in software. A thread lets others run now and then: these are
 * milliseconds. */
static void steer_to_queue(unsigned index)
{
    unsigned group = 0;

    ASSERT(device.is_attached[index]); /* nobody empties the others */
    while (group < STEERING_GROUP_COUNT && device.nic->group_count == STEERING_GROUP_COUNT) {
        uint16_t groups[STEERED_WITHOUT_YIELD];
        unsigned count;

        group = gather_groups(index, group, groups, &count);
        if (nic_steer(device.nic, index, groups, count) != 0) {
            log_warning("ls", "the NIC does not steer to queue %u: forwarding in software", index);
            return;
        }
        if (thread_self() != NULL) {
            thread_yield();
        }
    }
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
    if (message->error_number == 0) {
        spread_to_queue(index); /* otherwise its LS has said why */
        steer_to_queue(index);
    }
}

static void attach_other_queues(void)
{
    struct attach_queue message = {
        .header = {.type = ATTACH_QUEUE, .length_bytes = sizeof(message)},
    };

    for (unsigned i = 1; i < device.nic->queue_count; i++) {
        struct nic_queue_key key;

        nic_make_queue_key(device.nic, i, &key);
        memcpy(message.key, &key, sizeof(message.key));
        message_post(configuration->ls[i], &message.header);
    }
}

/* --- Bringing the NIC up --- */

/* Up to the point where frames come in. Whatever fails has logged why. */
static int open_nic(struct nic *nic, int (*open_own_queue)(const struct nic_queue_key *key))
{
    struct nic_queue_key key;
    int result;

    nic_make_queue_key(nic, 0, &key);
    result = open_own_queue(&key);
    if (result != 0) {
        return result;
    }
    spread_to_queue(0);
    return nic_enable_receive(nic);
}

static int start_nic(const struct nic_port *port,
                     int (*open_own_queue)(const struct nic_queue_key *key))
{
    int result;

    ASSERT(device.nic == NULL);
    result = nic_start(port, configuration->ls, configuration->ls_count, &device.nic);

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
    ASSERT(current->ls[0] == platform_node());
    dispatch_register_message(QUEUE_ATTACHED, sizeof(struct queue_attached), handle_queue_attached);
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
    ASSERT(device.nic != NULL && device.is_attached[0]);
    attach_other_queues();
    tell_transport_servers();
    steer_to_queue(0);
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
    }
}

uint32_t link_device_take_missed(void)
{
    return device.nic == NULL ? 0 : nic_take_missed(device.nic);
}
