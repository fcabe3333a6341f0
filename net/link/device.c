/* SPDX-License-Identifier: MIT */
/*
 * The NIC as a whole. Queues are steered to one by one, as their link servers report that they
 * have opened them; frames that come elsewhere until then are forwarded in software. A dead node's
 * queue is taken out, and its groups go where steering_ls() says from then on.
 *
 * A NIC that must know its queues before it runs waits for them, with a bound: their link servers
 * prepare them, and use them when it runs. One that is late is given to the NIC afterwards, if that
 * can be done; else it stays without.
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
#include "net/link/announcement.h"
#include "net/link/groups.h"
#include "net/link/port.h"
#include "net/link/restart.h"
#include "net/link/steer.h"
#include "net/link/syns.h"
#include "net/link/takeover.h"
#include "net/messages.h"
#include "net/status_text.h"
#include "net/steering.h"

/* How long the NIC does not run because a node that lives has not prepared its queue. Chosen: many
 * times what a node needs to start, and seldom waited for. */
#define PREPARE_PATIENCE_NS (2 * NS_PER_S)

static const struct configuration *configuration;

static struct link_queues device;

static struct {
    bool is_announced; /* others know of it */
    struct nic_link link;
    uint64_t link_interrupts_seen;
    struct node_set asked;    /* queues that their LS shall prepare, and has not answered for */
    struct node_set given;    /* queues that the NIC got from their LS */
    struct node_set returned; /* queues whose LS has come back, and not been given since */
    struct node_set put_off;  /* queues whose LS is asked when it is taken over no more */
    void (*start_anew)(void);
} state;

/* Of this node's queue. */
static unsigned own_index(void)
{
    unsigned index = 0;

    while (configuration->ls[index] != platform_node()) {
        index++;
        ASSERT(index < configuration->ls_count);
    }
    return index;
}

/* --- The link --- */

static void show_link(void)
{
    char text[STATUS_TEXT_BYTES];
    char mac[LINK_MAC_TEXT_BYTES];
    int length;

    if (state.link.is_up && state.link.megabits != 0) {
        log_info("ls", "link is up, %u Mbit/s", state.link.megabits);
        length = format_text(text, sizeof(text), "up, %u Mbit/s", state.link.megabits);
    } else if (state.link.is_up) {
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

static void tell_transport_server(node_id_t ts, bool wants_announcement)
{
    struct nic_ready *message = message_reserve_posted(ts, NIC_READY, sizeof(*message));

    memcpy(message->mac, device.nic->mac, sizeof(message->mac));
    message->is_announcement_wanted = wants_announcement;
    message->queues = usable_queues();
    message->is_link_up = state.link.is_up;
    message->can_segment_tcp = device.nic->can_segment_tcp;
    message_publish();
}

static void tell_transport_servers(void)
{
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        tell_transport_server(configuration->ts[i], false);
    }
}

/* Soon all is as at the start of the machine, but for connections, which last. */
static void start_again(void)
{
    if (link_restart_admit(platform_now_ns())) {
        log_warning("ls", "the NIC is started anew, for it has given up");
        counter_increment(COUNTER_NIC_RESTARTS);
        state.start_anew();
    } else {
        log_error("ls", "the NIC gives up again and again: going on without a network");
        link_device_stop();
    }
}

static void check_link(void)
{
    struct nic_link link;

    if (!state.is_announced) {
        return; /* whoever starts the NIC looks at it, and tells others when it works */
    }
    link = nic_check_link(device.nic);
    ASSERT(link.is_up || link.megabits == 0);
    if (link.is_up != state.link.is_up || link.megabits != state.link.megabits) {
        state.link = link;
        show_link();
        tell_transport_servers();
    }
    if (link.has_given_up) {
        start_again();
    } else if (link.is_announcement_wanted && link_announcement_admit(platform_now_ns())) {
        tell_transport_server(configuration->speaker, true);
        link_announcement_acknowledge(&device.nic);
    }
}

/* --- Queues of other LSs --- */

static void ask(unsigned index, enum queue_step step)
{
    struct nic_queue_key key;
    struct attach_queue *message;

    nic_make_queue_key(device.nic, index, &key);
    message = message_reserve_posted(configuration->ls[index], ATTACH_QUEUE, sizeof(*message));
    memcpy(message->key, &key, sizeof(message->key));
    message->step = step;
    message_publish();
}

/* Another LS's, which stays without if it has not prepared it in time. */
static void ask_for_queue(unsigned index)
{
    if (!nic_takes_prepared(device.nic)) {
        ask(index, QUEUE_STEP_USE);
    } else if (node_set_has(&state.given, index)) {
        ask(index, QUEUE_STEP_USE);
    } else if (!node_set_has(&state.asked, index)) {
        node_set_add(&state.asked, index);
        ask(index, QUEUE_STEP_PREPARE);
    }
}

/* All is steered to queues whose LS lives: what still came to a dead one's has been taken so far.
 */
static void end_takeover(void)
{
    link_takeover_end();
    NODE_SET_EACH(&state.put_off, queue)
    {
        if (!link_takeover_has(queue)) {
            node_set_remove(&state.put_off, queue);
            ask_for_queue(queue);
        }
    }
}

static void note_missing(unsigned index, bool is_missing)
{
    if (node_set_has(&device.missing, index) != is_missing) {
        node_set_put(&device.missing, index, is_missing);
        if (state.is_announced) {
            tell_transport_servers();
        }
    }
}

/* The NIC must be started anew to take it: some milliseconds without it, for one that has come
 * back; and once, lest one that is always late does so again and again. */
static void start_for_late(unsigned index)
{
    if (!node_set_has(&state.returned, index)) {
        log_warning("ls", "queue %u came too late: the NIC takes none while it runs", index);
        note_missing(index, true);
        return;
    }
    node_set_remove(&state.returned, index);
    log_info("ls", "the NIC is started anew, for it takes no queue while it runs");
    state.start_anew();
}

static void note_prepared(unsigned index, const struct queue_attached *message)
{
    struct nic_queue_report report;
    int result = message->error_number == 0 ? 0 : -EIO; /* its LS has said why */

    node_set_remove(&state.asked, index);
    if (result == 0) {
        memcpy(&report, message->report, sizeof(report));
        result = nic_give_queue(device.nic, index, &report);
        if (result == -EINVAL) {
            counter_increment(COUNTER_DROP_BAD_MESSAGE);
            log_error("ls", "node%u reports a queue that cannot be", configuration->ls[index]);
        } else if (result == -ENOTSUP) {
            start_for_late(index);
            return;
        }
    }
    node_set_put(&state.given, index, result == 0);
    node_set_remove(&state.returned, index);
    if (result != 0) {
        note_missing(index, true);
    } else if (state.is_announced) {
        ask(index, QUEUE_STEP_USE);
    }
}

static void handle_queue_attached(node_id_t from, const struct message *raw)
{
    const struct queue_attached *message = (const struct queue_attached *)raw;
    unsigned index = message->queue_index, step = message->step;

    if (device.nic == NULL || index >= device.nic->queue_count ||
        configuration->ls[index] != from) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (step == QUEUE_STEP_PREPARE && node_set_has(&state.asked, index)) {
        note_prepared(index, message);
        return;
    }
    /* Nobody is asked to use one before the NIC runs. */
    if (step != QUEUE_STEP_USE || !state.is_announced ||
        (nic_takes_prepared(device.nic) && !node_set_has(&state.given, index))) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    bool is_attached = message->error_number == 0; /* else its LS has said why */

    node_set_put(&device.attached, index, is_attached);
    note_missing(index, !is_attached);
    if (is_attached) {
        link_steer_spread();
        link_steer_in_thread();
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
            node_set_remove(&state.put_off, i);
            node_set_remove(&state.asked, i);
            node_set_remove(&state.given, i);
            node_set_remove(&state.returned, i);
            node_set_add(&device.missing, i);
        }
    }
}

static void announce(void)
{
    state.is_announced = true;
    attach_other_queues();
    tell_transport_servers();
    link_groups_tell(device.nic);
}

/* --- Bringing the NIC up --- */

/* What others have prepared the NIC gets. Those that are late are missing until they come. */
static void wait_for_queues(void)
{
    uint64_t end_ns = platform_now_ns() + PREPARE_PATIENCE_NS;

    note_missing_queues();
    attach_other_queues();
    while (!node_set_is_empty(&state.asked) && platform_now_ns() < end_ns) {
        ASSERT(thread_self() != NULL);
        status_note_progress(); /* the wait has an end */
        thread_yield();
        if (device.nic == NULL) {
            return; /* as after nic_enable_receive() */
        }
        note_missing_queues();
    }
    NODE_SET_EACH(&state.asked, queue)
    {
        log_warning("ls", "node%u has not prepared its queue: the NIC starts without",
                    configuration->ls[queue]);
        node_set_add(&device.missing, queue);
    }
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
    if (nic_takes_prepared(nic)) {
        wait_for_queues();
        if (device.nic == NULL) {
            return -EAGAIN;
        }
    }
    link_steer_spread();
    result = nic_enable_receive(nic);
    if (device.nic == NULL) {
        return -EAGAIN; /* it had to be switched off meanwhile: link_device_stop() */
    }
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
    device.own_index = own_index();
    link_steer_begin(configuration, &device, end_takeover);
    result =
        nic_start(port, configuration->ls, most, steering_grouping(configuration), &device.nic);
    if (result != 0) {
        return result;
    }
    result = open_nic(device.nic, open_own_queue);
    if (result != 0) {
        link_device_stop();
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
    if (device.nic->queue_count > 1 && !link_steer_is_possible()) {
        log_warning("ls", "it tells %u groups of flows apart, not %u: forwarding in software",
                    device.nic->group_count, steering_group_count(configuration));
    }
}

int link_device_start(const struct configuration *current,
                      int (*open_own_queue)(const struct nic_queue_key *key),
                      void (*start_anew)(void))
{
    struct nic_port port;
    int result;

    configuration = current;
    state.start_anew = start_anew;
    ASSERT(configuration_has_role(current, platform_node(), ROLE_LS));
    result = link_port_find(&port);
    if (result != 0) {
        return result;
    }
    result = start_nic(&port, open_own_queue);
    if (result == -EAGAIN) {
        return result;
    }
    if (result != 0) {
        log_error("ls", "the %s at %s does not start: going on without a network",
                  port.driver->name, port.name);
        return result;
    }
    state.link = nic_check_link(device.nic);
    log_device(&port);
    show_link();
    return 0;
}

void link_device_announce(void)
{
    ASSERT(device.nic != NULL && node_set_has(&device.attached, own_index()));
    note_missing_queues();
    announce();
    link_steer();
}

/* --- After deaths --- */

void link_device_take_over(const struct configuration *current, const struct nic_queue_key *key,
                           bool is_queue_open)
{
    configuration = current;
    ASSERT(device.nic == NULL && current->device_ls == platform_node());
    if (key == NULL || nic_adopt(key, steering_grouping(current), &device.nic) != 0) {
        log_error("ls", "nobody drives the NIC any more: its steering stays as it is");
        link_takeover_end();
        return;
    }
    if (device.nic->queue_count > current->ls_count) {
        device.nic->queue_count = current->ls_count; /* there is nobody for the others */
    }
    log_info("ls", "the NIC is driven from here now; SYNs have no queue of their own any more");
    device.own_index = own_index();
    link_steer_begin(configuration, &device, end_takeover);
    node_set_put(&device.attached, key->queue_index, is_queue_open);
    node_set_put(&device.missing, key->queue_index, !is_queue_open);
    state.link = nic_check_link(device.nic);
    show_link();
    note_missing_queues();
    link_steer_spread();
    announce();
    link_steer_in_thread();
}

void link_device_stop(void)
{
    if (device.nic != NULL) {
        nic_stop(device.nic);
    }
    device.nic = NULL;
    state.is_announced = false;
    link_groups_tell(NULL);
    device.attached = device.missing = state.asked = state.given = (struct node_set){{0}};
}

void link_device_lose_node(node_id_t node)
{
    if (!state.is_announced) {
        link_takeover_end();
        if (device.nic != NULL) {
            note_missing_queues(); /* it may be back before link_device_announce() looks */
        }
        return;
    }
    note_missing_queues();
    if (configuration_has_role(configuration, node, ROLE_LS)) {
        link_steer_spread();
        tell_transport_servers();
    }
    link_steer_in_thread();
}

void link_device_regain_node(node_id_t node)
{
    if (!state.is_announced) {
        for (unsigned i = 0; device.nic != NULL && i < device.nic->queue_count; i++) {
            if (configuration->ls[i] == node) {
                node_set_remove(&device.missing, i); /* announce() asks for it */
                node_set_add(&state.returned, i);
            }
        }
        return;
    }
    /* Its queue stays a missing one until it says that it is open. */
    for (unsigned i = 0; i < device.nic->queue_count; i++) {
        if (configuration->ls[i] == node) {
            if (link_takeover_has(i)) {
                node_set_add(&state.put_off, i);
            } else {
                node_set_add(&state.returned, i);
                ask_for_queue(i);
            }
        }
    }
    if (configuration_has_role(configuration, node, ROLE_TS)) {
        tell_transport_server(node, false);
    }
}

void link_device_note_serving(void)
{
    if (state.is_announced) {
        link_steer_in_thread();
    }
}

void link_device_note_draining(void)
{
    if (state.is_announced) {
        link_steer_spread();
        link_steer_in_thread();
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
    if (interrupts != state.link_interrupts_seen) {
        state.link_interrupts_seen = interrupts;
        check_link();
    }
}

void link_device_check(void)
{
    if (device.nic != NULL) {
        check_link();
        link_groups_check();
    }
    if (state.is_announced) {
        link_steer_check();
    }
}

uint32_t link_device_take_missed(void)
{
    return device.nic == NULL ? 0 : nic_take_missed(device.nic);
}
