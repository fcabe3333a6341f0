/* SPDX-License-Identifier: MIT */
/*
 * Frames in. Where somebody keeps a frame, it becomes a pbuf without a copy: the pbuf lives in the
 * frame's owner_data and gives the frame back when lwIP, or the connection it waits in, lets go of
 * it.
 */
#include "net/transport/frames.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/packet.h"
#include "net/steering.h"
#include "net/transport/held.h"
#include "net/transport/packet.h"
#include "net/transport/server.h"
#include "net/transport/tcp/segment.h"

#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"

#define FORWARDED_MAX_BYTES (MESSAGE_MAX_BYTES - sizeof(struct forward_frame))

_Static_assert(sizeof(struct pbuf_custom) <= sizeof(((struct frame *)0)->owner_data),
               "a frame carries its own pbuf");

static const struct configuration *configuration;
static uint32_t held_count, sent_count;

/* --- Ways in --- */

static void release_frame(void *context)
{
    struct frame *frame = context;

    ASSERT_SLOW(held_count > 0);
    held_count--;
    frame->release(frame);
}

static void release_wrapped(struct pbuf *packet)
{
    release_frame(CONTAINER_OF(packet, struct frame, owner_data));
}

static void release_buffer(void *packet)
{
    pbuf_free(packet);
}

bool frames_lend(const struct segment *segment, struct message_loan *loan)
{
    const struct packet *packet = segment->packet;

    loan->bytes = packet->bytes + packet->payload_offset;
    loan->length_bytes = packet->payload_bytes;
    if (UNLIKELY(segment->frame == NULL)) {
        loan->done = release_buffer;
        loan->context = segment->buffer;
        return true;
    }
    loan->done = release_frame;
    loan->context = segment->frame;
    return LIKELY(held_count < FRAMES_HELD_MAX);
}

void frames_note_lent(struct segment *segment)
{
    ASSERT_SLOW(!segment->is_kept);
    segment->is_kept = true;
    held_count += segment->frame != NULL;
}

static void release_sent(void *context)
{
    struct frame *frame = context;

    ASSERT_SLOW(sent_count > 0);
    sent_count--;
    frame->release(frame);
}

bool frames_send(struct segment *segment, struct frame_to_send *frame)
{
    ASSERT_SLOW(!segment->is_kept);
    if (UNLIKELY(segment->frame == NULL)) {
        frame->done = release_buffer;
        frame->context = segment->buffer;
    } else if (LIKELY(sent_count < FRAMES_SENT_MAX)) {
        sent_count++;
        frame->done = release_sent;
        frame->context = segment->frame;
    } else {
        return false;
    }
    segment->is_kept = true;
    return true;
}

struct pbuf *frames_wrap(struct frame *frame)
{
    struct pbuf_custom *custom = (struct pbuf_custom *)frame->owner_data;

    ASSERT_SLOW(frame->release != NULL);
    if (UNLIKELY(held_count >= FRAMES_HELD_MAX)) {
        return NULL;
    }
    held_count++;
    custom->custom_free_function = release_wrapped;
    return pbuf_alloced_custom(PBUF_RAW, frame->length_bytes, PBUF_REF, custom, frame->data,
                               frame->length_bytes);
}

struct pbuf *frames_copy(const uint8_t *bytes, size_t length_bytes)
{
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)length_bytes, PBUF_RAM);

    if (packet == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    memcpy(packet->payload, bytes, length_bytes);
    return packet;
}

void transport_server_receive(struct frame *frame, const struct packet *packet)
{
    struct segment segment = {.packet = packet, .frame = frame};

    packet_receive(&segment);
    if (!segment.is_kept) {
        frame->release(frame);
    }
}

uint32_t frames_held_count(void)
{
    return held_count;
}

/* A message lies in a page that its sender can change and we may only read, and lwIP turns a
 * header's bytes in place: so nothing is looked at before it is copied. */
void frames_receive_message(struct message_payload frame, uint16_t frame_flags,
                            const struct node_set *others)
{
    struct packet packet;
    struct segment segment = {.packet = &packet, .others = others, .is_forwarded = true};

    if (frame.length_bytes < ETHERNET_HEADER_BYTES) {
        counter_increment(COUNTER_DROP_TRUNCATED);
        return;
    }
    segment.buffer = frames_copy(frame.bytes, frame.length_bytes);
    if (segment.buffer == NULL) {
        return;
    }
    packet_parse(&packet, segment.buffer->payload, segment.buffer->len, frame_flags);
    if (others == NULL || packet.kind == PACKET_SEGMENT) {
        packet_receive(&segment);
    } else {
        counter_increment(COUNTER_DROP_BAD_MESSAGE); /* nobody asks about anything else */
    }
    if (!segment.is_kept) {
        pbuf_free(segment.buffer);
    }
}

static void handle_forward_frame(node_id_t from, const struct message *message,
                                 struct message_payload frame)
{
    (void)from;
    frames_receive_message(frame, ((const struct forward_frame *)message)->frame_flags, NULL);
}

/* --- Ways on --- */

static int forward(const struct pbuf *packet, node_id_t owner)
{
    size_t headers_bytes = ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES;
    struct forward_frame *message;
    uint8_t *frame;

    ASSERT(owner != platform_node());
    if (headers_bytes + packet->tot_len > FORWARDED_MAX_BYTES) {
        return -EMSGSIZE;
    }
    message = message_reserve_payload(owner, FORWARD_FRAME, sizeof(*message),
                                      headers_bytes + packet->tot_len);
    if (message == NULL) {
        return message_refusal(owner);
    }
    message->frame_flags = FRAME_IP_CHECKSUM_GOOD; /* reassembly has checked each, and left none */
    frame = (uint8_t *)(message + 1);
    memset(frame, 0, ETHERNET_HEADER_BYTES);
    frame[ETHERNET_TYPE_OFFSET] = ETHTYPE_IP >> 8;
    memcpy(frame + ETHERNET_HEADER_BYTES, ip4_current_header(), IPV4_HEADER_MIN_BYTES);
    (void)pbuf_copy_partial(packet, frame + headers_bytes, packet->tot_len, 0);
    message_publish();
    return 0;
}

bool frames_pass_on(const struct pbuf *packet, const struct flow *flow)
{
    unsigned group =
        steering_group(configuration, swap16(flow->remote_port), swap16(flow->local_port));

    return frames_pass_to(packet, steering_owner(configuration, group));
}

bool frames_pass_to(const struct pbuf *packet, node_id_t owner)
{
    if (owner == platform_node()) {
        return false;
    }
    /* Forward once: nodes that disagree must not loop a packet. */
    if ((packet->flags & PACKET_FORWARDED) != 0 || forward(packet, owner) != 0) {
        counter_increment(COUNTER_DROP_NOT_OURS);
    } else {
        counter_increment(COUNTER_STEER_FORWARDED);
    }
    return true;
}

void frames_initialise(const struct configuration *new_configuration)
{
    ASSERT(new_configuration->ts_count > 0);
    configuration = new_configuration;
    packet_initialise(configuration);
    held_initialise();
    net_register_payload_message(FORWARD_FRAME, handle_forward_frame);
}
