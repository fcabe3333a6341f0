/* SPDX-License-Identifier: MIT */
/* sources: net/transport/dns/packet.c net/domain_name.c tests/unit/world/panic.c */
/*
 * Tests net/transport/dns/packet.c and net/domain_name.c: questions as they are sent, and answers
 * of servers, good, broken and made up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/bytes.h"
#include "net/transport/dns/packet.h"

#define ID        0x1234
#define RESPONSE  0x8180 /* with recursion desired and available */
#define NO_NAME   3
#define A         1
#define CNAME     5
#define SOA       6
#define PTR       12
#define TRUNCATED 0x0200

static struct dns_question question;
static struct dns_answer answer;
static uint8_t packet[DNS_PACKET_MAX_BYTES];
static size_t length;

/* --- Packets --- */

static void put(const void *bytes, size_t count)
{
    assert_true(length + count <= sizeof(packet));
    memcpy(packet + length, bytes, count);
    length += count;
}

static void put_16(uint16_t number)
{
    uint8_t bytes[2];

    store_be16(bytes, number);
    put(bytes, 2);
}

static void put_32(uint32_t number)
{
    put_16((uint16_t)(number >> 16));
    put_16((uint16_t)number);
}

/* Labels, and the zero behind them unless a pointer is to follow. */
static void put_labels(const char *name, bool is_whole)
{
    while (*name != '\0') {
        uint8_t bytes = (uint8_t)strcspn(name, ".");

        put(&bytes, 1);
        put(name, bytes);
        name += bytes + (name[bytes] == '.');
    }
    if (is_whole) {
        put("", 1);
    }
}

static void begin_answer(uint16_t flags, unsigned answers, unsigned authorities)
{
    length = 0;
    put_16(ID);
    put_16(flags);
    put_16(1);
    put_16((uint16_t)answers);
    put_16((uint16_t)authorities);
    put_16(0);
    put_labels(question.name, true);
    put_16(question.kind);
    put_16(1);
}

static void put_record(const char *owner, uint16_t type, uint32_t lifetime_s, uint16_t bytes)
{
    put_labels(owner, true);
    put_16(type);
    put_16(1);
    put_32(lifetime_s);
    put_16(bytes);
}

static void put_address(const char *owner, uint32_t lifetime_s, uint32_t address)
{
    put_record(owner, A, lifetime_s, 4);
    put(&address, 4);
}

static void put_alias(const char *owner, uint32_t lifetime_s, const char *name)
{
    put_record(owner, CNAME, lifetime_s, (uint16_t)(strlen(name) + 2));
    put_labels(name, true);
}

static void put_soa(uint32_t lifetime_s, uint32_t minimum_s)
{
    put_record("test", SOA, lifetime_s, 22);
    put("\0\0", 2);
    for (unsigned i = 0; i < 4; i++) {
        put_32(9);
    }
    put_32(minimum_s);
}

static void ask_for(const char *name, uint16_t kind)
{
    question = (struct dns_question){.id = ID, .kind = kind, .has_edns = true};
    assert_true(domain_name_copy(question.name, name, strlen(name)));
}

static enum dns_verdict read(void)
{
    return dns_read_answer(packet, length, &question, &answer);
}

static int start(void **state)
{
    (void)state;
    ask_for("www.talus.test", A);
    return 0;
}

/* --- Names --- */

static bool is_name(const char *text)
{
    char name[DOMAIN_NAME_BYTES];

    return domain_name_copy(name, text, strlen(text));
}

static void a_name_is_labels_of_1_to_63_characters_and_253_in_all(void **state)
{
    char label[65], name[300] = "";

    (void)state;
    memset(label, 'a', 64);
    label[64] = '\0';
    assert_false(is_name(label));
    assert_true(is_name(label + 1));
    for (unsigned i = 0; i < 3; i++) {
        strcat(name, label + 1);
        strcat(name, ".");
    }
    strcat(name, label + 3); /* 3 * 64 + 61 */
    assert_int_equal(strlen(name), 253);
    assert_true(is_name(name));
    strcat(name, ".");
    assert_true(is_name(name)); /* the root's dot does not count */
    name[253] = 'b';
    assert_false(is_name(name));
    assert_true(is_name("a") && is_name("_dmarc.x-1.test") && is_name("a.b."));
    assert_false(is_name("") || is_name(".") || is_name(".a") || is_name("a..b") ||
                 is_name("a b") || is_name("a..") || is_name("a\\b") || is_name("\xC3\xA4") ||
                 is_name("a\n"));
}

static void names_are_in_small_letters_and_addresses_have_theirs(void **state)
{
    char name[DOMAIN_NAME_BYTES];

    (void)state;
    assert_true(domain_name_copy(name, "Www.Talus.TEST.x", 15));
    assert_string_equal(name, "www.talus.test");
    domain_name_of_address(name, 0xFE0100C0u);
    assert_string_equal(name, "254.1.0.192.in-addr.arpa");
}

/* --- Questions --- */

static void a_question_is_a_header_the_name_and_how_much_we_take(void **state)
{
    static const uint8_t wanted[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
                                    "\3www\5talus\4test\0\0\1\0\1"
                                    "\0\0\x29\x04\xD0\0\0\0\0\0";
    uint8_t bytes[DNS_QUESTION_MAX_BYTES];

    (void)state;
    assert_int_equal(dns_write_question(bytes, &question), sizeof(wanted));
    assert_memory_equal(bytes, wanted, sizeof(wanted));
    question.has_edns = false;
    assert_int_equal(dns_write_question(bytes, &question), sizeof(wanted) - 11);
    assert_int_equal(bytes[11], 0);
}

/* --- Answers --- */

static void addresses_are_told_once_each_and_live_as_long_as_the_shortest(void **state)
{
    (void)state;
    begin_answer(RESPONSE, 4, 0);
    put_address("www.talus.test", 300, 1);
    put_address("www.TALUS.test", 60, 2);
    put_address("www.talus.test", 300, 1);
    put_address("other.test", 5, 3);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.result, RESOLVED_FOUND);
    assert_int_equal(answer.address_count, 2);
    assert_int_equal(answer.addresses[0], 1);
    assert_int_equal(answer.addresses[1], 2);
    assert_int_equal(answer.lifetime_s, 60);
    assert_string_equal(answer.name, "www.talus.test");
}

static void of_many_addresses_the_first_are_told(void **state)
{
    (void)state;
    begin_answer(RESPONSE, RESOLVED_ADDRESS_MAX + 4, 0);
    for (unsigned i = 0; i < RESOLVED_ADDRESS_MAX + 4; i++) {
        put_address("www.talus.test", 300, i);
    }
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.address_count, RESOLVED_ADDRESS_MAX);
    assert_int_equal(answer.addresses[RESOLVED_ADDRESS_MAX - 1], RESOLVED_ADDRESS_MAX - 1);
}

static void aliases_are_followed_in_whatever_order_they_stand(void **state)
{
    (void)state;
    begin_answer(RESPONSE, 4, 0);
    put_address("end.test", 300, 7);
    put_alias("middle.test", 30, "end.test");
    put_alias("www.talus.test", 300, "middle.test");
    put_address("www.other.test", 300, 8);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.address_count, 1);
    assert_int_equal(answer.addresses[0], 7);
    assert_int_equal(answer.lifetime_s, 30);
    assert_string_equal(answer.name, "end.test");
}

static void aliases_without_an_end_are_a_failure(void **state)
{
    (void)state;
    begin_answer(RESPONSE, 2, 0);
    put_alias("www.talus.test", 300, "other.test");
    put_alias("other.test", 300, "www.talus.test");
    assert_int_equal(read(), DNS_FAILED);
}

static void names_may_be_compressed_but_only_backwards(void **state)
{
    (void)state;
    begin_answer(RESPONSE, 1, 0);
    put_16(0xC00C);
    put_16(A);
    put_16(1);
    put_32(300);
    put_16(4);
    put_32(0x01020304);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.address_count, 1);

    for (unsigned to = 0; to < 3; to++) { /* to itself, behind it, and out of the packet */
        begin_answer(RESPONSE, 1, 0);
        put_labels("www", false);
        put_16((uint16_t)(0xC000 | (to == 0 ? length - 4 : to == 1 ? length : 0x3FFF)));
        put_16(A);
        put_16(1);
        put_32(300);
        put_16(4);
        put_32(0x01020304);
        assert_int_equal(read(), DNS_FOREIGN);
    }
}

static void a_name_of_an_address_is_the_first_that_is_pointed_to(void **state)
{
    (void)state;
    ask_for("1.2.0.192.in-addr.arpa", PTR);
    begin_answer(RESPONSE, 2, 0);
    put_record(question.name, PTR, 60, 7);
    put_labels("a.test", false);
    put("", 1);
    packet[length - 8 - 1] = 8; /* one byte too many: broken */
    assert_int_equal(read(), DNS_FOREIGN);

    begin_answer(RESPONSE, 2, 0);
    put_record(question.name, PTR, 60, 8);
    put_labels("a.test", true);
    put_record(question.name, PTR, 60, 8);
    put_labels("b.test", true);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_string_equal(answer.name, "a.test");
    assert_int_equal(answer.address_count, 0);
}

static void what_is_not_there_is_kept_as_long_as_its_zone_says(void **state)
{
    (void)state;
    begin_answer(RESPONSE | NO_NAME, 0, 1);
    put_soa(600, 20);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.result, RESOLVED_NO_NAME);
    assert_int_equal(answer.lifetime_s, 20);
    begin_answer(RESPONSE, 1, 1);
    put_alias("www.talus.test", 300, "end.test");
    put_soa(100000, 100000);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.result, RESOLVED_NO_DATA);
    assert_int_equal(answer.lifetime_s, 300);
    begin_answer(RESPONSE, 0, 0);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.lifetime_s, 0);
}

static void servers_that_do_not_know_are_told_from_those_that_do(void **state)
{
    (void)state;
    begin_answer(RESPONSE | 2, 0, 0);
    assert_int_equal(read(), DNS_FAILED);
    begin_answer(RESPONSE | 5, 0, 0);
    assert_int_equal(read(), DNS_FAILED);
    begin_answer(0x8100, 0, 1); /* knows who might know */
    put_soa(60, 60);
    assert_int_equal(read(), DNS_FAILED);
    begin_answer(RESPONSE | 1, 0, 0);
    length = 12; /* need not repeat what it has not understood */
    assert_int_equal(read(), DNS_NOT_UNDERSTOOD);
    question.has_edns = false;
    assert_int_equal(read(), DNS_FOREIGN);
}

static void of_what_was_cut_off_the_whole_records_count(void **state)
{
    (void)state;
    begin_answer(RESPONSE | TRUNCATED, 3, 0);
    put_address("www.talus.test", 60, 1);
    put_labels("www.talus.test", true);
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.address_count, 1);
    begin_answer(RESPONSE | TRUNCATED, 3, 0);
    assert_int_equal(read(), DNS_FAILED);
}

static void another_questions_answer_is_none(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        begin_answer(i == 0 ? 0x0180 : RESPONSE, 1, 0); /* a question */
        put_address("www.talus.test", 60, 1);
        switch (i) {
        case 1:
            packet[0]++;
            break;
        case 2:
            packet[5] = 2;
            break;
        case 3:
            packet[13] = 'v'; /* vww. */
            break;
        case 4:
            packet[2] |= 0x08; /* another opcode */
            break;
        case 5:
            packet[12 + 16 + 1] = PTR;
            break;
        }
        assert_int_equal(read(), DNS_FOREIGN);
    }
    /* "www.talus" is not one label of nine characters. */
    begin_answer(RESPONSE, 1, 0);
    packet[12] = 9;
    assert_int_equal(read(), DNS_FOREIGN);
}

static void an_answer_that_ends_early_or_states_too_much_is_none(void **state)
{
    (void)state;
    begin_answer(RESPONSE, 2, 0);
    put_alias("www.talus.test", 60, "end.test");
    put_address("end.test", 60, 1);
    assert_int_equal(read(), DNS_ANSWERED);
    for (size_t whole = length; length > 0; length--) {
        if (length < whole) {
            assert_int_equal(read(), DNS_FOREIGN);
        }
    }
    begin_answer(RESPONSE, 1, 0);
    put_record("www.talus.test", A, 60, 5); /* no address is so long */
    put("abcde", 5);
    assert_int_equal(read(), DNS_FOREIGN);
    begin_answer(RESPONSE, 1, 0);
    put_address("www.talus.test", 0x80000000, 1); /* RFC 2181 8 */
    assert_int_equal(read(), DNS_ANSWERED);
    assert_int_equal(answer.lifetime_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_labels_of_1_to_63_characters_and_253_in_all),
        cmocka_unit_test(names_are_in_small_letters_and_addresses_have_theirs),
        cmocka_unit_test_setup(a_question_is_a_header_the_name_and_how_much_we_take, start),
        cmocka_unit_test_setup(addresses_are_told_once_each_and_live_as_long_as_the_shortest,
                               start),
        cmocka_unit_test_setup(of_many_addresses_the_first_are_told, start),
        cmocka_unit_test_setup(aliases_are_followed_in_whatever_order_they_stand, start),
        cmocka_unit_test_setup(aliases_without_an_end_are_a_failure, start),
        cmocka_unit_test_setup(names_may_be_compressed_but_only_backwards, start),
        cmocka_unit_test_setup(a_name_of_an_address_is_the_first_that_is_pointed_to, start),
        cmocka_unit_test_setup(what_is_not_there_is_kept_as_long_as_its_zone_says, start),
        cmocka_unit_test_setup(servers_that_do_not_know_are_told_from_those_that_do, start),
        cmocka_unit_test_setup(of_what_was_cut_off_the_whole_records_count, start),
        cmocka_unit_test_setup(another_questions_answer_is_none, start),
        cmocka_unit_test_setup(an_answer_that_ends_early_or_states_too_much_is_none, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
