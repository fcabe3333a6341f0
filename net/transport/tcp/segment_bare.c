/* SPDX-License-Identifier: MIT */
/*
 * Segments of no connection: see segment_out.h. One whose neighbour is not known waits for it as a
 * packet of lwIP's: what answers a SYN is the first that a neighbour is asked for.
 */
#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/packet.h"
#include "net/transport/counters.h"
#include "net/transport/loopback.h"
#include "net/transport/neighbor.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_out.h"

/* Resets to strangers in a second: at least, and by chance up to so many more, so that nobody can
 * tell by them how many others have got (CVE-2016-5696). Chosen: a scan of all ports in a minute.
 */
#define REFUSALS_LEAST  1000u
#define REFUSALS_SPREAD 500u

/* As a packet of lwIP's. */
static __attribute__((noinline)) void send_later(uint32_t next_hop, struct segment_fields fields)
{
    static const uint8_t unknown[NEIGHBOR_HEADER_BYTES] = {[12] = 0x08, 0x00, 0x45, 0x00};
    uint8_t headers[SEGMENT_HEADERS_BYTES + SEGMENT_OPTION_BYTES_MAX];

    if (UNLIKELY(loopback_is_own(next_hop))) {
        if (loopback_send(&fields, NULL, 0) != 0) {
            counter_increment(COUNTER_DROP_CHANNEL_FULL);
        }
        return;
    }
    fields.link = unknown;
    segment_put_headers(headers, &fields);
    interface_send_later(
        next_hop, headers + ETHERNET_HEADER_BYTES,
        (uint16_t)(SEGMENT_HEADERS_BYTES - ETHERNET_HEADER_BYTES + fields.option_bytes));
}

static inline struct segment_fields fields_of(const struct bare_segment *segment,
                                              const uint8_t *link)
{
    uint32_t sum = segment_address_sum(&segment->flow);

    return (struct segment_fields){
        .link = link,
        .flow = &segment->flow,
        .options = segment->options,
        .sequence = segment->sequence,
        .acknowledgment = segment->acknowledgment,
        .window = segment->window,
        .flow_sum = (sum & 0xFFFF) + (sum >> 16),
        .tcp_flags = segment->tcp_flags,
        .option_bytes = segment->option_bytes,
    };
}

static __attribute__((noinline)) void note_lost(int error)
{
    counter_increment(error == -EAGAIN ? COUNTER_DROP_TX_FULL : COUNTER_DROP_NO_DEVICE);
}

inline __attribute__((always_inline)) void
segment_out_send_bare_inline(const struct bare_segment *segment)
{
    uint32_t next_hop = interface_next_hop(segment->flow.remote_address);
    const uint8_t *link = neighbor_find(next_hop);
    struct segment_fields fields = fields_of(segment, link);
    int error;

    ASSERT_SLOW(segment->option_bytes % 4 == 0 &&
                segment->option_bytes <= TCP_OPTION_SYN_ACK_MAX_BYTES);
    if (UNLIKELY(link == NULL)) {
        send_later(next_hop, fields);
        return;
    }
    error = segment_block_send(&fields);
    if (UNLIKELY(error != 0)) {
        note_lost(error);
    }
}

__attribute__((noinline)) void segment_out_send_bare(const struct bare_segment *segment)
{
    segment_out_send_bare_inline(segment);
}

/* --- Resets to strangers --- */

static struct {
    uint64_t ends_ns;
    uint32_t left_count;
} this_second;

static bool take_refusal_turn(void)
{
    uint64_t now_ns = dispatch_now_ns();

    if (now_ns >= this_second.ends_ns) {
        this_second.ends_ns = now_ns + NS_PER_S;
        this_second.left_count = REFUSALS_LEAST + (uint32_t)(platform_random() % REFUSALS_SPREAD);
    }
    if (this_second.left_count == 0) {
        counter_increment(COUNTER_REFUSALS_WITHHELD);
        return false;
    }
    this_second.left_count--;
    counter_increment(COUNTER_REFUSALS_SENT);
    return true;
}

void segment_out_refuse(const struct packet *packet)
{
    struct bare_segment reset = {.flow = packet->flow, .tcp_flags = TCP_FLAG_RST};

    if ((packet->tcp_flags & TCP_FLAG_RST) != 0 || !take_refusal_turn()) {
        return;
    }
    if ((packet->tcp_flags & TCP_FLAG_ACK) != 0) {
        reset.sequence = packet->acknowledgment;
    } else {
        reset.tcp_flags |= TCP_FLAG_ACK;
        reset.acknowledgment = packet->sequence + packet->payload_bytes +
                               ((packet->tcp_flags & TCP_FLAG_SYN) != 0) +
                               ((packet->tcp_flags & TCP_FLAG_FIN) != 0);
    }
    segment_out_send_bare(&reset);
}

void segment_out_initialise(void)
{
    this_second.ends_ns = 0;
    this_second.left_count = 0;
}
