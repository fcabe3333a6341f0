/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/dns/resolver.c and cache.c over the real lwIP: the test is the application
 * that asks, and two name servers. The transport server under test lives as long as the process; no
 * test leaves a question open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/domain_name.h"
#include "net/messages.h"
#include "net/transport/counters.h"
#include "net/transport/dns/cache.h"
#include "net/transport/neighbor.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define IP           14u
#define UDP          (IP + 20)
#define DNS          (UDP + 8)
#define NAME         (DNS + 12)
#define FIRST        2 /* servers, by the last byte of their addresses: the gateway is one */
#define SECOND       3
#define RESPONSE     0x8180u
#define NO_NAME      3u
#define FAILURE      2u
#define FORMAT_ERROR 1u
#define TRIES        6 /* of two servers */
#define GOOD         (FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD)

static uint8_t question[FRAME_MAX_BYTES];
static size_t question_bytes;
static uint32_t last_number;

/* --- The application --- */

static uint32_t ask_with(uint32_t number, const char *name)
{
    struct resolve message = {
        .header = {.type = RESOLVE}, .request_number = number, .kind = RESOLVE_ADDRESSES};

    fake_deliver_payload(NODE_APPLICATION, &message.header, sizeof(message), name, strlen(name));
    wire_run();
    return number;
}

static uint32_t ask(const char *name)
{
    return ask_with(++last_number, name);
}

static void expect_result(uint32_t number, enum resolve_result result)
{
    const struct resolved *answer = fake_expect_message(NODE_APPLICATION, RESOLVED);

    assert_int_equal(answer->request_number, number);
    assert_int_equal(answer->result, result);
    assert_int_equal(answer->address_count, result == RESOLVED_FOUND);
    assert_int_equal(fake_payload(answer, sizeof(*answer)).length_bytes,
                     answer->address_count * 4u + answer->name_bytes);
}

static void expect_found(uint32_t number, uint32_t address, const char *name)
{
    const struct resolved *answer = fake_expect_message(NODE_APPLICATION, RESOLVED);
    struct message_payload payload = fake_payload(answer, sizeof(*answer));

    assert_int_equal(answer->request_number, number);
    assert_int_equal(answer->result, RESOLVED_FOUND);
    assert_int_equal(answer->address_count, 1);
    assert_int_equal(load_le32(payload.bytes), address);
    assert_int_equal(answer->name_bytes, strlen(name));
    assert_memory_equal(payload.bytes + 4, name, strlen(name));
}

/* --- The servers --- */

/* The next question, which is kept; 0: there is none; else which server is asked. */
static unsigned take_question(void)
{
    const uint8_t *bytes;
    size_t length;

    while (wire_take_other(&bytes, &length)) {
        if (length > NAME && bytes[IP + 9] == 17 && load_be16(bytes + UDP + 2) == 53) {
            memcpy(question, bytes, length);
            question_bytes = length;
            return bytes[IP + 19];
        }
    }
    return 0;
}

static void pass_seconds(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        wire_advance_ns(NS_PER_S);
    }
}

/* An answer to the question that is kept, with that code and one address if it is not 0. */
static size_t build(uint8_t frame[FRAME_MAX_BYTES], uint16_t code, uint32_t address,
                    uint32_t lifetime_s)
{
    size_t length = question_bytes - (question[DNS + 11] != 0 ? 11 : 0);

    memcpy(frame, question, length);
    memcpy(frame, question + 6, 6);
    memcpy(frame + 6, question, 6);
    memcpy(frame + IP + 12, question + IP + 16, 4);
    memcpy(frame + IP + 16, question + IP + 12, 4);
    memcpy(frame + UDP, question + UDP + 2, 2);
    memcpy(frame + UDP + 2, question + UDP, 2);
    store_be16(frame + DNS + 2, (uint16_t)(RESPONSE | code));
    store_be16(frame + DNS + 6, address != 0);
    store_be16(frame + DNS + 10, 0);
    if (address != 0) {
        memcpy(frame + length, "\xC0\x0C\0\1\0\1", 6);
        store_be32(frame + length + 6, lifetime_s);
        store_be16(frame + length + 10, 4);
        store_le32(frame + length + 12, address);
        length += 16;
    }
    store_be16(frame + IP + 2, (uint16_t)(length - IP));
    store_be16(frame + UDP + 4, (uint16_t)(length - UDP));
    store_be16(frame + UDP + 6, 0);
    return length;
}

static void send_frame(uint8_t *frame, size_t length)
{
    wire_seal(frame);
    wire_receive_frame(frame, length, GOOD);
    wire_run();
}

static void answer(uint16_t code, uint32_t address, uint32_t lifetime_s)
{
    uint8_t frame[FRAME_MAX_BYTES];

    send_frame(frame, build(frame, code, address, lifetime_s));
}

/* --- Tests --- */

static void who_asks_is_told_what_the_server_says(void **state)
{
    uint32_t number = ask("Www.Talus.test.");

    (void)state;
    assert_int_equal(take_question(), FIRST);
    assert_memory_equal(question + NAME, "\3www\5talus\4test\0\0\1\0\1", 20);
    assert_true(load_be16(question + UDP) >= 32768);
    fake_expect_no_message(NODE_APPLICATION);
    answer(0, 0x04030201, 60);
    expect_found(number, 0x04030201, "www.talus.test");
}

static void what_is_known_is_told_until_its_time_is_over(void **state)
{
    uint64_t known = wire_counted(COUNTER_DNS_KNOWN);

    (void)state;
    expect_found(ask("www.talus.test"), 0x04030201, "www.talus.test");
    assert_int_equal(take_question(), 0);
    assert_int_equal(wire_counted(COUNTER_DNS_KNOWN), known + 1);
    pass_seconds(60);
    uint32_t number = ask("www.talus.test");
    assert_int_equal(take_question(), FIRST);
    answer(0, 5, 0); /* not to be kept */
    expect_found(number, 5, "www.talus.test");
    number = ask("www.talus.test");
    assert_int_equal(take_question(), FIRST);
    answer(NO_NAME, 0, 0);
    expect_result(number, RESOLVED_NO_NAME);
}

static void one_question_serves_all_who_ask(void **state)
{
    uint32_t first = ask("shared.test"), second = ask("shared.TEST");

    (void)state;
    ask_with(first, "shared.test"); /* repeated */
    assert_int_equal(take_question(), FIRST);
    assert_int_equal(take_question(), 0);
    answer(0, 7, 0);
    expect_found(second, 7, "shared.test");
    expect_found(first, 7, "shared.test");
    fake_expect_no_message(NODE_APPLICATION);
}

static void servers_are_asked_in_turn_and_given_up(void **state)
{
    uint32_t number = ask("silent.test");
    uint16_t ports[TRIES], ids[TRIES];
    unsigned passed = 0, tries = 0;

    (void)state;
    for (; tries < TRIES; passed++) {
        unsigned server = take_question();
        assert_true(passed < 30);
        if (server == 0) {
            pass_seconds(1);
            continue;
        }
        assert_int_equal(server, tries % 2 == 0 ? FIRST : SECOND);
        ports[tries] = load_be16(question + UDP);
        ids[tries] = load_be16(question + DNS);
        assert_true(tries == 0 || ports[tries] != ports[tries - 1] || ids[tries] != ids[tries - 1]);
        tries++;
    }
    fake_expect_no_message(NODE_APPLICATION);
    pass_seconds(5);
    assert_int_equal(take_question(), 0);
    expect_result(number, RESOLVED_AGAIN);
}

static void a_server_that_fails_passes_the_turn_on_at_once(void **state)
{
    uint32_t number = ask("failing.test");

    (void)state;
    assert_int_equal(take_question(), FIRST);
    answer(FAILURE, 0, 0);
    assert_int_equal(take_question(), SECOND);
    answer(0, 9, 0);
    expect_found(number, 9, "failing.test");
}

static void an_old_server_is_asked_once_more_in_old_form(void **state)
{
    uint32_t number = ask("old.test");

    (void)state;
    assert_int_equal(take_question(), FIRST);
    assert_int_equal(question[DNS + 11], 1);
    answer(FORMAT_ERROR, 0, 0);
    assert_int_equal(take_question(), FIRST);
    assert_int_equal(question[DNS + 11], 0);
    answer(0, 9, 0);
    expect_found(number, 9, "old.test");
}

/* RFC 5452 9.1: the number, the ports and the addresses must be right. */
static void what_somebody_else_says_is_refused(void **state)
{
    uint64_t refused = wire_counted(COUNTER_DNS_REFUSED);
    uint32_t number = ask("www.forged.test");
    uint8_t frame[FRAME_MAX_BYTES];

    (void)state;
    assert_int_equal(take_question(), FIRST);
    for (unsigned i = 0; i < 5; i++) {
        size_t length = build(frame, 0, 66, 60);

        frame[IP + 15] = (uint8_t)(i == 0 ? 77 : frame[IP + 15]);    /* another host */
        frame[UDP + 1] = (uint8_t)(i == 1 ? 54 : frame[UDP + 1]);    /* another port of its */
        frame[UDP + 3] = (uint8_t)(frame[UDP + 3] + (i == 2));       /* or ours */
        frame[DNS + 1] = (uint8_t)(frame[DNS + 1] + (i == 3));       /* another number */
        frame[NAME + 1] = (uint8_t)(i == 4 ? 'x' : frame[NAME + 1]); /* another name */
        send_frame(frame, length);
    }
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(COUNTER_DNS_REFUSED), refused + 2);
    answer(0, 8, 0);
    expect_found(number, 8, "www.forged.test");
    answer(0, 8, 0); /* nobody waits any more: the port is not served */
    assert_int_equal(take_question(), 0);
}

static void requests_beyond_the_limit_are_refused_and_those_of_the_dead_forgotten(void **state)
{
    uint64_t crowded_out = wire_counted(COUNTER_DNS_CROWDED_OUT);
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        (void)snprintf(name, sizeof(name), "n%u.test", i);
        (void)ask(name);
    }
    fake_expect_no_message(NODE_APPLICATION);
    expect_result(ask("one.more.test"), RESOLVED_AGAIN);
    assert_int_equal(wire_counted(COUNTER_DNS_CROWDED_OUT), crowded_out + 1);
    fake_set_node_state(NODE_APPLICATION, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        wire_run();
    }
    pass_seconds(20);
    fake_expect_no_message(NODE_APPLICATION);
}

static void without_memory_it_is_as_if_nobody_had_answered(void **state)
{
    uint32_t number;

    (void)state;
    (void)take_question();
    fake_fail_allocations_after(0);
    number = ask("no.memory.test");
    assert_int_equal(take_question(), 0);
    fake_fail_allocations_after(-1);
    for (unsigned server; (server = take_question()) != SECOND;) {
        assert_int_equal(server, 0);
        pass_seconds(1);
    }
    answer(0, 3, 0);
    expect_found(number, 3, "no.memory.test");
}

static void a_request_that_is_none_is_counted(void **state)
{
    static const char *const wrong[] = {"", "a..b", "a b"};
    struct resolve message = {.header = {.type = RESOLVE}, .request_number = 1, .kind = 2};
    uint64_t bad = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        (void)ask(wrong[i]);
    }
    fake_deliver_payload(NODE_APPLICATION, &message.header, sizeof(message), "a", 1);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), bad + 4);
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(take_question(), 0);
}

/* --- The cache --- */

static void the_cache_keeps_the_last_that_were_asked_for(void **state)
{
    struct dns_question key = {.kind = RESOLVE_ADDRESSES};
    struct dns_answer value = {.result = RESOLVED_FOUND, .address_count = 1, .lifetime_s = 10};

    (void)state;
    dns_cache_empty();
    for (unsigned i = 0; i < DNS_CACHE_MAX + 1; i++) {
        (void)snprintf(key.name, sizeof(key.name), "n%u.test", i);
        value.addresses[0] = i;
        dns_cache_put(&key, &value, 0);
        (void)snprintf(key.name, sizeof(key.name), "n0.test");
        assert_non_null(dns_cache_find(&key, 0));
    }
    (void)snprintf(key.name, sizeof(key.name), "n1.test");
    assert_null(dns_cache_find(&key, 0));
    (void)snprintf(key.name, sizeof(key.name), "n2.test");
    assert_int_equal(dns_cache_find(&key, 0)->addresses[0], 2);
    value.addresses[0] = 77;
    dns_cache_put(&key, &value, 0);
    assert_int_equal(dns_cache_find(&key, 0)->addresses[0], 77);
    key.kind = RESOLVE_NAME;
    assert_null(dns_cache_find(&key, 0));
    key.kind = RESOLVE_ADDRESSES;
    assert_non_null(dns_cache_find(&key, 10 * NS_PER_S - 1));
    assert_null(dns_cache_find(&key, 10 * NS_PER_S));
    dns_cache_empty();
}

static int start(void **state)
{
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 3};

    (void)state;
    wire_start_with("net=192.168.1.15/24,gw=192.168.1.2,dns=192.168.1.2,dns=192.168.1.3");
    (void)neighbor_set(0x0301A8C0, mac);
    wire_clear();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_is_told_what_the_server_says),
        cmocka_unit_test(what_is_known_is_told_until_its_time_is_over),
        cmocka_unit_test(one_question_serves_all_who_ask),
        cmocka_unit_test(servers_are_asked_in_turn_and_given_up),
        cmocka_unit_test(a_server_that_fails_passes_the_turn_on_at_once),
        cmocka_unit_test(an_old_server_is_asked_once_more_in_old_form),
        cmocka_unit_test(what_somebody_else_says_is_refused),
        cmocka_unit_test(without_memory_it_is_as_if_nobody_had_answered),
        cmocka_unit_test(a_request_that_is_none_is_counted),
        cmocka_unit_test(the_cache_keeps_the_last_that_were_asked_for),
        cmocka_unit_test(requests_beyond_the_limit_are_refused_and_those_of_the_dead_forgotten),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
