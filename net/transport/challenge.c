/* SPDX-License-Identifier: MIT */
/*
 * Segments that a connection must not believe (RFC 5961): refused, and answered with a challenge
 * ACK where the peer, if it was it, has to be told where we are.
 *
 * Such answers are limited (RFC 5961 7): one a tick and connection, and so many a second of all
 * together. The second limit alone would tell a third party how many answers others have got
 * (CVE-2016-5696), so it is another number each second.
 */
#include "net/transport/challenge.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/transport/connection.h"
#include "net/transport/pcb.h"

#include "hooks.h"
#include "net/transport/lwip/tcp.h"

static struct {
    uint64_t ends_ns;
    uint32_t left_count;
} this_second;

/* Returns whether an answer may go out now; counts it. */
static bool take_challenge_turn(struct connection *connection)
{
    uint64_t now_ns = dispatch_now_ns();

    if (now_ns >= this_second.ends_ns) {
        this_second.ends_ns = now_ns + NS_PER_S;
        this_second.left_count =
            CHALLENGES_LEAST + (uint32_t)(platform_random() % CHALLENGES_SPREAD);
    }
    if (connection->challenge_tick == tcp_ticks || this_second.left_count == 0) {
        counter_increment(COUNTER_TCP_CHALLENGES_WITHHELD);
        return false;
    }
    connection->challenge_tick = tcp_ticks;
    this_second.left_count--;
    counter_increment(COUNTER_TCP_CHALLENGES_SENT);
    return true;
}

static err_t refuse_segment(struct tcp_pcb *pcb, bool is_challenged)
{
    struct connection *connection = pcb_connection(pcb);

    ASSERT_SLOW(connection != NULL);
    counter_increment(COUNTER_DROP_PROTOCOL);
    if (is_challenged && take_challenge_turn(connection)) {
        tcp_ack_now(pcb);
        connection_request_output(connection);
    }
    return ERR_ABRT;
}

/* RFC 5961 3.2, in all states that a connection of ours can be in. */
static err_t check_reset(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    if ((TCPH_FLAGS(header) & TCP_SYN) != 0) {
        return refuse_segment(pcb, false); /* no segment has both (RFC 9293 3.10.7) */
    }
    if (header->seqno == pcb->rcv_nxt) {
        return ERR_OK;
    }
    return refuse_segment(pcb, header->seqno - pcb->rcv_nxt < pcb->rcv_wnd);
}

/* lwIP takes data from segments whose acknowledgement is impossible, or missing. */
err_t transport_check_segment(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    uint8_t tcp_flags = TCPH_FLAGS(header);

    if (pcb->state == TCP_STATE_LISTEN || pcb->state == SYN_SENT) {
        return ERR_OK;
    }
    if (UNLIKELY((tcp_flags & TCP_RST) != 0)) {
        return check_reset(pcb, header);
    }
    if (pcb->state == SYN_RCVD) {
        bool is_syn = (tcp_flags & TCP_SYN) != 0;

        return is_syn && (tcp_flags & (TCP_ACK | TCP_FIN)) != 0 ? refuse_segment(pcb, false)
                                                                : ERR_OK;
    }
    if ((tcp_flags & TCP_SYN) != 0) {
        return refuse_segment(pcb, true);
    }
    if ((tcp_flags & TCP_ACK) == 0) {
        return refuse_segment(pcb, false);
    }
    if (TCP_SEQ_GT(header->ackno, pcb->snd_nxt) ||
        TCP_SEQ_LT(header->ackno, pcb->lastack - pcb->snd_wnd_max)) {
        return refuse_segment(pcb, true);
    }
    return ERR_OK;
}
