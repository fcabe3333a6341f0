/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/timewait.c net/transport/hash.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/tcp/timewait.c; what it sends is kept here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "net/transport/counters.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

#define BLOCK_BYTES (TIMEWAIT_BLOCK_ENTRIES * 36u) /* 32 an entry, and a bucket */
#define ANSWERS_MAX 8u
/* Times in entries are coarse: they live so much longer at most. */
#define COARSE_NS   (2u << 24)
#define SHORT_NS    (10 * NS_PER_MS)

/* What the peer's next number was, where the arithmetic could go wrong. */
static const uint32_t interesting[] = {0, 1, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu, 1000};

static uint64_t now_ns;
static uint32_t rcv_nxt, snd_nxt, least_iss;
static struct bare_segment sent;
static unsigned sent_count;

void segment_out_send_bare(const struct bare_segment *segment)
{
    sent = *segment;
    sent_count++;
}

/* As if the node had memory for so many blocks. */
static void begin_with_blocks(unsigned count)
{
    fake_platform_reset(0, 1);
    fake_status_page(0)->memory_bytes =
        (uint64_t)count * BLOCK_BYTES * TIMEWAIT_PART_OF_MEMORY + MEMORY_PAGE_BYTES;
    flow_hash_initialise();
    timewait_initialise();
    now_ns = 5 * NS_PER_S;
    rcv_nxt = 1000;
    snd_nxt = 5000;
    least_iss = 1;
    sent_count = 0;
}

static int set_up(void **state)
{
    (void)state;
    memory_fault = NULL;
    begin_with_blocks(4);
    return 0;
}

static struct flow flow_number(uint32_t number)
{
    return (struct flow){
        .remote_address = 0x0A000000 + number / 50000,
        .local_address = 0x0200000A,
        .remote_port = (uint16_t)(1024 + number % 50000),
        .local_port = 0x5000,
    };
}

static void add(uint32_t number)
{
    struct flow flow = flow_number(number);

    timewait_add(&flow, (struct timewait_numbers){rcv_nxt, snd_nxt, false}, now_ns);
}

static enum timewait_verdict meet_packet(const struct packet *packet)
{
    return timewait_segment(
        &(struct segment){.packet = packet, .flow_hash = flow_hash(&packet->flow)}, now_ns,
        &least_iss);
}

static enum timewait_verdict meet(uint32_t number, uint8_t flags, uint32_t sequence,
                                  uint16_t payload_bytes)
{
    return meet_packet(&(struct packet){
        .flow = flow_number(number),
        .sequence = sequence,
        .payload_bytes = payload_bytes,
        .tcp_flags = flags,
        .kind = (flags & (SYN | ACK | RST | FIN)) == SYN ? PACKET_SYN : PACKET_SEGMENT,
    });
}

/* What changes nothing and says whether there is such an entry. */
static bool knows(uint32_t number)
{
    return meet(number, ACK, rcv_nxt, 0) == TIMEWAIT_TAKEN;
}

/* The table's own numbers, whatever came. */
static void expect_answer(unsigned count)
{
    struct flow flow = flow_number(1);

    assert_int_equal(sent_count, count);
    assert_true(flow_equals(&sent.flow, &flow));
    assert_int_equal(sent.sequence, snd_nxt);
    assert_int_equal(sent.acknowledgment, rcv_nxt);
    assert_int_equal(sent.tcp_flags, ACK);
    assert_int_equal(sent.option_bytes, 0);
}

static uint64_t counted(unsigned counter)
{
    return fake_status_page(0)->counters[counter];
}

/* --- Segments: the rows of RFC 9293 3.10.7.4 for TIME-WAIT, with RFC 6191 and 1337 --- */

static void a_flow_that_is_not_there_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(meet(2, ACK, 0, 0), TIMEWAIT_UNKNOWN); /* there is no table yet */
    add(1);
    assert_int_equal(meet(2, ACK, 0, 0), TIMEWAIT_UNKNOWN);
    assert_int_equal(meet(2, SYN, 0, 0), TIMEWAIT_UNKNOWN);
    assert_int_equal(timewait_count(), 1);
}

static void a_repeated_fin_is_acknowledged_with_the_stored_numbers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(interesting); i++) {
        begin_with_blocks(1);
        rcv_nxt = interesting[i];
        add(1);
        assert_int_equal(meet(1, FIN | ACK, rcv_nxt - 1, 0), TIMEWAIT_TAKEN);
        expect_answer(1);
        assert_int_equal(meet(1, FIN | PSH | ACK, rcv_nxt - 101, 100), TIMEWAIT_TAKEN);
        expect_answer(2);
    }
}

static void data_is_acknowledged_with_the_stored_numbers(void **state)
{
    (void)state;
    add(1);
    assert_int_equal(meet(1, ACK, rcv_nxt - 500, 100), TIMEWAIT_TAKEN);
    assert_int_equal(meet(1, ACK, rcv_nxt, 100), TIMEWAIT_TAKEN);
    expect_answer(2);
}

static void a_bare_acknowledgement_is_passed_over(void **state)
{
    (void)state;
    add(1);
    assert_int_equal(meet(1, ACK, rcv_nxt, 0), TIMEWAIT_TAKEN);
    assert_int_equal(meet(1, 0, rcv_nxt - 7, 0), TIMEWAIT_TAKEN);
    assert_int_equal(sent_count, 0);
}

/* Also where the numbers wrap: at or beyond the next expected one it is later. */
static void a_later_syn_opens_the_flow_again_beyond_the_old_numbers(void **state)
{
    static const uint32_t later[] = {0, 1, 65536, 0x7FFFFFFF};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(interesting); i++) {
        for (unsigned k = 0; k < ARRAY_COUNT(later); k++) {
            begin_with_blocks(1);
            rcv_nxt = interesting[i];
            snd_nxt = interesting[ARRAY_COUNT(interesting) - 1 - i];
            add(1);
            assert_int_equal(meet(1, SYN, rcv_nxt + later[k], 0), TIMEWAIT_REOPEN);
            assert_int_equal(least_iss, snd_nxt + 65536);
            assert_int_equal(meet(1, SYN, rcv_nxt + later[k], 0), TIMEWAIT_UNKNOWN);
            assert_int_equal(sent_count, 0);
            assert_int_equal(timewait_count(), 0);
            assert_int_equal(counted(COUNTER_TIME_WAIT_REOPENED), 1);
        }
    }
}

/* And one exactly half the space away is not later. */
static void an_older_syn_is_challenged_and_opens_nothing(void **state)
{
    static const uint32_t older[] = {1, 2, 65536, 0x7FFFFFFF, 0x80000000u};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(interesting); i++) {
        begin_with_blocks(1);
        rcv_nxt = interesting[i];
        add(1);
        for (unsigned k = 0; k < ARRAY_COUNT(older); k++) {
            assert_int_equal(meet(1, SYN, rcv_nxt - older[k], 0), TIMEWAIT_TAKEN);
            expect_answer(k + 1);
        }
        assert_int_equal(timewait_count(), 1);
    }
}

static void a_syn_with_an_acknowledgement_is_challenged(void **state)
{
    (void)state;
    add(1);
    assert_int_equal(meet(1, SYN | ACK, rcv_nxt + 1, 0), TIMEWAIT_TAKEN);
    expect_answer(1);
    assert_int_equal(timewait_count(), 1);
}

/* RFC 1337: or a reset that old data has drawn would let old data into the next connection. */
static void an_exact_reset_silences_the_entry_and_does_not_free_it(void **state)
{
    (void)state;
    add(1);
    assert_int_equal(meet(1, RST, rcv_nxt, 0), TIMEWAIT_TAKEN);
    assert_int_equal(timewait_count(), 1);
    assert_int_equal(meet(1, FIN | ACK, rcv_nxt - 1, 0), TIMEWAIT_TAKEN);
    assert_int_equal(meet(1, ACK, rcv_nxt, 10), TIMEWAIT_TAKEN);
    assert_int_equal(sent_count, 0);
}

/* A client whose SYN was answered with our old numbers sends that reset, and its SYN again. */
static void any_syn_opens_a_flow_that_was_reset(void **state)
{
    (void)state;
    add(1);
    assert_int_equal(meet(1, SYN, rcv_nxt - 100000, 0), TIMEWAIT_TAKEN);
    expect_answer(1);
    assert_int_equal(meet(1, RST, sent.acknowledgment, 0), TIMEWAIT_TAKEN);
    assert_int_equal(meet(1, SYN, rcv_nxt - 100000, 0), TIMEWAIT_REOPEN);
    assert_int_equal(least_iss, snd_nxt + 65536);
}

static void a_reset_elsewhere_is_passed_over(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(interesting); i++) {
        begin_with_blocks(1);
        rcv_nxt = interesting[i];
        add(1);
        assert_int_equal(meet(1, RST | ACK, rcv_nxt + 1, 0), TIMEWAIT_TAKEN);
        assert_int_equal(meet(1, RST, rcv_nxt - 1, 0), TIMEWAIT_TAKEN);
        assert_int_equal(sent_count, 0);
        assert_int_equal(meet(1, FIN | ACK, rcv_nxt - 1, 0), TIMEWAIT_TAKEN);
        expect_answer(1); /* it was not silenced */
    }
}

static void a_talkative_peer_is_answered_so_often_and_no_more(void **state)
{
    (void)state;
    add(1);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(meet(1, i % 2 == 0 ? FIN | ACK : SYN, rcv_nxt - 1, 0), TIMEWAIT_TAKEN);
    }
    expect_answer(ANSWERS_MAX);
    assert_int_equal(meet(1, SYN, rcv_nxt, 0), TIMEWAIT_REOPEN); /* this one is no answer */
}

/* An address of ours that has changed makes another flow. */
static void a_flow_to_another_address_of_ours_is_another_one(void **state)
{
    struct packet packet = {.flow = flow_number(1), .kind = PACKET_SYN, .tcp_flags = SYN};

    (void)state;
    add(1);
    packet.flow.local_address++;
    assert_int_equal(meet_packet(&packet), TIMEWAIT_UNKNOWN);
}

/* --- Time --- */

static void an_entry_lives_for_a_minute_and_not_less(void **state)
{
    uint64_t start_ns = now_ns;

    (void)state;
    add(1);
    now_ns = start_ns + TIMEWAIT_LIFETIME_NS;
    assert_true(knows(1));
    now_ns = start_ns + TIMEWAIT_LIFETIME_NS + COARSE_NS;
    assert_false(knows(1));
    assert_int_equal(timewait_count(), 0);
}

static void a_repeated_fin_restarts_the_minute(void **state)
{
    uint64_t start_ns = now_ns;

    (void)state;
    add(1);
    now_ns = start_ns + 40 * NS_PER_S;
    assert_int_equal(meet(1, FIN | ACK, rcv_nxt - 1, 0), TIMEWAIT_TAKEN);
    now_ns = start_ns + 99 * NS_PER_S;
    timewait_expire(now_ns);
    assert_true(knows(1));
    now_ns = start_ns + 101 * NS_PER_S;
    timewait_expire(now_ns);
    assert_int_equal(timewait_count(), 0);
}

/* Else who knows the flow, but not its numbers, could keep it for ever. */
static void another_fin_is_answered_and_restarts_nothing(void **state)
{
    uint64_t start_ns = now_ns;

    (void)state;
    add(1);
    now_ns = start_ns + 40 * NS_PER_S;
    assert_int_equal(meet(1, FIN | ACK, rcv_nxt, 0), TIMEWAIT_TAKEN);
    assert_int_equal(meet(1, FIN | ACK, rcv_nxt - 1, 1), TIMEWAIT_TAKEN);
    expect_answer(2);
    now_ns = start_ns + 61 * NS_PER_S;
    timewait_expire(now_ns);
    assert_int_equal(timewait_count(), 0);
}

static void a_restarted_entry_does_not_keep_those_behind_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        add(i);
    }
    now_ns += 30 * NS_PER_S;
    for (uint32_t i = 0; i < 40; i += 4) {
        (void)meet(i, FIN | ACK, rcv_nxt - 1, 0);
    }
    now_ns += 31 * NS_PER_S;
    timewait_expire(now_ns);
    assert_int_equal(timewait_count(), 10);
    assert_true(knows(0) && knows(36));
    assert_false(knows(1));
    now_ns += 30 * NS_PER_S;
    timewait_expire(now_ns);
    assert_int_equal(timewait_count(), 0);
}

static void a_flow_may_wait_again_after_it_was_opened_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        add(1);
        rcv_nxt += 0x10000001u;
        snd_nxt += 0x10000001u;
        assert_int_equal(meet(1, SYN, rcv_nxt, 0), TIMEWAIT_REOPEN);
    }
    assert_int_equal(timewait_count(), 0);
}

/* Two of one flow do not happen on the way in; with a connection of ours out they may. */
static void of_two_entries_of_a_flow_the_newer_one_counts(void **state)
{
    (void)state;
    rcv_nxt = 500;
    add(1);
    rcv_nxt = 900;
    add(1);
    for (uint32_t i = 2; i < 2 * TIMEWAIT_BLOCK_ENTRIES; i++) {
        add(i); /* until buckets have been split */
    }
    (void)meet(1, FIN | ACK, 899, 0);
    assert_int_equal(sent.acknowledgment, 900);
}

/* --- Many --- */

/* At this rate for two minutes: those of the last one are there, no more and no fewer, and the
 * table has grown to what they need. */
static void a_minute_of_closes_at_a_high_rate_is_remembered(void **state)
{
    const uint32_t per_s = 20000;
    uint32_t number = 0;

    (void)state;
    begin_with_blocks(32);
    for (unsigned ms = 0; ms < 120 * 1000; ms += 10) {
        now_ns += SHORT_NS;
        for (unsigned i = 0; i < per_s / 100; i++) {
            add(number++);
        }
    }
    assert_in_range(timewait_count(), 60 * per_s, 60 * per_s + per_s / 10);
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), 0);
    assert_true(fake_memory_counts("tcp_timewait")->bytes <=
                (60 * per_s / TIMEWAIT_BLOCK_ENTRIES + 2) * BLOCK_BYTES + MEMORY_PAGE_BYTES);
    for (uint32_t i = 0; i < number; i++) {
        if (i >= number - 60 * per_s) {
            assert_true(knows(i));
        } else if (i < number - 60 * per_s - per_s / 10) {
            assert_false(knows(i));
        }
    }
}

static void a_full_table_overwrites_the_oldest_and_counts_it(void **state)
{
    const uint32_t most = 3 * TIMEWAIT_BLOCK_ENTRIES;
    const uint32_t more = 100000; /* beyond a block */

    (void)state;
    begin_with_blocks(3);
    for (uint32_t i = 0; i < most; i++) {
        add(i);
    }
    assert_int_equal(timewait_count(), most);
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), 0);
    for (uint32_t i = most; i < most + more; i++) {
        add(i);
    }
    assert_int_equal(timewait_count(), most);
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), more);
    assert_int_equal(fake_memory_counts("tcp_timewait")->failures, 0);
    for (uint32_t i = 0; i < most + more; i++) {
        assert_int_equal(knows(i), i >= more);
    }
}

/* Places of entries that have left early are used before anything is overwritten. */
static void holes_are_no_entries(void **state)
{
    const uint32_t most = TIMEWAIT_BLOCK_ENTRIES;

    (void)state;
    begin_with_blocks(1);
    for (uint32_t i = 0; i < most; i++) {
        add(i);
    }
    for (uint32_t i = 0; i < most; i += 2) {
        assert_int_equal(meet(i, SYN, rcv_nxt, 0), TIMEWAIT_REOPEN);
    }
    assert_int_equal(timewait_count(), most / 2);
    add(most);
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), 0);
    assert_true(knows(1) && knows(most) && !knows(2));
    /* Also a restarted one: it may be appended to where it has been. */
    for (uint32_t i = 3; i < 3000; i += 2) {
        (void)meet(i, FIN | ACK, rcv_nxt - 1, 0);
    }
    now_ns += 50 * NS_PER_S;
    add(most + 1);
    now_ns += 11 * NS_PER_S;
    for (unsigned i = 0; i < most; i += 64) {
        timewait_expire(now_ns);
    }
    assert_int_equal(timewait_count(), 1);
    assert_true(knows(most + 1));
}

static void a_restarted_entry_of_a_full_table_finds_its_place_again(void **state)
{
    (void)state;
    begin_with_blocks(1);
    for (uint32_t i = 0; i < TIMEWAIT_BLOCK_ENTRIES; i++) {
        add(i);
    }
    now_ns += 30 * NS_PER_S;
    (void)meet(0, FIN | ACK, rcv_nxt - 1, 0);
    now_ns += NS_PER_S;
    add(TIMEWAIT_BLOCK_ENTRIES);
    assert_true(knows(0) && knows(TIMEWAIT_BLOCK_ENTRIES) && !knows(1));
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), 1);
}

/* Turns of the ring with a table that grows in between, entries that leave, and restarts. */
static void it_goes_on_over_many_turns_of_the_ring(void **state)
{
    uint32_t number = 0;

    (void)state;
    begin_with_blocks(3);
    for (unsigned round = 0; round < 12; round++) {
        uint32_t first = number;

        while (number < first + 50000 + 20000 * (round % 5)) {
            now_ns += 300000; /* 200,000 in a minute: more than there is room for */
            add(number);
            if (number % 7 == 3) {
                assert_int_equal(meet(number, SYN, rcv_nxt, 0), TIMEWAIT_REOPEN);
            } else if (number % 5 == 2) {
                (void)meet(number, FIN | ACK, rcv_nxt - 1, 0);
            }
            number++;
        }
        assert_true(timewait_count() <= 3 * TIMEWAIT_BLOCK_ENTRIES);
        assert_true(knows(number - (number % 7 == 4 ? 2 : 1)));
        now_ns += (round % 3) * 20 * NS_PER_S;
    }
    now_ns += 121 * NS_PER_S;
    for (uint32_t i = 0; i <= 6 * TIMEWAIT_BLOCK_ENTRIES / 64; i++) {
        timewait_expire(now_ns);
    }
    assert_int_equal(timewait_count(), 0);
}

/* --- Without memory --- */

static bool refuse(const struct memory_kind *kind)
{
    (void)kind;
    return true;
}

static void without_memory_for_the_first_block_the_flow_is_forgotten_and_counted(void **state)
{
    (void)state;
    for (int allocations = 0; allocations < 2; allocations++) {
        begin_with_blocks(4);
        fake_fail_allocations_after(allocations);
        add(1);
        assert_false(knows(1));
        assert_int_equal(counted(COUNTER_TIME_WAIT_NO_MEMORY), 1);
        assert_int_equal(timewait_count(), 0);
        fake_fail_allocations_after(-1);
        add(1);
        assert_true(knows(1));
    }
}

static void without_memory_to_grow_the_oldest_are_overwritten_until_there_is_some(void **state)
{
    const uint32_t block = TIMEWAIT_BLOCK_ENTRIES;

    (void)state;
    add(0);
    memory_fault = refuse;
    for (uint32_t i = 1; i < 2 * block; i++) {
        add(i);
    }
    assert_int_equal(timewait_count(), block);
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), block);
    memory_fault = NULL;
    for (uint32_t i = 2 * block; i < 4 * block; i++) {
        add(i);
    }
    assert_int_equal(timewait_count(), 3 * block);
    assert_true(knows(block) && knows(4 * block - 1));
    assert_int_equal(counted(COUNTER_TIME_WAIT_OVERWRITTEN), block);
}

static void a_small_node_has_one_block(void **state)
{
    (void)state;
    begin_with_blocks(0);
    for (uint32_t i = 0; i <= TIMEWAIT_BLOCK_ENTRIES; i++) {
        add(i);
    }
    assert_int_equal(timewait_count(), TIMEWAIT_BLOCK_ENTRIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_flow_that_is_not_there_is_unknown, set_up),
        cmocka_unit_test_setup(a_repeated_fin_is_acknowledged_with_the_stored_numbers, set_up),
        cmocka_unit_test_setup(data_is_acknowledged_with_the_stored_numbers, set_up),
        cmocka_unit_test_setup(a_bare_acknowledgement_is_passed_over, set_up),
        cmocka_unit_test_setup(a_later_syn_opens_the_flow_again_beyond_the_old_numbers, set_up),
        cmocka_unit_test_setup(an_older_syn_is_challenged_and_opens_nothing, set_up),
        cmocka_unit_test_setup(a_syn_with_an_acknowledgement_is_challenged, set_up),
        cmocka_unit_test_setup(an_exact_reset_silences_the_entry_and_does_not_free_it, set_up),
        cmocka_unit_test_setup(any_syn_opens_a_flow_that_was_reset, set_up),
        cmocka_unit_test_setup(a_reset_elsewhere_is_passed_over, set_up),
        cmocka_unit_test_setup(a_talkative_peer_is_answered_so_often_and_no_more, set_up),
        cmocka_unit_test_setup(a_flow_to_another_address_of_ours_is_another_one, set_up),
        cmocka_unit_test_setup(an_entry_lives_for_a_minute_and_not_less, set_up),
        cmocka_unit_test_setup(a_repeated_fin_restarts_the_minute, set_up),
        cmocka_unit_test_setup(another_fin_is_answered_and_restarts_nothing, set_up),
        cmocka_unit_test_setup(a_restarted_entry_does_not_keep_those_behind_it, set_up),
        cmocka_unit_test_setup(a_flow_may_wait_again_after_it_was_opened_again, set_up),
        cmocka_unit_test_setup(of_two_entries_of_a_flow_the_newer_one_counts, set_up),
        cmocka_unit_test_setup(a_minute_of_closes_at_a_high_rate_is_remembered, set_up),
        cmocka_unit_test_setup(a_full_table_overwrites_the_oldest_and_counts_it, set_up),
        cmocka_unit_test_setup(holes_are_no_entries, set_up),
        cmocka_unit_test_setup(a_restarted_entry_of_a_full_table_finds_its_place_again, set_up),
        cmocka_unit_test_setup(it_goes_on_over_many_turns_of_the_ring, set_up),
        cmocka_unit_test_setup(without_memory_for_the_first_block_the_flow_is_forgotten_and_counted,
                               set_up),
        cmocka_unit_test_setup(
            without_memory_to_grow_the_oldest_are_overwritten_until_there_is_some, set_up),
        cmocka_unit_test_setup(a_small_node_has_one_block, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
