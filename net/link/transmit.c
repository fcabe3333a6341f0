/* SPDX-License-Identifier: MIT */
/*
 * Frames of transport servers on other nodes. All that they say is checked before the card, or its
 * driver, looks at it; bytes that come in a message are copied to where a card may read them.
 */
#include "net/link/transmit.h"

#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "libc/core/pool.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/headers.h"
#include "net/link/server.h"
#include "net/messages.h"

/* Frames of other nodes' TSs that wait in the transmit ring. */
#define COPY_BUFFER_MAX 1024

struct copy_buffer {
    struct pool_object place;
    uint8_t data[FRAME_MAX_BYTES];
};

POOL(copies, "link_copy", struct copy_buffer, COPY_BUFFER_MAX);

static void release_copy(void *copy)
{
    pool_release(&copies, copy);
}

/* Whether the headers that the NIC, or its driver, will look at lie in the frame. */
static bool is_offload_valid(const struct transmit_frame *message, size_t frame_bytes)
{
    size_t header_bytes = (size_t)message->ip_header_offset + message->ip_header_bytes;

    switch (message->offload & ~FRAME_INSERT_IP_CHECKSUM) {
    case 0:
        break;
    case FRAME_INSERT_TCP_CHECKSUM:
        header_bytes += TCP_HEADER_MIN_BYTES;
        break;
    case FRAME_INSERT_UDP_CHECKSUM:
        header_bytes += UDP_HEADER_BYTES;
        break;
    default:
        return false;
    }
    return message->ip_header_offset == ETHERNET_HEADER_BYTES &&
           message->ip_header_bytes >= IPV4_HEADER_MIN_BYTES &&
           message->ip_header_bytes <= IPV4_HEADER_MAX_BYTES && header_bytes <= frame_bytes;
}

static bool is_transmit_frame_valid(const struct transmit_frame *message, size_t frame_bytes)
{
    return frame_bytes >= ETHERNET_HEADER_BYTES && frame_bytes <= FRAME_MAX_BYTES &&
           (message->offload == 0 || is_offload_valid(message, frame_bytes));
}

/* A TS on another node sends. There is nobody to wait for room: what finds none is lost, as on any
 * wire, and TCP sends it again. */
static void handle_transmit_frame(node_id_t from, const struct message *raw,
                                  struct message_payload payload)
{
    const struct transmit_frame *message = (const struct transmit_frame *)raw;
    size_t frame_bytes = payload.length_bytes;
    struct frame_to_send frame;
    struct copy_buffer *copy;

    (void)from;
    if (!is_transmit_frame_valid(message, frame_bytes)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    copy = pool_take(&copies);
    if (copy == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return;
    }
    memcpy(copy->data, payload.bytes, frame_bytes);
    frame.fragments[0].data = copy->data;
    frame.fragments[0].length_bytes = (uint32_t)frame_bytes;
    frame.fragment_count = 1;
    frame.offload = message->offload;
    frame.ip_header_offset = message->ip_header_offset;
    frame.ip_header_bytes = message->ip_header_bytes;
    frame.length_bytes = (uint16_t)frame_bytes;
    frame.done = release_copy;
    frame.context = copy;
    if (link_server_transmit(&frame) != 0) {
        counter_increment(COUNTER_DROP_TX_FULL);
        release_copy(copy);
    }
}

void link_transmit_initialise(void)
{
    net_register_payload_message(TRANSMIT_FRAME, handle_transmit_frame);
}
