/* SPDX-License-Identifier: MIT */
/*
 * One connection of lwIP alone: see reference.h.
 */
#include "tests/unit/reference/reference.h"

#include <string.h>

#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"

#define LOCAL_PORT  4
#define REMOTE_PORT 3

struct reference reference;

static const struct reference_wire *wire;
static struct netif netif;
static ip4_addr_t local_address, remote_address;
static struct tcp_pcb *pcb;
static uint16_t agreed_mss;

void reference_note_assertion(const char *text)
{
    if (reference.assertion == NULL) {
        reference.assertion = text;
    }
}

u32_t sys_now(void)
{
    return 0;
}

/* --- Wire --- */

static err_t output(struct netif *to, struct pbuf *packet, const ip4_addr_t *destination)
{
    static uint8_t bytes[65536];
    u16_t length = pbuf_copy_partial(packet, bytes, packet->tot_len, IP_HLEN);

    (void)to;
    (void)destination;
    wire->send(bytes, length);
    return ERR_OK;
}

static err_t set_up_netif(struct netif *new_netif)
{
    new_netif->output = output;
    new_netif->mtu = 1500;
    new_netif->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

void reference_initialise(const struct reference_wire *new_wire)
{
    ip4_addr_t mask;

    wire = new_wire;
    IP4_ADDR(&local_address, 10, 0, 0, 1);
    IP4_ADDR(&remote_address, 10, 0, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    lwip_init();
    netif_add(&netif, &local_address, &mask, &remote_address, NULL, set_up_netif, NULL);
    netif_set_default(&netif);
}

/* --- State --- */

static enum reference_state state_of(enum tcp_state state)
{
    switch (state) {
    case ESTABLISHED:
        return REFERENCE_ESTABLISHED;
    case FIN_WAIT_1:
        return REFERENCE_FIN_WAIT_1;
    case FIN_WAIT_2:
        return REFERENCE_FIN_WAIT_2;
    case CLOSE_WAIT:
        return REFERENCE_CLOSE_WAIT;
    case CLOSING:
        return REFERENCE_CLOSING;
    case LAST_ACK:
        return REFERENCE_LAST_ACK;
    case TIME_WAIT:
        return REFERENCE_TIME_WAIT;
    default:
        return REFERENCE_CLOSED;
    }
}

/* lwIP frees a PCB by itself in some of its ways to the end: it is on none of its lists then. */
static bool is_listed(const struct tcp_pcb *list)
{
    while (list != NULL && list != pcb) {
        list = list->next;
    }
    return list != NULL;
}

static void look(void)
{
    if (pcb != NULL && !is_listed(tcp_active_pcbs) && !is_listed(tcp_tw_pcbs)) {
        pcb = NULL;
    }
    if (pcb == NULL) {
        reference.state = REFERENCE_CLOSED;
        return;
    }
    reference.state = state_of(pcb->state);
    reference.rcv_nxt = pcb->rcv_nxt;
    reference.snd_una = pcb->lastack;
    reference.snd_nxt = pcb->snd_nxt;
    reference.is_fin_sent = (pcb->flags & TF_FIN) != 0 && pcb->unsent == NULL;
}

err_t lwip_tcp_event(void *argument, struct tcp_pcb *from, enum lwip_event event,
                     struct pbuf *packet, u16_t size, err_t error)
{
    (void)argument;
    (void)from;
    (void)size;
    if (event == LWIP_EVENT_ERR) {
        reference.has_reset = error == ERR_RST;
        reference.has_aborted = error == ERR_ABRT;
    } else if (event == LWIP_EVENT_RECV && packet == NULL) {
        reference.has_peer_closed = true;
    } else if (event == LWIP_EVENT_RECV) {
        for (struct pbuf *piece = packet; piece != NULL; piece = piece->next) {
            reference.stream_bytes += piece->len;
            wire->receive(piece->payload, piece->len);
        }
        pbuf_free(packet);
    }
    return ERR_OK;
}

void reference_open(uint32_t rcv_nxt, uint32_t snd_nxt, uint32_t window_bytes, bool has_sack,
                    uint16_t mss)
{
    reference_end();
    memset(&reference, 0, sizeof(reference));
    pcb = tcp_new();
    ip_addr_copy_from_ip4(pcb->local_ip, local_address);
    ip_addr_copy_from_ip4(pcb->remote_ip, remote_address);
    pcb->local_port = LOCAL_PORT;
    pcb->remote_port = REMOTE_PORT;
    pcb->state = ESTABLISHED;
    pcb->flags = TF_NODELAY | TF_WND_SCALE | (has_sack ? TF_SACK : 0);
    pcb->rcv_nxt = rcv_nxt;
    pcb->rcv_ann_wnd = window_bytes;
    pcb->rcv_ann_right_edge = rcv_nxt + window_bytes;
    pcb->rcv_scale = TCP_RCV_SCALE;
    pcb->snd_scale = 7;
    pcb->snd_nxt = pcb->lastack = pcb->snd_lbb = snd_nxt;
    pcb->snd_wl1 = rcv_nxt - 1;
    pcb->snd_wl2 = snd_nxt;
    pcb->snd_wnd = pcb->snd_wnd_max = 65535;
    pcb->mss = agreed_mss = mss;
    pcb->cwnd = 10 * mss;
    TCP_REG_ACTIVE(pcb);
    look();
}

void reference_end(void)
{
    if (pcb != NULL && pcb->state == TIME_WAIT) {
        tcp_pcb_remove(&tcp_tw_pcbs, pcb);
        memp_free(MEMP_TCP_PCB, pcb);
    } else if (pcb != NULL) {
        tcp_abandon(pcb, 0);
    }
    pcb = NULL;
}

/* --- What happens to it --- */

void reference_segment(const uint8_t *tcp, size_t bytes)
{
    /* lwIP 2.1 reads the length of an option that is cut short behind the header. */
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)(bytes + 1), PBUF_RAM);

    packet->len = packet->tot_len = (u16_t)bytes;
    memcpy(packet->payload, tcp, bytes);
    ip_data.current_netif = ip_data.current_input_netif = &netif;
    ip_addr_copy_from_ip4(ip_data.current_iphdr_src, remote_address);
    ip_addr_copy_from_ip4(ip_data.current_iphdr_dest, local_address);
    tcp_input(packet, &netif);
    look();
    if (pcb != NULL) {
        pcb->mss = agreed_mss; /* lwIP takes another one from any segment, not from a SYN alone */
    }
}

bool reference_write(const uint8_t *bytes, size_t length_bytes)
{
    err_t error = tcp_write(pcb, bytes, (u16_t)length_bytes, TCP_WRITE_FLAG_COPY);

    if (error != ERR_OK && error != ERR_MEM) {
        reference_note_assertion("tcp_write() fails");
    }
    tcp_output(pcb);
    look();
    return error == ERR_OK;
}

void reference_close(bool is_whole)
{
    if (is_whole) {
        pcb->rcv_wnd = TCP_WND; /* else it takes what was not credited for unread */
    }
    if (tcp_shutdown(pcb, is_whole, 1) != ERR_OK) {
        reference_note_assertion("tcp_shutdown() has failed");
    }
    look();
}

void reference_consumed(uint32_t bytes)
{
    tcp_recved(pcb, (u16_t)bytes);
    look();
}

void reference_tick(void)
{
    tcp_fasttmr();
    tcp_fasttmr();
    tcp_slowtmr();
    look();
}

void reference_set_windows(uint32_t receive_bytes, uint32_t send_bytes, uint32_t congestion_bytes)
{
    pcb->rcv_wnd = pcb->rcv_ann_wnd = receive_bytes;
    pcb->rcv_ann_right_edge = pcb->rcv_nxt + receive_bytes;
    pcb->snd_wnd = send_bytes;
    pcb->cwnd = congestion_bytes;
    tcp_output(pcb);
    look();
}
