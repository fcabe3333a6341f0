/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_machine.c */
/* library: lwip reference */
/*
 * Tests our own TCP against lwIP: the same segments to lwIP alone (A), to ours (B), and to ours
 * with lwIP's receiver lent at any time (C). After each of them all have the same bytes, numbers,
 * state and end, except where ours differs on purpose:
 *
 *   what RFC 9293 3.10.7.4 or RFC 5961 refuse changes nothing with us. lwIP takes bytes and
 *   acknowledgements of some of it: there it does not get them
 *   ours resets for bytes that nobody will read when they come, lwIP when they are in order
 *   ours cuts off what lies beyond the window when it comes. lwIP keeps it if it is the first
 * behind a hole, and asserts later that it has fitted: so it gets no more than fits windows and
 * rate are told to lwIP: what is allowed is ours, when it is sent is not compared
 *
 * TALUS_SEGMENTS and TALUS_SEED in the environment say how many, and which; TALUS_TELL shows them.
 */
#include <errno.h>
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
#include "tests/unit/world/tcp_machine.h"

#define FIN TCP_FLAG_FIN
#define SYN TCP_FLAG_SYN
#define RST TCP_FLAG_RST
#define ACK TCP_FLAG_ACK
#define PSH 0x08
#define URG 0x20

#define MSS              1460u
#define SEGMENTS         1000000u
#define SEGMENTS_A_RUN   100u
#define FLIGHT_MOST      100000u /* of ours: lwIP's queue has a limit, too */
#define AS_MUCH_AS_IT_IS (64u << 20)

static uint64_t random_state;

static struct machine ours, lending;
static uint32_t irs, iss;
static uint32_t segments_left, run_count, refused_count;
static uint32_t reference_stream_bytes;
static uint32_t seen_count[REFERENCE_TIME_WAIT + 1];
static uint32_t reads_one_in; /* how often the application does; 0: never */
static bool is_orphan;
static bool is_told; /* TALUS_TELL: of each segment, before it comes */

/* --- Chance --- */

static uint32_t chance(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % below;
}

static bool one_in(uint32_t many)
{
    return chance(many) == 0;
}

/* --- The reference's sides --- */

static void reference_sends(const uint8_t *tcp, size_t bytes)
{
    (void)tcp;
    (void)bytes;
}

static void reference_receives(const uint8_t *stream, size_t bytes)
{
    uint8_t expected[65536];

    machine_fill(expected, reference_stream_bytes, (uint32_t)bytes);
    assert_memory_equal(stream, expected, bytes);
    reference_stream_bytes += (uint32_t)bytes;
}

static const struct reference_wire wire = {reference_sends, reference_receives};

/* --- Segments --- */

struct sample {
    uint32_t sequence, acknowledgment;
    uint16_t window;
    uint8_t flags;
    uint8_t option_bytes;
    uint32_t length_bytes;
    uint8_t tcp[MACHINE_SEGMENT_MAX];
};

/* Around a number that matters. */
static uint32_t near(uint32_t number)
{
    static const uint32_t distances[] = {
        0,     1,     2,          MSS,        MSS - 1,     MSS + 1,     2 * MSS,
        65535, 65536, 0x7FFFFFFF, 0x80000000, 0x80000001u, 0xFFFFFFFFu, -(uint32_t)MSS};
    uint32_t distance = distances[chance(ARRAY_COUNT(distances))];

    return one_in(2) ? number + distance : number - distance;
}

static uint32_t choose_sequence(void)
{
    const struct tcb *tcb = &ours.tcb;

    switch (chance(16)) {
    case 0:
        return near(tcb->rcv_nxt);
    case 1:
        return near(tcb->rcv_edge);
    case 2:
    case 3:
        return tcb->rcv_nxt + 1 + chance(3 * MSS); /* a hole */
    case 4:
        return tcb->rcv_nxt + MSS * (1 + chance(8));
    case 5:
    case 6:
        return tcb->rcv_nxt - chance(2 * MSS); /* it overlaps, perhaps */
    default:
        return tcb->rcv_nxt;
    }
}

static uint32_t choose_acknowledgment(void)
{
    const struct tcb *tcb = &ours.tcb;

    switch (chance(16)) {
    case 0:
        return near(tcb->snd_una);
    case 1:
        return near(tcb->snd_max);
    case 2:
        return tcb->snd_una - chance(70000);
    case 3:
    case 4:
    case 5:
        return tcb->snd_una + chance(tcb->snd_max - tcb->snd_una + 1);
    case 6:
    case 7:
        return tcb->snd_una;
    default:
        return tcb->snd_max;
    }
}

static uint8_t choose_flags(void)
{
    uint8_t flags = ACK;

    if (one_in(100)) {
        return (uint8_t)chance(256);
    }
    flags |= one_in(4) ? PSH : 0;
    flags |= one_in(50) ? URG : 0;
    flags |= one_in(60) ? FIN : 0;
    flags |= one_in(200) ? SYN : 0;
    flags |= one_in(200) ? RST : 0;
    flags &= one_in(100) ? (uint8_t)~ACK : 0xFF;
    return flags;
}

static uint32_t choose_length(void)
{
    switch (chance(8)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return chance(3 * MSS);
    case 3:
        return chance(100);
    case 4:
        return one_in(20) ? 60000 : MSS;
    default:
        return MSS;
    }
}

/* Well-formed and not, SACK blocks of any place among them. */
static uint8_t choose_options(uint8_t *option)
{
    uint32_t words = 1 + chance(10);

    if (!one_in(8)) {
        return 0;
    }
    for (uint32_t i = 0; i < 4 * words; i++) {
        option[i] = one_in(3) ? (uint8_t)chance(256) : (uint8_t)chance(9);
    }
    if (one_in(2) && words >= 3) {
        uint32_t blocks = (words - 1) / 2;

        memcpy(option, (const uint8_t[]){1, 1, 5, (uint8_t)(2 + 8 * blocks)}, 4);
        for (uint32_t i = 0; i < blocks; i++) {
            uint32_t left = choose_acknowledgment();

            store_be32(option + 4 + 8 * i, left);
            store_be32(option + 8 + 8 * i, left + chance(2 * MSS));
        }
    }
    return (uint8_t)(4 * words);
}

/* Where a number lies in the peer's stream, or what is as good: one before it counts backwards. */
static uint32_t index_of(uint32_t sequence)
{
    int32_t index = (int32_t)(sequence - irs - 1);

    return index >= 0 ? (uint32_t)index : (uint32_t)(index % 251 + 251);
}

static void make_sample(struct sample *sample)
{
    static const uint16_t windows[] = {0, 1, MSS - 1, 65535};
    uint8_t *tcp = sample->tcp;

    memset(tcp, 0, 20);
    sample->sequence = choose_sequence();
    sample->acknowledgment = choose_acknowledgment();
    sample->flags = choose_flags();
    sample->length_bytes = choose_length();
    sample->window = windows[chance(ARRAY_COUNT(windows))];
    sample->option_bytes = choose_options(tcp + 20);
    store_be16(tcp, 3);
    store_be16(tcp + 2, 4);
    store_be32(tcp + TCP_SEQUENCE_OFFSET, sample->sequence);
    store_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET, sample->acknowledgment);
    tcp[12] = (uint8_t)((20 + sample->option_bytes) / 4 << 4);
    tcp[TCP_FLAGS_OFFSET] = sample->flags;
    store_be16(tcp + 14, sample->window);
    machine_fill(tcp + 20 + sample->option_bytes, index_of(sample->sequence), sample->length_bytes);
}

static size_t sample_bytes(const struct sample *sample)
{
    return 20 + sample->option_bytes + sample->length_bytes;
}

/* --- What must be --- */

static void tell_of_sample(const struct sample *sample)
{
    print_message("segment %u: flags 0x%02x, %+d from rcv_nxt, %u bytes, window %u, %u of options; "
                  "acknowledges %+d from snd_una, %+d from snd_max\n",
                  segments_left, sample->flags, (int32_t)(sample->sequence - ours.tcb.rcv_nxt),
                  sample->length_bytes, ours.tcb.rcv_edge - ours.tcb.rcv_nxt, sample->option_bytes,
                  (int32_t)(sample->acknowledgment - ours.tcb.snd_una),
                  (int32_t)(sample->acknowledgment - ours.tcb.snd_max));
}

/* RFC 9293 3.10.7.4 and RFC 5961, said once more: whether nothing of it may change anything. */
static bool is_refused(const struct sample *sample)
{
    const struct tcb *tcb = &ours.tcb;
    uint32_t text = sample->length_bytes + ((sample->flags & FIN) != 0);
    int64_t window = tcb->rcv_edge - tcb->rcv_nxt;
    int64_t first = (int32_t)(sample->sequence - tcb->rcv_nxt); /* of the window */
    int64_t beyond = first + (text == 0 ? 1 : text);
    int64_t acknowledged = (int32_t)(sample->acknowledgment - tcb->snd_una);
    bool is_probe = window == 0 && first == 0;
    bool is_from_the_edge = text == 0 && first == window;

    if ((sample->flags & RST) != 0) {
        return first != 0 || (sample->flags & SYN) != 0;
    }
    if ((sample->flags & SYN) != 0 || (sample->flags & ACK) == 0) {
        return true;
    }
    if (sample->sequence - tcb->rcv_nxt == 0x80000000u ||
        ((window == 0 || beyond <= 0 || first >= window) && !is_probe && !is_from_the_edge)) {
        return true;
    }
    return acknowledged > (int64_t)(tcb->snd_max - tcb->snd_una) ||
           acknowledged < -(int64_t)tcb->snd_wnd_max;
}

/* Bytes for an application that is gone, that it has not had. */
static bool is_for_nobody(const struct sample *sample)
{
    return is_orphan && (sample->flags & RST) == 0 && sample->length_bytes != 0 &&
           (int32_t)(sample->sequence + sample->length_bytes - ours.tcb.rcv_nxt) > 0 &&
           !ours.tcb.has_peer_fin;
}

/* One whose FIN is queued and has not gone is in two states to lwIP, and one to us. */
static enum reference_state state_of_ours(const struct machine *machine)
{
    if (machine->is_over) {
        return machine->is_in_time_wait ? REFERENCE_TIME_WAIT : REFERENCE_CLOSED;
    }
    return (enum reference_state)machine->tcb.state;
}

_Static_assert((int)REFERENCE_ESTABLISHED == (int)TCB_ESTABLISHED &&
                   (int)REFERENCE_FIN_WAIT_1 == (int)TCB_FIN_WAIT_1 &&
                   (int)REFERENCE_FIN_WAIT_2 == (int)TCB_FIN_WAIT_2 &&
                   (int)REFERENCE_CLOSE_WAIT == (int)TCB_CLOSE_WAIT &&
                   (int)REFERENCE_CLOSING == (int)TCB_CLOSING &&
                   (int)REFERENCE_LAST_ACK == (int)TCB_LAST_ACK,
               "the same names");

static void expect_same_as_reference(void)
{
    assert_int_equal(state_of_ours(&ours), reference.state);
    assert_int_equal(ours.stream_bytes, reference.stream_bytes);
    assert_int_equal(ours.has_peer_closed, reference.has_peer_closed);
    if (!ours.is_over) {
        assert_int_equal(ours.tcb.rcv_nxt, reference.rcv_nxt);
        assert_int_equal(ours.tcb.snd_una, reference.snd_una);
        assert_int_equal(ours.tcb.snd_max, reference.snd_nxt);
    } else if (ours.is_in_time_wait) {
        assert_int_equal(ours.last_rcv_nxt, reference.rcv_nxt);
    } else {
        assert_int_equal(ours.error == ECONNRESET, reference.has_reset);
        assert_int_equal(ours.has_reset, reference.has_aborted);
    }
}

static void expect_same_with_loans(void)
{
    uint8_t sack[40], other_sack[40];

    assert_int_equal(lending.is_over, ours.is_over);
    assert_int_equal(lending.stream_bytes, ours.stream_bytes);
    assert_int_equal(lending.acknowledged_bytes, ours.acknowledged_bytes);
    assert_int_equal(lending.has_peer_closed, ours.has_peer_closed);
    assert_int_equal(lending.is_in_time_wait, ours.is_in_time_wait);
    assert_int_equal(lending.error, ours.error);
    assert_int_equal(lending.has_reset, ours.has_reset);
    if (ours.is_over) {
        return;
    }
    assert_int_equal(lending.tcb.state, ours.tcb.state);
    assert_int_equal(lending.tcb.rcv_nxt, ours.tcb.rcv_nxt);
    assert_int_equal(lending.tcb.rcv_edge, ours.tcb.rcv_edge);
    assert_int_equal(lending.tcb.snd_una, ours.tcb.snd_una);
    assert_int_equal(lending.tcb.snd_max, ours.tcb.snd_max);
    assert_int_equal(receiver_put_sack(&lending.tcb, other_sack),
                     receiver_put_sack(&ours.tcb, sack));
    assert_int_equal(lending.tcb.rcv_unread_bytes, ours.tcb.rcv_unread_bytes);
}

/* --- A run --- */

static void open_all(void)
{
    static const uint32_t bases[] = {0, 0x7FFFFFF0, 0x80000000u, 0xFFFFFFF0u, 0xFFFF8000u};
    struct machine_settings settings = {.mss = MSS, .has_sack = !one_in(4)};

    irs = one_in(2) ? bases[chance(ARRAY_COUNT(bases))] : (uint32_t)random_state;
    iss = one_in(2) ? bases[chance(ARRAY_COUNT(bases))] : (uint32_t)(random_state >> 32);
    settings.irs = irs;
    settings.iss = iss;
    machine_open(&ours, &settings);
    machine_open(&lending, &settings);
    reference_open(irs + 1, iss + 1, RECEIVER_WINDOW_FIRST_BYTES, settings.has_sack, MSS);
    reference_stream_bytes = 0;
    is_orphan = false;
    reads_one_in = (const uint32_t[]){1, 2, 30, 0}[chance(4)];
}

static void close_all(void)
{
    machine_end(&ours);
    machine_end(&lending);
    reference_end();
}

/* All that is queued goes, whatever the peer has said of its window, and with each delayed
 * acknowledgement: so all see the same numbers. */
static void settle(struct machine *machine)
{
    struct tcb *tcb = &machine->tcb;

    if (machine->is_over) {
        return;
    }
    for (unsigned i = 0; i < 50 && (i == 0 || tcb->snd_max != tcb->snd_end); i++) {
        tcb->snd_wnd = AS_MUCH_AS_IT_IS;
        tcb->cwnd = AS_MUCH_AS_IT_IS;
        tcb->persist_interval_us = 0;
        tcb->ack_due = tcb->ack_due == ACK_FRESH ? ACK_NOW : tcb->ack_due;
        machine_settle(machine);
    }
    tcb->snd_wnd_max = 65535;
}

static void settle_all(void)
{
    settle(&ours);
    settle(&lending);
    if (reference.state != REFERENCE_CLOSED && reference.state != REFERENCE_TIME_WAIT &&
        !ours.is_over) {
        reference_set_windows(ours.tcb.rcv_edge - ours.tcb.rcv_nxt, AS_MUCH_AS_IT_IS,
                              AS_MUCH_AS_IT_IS);
    }
}

static void close_sides(bool is_whole)
{
    machine_read(&ours);
    machine_read(&lending);
    if (is_whole) {
        tcb_close(&ours.tcb);
        tcb_close(&lending.tcb);
        is_orphan = true;
    } else {
        tcb_close_send(&ours.tcb);
        tcb_close_send(&lending.tcb);
    }
    reference_close(is_whole);
}

/* What the application does. */
static void act(void)
{
    static uint8_t bytes[4096];
    uint32_t flight = ours.tcb.snd_end - ours.tcb.snd_una;
    bool may_write = !ours.tcb.is_fin_due && !ours.tcb.has_fin;
    uint32_t length = 1 + chance(4096);

    if (reads_one_in != 0 && one_in(reads_one_in)) {
        machine_read(&ours);
        machine_read(&lending);
    }
    if (may_write && one_in(8) && flight + length <= FLIGHT_MOST) {
        assert_true(machine_write(&ours, length));
        assert_true(machine_write(&lending, length));
        assert_true(reference_write(bytes, length));
    }
    if (!is_orphan && one_in(100)) {
        bool is_whole = one_in(3);

        if (is_whole || may_write) {
            close_sides(is_whole);
        }
    }
    settle_all();
}

static void receive_refused(const struct sample *sample)
{
    struct tcb before = ours.tcb;
    uint32_t stream_bytes = ours.stream_bytes;

    refused_count++;
    machine_receive(&ours, sample->tcp, sample_bytes(sample));
    machine_receive(&lending, sample->tcp, sample_bytes(sample));
    assert_false(ours.is_over);
    assert_int_equal(ours.stream_bytes, stream_bytes);
    assert_int_equal(ours.tcb.state, before.state);
    assert_int_equal(ours.tcb.rcv_nxt, before.rcv_nxt);
    assert_int_equal(ours.tcb.snd_una, before.snd_una);
    assert_int_equal(ours.tcb.snd_wl1, before.snd_wl1);
    assert_int_equal(ours.tcb.has_peer_fin, before.has_peer_fin);
    assert_ptr_equal(ours.tcb.loan, before.loan);
}

/* Cut at the window's edge, for lwIP. Returns the bytes. */
static size_t fit_sample(struct sample *sample, uint32_t edge)
{
    int32_t beyond = (int32_t)(sample->sequence + sample->length_bytes - edge);

    if (beyond + ((sample->flags & FIN) != 0) > 0) {
        sample->tcp[TCP_FLAGS_OFFSET] &= (uint8_t)~FIN;
    }
    if (beyond > 0) {
        sample->length_bytes -=
            (uint32_t)beyond < sample->length_bytes ? (uint32_t)beyond : sample->length_bytes;
    }
    return sample_bytes(sample);
}

/* Returns whether the run goes on. */
static bool receive(struct sample *sample)
{
    bool is_nobodys = is_for_nobody(sample);
    uint32_t edge = ours.tcb.rcv_edge;

    if (is_told) {
        tell_of_sample(sample);
    }

    if (lending.tcb.loan == NULL && one_in(3)) {
        assert_true(lend_begin(&lending.tcb));
    }
    if (is_refused(sample)) {
        receive_refused(sample);
    } else {
        machine_receive(&ours, sample->tcp, sample_bytes(sample));
        machine_receive(&lending, sample->tcp, sample_bytes(sample));
        reference_segment(sample->tcp, fit_sample(sample, edge));
        if (is_nobodys && ours.has_reset && !reference.has_aborted) {
            assert_true(lending.has_reset);
            return false;
        }
    }
    settle_all();
    if (reference.assertion != NULL) {
        fail_msg("lwIP: %s", reference.assertion);
    }
    seen_count[reference.state]++;
    expect_same_as_reference();
    expect_same_with_loans();
    return !ours.is_over;
}

static void run(void)
{
    static struct sample sample;

    run_count++;
    open_all();
    if (is_told) {
        print_message("run %u\n", run_count);
    }
    for (uint32_t i = 0; i < SEGMENTS_A_RUN && segments_left != 0; i++) {
        machine_advance_us(chance(2000));
        act();
        if (ours.is_over) {
            break;
        }
        make_sample(&sample);
        segments_left--;
        if (!receive(&sample)) {
            break;
        }
    }
    close_all();
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void any_segments_do_the_same_to_lwip_to_ours_and_to_both_together(void **state)
{
    uint64_t seed = number_from_environment("TALUS_SEED", 20260101);
    uint32_t segments_wanted = (uint32_t)number_from_environment("TALUS_SEGMENTS", SEGMENTS);

    (void)state;
    random_state = seed * 0x9E3779B97F4A7C15u | 1;
    segments_left = segments_wanted;
    is_told = getenv("TALUS_TELL") != NULL;
    machine_initialise(1 * GIB, false);
    reference_initialise(&wire);
    while (segments_left != 0) {
        run();
    }
    print_message("%u runs, %u segments refused\n", run_count, refused_count);
    for (unsigned i = 0; i < ARRAY_COUNT(seen_count); i++) {
        print_message("state %u: %u times\n", i, seen_count[i]);
        assert_true(seen_count[i] != 0 || segments_wanted < SEGMENTS);
    }
    assert_true(refused_count != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_segments_do_the_same_to_lwip_to_ours_and_to_both_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
