/* SPDX-License-Identifier: MIT */
/*
 * lwIP's PCBs and its lists of them.
 *
 * lwIP's list of active PCBs holds only those that its slow timer must visit; the idle ones are
 * in the hash alone (demux.c). It stays a list of lwIP's, which its slow timer walks and shortens
 * by hand: this file keeps the back links beside it, in the connections.
 */
#include "net/transport/pcb.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/transport/connection.h"
#include "net/transport/demux.h"
#include "net/transport/orphan.h"
#include "net/transport/table.h"

#include "libc/core/bytes.h"
#include "net/transport/lwip/round_trip.h"
#include "net/transport/lwip/tcp.h"

struct connection *pcb_connection(const struct tcp_pcb *pcb)
{
    return pcb->ext_args[0].data;
}

/* --- The list --- */

static void list_insert(struct connection *connection)
{
    struct tcp_pcb *pcb = connection->pcb;

    ASSERT_SLOW(!connection->is_listed);
    pcb->next = tcp_active_pcbs;
    if (pcb->next != NULL) {
        pcb_connection(pcb->next)->list_previous = pcb;
    }
    tcp_active_pcbs = pcb;
    connection->list_previous = NULL;
    connection->is_listed = true;
}

/* lwIP's slow timer has taken the PCB out by hand if its predecessor no longer points to it. */
static void list_remove(struct connection *connection)
{
    struct tcp_pcb *pcb = connection->pcb;
    struct tcp_pcb **link;

    if (!connection->is_listed) {
        return;
    }
    link = connection->list_previous == NULL ? &tcp_active_pcbs : &connection->list_previous->next;
    if (*link == pcb) {
        *link = pcb->next;
    }
    if (pcb->next != NULL) {
        ASSERT_SLOW(pcb_connection(pcb->next)->list_previous == pcb);
        pcb_connection(pcb->next)->list_previous = connection->list_previous;
    }
    connection->is_listed = false;
}

/* --- From the first to the last --- */

/* The PCB is about to be freed. lwIP's events leave out some of the ways in which a connection
 * ends; all of them free the PCB. */
static void forget_pcb(u8_t id, void *data)
{
    struct connection *connection = data;

    (void)id;
    if (connection == NULL) {
        return; /* never became active */
    }
    ASSERT(connection->pcb != NULL);
    list_remove(connection);
    demux_remove(connection);
    orphan_forget(connection);
    connection->pcb = NULL;
    connection_mark_dirty(connection);
}

static err_t open_passively(u8_t id, struct tcp_pcb_listen *listening, struct tcp_pcb *pcb)
{
    struct connection *connection = pcb_connection(pcb);

    (void)id;
    (void)listening;
    if (connection == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return ERR_MEM;
    }
    ASSERT(connection->pcb == pcb);
    pcb->callback_arg = connection;
    round_trip_forget(pcb, false);
    tcp_nagle_disable(pcb);
    return ERR_OK;
}

static const struct tcp_ext_arg_callbacks connection_callbacks = {
    .destroy = forget_pcb,
    .passive_open = open_passively,
};

/* A PCB becomes active: give it its connection. Without memory for one it stays alone, and
 * open_passively() refuses it. */
static void attach_connection(struct tcp_pcb *pcb)
{
    struct connection *connection = connection_allocate();

    ASSERT(pcb_connection(pcb) == NULL);
    if (connection == NULL) {
        return;
    }
    connection->pcb = pcb;
    connection->opened_ns = dispatch_now_ns();
    connection->flow = (struct flow){
        .remote_address = ip_addr_get_ip4_u32(&pcb->remote_ip),
        .local_address = ip_addr_get_ip4_u32(&pcb->local_ip),
        .remote_port = swap16(pcb->remote_port),
        .local_port = swap16(pcb->local_port),
    };
    pcb->ext_args[0].data = connection;
    pcb->ext_args[0].callbacks = &connection_callbacks;
    demux_add(connection);
    list_insert(connection);
}

/* lwIP's TCP_REG. */
void transport_list_add(struct tcp_pcb **list, struct tcp_pcb *pcb)
{
    if (list == &tcp_active_pcbs) {
        attach_connection(pcb);
        return;
    }
    pcb->next = *list;
    *list = pcb;
}

/* lwIP's TCP_RMV. */
void transport_list_remove(struct tcp_pcb **list, struct tcp_pcb *pcb)
{
    if (list == &tcp_active_pcbs) {
        if (pcb_connection(pcb) != NULL) {
            list_remove(pcb_connection(pcb));
            demux_remove(pcb_connection(pcb));
        }
        pcb->next = NULL;
        return;
    }
    while (*list != NULL && *list != pcb) {
        list = &(*list)->next;
    }
    if (*list == pcb) {
        *list = pcb->next;
    }
    pcb->next = NULL;
}

struct tcp_pcb_listen *pcb_listen(void)
{
    struct tcp_pcb *pcb = tcp_new();

    ASSERT(pcb != NULL);
    pcb->ext_args[0].callbacks = &connection_callbacks;
    if (tcp_bind(pcb, IP4_ADDR_ANY, 1) != ERR_OK) {
        PANIC("lwIP refuses to bind");
    }
    pcb = tcp_listen(pcb);
    ASSERT(pcb != NULL);
    return (struct tcp_pcb_listen *)pcb;
}

/* --- Parking --- */

/* Whether the slow timer counts something for this PCB. */
static bool needs_ticks(const struct tcp_pcb *pcb)
{
    return pcb->unsent != NULL || pcb->unacked != NULL || pcb->ooseq != NULL ||
           pcb->persist_backoff != 0 || (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT) ||
           (pcb->flags & (TF_CLOSEPEND | TF_NAGLEMEMERR | TF_RTO)) != 0;
}

/* lwIP keeps no count of its own, only how often in a row, until something is acknowledged. */
static void count_retransmissions(struct connection *connection)
{
    uint8_t in_a_row = connection->pcb->nrtx;

    if (in_a_row > connection->retransmissions) {
        counter_add(COUNTER_TCP_RETRANSMITS, in_a_row - connection->retransmissions);
    }
    connection->retransmissions = in_a_row;
}

void pcb_park(struct connection *connection)
{
    bool is_needed = needs_ticks(connection->pcb);

    ASSERT_SLOW(pcb_connection(connection->pcb) == connection);
    count_retransmissions(connection);
    if (is_needed == connection->is_listed) {
        return;
    }
    if (is_needed) {
        list_insert(connection);
    } else {
        list_remove(connection);
    }
}

void pcb_park_all(void)
{
    struct tcp_pcb *pcb = tcp_active_pcbs;

    while (pcb != NULL) {
        struct tcp_pcb *next = pcb->next;

        ASSERT_SLOW(pcb_connection(pcb)->is_listed);
        pcb_park(pcb_connection(pcb));
        if (pcb_connection(pcb)->state == CONNECTION_DETACHED) {
            orphan_watch(pcb_connection(pcb));
        }
        pcb = next;
    }
}

bool pcb_is_any_ticking(void)
{
    return tcp_active_pcbs != NULL;
}
