/* SPDX-License-Identifier: MIT */
/* sources: net/transport/timewait.c net/transport/hash.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/hash.h"
#include "net/transport/timewait.h"
#include "tests/unit/world/fake_platform.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

#define RECEIVE_NEXT 1000u
#define SEND_NEXT    5000u
#define WINDOW       777u

static struct timewait_numbers numbers;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    flow_hash_initialise();
    timewait_initialise();
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

static void add(uint32_t number, uint64_t now_ns)
{
    struct flow flow = flow_number(number);

    timewait_add(&flow, (struct timewait_numbers){RECEIVE_NEXT, SEND_NEXT, WINDOW}, now_ns);
}

static enum timewait_verdict judge(uint32_t number, uint8_t flags, uint32_t sequence,
                                   uint32_t length, uint64_t now_ns)
{
    struct flow flow = flow_number(number);
    struct timewait_segment segment = {sequence, flags, length};

    return timewait_judge(&flow, &segment, now_ns, &numbers);
}

static void a_repeated_fin_is_acknowledged_with_the_stored_numbers(void **state)
{
    (void)state;
    add(1, 0);
    assert_int_equal(judge(1, FIN | ACK, RECEIVE_NEXT - 1, 1, 1), TIMEWAIT_ANSWER);
    assert_int_equal(numbers.receive_next, RECEIVE_NEXT);
    assert_int_equal(numbers.send_next, SEND_NEXT);
    assert_int_equal(numbers.window, WINDOW);
    assert_int_equal(judge(2, FIN | ACK, RECEIVE_NEXT - 1, 1, 1), TIMEWAIT_UNKNOWN);
}

/* RFC 9293 3.10.7.4: also where the sequence numbers wrap. */
static void a_later_syn_opens_the_flow_again_and_an_older_one_does_not(void **state)
{
    (void)state;
    add(1, 0);
    assert_int_equal(judge(1, SYN, RECEIVE_NEXT - 5, 1, 1), TIMEWAIT_ANSWER);
    assert_int_equal(judge(1, SYN, RECEIVE_NEXT, 1, 1), TIMEWAIT_ANSWER);
    assert_int_equal(judge(1, SYN, RECEIVE_NEXT + 1, 1, 1), TIMEWAIT_REOPEN);
    assert_int_equal(numbers.send_next, SEND_NEXT);
    assert_int_equal(judge(1, SYN, RECEIVE_NEXT + 1, 1, 1), TIMEWAIT_UNKNOWN);
    add(1, 0);
    assert_int_equal(judge(1, SYN, RECEIVE_NEXT + 0x80000001, 1, 1), TIMEWAIT_ANSWER);
}

/* Linux clients send such a reset when their SYN was answered by an old ACK. */
static void an_exact_reset_frees_the_flow_and_another_one_does_not(void **state)
{
    (void)state;
    add(1, 0);
    assert_int_equal(judge(1, RST, RECEIVE_NEXT + 1, 0, 1), TIMEWAIT_IGNORE);
    assert_int_equal(judge(1, ACK, RECEIVE_NEXT, 0, 1), TIMEWAIT_IGNORE);
    assert_int_equal(judge(1, RST, RECEIVE_NEXT, 0, 1), TIMEWAIT_IGNORE);
    assert_int_equal(judge(1, ACK, RECEIVE_NEXT, 0, 1), TIMEWAIT_UNKNOWN);
}

static void a_bare_acknowledgement_is_ignored(void **state)
{
    (void)state;
    add(1, 0);
    assert_int_equal(judge(1, ACK, RECEIVE_NEXT, 0, 1), TIMEWAIT_IGNORE);
}

static void a_talkative_peer_is_answered_only_so_often(void **state)
{
    unsigned answers = 0;

    (void)state;
    add(1, 0);
    for (unsigned i = 0; i < 100; i++) {
        answers += judge(1, FIN | ACK, RECEIVE_NEXT - 1, 1, 1) == TIMEWAIT_ANSWER;
    }
    assert_in_range(answers, 1, 10);
}

static void entries_expire(void **state)
{
    (void)state;
    add(1, 0);
    assert_int_equal(judge(1, ACK, 0, 0, TIMEWAIT_LIFETIME_NS - 1), TIMEWAIT_IGNORE);
    assert_int_equal(judge(1, ACK, 0, 0, TIMEWAIT_LIFETIME_NS), TIMEWAIT_UNKNOWN);
}

/* Also with holes among them, and with none that is asked for. */
static void expired_entries_are_forgotten_and_others_counted(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        add(i, i);
    }
    assert_int_equal(judge(50, RST, RECEIVE_NEXT, 0, 100), TIMEWAIT_IGNORE);
    assert_int_equal(timewait_expire(100), 99);
    assert_int_equal(timewait_expire(TIMEWAIT_LIFETIME_NS), 98);
    assert_int_equal(timewait_expire(TIMEWAIT_LIFETIME_NS + 59), 40);
    assert_int_equal(judge(59, ACK, 0, 0, TIMEWAIT_LIFETIME_NS), TIMEWAIT_UNKNOWN);
    assert_int_equal(judge(60, ACK, 0, 0, TIMEWAIT_LIFETIME_NS), TIMEWAIT_IGNORE);
    assert_int_equal(timewait_expire(2 * TIMEWAIT_LIFETIME_NS), 0);
}

static void a_full_table_forgets_the_oldest_first(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= TIMEWAIT_MAX; i++) {
        add(i, i);
    }
    assert_int_equal(judge(0, ACK, 0, 0, TIMEWAIT_MAX), TIMEWAIT_UNKNOWN);
    assert_int_equal(judge(1, ACK, 0, 0, TIMEWAIT_MAX), TIMEWAIT_IGNORE);
    assert_int_equal(judge(TIMEWAIT_MAX, ACK, 0, 0, TIMEWAIT_MAX), TIMEWAIT_IGNORE);
}

/* Several turns of the ring, with entries leaving from the middle. */
static void places_are_used_again_after_expiry_and_reopening(void **state)
{
    uint64_t now_ns = 0;
    unsigned known_count = 0;

    (void)state;
    for (uint32_t i = 0; i < 3 * TIMEWAIT_MAX; i++) {
        now_ns += TIMEWAIT_LIFETIME_NS / 1000;
        add(i, now_ns);
        if (i % 3 == 0) {
            assert_int_equal(judge(i, SYN, RECEIVE_NEXT + 1, 1, now_ns), TIMEWAIT_REOPEN);
        }
    }
    for (uint32_t i = 0; i < 3 * TIMEWAIT_MAX; i++) {
        known_count += judge(i, ACK, RECEIVE_NEXT, 0, now_ns) != TIMEWAIT_UNKNOWN;
    }
    /* Of the last 1000, which have not expired, two thirds. */
    assert_in_range(known_count, 666, 667);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_repeated_fin_is_acknowledged_with_the_stored_numbers, set_up),
        cmocka_unit_test_setup(a_later_syn_opens_the_flow_again_and_an_older_one_does_not, set_up),
        cmocka_unit_test_setup(an_exact_reset_frees_the_flow_and_another_one_does_not, set_up),
        cmocka_unit_test_setup(a_bare_acknowledgement_is_ignored, set_up),
        cmocka_unit_test_setup(a_talkative_peer_is_answered_only_so_often, set_up),
        cmocka_unit_test_setup(entries_expire, set_up),
        cmocka_unit_test_setup(expired_entries_are_forgotten_and_others_counted, set_up),
        cmocka_unit_test_setup(a_full_table_forgets_the_oldest_first, set_up),
        cmocka_unit_test_setup(places_are_used_again_after_expiry_and_reopening, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
