/* SPDX-License-Identifier: MIT */
/*
 * Frames of transport servers on other nodes. All that they say is checked before the card, or its
 * driver, looks at it; bytes that come in a message are copied to where a card may read them.
 */
#include "net/link/transmit.h"

#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
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

/* A buffer with these bytes, or NULL: lost, and counted. */
static struct copy_buffer *copy_bytes(struct message_payload payload)
{
    struct copy_buffer *copy = pool_take(&copies);

    if (copy == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    ASSERT(payload.length_bytes <= sizeof(copy->data));
    memcpy(copy->data, payload.bytes, payload.length_bytes);
    return copy;
}

/* Without room it is lost, as on any wire, and TCP sends it again: there is nobody to wait. */
static void transmit_copied(struct frame_to_send *frame, struct copy_buffer *copy)
{
    frame->done = release_copy;
    frame->context = copy;
    if (link_server_transmit(frame) != 0) {
        counter_increment(COUNTER_DROP_TX_FULL);
        release_copy(copy);
    }
}

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
    copy = copy_bytes(payload);
    if (copy == NULL) {
        return;
    }
    frame.fragments[0].data = copy->data;
    frame.fragments[0].length_bytes = (uint32_t)frame_bytes;
    frame.fragment_count = 1;
    frame.offload = message->offload;
    frame.ip_header_offset = message->ip_header_offset;
    frame.ip_header_bytes = message->ip_header_bytes;
    frame.length_bytes = (uint16_t)frame_bytes;
    transmit_copied(&frame, copy);
}

/* --- Segments of which a part lies in the archive --- */

static size_t headers_bytes_of(const struct transmit_segment *message)
{
    return (size_t)ETHERNET_HEADER_BYTES + message->ip_header_bytes + message->tcp_header_bytes;
}

static bool is_in_archive(const struct transmit_run *run)
{
    size_t archive_bytes = platform_archive_bytes();

    return run->archive_bytes == 0 || (run->archive_offset <= archive_bytes &&
                                       run->archive_bytes <= archive_bytes - run->archive_offset);
}

/* How long the segment is with its headers, or 0 when the runs are not what has come. */
static size_t add_up_runs(const struct transmit_segment *message, size_t copied_bytes)
{
    size_t archive_bytes = 0;
    size_t bytes = 0;

    for (unsigned i = 0; i < TRANSMIT_RUN_MAX; i++) {
        if (!is_in_archive(&message->runs[i])) {
            return 0;
        }
        bytes += message->runs[i].copied_bytes;
        archive_bytes += message->runs[i].archive_bytes;
    }
    return bytes == copied_bytes ? bytes + archive_bytes : 0;
}

static bool is_transmit_segment_valid(const struct transmit_segment *message, size_t copied_bytes)
{
    size_t headers_bytes = headers_bytes_of(message);
    size_t bytes = add_up_runs(message, copied_bytes);

    if (copied_bytes > FRAME_MAX_BYTES || message->ip_header_bytes < IPV4_HEADER_MIN_BYTES ||
        message->ip_header_bytes > IPV4_HEADER_MAX_BYTES ||
        message->tcp_header_bytes < TCP_HEADER_MIN_BYTES ||
        message->tcp_header_bytes > TCP_HEADER_MAX_BYTES ||
        message->runs[0].copied_bytes < headers_bytes || bytes <= headers_bytes) {
        return false;
    }
    if (message->segment_bytes == 0) {
        return bytes <= FRAME_MAX_BYTES;
    }
    return link_server_can_segment_tcp() && bytes <= UINT16_MAX &&
           bytes > headers_bytes + message->segment_bytes &&
           headers_bytes + message->segment_bytes <= FRAME_MAX_BYTES;
}

static void add_fragment(struct frame_to_send *frame, const uint8_t *data, uint32_t bytes)
{
    if (bytes != 0) {
        ASSERT(frame->fragment_count < FRAME_FRAGMENT_MAX);
        frame->fragments[frame->fragment_count++] = (struct frame_fragment){data, bytes};
        frame->length_bytes = (uint16_t)(frame->length_bytes + bytes);
    }
}

_Static_assert(2 * TRANSMIT_RUN_MAX <= FRAME_FRAGMENT_MAX,
               "the longest segment has no more fragments than a frame may have");

static void handle_transmit_segment(node_id_t from, const struct message *raw,
                                    struct message_payload payload)
{
    const struct transmit_segment *message = (const struct transmit_segment *)raw;
    const uint8_t *archive = platform_archive_start();
    const uint8_t *copied;
    struct frame_to_send frame;
    struct copy_buffer *copy;

    (void)from;
    if (!is_transmit_segment_valid(message, payload.length_bytes)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    copy = copy_bytes(payload);
    if (copy == NULL) {
        return;
    }
    frame.fragment_count = 0;
    frame.length_bytes = 0;
    copied = copy->data;
    for (unsigned i = 0; i < TRANSMIT_RUN_MAX; i++) {
        const struct transmit_run *run = &message->runs[i];

        add_fragment(&frame, copied, run->copied_bytes);
        copied += run->copied_bytes;
        if (run->archive_bytes != 0) {
            add_fragment(&frame, archive + run->archive_offset, run->archive_bytes);
        }
    }
    frame.offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
    if (message->segment_bytes != 0) {
        frame.offload |= FRAME_SEGMENT_TCP;
    }
    frame.ip_header_offset = ETHERNET_HEADER_BYTES;
    frame.ip_header_bytes = message->ip_header_bytes;
    frame.cut = 0;
    frame.segment_bytes = message->segment_bytes;
    frame.tcp_header_bytes = message->tcp_header_bytes;
    transmit_copied(&frame, copy);
}

void link_transmit_initialise(void)
{
    net_register_payload_message(TRANSMIT_FRAME, handle_transmit_frame);
    net_register_payload_message(TRANSMIT_SEGMENT, handle_transmit_segment);
}
