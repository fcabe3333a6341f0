/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/tcb.c net/transport/tcp/soon.c libc/core/timer.c net/transport/tcp/receiver.c net/transport/tcp/lend.c net/transport/tcp/options.c net/transport/held.c net/transport/share.c net/transport/lwip/memory.c tests/unit/world/lwip_uncalled.c */
/* sources: net/transport/tcp/sender.c net/transport/tcp/blocked.c net/transport/tcp/persist.c net/transport/tcp/pinned.c net/transport/tcp/piece.c net/transport/tcp/sender_output.c net/transport/tcp/queue.c net/transport/tcp/send_buffer.c net/transport/tcp/recovery.c net/transport/tcp/recovery_block.c net/transport/tcp/scoreboard.c net/transport/tcp/rack.c net/transport/tcp/episode.c net/transport/tcp/loss_timer.c */
/* sources: net/transport/tcp/newreno.c net/transport/tcp/probe.c net/transport/tcp/prr.c net/transport/tcp/undo.c net/transport/tcp/congestion.c net/transport/tcp/cubic.c */
/* sources: net/transport/tcp/hystart.c net/transport/tcp/round_trip.c net/transport/tcp/rto_option.c libc/core/command_line.c */
/* sources: kernel/log.c libc/core/format.c kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Connections of our own TCP without servers around them: see tcp_machine.h.
 */
#include "tests/unit/world/tcp_machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/core/bytes.h"
#include "libc/core/timer.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/held.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/pinned.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#include "lwip/pbuf.h"

#include "hooks.h"

#define TCP_WINDOW_OFFSET 14

static uint64_t now_us;
static uint8_t pattern[65536 + 256];

static struct machine *machine_of(struct tcb *tcb)
{
    return CONTAINER_OF(tcb, struct machine, tcb);
}

/* --- Clock and bytes --- */

uint64_t dispatch_now_ns(void)
{
    return now_us * NS_PER_US;
}

uint64_t machine_now_us(void)
{
    return now_us;
}

void machine_advance_us(uint64_t us)
{
    now_us += us;
}

/* Repeats after 251 bytes, so a shift by any power of two shows. */
uint8_t machine_byte(uint32_t index)
{
    return pattern[index % 251];
}

void machine_fill(uint8_t *bytes, uint32_t first, uint32_t length_bytes)
{
    assert_true(length_bytes <= 65536);
    memcpy(bytes, pattern + first % 251, length_bytes);
}

static void expect_bytes(const uint8_t *bytes, uint32_t first, uint32_t length_bytes)
{
    assert_memory_equal(bytes, pattern + first % 251, length_bytes);
}

/* --- Events --- */

void tcp_event_received(struct tcb *tcb, struct pbuf *packet)
{
    struct machine *machine = machine_of(tcb);

    assert_false(machine->is_over || machine->has_peer_closed);
    for (struct pbuf *piece = packet; piece != NULL; piece = piece->next) {
        expect_bytes(piece->payload, machine->stream_bytes, piece->len);
        machine->stream_bytes += piece->len;
        machine->unread_bytes += piece->len;
    }
    pbuf_free(packet);
}

void tcp_event_peer_closed(struct tcb *tcb)
{
    struct machine *machine = machine_of(tcb);

    assert_false(machine->is_over || machine->has_peer_closed);
    machine->has_peer_closed = true;
}

void tcp_event_acknowledged(struct tcb *tcb, uint32_t bytes)
{
    machine_of(tcb)->acknowledged_bytes += bytes;
}

void tcp_event_ended(struct tcb *tcb, int error)
{
    struct machine *machine = machine_of(tcb);

    assert_false(machine->is_over);
    machine->is_over = true;
    machine->error = error;
}

void tcp_event_stays(struct tcb *tcb)
{
    (void)tcb;
}

void tcp_event_unsettled(struct tcb *tcb)
{
    machine_of(tcb)->is_unsettled = true;
}

bool tcp_application_is_behind(const struct tcb *tcb)
{
    return CONTAINER_OF(tcb, const struct machine, tcb)->unread_bytes != 0;
}

/* --- Segments in --- */

bool tcp_event_text(struct tcb *tcb, struct segment *segment)
{
    const struct packet *packet = segment->packet;
    struct pbuf *copy = pbuf_alloc(PBUF_RAW, packet->payload_bytes, PBUF_RAM);

    assert_non_null(copy);
    memcpy(copy->payload, packet->bytes + packet->payload_offset, packet->payload_bytes);
    tcp_event_received(tcb, copy);
    return true;
}

void machine_receive(struct machine *machine, const uint8_t *tcp, size_t bytes)
{
    static uint8_t frame[PACKET_TCP_OFFSET + MACHINE_SEGMENT_MAX];
    size_t header_bytes = (size_t)(tcp[TCP_DATA_OFFSET_OFFSET] >> 4) * 4;
    struct packet packet = {
        .bytes = frame,
        .flow = machine->tcb.flow,
        .sequence = load_be32(tcp + TCP_SEQUENCE_OFFSET),
        .acknowledgment = load_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET),
        .length_bytes = (uint16_t)bytes,
        .window = load_be16(tcp + TCP_WINDOW_OFFSET),
        .tcp_flags = tcp[TCP_FLAGS_OFFSET],
        .option_bytes = (uint8_t)(header_bytes - TCP_HEADER_MIN_BYTES),
        .payload_offset = (uint16_t)(PACKET_TCP_OFFSET + header_bytes),
        .payload_bytes = (uint16_t)(bytes - header_bytes),
        .kind = PACKET_SEGMENT,
    };
    struct segment segment = {.packet = &packet};

    assert_true(bytes <= MACHINE_SEGMENT_MAX);
    memcpy(frame + PACKET_TCP_OFFSET, tcp, bytes);
    assert_true(header_bytes >= TCP_HEADER_MIN_BYTES && header_bytes <= bytes);
    assert_false(machine->is_over);
    receiver_segment(&machine->tcb, &segment);
}

/* --- Segments out --- */

static void send(struct machine *machine, uint8_t *tcp, size_t bytes)
{
    if (machine->send != NULL) {
        machine->send(machine, tcp, bytes);
    }
}

int segment_out_send(struct tcb *tcb, const struct reference *first, uint32_t sequence,
                     uint32_t length_bytes, uint8_t tcp_flags)
{
    static uint8_t tcp[MACHINE_SEGMENT_MAX];
    unsigned option_bytes = length_bytes == 0 ? receiver_put_sack(tcb, tcp + 20) : 0;
    uint8_t *payload = tcp + 20 + option_bytes;
    uint32_t offset = first == NULL ? 0 : sequence - first->sequence;

    assert_true(length_bytes <= tcb->mss);
    memset(tcp, 0, 20);
    store_be32(tcp + TCP_SEQUENCE_OFFSET, sequence);
    store_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET, tcb->rcv_nxt);
    tcp[12] = (uint8_t)((20 + option_bytes) / 4 << 4);
    tcp[TCP_FLAGS_OFFSET] = tcp_flags | TCP_FLAG_ACK;
    store_be16(tcp + TCP_WINDOW_OFFSET, receiver_window(tcb));
    for (uint32_t left = length_bytes; left != 0; first = first->next, offset = 0) {
        uint32_t some = first->length_bytes - offset < left ? first->length_bytes - offset : left;

        memcpy(payload + length_bytes - left, first->bytes + offset, some);
        left -= some;
    }
    receiver_note_ack_sent(tcb, receiver_window(tcb));
    send(machine_of(tcb), tcp, 20 + option_bytes + length_bytes);
    return 0;
}

uint32_t segment_out_fit(const struct tcb *tcb, const struct reference *first, uint32_t most_bytes)
{
    (void)first;
    return most_bytes < tcb->mss ? most_bytes : tcb->mss;
}

bool segment_out_fits(const struct tcb *tcb, uint32_t queued_bytes)
{
    return queued_bytes <= tcb->mss;
}

static struct machine *resetting; /* whose tcb_abort() is under way: a reset knows its flow only */

void segment_out_send_bare(const struct bare_segment *segment)
{
    uint8_t tcp[20] = {0};

    assert_int_equal(segment->option_bytes, 0);
    store_be32(tcp + TCP_SEQUENCE_OFFSET, segment->sequence);
    store_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET, segment->acknowledgment);
    tcp[12] = 5 << 4;
    tcp[TCP_FLAGS_OFFSET] = segment->tcp_flags;
    memcpy(&resetting, &segment->flow, sizeof(resetting));
    resetting->has_reset = true;
    send(resetting, tcp, sizeof(tcp));
}

/* --- TIME-WAIT and the wheel --- */

void timewait_add(const struct flow *flow, struct timewait_numbers numbers, uint64_t at_ns)
{
    struct machine *machine;

    (void)at_ns;
    memcpy(&machine, flow, sizeof(machine));
    machine->is_in_time_wait = true;
    machine->last_rcv_nxt = numbers.rcv_nxt;
}

/* One that stands on the wheel has its deadline there, and nothing else. */
void wheel_set(struct wheel_entry *entry, uint64_t deadline_ns)
{
    entry->wanted_tick = (uint32_t)((deadline_ns + NS_PER_US - 1) / NS_PER_US);
    entry->link = &entry->next;
}

void wheel_clear(struct wheel_entry *entry)
{
    entry->link = NULL;
}

void machine_expire(struct machine *machine)
{
    struct wheel_entry *timer = &machine->tcb.timer;

    (void)timer_run_expired(now_us * NS_PER_US);
    if (!machine->is_over && timer->link != NULL &&
        (int32_t)((uint32_t)now_us - timer->wanted_tick) >= 0) {
        timer->link = NULL;
        tcb_expire(&machine->tcb);
    }
}

/* --- Life --- */

void machine_initialise(uint64_t memory_bytes, bool can_grow)
{
    fake_platform_reset(0, 2);
    for (unsigned i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i % 251 * 3 + 7);
    }
    now_us = 0;
    fake_memory_total_bytes = can_grow ? memory_bytes : 0;
    receiver_initialise();
    soon_initialise();
    fake_memory_total_bytes = memory_bytes;
    fake_status_page(0)->memory_bytes = memory_bytes;
    held_initialise();
    queue_initialise();
    pinned_initialise();
    recovery_initialise();
    sender_initialise();
}

void machine_open(struct machine *machine, const struct machine_settings *settings)
{
    void (*keep_send)(struct machine *, const uint8_t *, size_t) = machine->send;
    struct handshake handshake = {
        .irs = settings->irs,
        .iss = settings->iss,
        .mss = settings->mss,
        .snd_scale = RECEIVER_SCALE,
        .has_scale = true,
        .has_sack = settings->has_sack,
    };
    const struct handshake_completion completion = {65535, .round_trip_us = 1000};

    memset(machine, 0, sizeof(*machine));
    machine->send = keep_send;
    memcpy(&handshake.flow, &machine, sizeof(machine)); /* so it is found by it */
    tcb_open(&machine->tcb, &handshake, completion);
    machine->tcb.rcv_edge = machine->tcb.rcv_nxt + RECEIVER_WINDOW_FIRST_BYTES;
}

void machine_end(struct machine *machine)
{
    if (!machine->is_over && machine->tcb.state != TCB_CLOSED) {
        tcb_end(&machine->tcb, 0);
    }
}

bool machine_write(struct machine *machine, uint32_t length_bytes)
{
    uint8_t bytes[4096];

    assert_true(length_bytes <= sizeof(bytes));
    if (queue_room_bytes(&machine->tcb) < length_bytes) {
        return false;
    }
    machine_fill(bytes, machine->tcb.snd_end - (machine->tcb.snd_una - machine->acknowledged_bytes),
                 length_bytes);
    return queue_append_copy(&machine->tcb, bytes, length_bytes);
}

void machine_read(struct machine *machine)
{
    if (!machine->is_over && machine->unread_bytes != 0) {
        receiver_consumed(&machine->tcb, machine->unread_bytes);
    }
    machine->unread_bytes = 0;
}

void machine_settle(struct machine *machine)
{
    (void)sender_poll_blocked();
    machine->is_unsettled = false;
    tcb_settle(&machine->tcb);
}
