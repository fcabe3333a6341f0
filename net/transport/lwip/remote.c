/* SPDX-License-Identifier: MIT */
/*
 * Frames to a link server on another node. Bytes of the boot archive, which every node maps, are
 * referred to; all others are copied once, into the channel. So a long segment goes whole, and the
 * NIC cuts it. One of more runs than a message can name, or of more bytes to copy than it holds,
 * is cut here into parts which the NIC goes on cutting.
 */
#include "net/transport/lwip/remote.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "net/messages.h"
#include "net/transport/lwip/output.h"

#include "hooks.h"
#include "libc/core/bytes.h"
#include "lwip/def.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"

/* Shorter pieces of the archive are cheaper to copy into a message than to refer to: a reference
 * costs the link server a descriptor. Chosen; but for what is left of longer ones, an application
 * refers to none so short (net/streams/stream.c). */
#define REFERENCE_MIN_BYTES 256u

static int transmit_frame(node_id_t link_server, const struct pbuf *packet, uint16_t offload)
{
    struct transmit_frame *message;

    message =
        message_reserve_payload(link_server, TRANSMIT_FRAME, sizeof(*message), packet->tot_len);
    if (message == NULL) {
        return message_refusal(link_server);
    }
    message->offload = offload;
    message->ip_header_offset = SIZEOF_ETH_HDR;
    message->ip_header_bytes = IP_HLEN;
    (void)pbuf_copy_partial(packet, message + 1, packet->tot_len, 0);
    message_publish();
    return 0;
}

/* Whether these bytes of a packet are better referred to than copied. */
static bool is_reference(const uint8_t *bytes, uint32_t length_bytes)
{
    uintptr_t offset = (uintptr_t)bytes - (uintptr_t)platform_archive_start();

    return length_bytes >= REFERENCE_MIN_BYTES && offset < platform_archive_bytes();
}

static bool has_reference(const struct pbuf *packet)
{
    for (const struct pbuf *piece = packet->next; piece != NULL; piece = piece->next) {
        if (is_reference(piece->payload, piece->len)) {
            return true;
        }
    }
    return false;
}

/* As much of a segment's payload as one message says. */
struct part {
    uint32_t length_bytes;
    uint32_t copied_bytes; /* of the message: with the headers */
    struct transmit_run runs[TRANSMIT_RUN_MAX];
};

/* From the byte at offset `at` of the packet, behind its headers; at most so many bytes. Without
 * references it is what a message holds, which is a whole piece of the least length. */
static struct part plan_part(const struct pbuf *packet, uint32_t headers_bytes, uint32_t at,
                             uint32_t most_bytes, bool may_refer)
{
    struct part part = {.copied_bytes = headers_bytes};
    struct transmit_run *run = part.runs;

    run->copied_bytes = (uint16_t)headers_bytes;
    for (; packet != NULL && part.length_bytes < most_bytes; packet = packet->next) {
        const uint8_t *bytes = packet->payload;
        uint32_t length_bytes = most_bytes - part.length_bytes;
        bool is_copied;

        if (at >= packet->len) {
            at -= packet->len;
            continue;
        }
        bytes += at;
        is_copied = !may_refer || !is_reference(bytes, packet->len - at);
        if (length_bytes > packet->len - at) {
            length_bytes = packet->len - at;
        }
        at = 0;
        /* In a run, what is referred to comes last. */
        if (run->archive_bytes != 0 && ++run == part.runs + TRANSMIT_RUN_MAX) {
            break;
        }
        if (!is_copied) {
            run->archive_offset = (uintptr_t)bytes - (uintptr_t)platform_archive_start();
            run->archive_bytes = (uint16_t)length_bytes;
            part.length_bytes += length_bytes;
            continue;
        }
        if (length_bytes > FRAME_MAX_BYTES - part.copied_bytes) {
            length_bytes = FRAME_MAX_BYTES - part.copied_bytes;
            most_bytes = part.length_bytes + length_bytes; /* the message is full */
        }
        run->copied_bytes = (uint16_t)(run->copied_bytes + length_bytes);
        part.copied_bytes += length_bytes;
        part.length_bytes += length_bytes;
    }
    return part;
}

/* What one message says of the segment from there on: all that is left, or pieces that the NIC
 * need not cut shorter. */
static struct part choose_part(const struct pbuf *packet, uint32_t headers_bytes, uint32_t at)
{
    uint32_t left = packet->tot_len - at;
    uint32_t piece_bytes = packet->segment_bytes;
    uint32_t most = transport_segment_max != 0 || left < piece_bytes ? left : piece_bytes;
    struct part part = plan_part(packet, headers_bytes, at, most, true);

    ASSERT(piece_bytes > 0 && piece_bytes <= FRAME_MAX_BYTES - headers_bytes);
    if (part.length_bytes < most) {
        most = part.length_bytes - part.length_bytes % piece_bytes;
        part = most != 0 ? plan_part(packet, headers_bytes, at, most, true)
                         : plan_part(packet, headers_bytes, at, piece_bytes, false);
    }
    return part;
}

/* The packet's headers, made those of a part of it; PSH and FIN are the last one's. */
static void put_headers(uint8_t *headers, uint32_t headers_bytes, const struct part *part,
                        uint32_t sent_bytes, bool is_last, bool is_cut)
{
    uint32_t ip_bytes = headers_bytes - SIZEOF_ETH_HDR + part->length_bytes;
    struct ip_hdr *ip = (struct ip_hdr *)(headers + SIZEOF_ETH_HDR);
    struct tcp_hdr *tcp = (struct tcp_hdr *)(headers + SIZEOF_ETH_HDR + IP_HLEN);

    IPH_LEN_SET(ip, swap16((uint16_t)ip_bytes));
    tcp->seqno = lwip_htonl(lwip_ntohl(tcp->seqno) + sent_bytes);
    if (!is_last) {
        TCPH_UNSET_FLAG(tcp, TCP_PSH | TCP_FIN);
    }
    output_put_pseudo_sum(headers + SIZEOF_ETH_HDR, offsetof(struct tcp_hdr, chksum),
                          is_cut ? 0 : ip_bytes - IP_HLEN);
}

/* What a message copies, in the order of the runs. */
static void copy_runs(const struct pbuf *packet, const struct part *part, uint32_t headers_bytes,
                      uint32_t at, uint8_t *to)
{
    uint32_t copied_bytes = part->runs[0].copied_bytes - headers_bytes;

    to += pbuf_copy_partial(packet, to, (u16_t)headers_bytes, 0);
    for (unsigned i = 0; i < TRANSMIT_RUN_MAX; i++) {
        if (i != 0) {
            copied_bytes = part->runs[i].copied_bytes;
        }
        to += pbuf_copy_partial(packet, to, (u16_t)copied_bytes, (u16_t)at);
        at += copied_bytes + part->runs[i].archive_bytes;
    }
}

/*
 * A segment, long or with bytes of the archive: in as few messages as can say it. Most need one.
 * When the channel is full in between, the rest follows in a later call.
 */
static int transmit_segment(node_id_t link_server, const struct pbuf *packet, uint32_t *sent_bytes)
{
    const uint8_t *tcp = (const uint8_t *)packet->payload + SIZEOF_ETH_HDR + IP_HLEN;
    uint32_t headers_bytes =
        SIZEOF_ETH_HDR + IP_HLEN + (uint32_t)TCPH_HDRLEN_BYTES((const struct tcp_hdr *)tcp);

    while (*sent_bytes < packet->tot_len - headers_bytes) {
        uint32_t at = headers_bytes + *sent_bytes;
        struct part part = choose_part(packet, headers_bytes, at);
        bool is_cut = part.length_bytes > packet->segment_bytes;
        struct transmit_segment *message = message_reserve_payload(
            link_server, TRANSMIT_SEGMENT, sizeof(*message), part.copied_bytes);

        if (message == NULL) {
            return message_refusal(link_server);
        }
        message->segment_bytes = is_cut ? packet->segment_bytes : 0;
        message->ip_header_bytes = IP_HLEN;
        message->tcp_header_bytes = (uint8_t)(headers_bytes - SIZEOF_ETH_HDR - IP_HLEN);
        memcpy(message->runs, part.runs, sizeof(part.runs));
        copy_runs(packet, &part, headers_bytes, at, (uint8_t *)(message + 1));
        put_headers((uint8_t *)(message + 1), headers_bytes, &part, *sent_bytes,
                    at + part.length_bytes == packet->tot_len, is_cut);
        message_publish();
        *sent_bytes += part.length_bytes;
    }
    return 0;
}

int remote_transmit(node_id_t link_server, const struct pbuf *packet, uint16_t offload,
                    uint32_t *sent_bytes)
{
    bool is_tcp = (offload & FRAME_INSERT_TCP_CHECKSUM) != 0;
    bool is_long = packet->tot_len > FRAME_MAX_BYTES || (offload & FRAME_SEGMENT_TCP) != 0;

    if (is_tcp && (is_long || has_reference(packet))) {
        return transmit_segment(link_server, packet, sent_bytes);
    }
    ASSERT(!is_long); /* IP cuts to the MTU, but for TCP */
    return transmit_frame(link_server, packet, offload);
}
