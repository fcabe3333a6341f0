/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_machine.c tests/unit/world/small_tcp.c */
/* library: lwip reference */
/*
 * Tests our own TCP against lwIP, with a peer that answers: the same transfers in both directions
 * at once, over a network that loses, repeats, delays and reorders, by lwIP alone (A), by ours (B),
 * and by ours with lwIP's receiver lent at any time (C). At the end each has both streams, and is
 * over as the other two are. In virtual time; what each sends and when is its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/bytes.h"
#include "net/headers.h"
#include "net/transport/tcp/lend.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/sender.h"
#include "tests/unit/reference/reference.h"
#include "tests/unit/world/small_tcp.h"
#include "tests/unit/world/tcp_machine.h"

#define RUNS          60u
#define MSS           1460u
#define UNDER_WAY_MAX 4096u
#define SEGMENT_MAX   (60u + MSS)
#define TIME_LIMIT_US 3600000000ull
#define FAST_TICK_US  250000u
#define WRITE_BYTES   4096u

enum who { LWIP, OURS, LENDING, WHO_COUNT };

/* What a run is made of. */
struct run {
    uint32_t irs, iss;
    uint32_t in_bytes, out_bytes; /* of the one under test */
    uint32_t loss_in_1000, repeat_in_1000, jitter_us, delay_us;
    uint32_t window_bytes, in_flight_max, reads_one_in;
    bool has_sack, is_peer_closing_last;
};

struct flying {
    uint64_t arrives_us;
    uint32_t length;
    bool is_to_peer;
    uint8_t tcp[SEGMENT_MAX];
};

static uint64_t random_state;
static struct run run;
static enum who who;
static struct machine machine;
static struct small_tcp peer;
static struct flying flying[UNDER_WAY_MAX];
static unsigned flying_count;
static uint32_t lost_count, received_bytes, unread_bytes, written_bytes;
static bool has_closed;
static uint64_t began_us, tick_us;

static uint32_t chance(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % below;
}

/* --- The network --- */

static void fly(const uint8_t *tcp, size_t bytes, bool is_to_peer)
{
    struct flying *next = &flying[flying_count];

    if (chance(1000) < run.loss_in_1000) {
        lost_count++;
        return;
    }
    assert_true(flying_count < UNDER_WAY_MAX && bytes <= SEGMENT_MAX);
    next->arrives_us = machine_now_us() + run.delay_us + chance(run.jitter_us + 1);
    next->length = (uint32_t)bytes;
    next->is_to_peer = is_to_peer;
    memcpy(next->tcp, tcp, bytes);
    flying_count++;
}

static void fly_perhaps_twice(const uint8_t *tcp, size_t bytes, bool is_to_peer)
{
    fly(tcp, bytes, is_to_peer);
    if (chance(1000) < run.repeat_in_1000) {
        fly(tcp, bytes, is_to_peer);
    }
}

static void peer_sends(struct small_tcp *from, const uint8_t *tcp, size_t bytes)
{
    (void)from;
    fly_perhaps_twice(tcp, bytes, false);
}

static void machine_sends(struct machine *from, const uint8_t *tcp, size_t bytes)
{
    (void)from;
    fly_perhaps_twice(tcp, bytes, true);
}

static void reference_sends(const uint8_t *tcp, size_t bytes)
{
    fly_perhaps_twice(tcp, bytes, true);
}

static void reference_receives(const uint8_t *stream, size_t bytes)
{
    uint8_t expected[65536];

    machine_fill(expected, received_bytes, (uint32_t)bytes);
    assert_memory_equal(stream, expected, bytes);
    received_bytes += (uint32_t)bytes;
    unread_bytes += (uint32_t)bytes;
}

static const struct reference_wire wire = {reference_sends, reference_receives};

/* --- The one under test --- */

/* It has both FINs, and waits for nothing but time. */
static bool is_done(void)
{
    return who == LWIP
               ? reference.state == REFERENCE_CLOSED || reference.state == REFERENCE_TIME_WAIT
               : machine.is_over;
}

static bool write_some(uint32_t length)
{
    static uint8_t bytes[WRITE_BYTES];

    if (who != LWIP) {
        return machine_write(&machine, length);
    }
    machine_fill(bytes, written_bytes, length);
    return reference_write(bytes, length);
}

static void act(void)
{
    if (is_done()) {
        return;
    }
    if (chance(run.reads_one_in) == 0) {
        if (who == LWIP) {
            reference_consumed(unread_bytes);
            unread_bytes = 0;
        } else {
            machine_read(&machine);
        }
    }
    while (written_bytes < run.out_bytes) {
        uint32_t left = run.out_bytes - written_bytes;
        uint32_t length = left < WRITE_BYTES ? left : WRITE_BYTES;

        if (!write_some(length)) {
            break;
        }
        written_bytes += length;
    }
    if (written_bytes == run.out_bytes && !has_closed) {
        has_closed = true;
        if (who == LWIP) {
            reference_close(false);
        } else {
            tcb_close_send(&machine.tcb);
        }
    }
}

/* TIME-WAIT of ours is not here: it acknowledges what comes again. */
static void answer_from_time_wait(const struct flying *segment)
{
    uint8_t tcp[20] = {0};

    if (!machine.is_in_time_wait ||
        (segment->length == 20 && (segment->tcp[TCP_FLAGS_OFFSET] & TCP_FLAG_FIN) == 0)) {
        return;
    }
    store_be32(tcp + TCP_SEQUENCE_OFFSET, run.iss + 2 + run.out_bytes);
    store_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET, machine.last_rcv_nxt);
    tcp[12] = 5 << 4;
    tcp[TCP_FLAGS_OFFSET] = TCP_FLAG_ACK;
    fly(tcp, sizeof(tcp), true);
}

static void receive(const struct flying *segment)
{
    if (who == LWIP) {
        reference_segment(segment->tcp, segment->length);
    } else if (machine.is_over) {
        answer_from_time_wait(segment);
    } else {
        if (who == LENDING && machine.tcb.loan == NULL && chance(3) == 0) {
            assert_true(lend_begin(&machine.tcb));
        }
        machine_receive(&machine, segment->tcp, segment->length);
    }
}

static void settle(void)
{
    if (who != LWIP && !machine.is_over) {
        machine_expire(&machine);
    }
    if (who != LWIP && !machine.is_over) {
        machine_settle(&machine);
    }
    if (who == LWIP && machine_now_us() >= tick_us) {
        tick_us = machine_now_us() + FAST_TICK_US;
        reference_tick();
    }
}

/* --- Time --- */

static void deliver_what_has_arrived(void)
{
    for (unsigned i = 0; i < flying_count;) {
        static struct flying segment;

        if (flying[i].arrives_us > machine_now_us()) {
            i++;
            continue;
        }
        segment = flying[i];
        flying[i] = flying[--flying_count];
        if (segment.is_to_peer) {
            small_tcp_receive(&peer, segment.tcp, segment.length);
        } else {
            receive(&segment);
        }
    }
}

static void open_all(void)
{
    struct machine_settings settings = {run.irs, run.iss, MSS, run.has_sack};

    memset(&peer, 0, sizeof(peer));
    peer.send = peer_sends;
    peer.iss = run.irs;
    peer.irs = run.iss;
    peer.out_bytes = run.in_bytes;
    peer.window_bytes = run.window_bytes;
    peer.in_flight_max = run.in_flight_max;
    peer.mss = MSS;
    peer.is_closing_last = run.is_peer_closing_last;
    peer.peer_window = 65535;
    peer.fin_at = UINT32_MAX;
    flying_count = 0;
    received_bytes = unread_bytes = written_bytes = 0;
    has_closed = false;
    began_us = machine_now_us();
    tick_us = began_us + FAST_TICK_US;
    if (who == LWIP) {
        reference_open(run.irs + 1, run.iss + 1, RECEIVER_WINDOW_FIRST_BYTES, run.has_sack, MSS);
    } else {
        machine.send = machine_sends;
        machine_open(&machine, &settings);
        machine.tcb.snd_wnd = machine.tcb.snd_wnd_max = run.window_bytes;
    }
}

/* How it ends: the same for each. */
struct end {
    bool is_done, has_peer_closed;
    uint32_t received_bytes, sent_bytes;
};

static void tell_of_run(void)
{
    print_message(
        "%u: %u of %u bytes in, %u of %u out, loss %u, repeated %u, delay %u + %u, window %u, "
        "flight %u, reads 1 in %u, sack %u, last %u\n",
        who, who == LWIP ? received_bytes : machine.stream_bytes, run.in_bytes, peer.in_bytes,
        run.out_bytes, run.loss_in_1000, run.repeat_in_1000, run.delay_us, run.jitter_us,
        run.window_bytes, run.in_flight_max, run.reads_one_in, run.has_sack,
        run.is_peer_closing_last);
    print_message("peer: una %u, nxt %u, window %u, FIN in %u, out %u, reset %u\n", peer.una,
                  peer.nxt, peer.peer_window, peer.has_fin, peer.has_fin_out, peer.has_reset);
    print_message("state %u, una %u, sent %u, window %u, %s\n",
                  who == LWIP ? reference.state : machine.tcb.state,
                  (who == LWIP ? reference.snd_una : machine.tcb.snd_una) - run.iss - 1,
                  (who == LWIP ? reference.snd_nxt : machine.tcb.snd_max) - run.iss - 1,
                  machine.tcb.snd_wnd, reference.assertion);
}

static struct end transfer(enum who tested)
{
    struct end end;

    who = tested;
    open_all();
    while (!(is_done() && small_tcp_is_done(&peer))) {
        if (peer.has_reset || machine_now_us() - began_us >= TIME_LIMIT_US) {
            tell_of_run();
            fail();
        }
        act();
        settle();
        small_tcp_run(&peer);
        machine_advance_us(200 + chance(800));
        deliver_what_has_arrived();
    }
    end = (struct end){
        .is_done = is_done(),
        .has_peer_closed = who == LWIP ? reference.has_peer_closed : machine.has_peer_closed,
        .received_bytes = who == LWIP ? received_bytes : machine.stream_bytes,
        .sent_bytes = peer.in_bytes,
    };
    if (who == LWIP) {
        assert_null(reference.assertion);
        reference_end();
    } else {
        assert_int_equal(machine.error, 0);
        assert_int_equal(machine.acknowledged_bytes, run.out_bytes);
        machine_end(&machine);
    }
    return end;
}

static void expect_whole_end(enum who tested)
{
    struct end end = transfer(tested);

    assert_true(end.is_done && end.has_peer_closed);
    assert_int_equal(end.received_bytes, run.in_bytes);
    assert_int_equal(end.sent_bytes, run.out_bytes);
}

static void both_streams_are_whole_whoever_has_the_receiver(void **state)
{
    const char *seed = getenv("TALUS_SEED");

    (void)state;
    random_state = seed == NULL ? 20260101 : strtoull(seed, NULL, 10) * 0x9E3779B97F4A7C15u | 1;
    machine_initialise(1 * GIB, true);
    reference_initialise(&wire);
    for (unsigned i = 0; i < RUNS; i++) {
        run = (struct run){
            .irs = (uint32_t)random_state,
            .iss = i % 3 == 0 ? UINT32_MAX - chance(50000) : chance(UINT32_MAX),
            .in_bytes = chance(100000),
            .out_bytes = chance(100000),
            .loss_in_1000 = (const uint32_t[]){0, 10, 50, 200}[chance(4)],
            .repeat_in_1000 = chance(30),
            .jitter_us = (const uint32_t[]){0, 1000, 20000}[chance(3)],
            .delay_us = 100 + chance(20000),
            .window_bytes = (const uint32_t[]){65408, 8192, 1460}[chance(3)] & ~127u,
            .in_flight_max = 1 + chance(20),
            .reads_one_in = (const uint32_t[]){1, 2, 50}[chance(3)],
            .has_sack = chance(3) != 0,
            .is_peer_closing_last = chance(2) != 0,
        };
        run.window_bytes = run.window_bytes < 1536 ? 1536 : run.window_bytes;
        expect_whole_end(LWIP);
        expect_whole_end(OURS);
        expect_whole_end(LENDING);
    }
    print_message("%u segments lost\n", lost_count);
    assert_true(lost_count != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_streams_are_whole_whoever_has_the_receiver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
