/* SPDX-License-Identifier: MIT */
/*
 * A small TCP of its own kind: see small_tcp.h.
 */
#include "tests/unit/world/small_tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/bytes.h"
#include "tests/unit/world/tcp_machine.h"

#define FIN 0x01
#define RST 0x04
#define ACK 0x10

#define AGAIN_US  400000u
#define SCALE     7u /* of the windows that come */
#define AGAIN_MAX 3u /* segments at a time */

static void send_segment(struct small_tcp *peer, uint32_t first, uint32_t length, bool has_fin)
{
    uint8_t tcp[20 + 2000];

    assert_true(length <= 2000);
    memset(tcp, 0, 20);
    store_be16(tcp, SMALL_TCP_PORT);
    store_be16(tcp + 2, SMALL_TCP_OTHER_PORT);
    store_be32(tcp + 4, peer->iss + 1 + first);
    store_be32(tcp + 8, peer->irs + 1 + peer->in_bytes + peer->has_fin);
    tcp[12] = 5 << 4;
    tcp[13] = ACK | (has_fin ? FIN : 0);
    store_be16(tcp + 14, (uint16_t)(peer->window_bytes >> SCALE));
    machine_fill(tcp + 20, first, length);
    peer->send(peer, tcp, 20 + length);
}

static bool may_say_fin(const struct small_tcp *peer)
{
    return !peer->is_closing_last || peer->has_fin;
}

/* One segment from there on, with FIN where it belongs. Returns what is behind it. */
static uint32_t send_from(struct small_tcp *peer, uint32_t first, uint32_t most)
{
    uint32_t left = first < peer->out_bytes ? peer->out_bytes - first : 0;
    uint32_t length = left < peer->mss ? left : peer->mss;
    bool has_fin;

    length = length < most ? length : most;
    has_fin = first + length == peer->out_bytes && may_say_fin(peer) && length < most;
    if (length == 0 && !has_fin) {
        return first;
    }
    send_segment(peer, first, length, has_fin);
    return first + length + has_fin;
}

void small_tcp_run(struct small_tcp *peer)
{
    uint32_t edge = peer->una + peer->peer_window;

    if (peer->has_reset) {
        return;
    }
    while (peer->nxt < edge && peer->nxt - peer->una < peer->in_flight_max * peer->mss) {
        uint32_t next = send_from(peer, peer->nxt, edge - peer->nxt);

        if (next == peer->nxt) {
            break;
        }
        if (peer->nxt == peer->una) {
            peer->again_us = machine_now_us() + AGAIN_US;
        }
        peer->nxt = next;
    }
    if (machine_now_us() < peer->again_us || peer->has_fin_out) {
        return;
    }
    peer->again_us = machine_now_us() + AGAIN_US;
    if (peer->una == peer->nxt) { /* it may be the window that was lost: a probe */
        uint32_t next = send_from(peer, peer->nxt, 1 + (peer->peer_window != 0));

        peer->nxt = next > peer->nxt ? next : peer->nxt;
        return;
    }
    for (uint32_t i = 0, first = peer->una; i < AGAIN_MAX && first < peer->nxt; i++) {
        first = send_from(peer, first, peer->nxt - first + 1);
        peer->nxt = first > peer->nxt ? first : peer->nxt;
    }
}

static void take_acknowledgment(struct small_tcp *peer, const uint8_t *tcp)
{
    uint32_t acknowledged = load_be32(tcp + 8) - peer->iss - 1;

    assert_true(acknowledged <= peer->nxt); /* nothing that was not sent */
    if (acknowledged > peer->una) {
        peer->una = acknowledged;
        peer->again_us = machine_now_us() + AGAIN_US;
    }
    if (acknowledged == peer->una) {
        peer->peer_window = (uint32_t)load_be16(tcp + 14) << SCALE;
    }
    peer->has_fin_out = peer->una == peer->out_bytes + 1;
}

static void take_text(struct small_tcp *peer, uint32_t first, const uint8_t *bytes, uint32_t length,
                      bool has_fin)
{
    uint8_t expected[65536];

    assert_true(first + length <= SMALL_TCP_STREAM_MAX);
    machine_fill(expected, first, length);
    assert_memory_equal(bytes, expected, length);
    memset(peer->has + first, 1, length);
    if (has_fin) {
        assert_true(peer->fin_at == UINT32_MAX || peer->fin_at == first + length);
        peer->fin_at = first + length;
    }
    while (peer->has[peer->in_bytes]) {
        peer->in_bytes++;
    }
    peer->has_fin = peer->in_bytes == peer->fin_at;
    assert_true(peer->in_bytes <= peer->fin_at);
    send_segment(peer, peer->nxt, 0, false);
}

void small_tcp_receive(struct small_tcp *peer, const uint8_t *tcp, size_t bytes)
{
    uint32_t header_bytes = (tcp[12] >> 4) * 4u;
    uint32_t first = load_be32(tcp + 4) - peer->irs - 1;
    uint32_t length = (uint32_t)bytes - header_bytes;
    bool has_fin = (tcp[13] & FIN) != 0;

    if ((tcp[13] & RST) != 0) {
        peer->has_reset = true;
        return;
    }
    assert_int_equal(tcp[13] & ACK, ACK);
    take_acknowledgment(peer, tcp);
    if (length != 0 || has_fin) {
        take_text(peer, first, tcp + header_bytes, length, has_fin);
    } else if (first != peer->in_bytes + peer->has_fin) {
        send_segment(peer, peer->nxt, 0, false); /* keepalive, or the like */
    }
}

bool small_tcp_is_done(const struct small_tcp *peer)
{
    return peer->has_fin && peer->has_fin_out;
}
