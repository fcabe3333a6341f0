/* SPDX-License-Identifier: MIT */
#include "net/transport/loopback.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/steering.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/segment_block.h"

#include "lwip/netif.h"

bool loopback_is_own(uint32_t address)
{
    return address != 0 && address == netif_ip4_addr(interface_netif())->addr;
}

/* As the receiver sees the flow both ends change places. */
static node_id_t receiver_of(const struct flow *flow)
{
    const struct configuration *configuration = configuration_current();

    return steering_owner(configuration, steering_group(configuration, swap16(flow->local_port),
                                                        swap16(flow->remote_port)));
}

static void copy_payload(uint8_t *to, const struct reference *reference, uint32_t offset,
                         uint32_t bytes)
{
    while (offset >= reference->length_bytes) {
        offset -= reference->length_bytes;
        reference = reference->next;
    }
    while (bytes != 0) {
        uint32_t piece = reference->length_bytes - offset;

        piece = piece < bytes ? piece : bytes;
        memcpy(to, reference->bytes + offset, piece);
        to += piece;
        bytes -= piece;
        offset = 0;
        reference = reference->next;
    }
}

/* One that is short enough for a frame. */
static int send_one(const struct segment_fields *fields, const struct reference *first,
                    uint32_t offset)
{
    uint32_t headers_bytes = SEGMENT_HEADERS_BYTES + fields->option_bytes;
    node_id_t receiver = receiver_of(fields->flow);
    struct forward_frame *message = message_reserve_payload(
        receiver, FORWARD_FRAME, sizeof(*message), headers_bytes + fields->payload_bytes);
    uint8_t *frame;

    if (message == NULL) {
        return message_refusal(receiver);
    }
    message->frame_flags = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD | FRAME_LOOPED;
    frame = (uint8_t *)(message + 1);
    segment_put_headers(frame, fields);
    if (fields->payload_bytes != 0) {
        copy_payload(frame + headers_bytes, first, offset, fields->payload_bytes);
    }
    message_publish();
    return 0;
}

int loopback_send(const struct segment_fields *fields, const struct reference *first,
                  uint32_t offset)
{
    struct segment_fields piece = *fields;
    uint8_t link[NEIGHBOR_HEADER_BYTES];
    uint32_t left_bytes = fields->payload_bytes, sent_bytes = 0;
    int error;

    neighbor_make_header(link, interface_mac(), interface_mac());
    piece.link = link;
    piece.cut_bytes = 0;
    do {
        uint32_t most_bytes = fields->cut_bytes != 0 ? fields->cut_bytes : left_bytes;

        piece.payload_bytes = left_bytes < most_bytes ? left_bytes : most_bytes;
        left_bytes -= piece.payload_bytes;
        piece.sequence = fields->sequence + sent_bytes;
        piece.tcp_flags = left_bytes == 0
                              ? fields->tcp_flags
                              : fields->tcp_flags & (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
        error = send_one(&piece, first, offset + sent_bytes);
        sent_bytes += piece.payload_bytes;
    } while (error == 0 && left_bytes != 0);
    /* What has gone does not come back; the rest of it is lost. */
    return sent_bytes > piece.payload_bytes ? 0 : error;
}
