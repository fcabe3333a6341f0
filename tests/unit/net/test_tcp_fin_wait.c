/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/timewait.c net/transport/hash.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests what net/transport/tcp/timewait.c does with a flow in FIN-WAIT-2: the rows of RFC 9293
 * 3.10.7.4 for that state, and RFC 5961. What it sends is kept here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "net/counters.h"
#include "net/packet.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

#define ANSWERS_MAX 8u

static const struct flow flow = {0x0A000001, 0x0200000A, 40000, 0x5000};
/* Also where the numbers wrap. */
static const uint32_t bases[] = {1000, 0, UINT32_MAX, 0x7FFFFFFF, 0x80000000u};

static uint64_t now_ns;
static uint32_t rcv_nxt, snd_nxt;
static struct bare_segment sent;
static unsigned sent_count;

void segment_out_send_bare(const struct bare_segment *segment)
{
    sent = *segment;
    sent_count++;
}

static void begin(uint32_t base)
{
    struct timewait_numbers numbers = {base, ~base, .is_fin_awaited = true};

    fake_platform_reset(0, 1);
    fake_status_page(0)->memory_bytes = 64 * MIB;
    flow_hash_initialise();
    timewait_initialise();
    now_ns = 5 * NS_PER_S;
    rcv_nxt = base;
    snd_nxt = ~base;
    sent_count = 0;
    timewait_add(&flow, numbers, now_ns);
    assert_int_equal(timewait_fin_wait_count(), 1);
}

static enum timewait_verdict meet(uint8_t flags, uint32_t sequence, uint16_t payload_bytes,
                                  uint32_t acknowledgment)
{
    struct packet packet = {
        .flow = flow,
        .sequence = sequence,
        .acknowledgment = acknowledgment,
        .payload_bytes = payload_bytes,
        .tcp_flags = flags,
        .kind = (flags & (SYN | ACK | RST | FIN)) == SYN ? PACKET_SYN : PACKET_SEGMENT,
    };
    const struct segment segment = {.packet = &packet, .flow_hash = flow_hash(&flow)};
    uint32_t least_iss;

    return timewait_segment(&segment, now_ns, &least_iss);
}

static void take(uint8_t flags, uint32_t sequence, uint16_t payload_bytes)
{
    assert_int_equal(meet(flags, sequence, payload_bytes, snd_nxt), TIMEWAIT_TAKEN);
}

static void expect_answer(unsigned count, uint8_t flags)
{
    assert_int_equal(sent_count, count);
    assert_true(flow_equals(&sent.flow, &flow));
    assert_int_equal(sent.sequence, snd_nxt);
    assert_int_equal(sent.acknowledgment, rcv_nxt);
    assert_int_equal(sent.tcp_flags, flags);
}

static void the_fin_is_acknowledged_and_time_wait_begins(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        begin(bases[i]);
        now_ns += 50 * NS_PER_S;
        take(FIN | ACK, rcv_nxt, 0);
        rcv_nxt++;
        expect_answer(1, ACK);
        assert_int_equal(timewait_fin_wait_count(), 0);
        now_ns += 50 * NS_PER_S; /* its own minute */
        timewait_expire(now_ns);
        assert_int_equal(timewait_count(), 1);
        take(FIN | ACK, rcv_nxt - 1, 0);
        expect_answer(2, ACK);
    }
}

/* Nobody reads them. What is a repetition in front of the FIN has been read. */
static void bytes_are_reset_and_bytes_known_already_are_not(void **state)
{
    static const int32_t starts[] = {0, -5, 3000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(starts) * ARRAY_COUNT(bases); i++) {
        begin(bases[i % ARRAY_COUNT(bases)]);
        uint64_t resets = fake_status_page(0)->counters[COUNTER_TCP_RESETS];

        take(ACK, rcv_nxt + (uint32_t)starts[i / ARRAY_COUNT(bases)], 10);
        expect_answer(1, RST | ACK);
        assert_int_equal(timewait_count(), 0);
        assert_int_equal(timewait_fin_wait_count(), 0);
        assert_int_equal(fake_status_page(0)->counters[COUNTER_TCP_RESETS], resets + 1);

        begin(bases[i % ARRAY_COUNT(bases)]);
        take(ACK, rcv_nxt - 10, 10);
        expect_answer(1, ACK);
        take(FIN | ACK, rcv_nxt - 10, 10);
        rcv_nxt++;
        expect_answer(2, ACK);
        assert_int_equal(timewait_fin_wait_count(), 0);
    }
}

/* RFC 5961 3.2, 4.2 and 5.2. */
static void what_may_be_somebody_elses_is_challenged_and_changes_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        begin(bases[i]);
        take(RST, rcv_nxt + 1, 0);
        expect_answer(1, ACK);
        take(SYN, rcv_nxt + 100000, 0);
        expect_answer(2, ACK);
        take(SYN | ACK, rcv_nxt, 0);
        expect_answer(3, ACK);
        take(0, rcv_nxt, 10);
        expect_answer(4, ACK);
        assert_int_equal(meet(FIN | ACK, rcv_nxt, 0, snd_nxt + 1), TIMEWAIT_TAKEN);
        expect_answer(5, ACK);
        assert_int_equal(meet(ACK, rcv_nxt, 10, snd_nxt - 1), TIMEWAIT_TAKEN);
        expect_answer(6, ACK);
        take(FIN | ACK, rcv_nxt + 1, 0); /* beyond a hole */
        expect_answer(7, ACK);
        assert_int_equal(timewait_fin_wait_count(), 1);
    }
}

static void the_peers_reset_ends_it(void **state)
{
    (void)state;
    begin(7);
    take(RST, rcv_nxt, 0);
    assert_int_equal(timewait_count(), 0);
    assert_int_equal(sent_count, 0);
    assert_int_equal(meet(ACK, rcv_nxt, 0, snd_nxt), TIMEWAIT_UNKNOWN);
}

static void a_bare_acknowledgement_is_passed_over_and_a_keep_alive_answered(void **state)
{
    (void)state;
    begin(7);
    take(ACK, rcv_nxt, 0);
    assert_int_equal(sent_count, 0);
    for (unsigned i = 0; i < 100; i++) {
        take(ACK, rcv_nxt - 1, 0);
    }
    expect_answer(ANSWERS_MAX, ACK);
    take(FIN | ACK, rcv_nxt, 0); /* is answered all the same */
    rcv_nxt++;
    expect_answer(ANSWERS_MAX + 1, ACK);
}

static void a_peer_that_keeps_its_fin_is_forgotten_after_a_minute(void **state)
{
    (void)state;
    begin(7);
    now_ns += TIMEWAIT_LIFETIME_NS;
    timewait_expire(now_ns);
    assert_int_equal(timewait_fin_wait_count(), 1);
    now_ns += NS_PER_S;
    timewait_expire(now_ns);
    assert_int_equal(timewait_count(), 0);
    assert_int_equal(timewait_fin_wait_count(), 0);
    assert_int_equal(sent_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fin_is_acknowledged_and_time_wait_begins),
        cmocka_unit_test(bytes_are_reset_and_bytes_known_already_are_not),
        cmocka_unit_test(what_may_be_somebody_elses_is_challenged_and_changes_nothing),
        cmocka_unit_test(the_peers_reset_ends_it),
        cmocka_unit_test(a_bare_acknowledgement_is_passed_over_and_a_keep_alive_answered),
        cmocka_unit_test(a_peer_that_keeps_its_fin_is_forgotten_after_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
