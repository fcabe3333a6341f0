/* SPDX-License-Identifier: MIT */
/*
 * lwIP's receiver on loan: see lend.h.
 *
 * lwIP's tcp_receive() needs of a PCB the next number, the window and, from one segment to the
 * next, the queue of what waits and its SACK blocks. A loan is such a PCB; window and number are
 * set anew for each segment, so the connection's own block stays the one truth.
 */
#include "net/transport/tcp/lend.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/counters.h"
#include "net/transport/held.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

#include "net/transport/lwip/tcp.h"

/* RFC 9293 has none; lwIP's TCP_OOSEQ_TIMEOUT. A peer has sent again by then, or is gone. */
#define FORGOTTEN_AFTER_RTO 6u
/* How often much of it is given up for want of memory: a walk through all loans. */
#define MAKE_ROOM_PERIOD_US 100000u

struct loan {
    struct tcp_pcb pcb;
    struct tcb *tcb;
    struct loan *next, **link;
    uint32_t deadline_us; /* when what waits is forgotten */
};

static struct loan *loans;
static uint32_t made_room_us;
static bool has_made_room;

MEMORY_KIND(loan_kind, "tcp_loans");

bool lend_begin(struct tcb *tcb)
{
    struct loan *loan = memory_allocate_zeroed(&loan_kind, sizeof(*loan));

    ASSERT(tcb->loan == NULL);
    if (loan == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return false;
    }
    loan->pcb.state = ESTABLISHED; /* which means to lwIP: bytes are taken */
    loan->pcb.mss = TCP_MSS;
    loan->pcb.flags = TF_WND_SCALE | (tcb->has_sack ? TF_SACK : 0);
    loan->tcb = tcb;
    loan->next = loans;
    loan->link = &loans;
    if (loans != NULL) {
        loans->link = &loan->next;
    }
    loans = loan;
    tcb->loan = loan;
    tcb->loan->deadline_us = tcp_now_us() + FORGOTTEN_AFTER_RTO * tcb->rto_us;
    return true;
}

uint32_t lend_deadline_us(const struct tcb *tcb)
{
    return tcb->loan->deadline_us;
}

void lend_forget(struct tcb *tcb)
{
    struct loan *loan = tcb->loan;

    if (loan == NULL) {
        return;
    }
    ASSERT_SLOW(loan->tcb == tcb && loan->pcb.unacked == NULL && loan->pcb.unsent == NULL);
    tcp_free_ooseq(&loan->pcb);
    *loan->link = loan->next;
    if (loan->next != NULL) {
        loan->next->link = loan->link;
    }
    tcb->loan = NULL;
    memory_release(&loan_kind, loan);
}

void lend_make_room(uint32_t remote_address)
{
    bool is_for_all = held_is_full();
    uint32_t now_us = tcp_now_us();

    if (has_made_room && now_us - made_room_us < MAKE_ROOM_PERIOD_US) {
        return;
    }
    has_made_room = true;
    made_room_us = now_us;
    for (struct loan *loan = loans, *next; loan != NULL; loan = next) {
        next = loan->next;
        if (is_for_all || loan->tcb->flow.remote_address == remote_address) {
            counter_increment(COUNTER_HOLES_FORGOTTEN);
            lend_forget(loan->tcb);
        }
    }
}

/*
 * A copy for lwIP of what lies in the window: header, of which it looks at number and flags, in the
 * machine's order, and bytes. Returns the segment's pbuf, which begins with the bytes; NULL, and
 * counted, without memory.
 */
static struct pbuf *copy_segment(const struct tcb *tcb, const struct packet *packet,
                                 struct tcp_seg *segment)
{
    uint32_t first = packet->sequence, end = packet->sequence + packet->payload_bytes;
    bool has_fin = (packet->tcp_flags & TCP_FLAG_FIN) != 0;
    const uint8_t *bytes = packet->bytes + packet->payload_offset;
    struct tcp_hdr *header;
    struct pbuf *copy;

    if (sequence_is_before(first, tcb->rcv_nxt)) {
        bytes += tcb->rcv_nxt - first;
        first = tcb->rcv_nxt;
    }
    if (sequence_is_after(end + has_fin, tcb->rcv_edge)) {
        end = sequence_is_after(end, tcb->rcv_edge) ? tcb->rcv_edge : end;
        has_fin = false;
    }
    copy = held_allocate(tcb->flow.remote_address, sizeof(*header) + (end - first));
    if (copy == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    header = copy->payload;
    memset(header, 0, sizeof(*header));
    header->seqno = first;
    TCPH_HDRLEN_FLAGS_SET(header, TCP_HLEN / 4, has_fin ? TCP_FIN : 0);
    (void)pbuf_remove_header(copy, sizeof(*header)); /* so long it is */
    memcpy(copy->payload, bytes, end - first);
    *segment = (struct tcp_seg){.p = copy, .len = copy->tot_len, .tcphdr = header};
    return copy;
}

bool lend_segment(struct tcb *tcb, const struct packet *packet, struct lent_bytes *in_order)
{
    struct tcp_seg segment;
    struct tcp_pcb *pcb;
    u8_t has_fin;

    *in_order = (struct lent_bytes){NULL};
    if (tcb->loan == NULL && !lend_begin(tcb)) {
        return false;
    }
    pcb = &tcb->loan->pcb;
    if (copy_segment(tcb, packet, &segment) == NULL) {
        if (pcb->ooseq == NULL) {
            lend_forget(tcb);
        }
        return false;
    }
    pcb->rcv_nxt = tcb->rcv_nxt;
    pcb->rcv_wnd = pcb->rcv_ann_wnd = tcb->rcv_edge - tcb->rcv_nxt;
    pcb->rcv_ann_right_edge = tcb->rcv_edge;
    in_order->packet = tcp_receive_lent(pcb, &segment, &has_fin);
    in_order->has_fin = has_fin != 0;
    in_order->length_bytes = pcb->rcv_nxt - tcb->rcv_nxt - in_order->has_fin;
    ASSERT((in_order->packet != NULL) == (in_order->length_bytes != 0));
    ASSERT(!sequence_is_after(pcb->rcv_nxt, tcb->rcv_edge));
    ASSERT(pcb->unacked == NULL && pcb->unsent == NULL && pcb->refused_data == NULL);
    if (pcb->ooseq == NULL) {
        lend_forget(tcb);
        if (in_order->length_bytes == 0 && !in_order->has_fin) {
            counter_increment(COUNTER_DROP_NO_MEMORY); /* for lwIP's note of it */
            return false;
        }
        return true;
    }
    ASSERT(!in_order->has_fin); /* nothing lies behind one */
    tcb->loan->deadline_us = tcp_now_us() + FORGOTTEN_AFTER_RTO * tcb->rto_us;
    return true;
}

unsigned lend_sack_blocks(const struct tcb *tcb, uint32_t blocks[][2], unsigned most)
{
    const struct tcp_pcb *pcb = tcb->loan == NULL ? NULL : &tcb->loan->pcb;
    unsigned count = 0;

    for (unsigned i = 0; pcb != NULL && i < LWIP_TCP_MAX_SACK_NUM && count < most; i++) {
        if (LWIP_TCP_SACK_VALID(pcb, i)) {
            blocks[count][0] = pcb->rcv_sacks[i].left;
            blocks[count][1] = pcb->rcv_sacks[i].right;
            count++;
        }
    }
    return count;
}

/* --- What lwIP asks of us for connections of its own. There are none. --- */

err_t lwip_tcp_event(void *argument, struct tcp_pcb *pcb, enum lwip_event event,
                     struct pbuf *packet, u16_t size, err_t error)
{
    (void)argument, (void)pcb, (void)packet, (void)size, (void)error;
    PANIC("lwIP: event %u of a connection of its own", (unsigned)event);
}

void tcp_timer_needed(void)
{
    PANIC("lwIP: a connection of its own");
}
