/* SPDX-License-Identifier: MIT */
/*
 * The transport server: puts its parts together and gives them their turns in the event loop.
 *
 *   frames.c          frames in
 *   packet.c          frame to the protocol above IP
 *   path_mtu.c        routers that want shorter segments
 *   drops.c           what lwIP has dropped
 *   held.c            received bytes that have to wait
 *   flows.c           the table of flows
 *   demux.c           segment to connection
 *   tcp/              TCP itself
 *   table.c state.c   connections: their names and their states
 *   connection.c      TCP's events; the end of the round
 *   admission.c       ports that are served, and the question for an acceptor
 *   availability.c    assignment, availability, claim
 *   managers.c        which connection manager is asked
 *   active.c          active opens
 *   ephemeral.c       their ports
 *   forward/          ports that are forwarded segment by segment
 *   unreachable.c     routers that have no way for them
 *   loopback.c        segments to ourselves
 *   stream.c          bytes from and to applications
 *   splice.c          bytes from one connection to another
 *   orphan.c          connections whose application has closed
 *   overload.c        SYNs that are too many, in the log
 *   share.c           what one remote address may have
 *   address.c         DHCP, ARP, neighbours
 *   sntp.c            the date
 *   datagram.c        UDP of applications
 *   groups.c          groups that they are in
 *   lwip/interface.c  packets to neighbours
 *   lwip/output.c     frames to a link server
 *   kept.c            connections of the flows of those that have come back
 *   draining.c        of a node that goes
 *   readiness.c       when a server that has come back serves again
 *   card.c            which link server, and what the card can do
 */
#include "net/transport/server.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/snapshot.h"
#include "net/configuration.h"
#include "net/returning.h"
#include "net/transport/active.h"
#include "net/transport/address.h"
#include "net/transport/admission.h"
#include "net/transport/availability.h"
#include "net/transport/closed.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/datagram.h"
#include "net/transport/demux.h"
#include "net/transport/draining.h"
#include "net/transport/drops.h"
#include "net/transport/forward/flow.h"
#include "net/transport/forward/rules.h"
#include "net/transport/frames.h"
#include "net/transport/groups.h"
#include "net/transport/kept.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/lwip/output.h"
#include "net/transport/managers.h"
#include "net/transport/orphan.h"
#include "net/transport/overload.h"
#include "net/transport/splice.h"
#include "net/transport/stream.h"
#include "net/transport/table.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/flood.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/pinned.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/timewait.h"
#include "net/transport/tcp/wheel.h"
#include "net/transport/virtual_address.h"

/* Entries of the table looked at in one round after a node has died. */
#define SWEEP_BATCH 256u

/* Looking for what dead applications and CMs had: over the whole table, once after each death; and
 * for who waits for a CM, once after each return of one. */
static struct {
    struct node_set dead;
    bool is_running;
    uint32_t next_index;
} sweep;

static void note_node_down(node_id_t node)
{
    ASSERT(node < NODE_MAX && node != platform_node());
    node_set_add(&sweep.dead, node);
    sweep.is_running = true;
    sweep.next_index = 0;
    transport_address_lose_node();
    closed_forget_manager(node);
    half_open_lose_node(node);
    active_lose_node(node);
    forward_rules_lose_node(node);
    kept_lose_node(node);
    datagram_lose_node(node);
    groups_lose_node(node);
}

static bool is_dead(node_id_t node)
{
    return node < NODE_MAX && node_set_has(&sweep.dead, node); /* NODE_NONE is not */
}

/* Returns how many entries were looked at. */
static unsigned sweep_some(void)
{
    uint32_t size = connection_table_size();
    unsigned count = 0;

    for (; count < SWEEP_BATCH && sweep.next_index < size; count++, sweep.next_index++) {
        struct connection *connection = connection_at(sweep.next_index);

        if (connection == NULL) {
            continue;
        }
        if (is_dead(connection->acceptor.node)) {
            availability_lose_application(connection);
        } else if (is_dead(connection->acceptor.assigned_by) ||
                   managers_is_awaited_by(connection)) {
            availability_lose_manager(connection);
        }
    }
    ASSERT(count <= SWEEP_BATCH && sweep.next_index <= size);
    sweep.is_running = sweep.next_index < size;
    return count;
}

/* Those that have waited for any manager ask this one. */
static void note_serving(node_id_t node, enum role role)
{
    (void)node;
    if (role == ROLE_CM) {
        sweep.is_running = true;
        sweep.next_index = 0;
    }
}

static inline bool awaits_room(void)
{
    return blocked_count() != 0 || output_is_queueing();
}

/* What the dead one had must not be taken for what the new one has. */
static void note_node_up(node_id_t node)
{
    while (sweep.is_running) {
        (void)sweep_some();
        status_note_progress();
    }
    node_set_remove(&sweep.dead, node);
    transport_address_greet_node(node);
}

/* Apart from its caller, which mostly finds nothing. */
static __attribute__((noinline)) unsigned take_up_waiting(void)
{
    unsigned work = output_send_queued() + interface_poll_loopback() + sender_poll_blocked();

    if (sweep.is_running) {
        work += sweep_some();
    }
    work += kept_poll();
    /* The flush that follows work settles them. */
    return work + connection_can_unblock();
}

static unsigned poll_server(void *context)
{
    (void)context;
    return LIKELY(!awaits_room() && !interface_has_loopback() && !sweep.is_running &&
                  !kept_is_searching() && !connection_can_unblock())
               ? 0
               : take_up_waiting();
}

static void flush_server(void *context)
{
    (void)context;
    connection_settle_all();
    flood_end_round();
    drops_count();
}

/* Packets to ourselves wait for the next poll. */
static bool prepare_sleep(void *context)
{
    (void)context;
    closed_send_all();
    connection_publish_counts();
    counter_set(COUNTER_CONNECTIONS_HALF_OPEN, half_open_count());
    counter_set(COUNTER_OPENS_IN_PROGRESS, active_count());
    forward_flow_publish_counts();
    timewait_expire(dispatch_now_ns());
    counter_set(COUNTER_TIME_WAIT, timewait_count());
    counter_set(COUNTER_FIN_WAIT, timewait_fin_wait_count());
    return interface_has_loopback();
}

static struct dispatch_source source = {
    .poll = poll_server,
    .flush = flush_server,
    .prepare_sleep = prepare_sleep,
};

static void expire_timer(struct wheel_entry *entry)
{
    tcb_expire(CONTAINER_OF(entry, struct tcb, timer));
}

static void start_tcp(void)
{
    wheel_initialise(expire_timer);
    queue_initialise();
    pinned_initialise();
    recovery_initialise();
    sender_initialise();
    segment_out_initialise();
    receiver_initialise();
    soon_initialise();
    half_open_initialise();
    timewait_initialise();
}

void transport_server_start(const struct configuration *configuration)
{
    interface_initialise(configuration);
    connection_table_initialise();
    connection_initialise();
    demux_initialise();
    start_tcp();
    frames_initialise(configuration);
    closed_initialise();
    admission_initialise();
    availability_initialise();
    active_initialise();
    forward_rules_initialise();
    forward_flows_initialise();
    stream_initialise();
    splice_initialise();
    orphan_initialise();
    overload_initialise();
    transport_address_initialise(configuration);
    virtual_address_initialise(configuration->speaker == platform_node());
    kept_initialise(configuration);
    datagram_initialise();
    groups_initialise();
    transport_draining_start();
    snapshot_enable();
    dispatch_register_node_down(note_node_down);
    dispatch_register_node_up(note_node_up);
    returning_observe(note_serving);
    dispatch_register_source(&source);
}
