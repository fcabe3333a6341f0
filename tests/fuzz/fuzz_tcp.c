/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_machine.c */
/* flags: -D_GNU_SOURCE */
/* library: lwip */
/*
 * The input is a program: the peer's segments to one connection, what its application does, and
 * time. The same goes to a second one, whose bytes in order go through lwIP whenever the input says
 * so. Both have the same stream, numbers, state and end, never move a window's edge left, report no
 * byte by SACK that has not come, and keep nothing.
 */
#include <string.h>

#include "libc/core/bytes.h"
#include "net/headers.h"
#include "net/transport/held.h"
#include "net/transport/tcp/lend.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/soon.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/tcp_machine.h"

#define ACTION_MAX 300u
#define MSS        1460u

#define FLIGHT_MOST 60000u

static struct machine ours, lending;
static uint32_t irs;

/* Where a number that matters lies, and a step from it. */
static uint32_t take_number(struct fuzz_input *input, const uint32_t numbers[4])
{
    uint8_t how = fuzz_take8(input);
    uint32_t number = numbers[how & 3];

    switch (how >> 2 & 7) {
    case 0:
        return number;
    case 1:
        return number + fuzz_take8(input);
    case 2:
        return number - fuzz_take8(input);
    case 3:
        return number + fuzz_take16(input);
    case 4:
        return number - fuzz_take16(input);
    case 5:
        return number + MSS * (how >> 5);
    case 6:
        return number + 0x80000000u - 3 + (how >> 5);
    default:
        return fuzz_take32(input);
    }
}

static void put_payload(uint8_t *bytes, uint32_t sequence, uint32_t length_bytes)
{
    int32_t index = (int32_t)(sequence - irs - 1);

    machine_fill(bytes, index >= 0 ? (uint32_t)index : (uint32_t)(index % 251 + 251), length_bytes);
}

static void receive(struct fuzz_input *input)
{
    static uint8_t tcp[MACHINE_SEGMENT_MAX];
    const struct tcb *tcb = &ours.tcb;
    uint32_t sequence = take_number(
        input, (const uint32_t[]){tcb->rcv_nxt, tcb->rcv_nxt + 1, tcb->rcv_edge, tcb->rcv_nxt});
    uint32_t acknowledgment = take_number(
        input, (const uint32_t[]){tcb->snd_max, tcb->snd_una, tcb->snd_max, tcb->snd_end});
    uint8_t how = fuzz_take8(input);
    uint32_t length_bytes = (how & 1) != 0   ? MSS
                            : (how & 2) != 0 ? fuzz_take16(input) % 60000u
                                             : fuzz_take8(input);
    uint8_t tcp_flags = (how & 4) != 0 ? fuzz_take8(input) : TCP_FLAG_ACK;
    size_t option_bytes = 0;
    const uint8_t *options;

    memset(tcp, 0, 60);
    if ((how & 8) != 0) {
        options = fuzz_take_bytes(input, 40, &option_bytes);
        memcpy(tcp + 20, options, option_bytes);
        option_bytes = ALIGN_UP(option_bytes, 4);
    }
    store_be32(tcp + TCP_SEQUENCE_OFFSET, sequence);
    store_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET, acknowledgment);
    tcp[12] = (uint8_t)((20 + option_bytes) / 4 << 4);
    tcp[TCP_FLAGS_OFFSET] = tcp_flags;
    store_be16(tcp + 14, (how & 16) != 0 ? fuzz_take16(input) : 65535);
    put_payload(tcp + 20 + option_bytes, sequence, length_bytes);
    if ((how & 32) != 0 && lending.tcb.loan == NULL) {
        FUZZ_CHECK(lend_begin(&lending.tcb));
    }
    machine_receive(&ours, tcp, 20 + option_bytes + length_bytes);
    machine_receive(&lending, tcp, 20 + option_bytes + length_bytes);
}

static void act(struct fuzz_input *input)
{
    uint32_t length_bytes = fuzz_take16(input) % 4096 + 1u;

    switch (length_bytes % 8) {
    case 0:
        tcb_close_send(&ours.tcb);
        tcb_close_send(&lending.tcb);
        break;
    case 1:
        if (!ours.tcb.is_orphan) {
            tcb_close(&ours.tcb);
            tcb_close(&lending.tcb);
        }
        break;
    case 2:
    case 3:
        machine_read(&ours);
        machine_read(&lending);
        break;
    default:
        if (!ours.tcb.is_fin_due && !ours.tcb.has_fin &&
            ours.tcb.snd_end - ours.tcb.snd_una + length_bytes <= FLIGHT_MOST) {
            FUZZ_CHECK(machine_write(&ours, length_bytes) == machine_write(&lending, length_bytes));
        }
        break;
    }
}

/* The end of a round, with each delayed acknowledgement: when lwIP has bytes they are not delayed.
 */
static void settle(struct machine *machine)
{
    uint32_t edge = machine->tcb.rcv_edge;

    if (machine->is_over) {
        return;
    }
    machine_expire(machine);
    if (machine->is_over) {
        return;
    }
    if (machine->tcb.ack_due == ACK_FRESH) {
        machine->tcb.ack_due = ACK_NOW;
    }
    do {
        machine_settle(machine);
    } while (machine->tcb.is_output_blocked); /* so much goes in a round */
    FUZZ_CHECK(machine->is_over || !sequence_is_before(machine->tcb.rcv_edge, edge));
}

/* In FIN-WAIT-2, without an application, TIME-WAIT's table takes a connection over when its timer
 * comes next, which is another one's if lwIP has bytes. */
static bool has_left_before(const struct machine *one, const struct machine *other)
{
    return one->is_in_time_wait && !other->is_over && other->tcb.is_orphan &&
           other->tcb.state == TCB_FIN_WAIT_2;
}

static void compare(void)
{
    uint8_t sack[40], other_sack[40];
    unsigned sack_bytes;

    FUZZ_CHECK(lending.is_over == ours.is_over);
    FUZZ_CHECK(lending.stream_bytes == ours.stream_bytes);
    FUZZ_CHECK(lending.acknowledged_bytes == ours.acknowledged_bytes);
    FUZZ_CHECK(lending.has_peer_closed == ours.has_peer_closed);
    FUZZ_CHECK(lending.is_in_time_wait == ours.is_in_time_wait);
    FUZZ_CHECK(lending.error == ours.error && lending.has_reset == ours.has_reset);
    if (ours.is_over) {
        return;
    }
    FUZZ_CHECK(lending.tcb.state == ours.tcb.state);
    FUZZ_CHECK(lending.tcb.rcv_nxt == ours.tcb.rcv_nxt);
    FUZZ_CHECK(lending.tcb.rcv_edge == ours.tcb.rcv_edge);
    FUZZ_CHECK(lending.tcb.snd_una == ours.tcb.snd_una);
    FUZZ_CHECK(lending.tcb.snd_max == ours.tcb.snd_max);
    sack_bytes = receiver_put_sack(&ours.tcb, sack);
    FUZZ_CHECK(receiver_put_sack(&lending.tcb, other_sack) == sack_bytes);
    FUZZ_CHECK(memcmp(sack, other_sack, sack_bytes) == 0);
    for (unsigned at = 4; at < sack_bytes; at += 8) {
        FUZZ_CHECK(sequence_is_after(load_be32(sack + at), ours.tcb.rcv_nxt));
        FUZZ_CHECK(sequence_is_before(load_be32(sack + at), load_be32(sack + at + 4)));
        FUZZ_CHECK(!sequence_is_after(load_be32(sack + at + 4), ours.tcb.rcv_edge));
    }
}

/* As if it had been there for a while: at first a timer waits for a look, which comes sooner to who
 * has set one sooner, as the one with lwIP's bytes has. */
static void begin(struct machine *machine, const struct machine_settings *settings)
{
    machine_open(machine, settings);
    machine->tcb.soon |= SOON_OVER;
}

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};
    struct machine_settings settings = {.mss = MSS};
    /* What is not kept in pools. */
    static const char *const kinds[] = {"tcp_loans", "tcp_held", "lwip_TCP_SEG", "lwip_packet"};

    machine_initialise(1 * GIB, false);
    settings.irs = irs = fuzz_take32(&input);
    settings.iss = fuzz_take32(&input);
    settings.has_sack = (fuzz_take8(&input) & 1) != 0;
    begin(&ours, &settings);
    begin(&lending, &settings);
    for (unsigned i = 0; i < ACTION_MAX && input.left != 0 && !ours.is_over; i++) {
        uint8_t what = fuzz_take8(&input);

        if (what >= 64) {
            receive(&input);
        } else if (what >= 16) {
            act(&input);
        } else {
            machine_advance_us((uint64_t)fuzz_take16(&input) << what % 8);
        }
        settle(&ours);
        settle(&lending);
        if (has_left_before(&ours, &lending) || has_left_before(&lending, &ours)) {
            break;
        }
        compare();
    }
    machine_end(&ours);
    machine_end(&lending);
    FUZZ_CHECK(held_bytes() == 0);
    for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
        FUZZ_CHECK(fake_memory_counts(kinds[i])->objects == 0);
    }
}
