/* SPDX-License-Identifier: MIT */
/*
 * A frame's headers, read once: by the link server that took it from the card, or where a copy of
 * it has come in a message (what another node wrote is input). Steering, transport server and
 * lwIP's border look at this, not at the headers again.
 */
#pragma once

#include "kernel/base.h"
#include "net/headers.h"
#include "net/messages.h"

enum packet_kind {
    PACKET_OTHER,   /* anything else, ARP and fragments among it: of all fields but the kind only
                       `bytes`, `length_bytes`, `flags` and `merged_count` mean something */
    PACKET_SEGMENT, /* a whole TCP segment in IPv4 without options, lengths checked */
    PACKET_SYN,     /* such a one, with SYN and neither ACK, RST nor FIN */
};

struct packet {
    const uint8_t *bytes; /* the frame, from its Ethernet header on */
    struct flow flow;     /* as it stands there: network byte order */
    uint32_t sequence, acknowledgment;
    uint16_t length_bytes; /* of the frame */
    uint16_t flags;        /* FRAME_..., of drivers/nic/frame.h */
    uint16_t window;       /* as it stands there: not scaled */
    uint16_t payload_offset, payload_bytes;
    uint16_t merged_count; /* pure acknowledgements that this one stands for, beside itself */
    uint8_t kind;          /* enum packet_kind */
    uint8_t tcp_flags;
    uint8_t tcp_offset;   /* of the TCP header */
    uint8_t option_bytes; /* behind its first 20 bytes */
};

/*
 * Read a frame of at least an Ethernet header. Lengths are checked: what the fields say lies in the
 * frame. Checksums that the card has not verified are not looked at, nor are addresses.
 */
void packet_parse(struct packet *packet, const uint8_t *bytes, uint16_t length_bytes,
                  uint16_t flags);

static inline const uint8_t *packet_options(const struct packet *packet)
{
    return packet->bytes + packet->tcp_offset + TCP_HEADER_MIN_BYTES;
}

/* An acknowledgement and nothing else: no other flag, no data, no options. */
static inline bool packet_is_bare_ack(const struct packet *packet)
{
    return packet->kind == PACKET_SEGMENT && packet->tcp_flags == TCP_FLAG_ACK &&
           packet->payload_bytes == 0 && packet->option_bytes == 0;
}

/*
 * Whether the later of two bare acknowledgements says all that the earlier one does: both are of
 * the same flow, with nothing sent in between, and the later one acknowledges more. The window that
 * it names is the one that holds.
 */
bool packet_supersedes(const struct packet *later, const struct packet *earlier);
