/* SPDX-License-Identifier: MIT */
/* sources: net/transport/ntp.c */
/*
 * Tests net/transport/ntp.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/bytes.h"
#include "net/transport/ntp.h"

#define NONCE      UINT64_C(0x8123456789ABCDEF)
#define NTP_2000   3155673600u
#define SECONDS(s) ((uint64_t)(uint32_t)(s) << 32)

static uint8_t packet[NTP_PACKET_BYTES + 20];
static struct ntp_times times;

/* 2026-11-29 12:34:56 and a quarter of a second; the answer an eighth later. */
static int begin(void **state)
{
    (void)state;
    memset(packet, 0, sizeof(packet));
    packet[0] = 0x24; /* leap 0, version 4, server */
    packet[1] = 2;
    store_be64(packet + 24, NONCE);
    store_be64(packet + 32, SECONDS(1795955696 + 2208988800) | 0x40000000);
    store_be64(packet + 40, SECONDS(1795955696 + 2208988800) | 0x60000000);
    return 0;
}

static enum ntp_verdict read_answer(void)
{
    return ntp_read_answer(packet, NTP_PACKET_BYTES, NONCE, &times);
}

static void a_request_is_a_clients_and_holds_the_nonce_alone(void **state)
{
    uint8_t request[NTP_PACKET_BYTES];
    uint8_t expected[NTP_PACKET_BYTES] = {0x23};

    (void)state;
    memset(request, 0xA5, sizeof(request));
    ntp_write_request(request, NONCE);
    store_be64(expected + 40, NONCE);
    assert_memory_equal(request, expected, sizeof(expected));
    memcpy(packet, request, sizeof(request)); /* sent back */
    assert_int_equal(read_answer(), NTP_BROKEN);
}

static void a_good_answer_says_when_it_was_received_and_sent(void **state)
{
    (void)state;
    assert_int_equal(read_answer(), NTP_GOOD);
    assert_int_equal(times.receive_ns, 1795955696250000000);
    assert_int_equal(times.transmit_ns, 1795955696375000000);
    packet[0] = 0x5C; /* a leap second is coming, version 3 */
    packet[1] = 15;
    assert_int_equal(ntp_read_answer(packet, sizeof(packet), NONCE, &times), NTP_GOOD);
}

/* And what comes before 2000 is of the next era. */
static void seconds_wrap_in_2036(void **state)
{
    static const struct {
        uint32_t seconds;
        uint64_t epoch_s;
    } cases[] = {{UINT32_MAX, 2085978495},
                 {0, 2085978496},
                 {NTP_2000, 946684800},
                 {NTP_2000 - 1, 5241652095}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        store_be64(packet + 32, SECONDS(cases[i].seconds) | 1);
        store_be64(packet + 40, SECONDS(cases[i].seconds) | 1);
        assert_int_equal(read_answer(), NTP_GOOD);
        assert_int_equal(times.transmit_ns, cases[i].epoch_s * NS_PER_S);
    }
    store_be64(packet + 32, SECONDS(UINT32_MAX) | UINT32_MAX);
    store_be64(packet + 40, 1);
    assert_int_equal(read_answer(), NTP_GOOD);
}

static void what_no_server_sends_is_refused(void **state)
{
    (void)state;
    for (unsigned bytes = 0; bytes < NTP_PACKET_BYTES; bytes++) {
        assert_int_equal(ntp_read_answer(packet, bytes, NONCE, &times), NTP_BROKEN);
    }
    for (unsigned first = 0; first < 256; first++) {
        bool is_good = (first & 7) == 4 && ((first >> 3 & 7) == 3 || (first >> 3 & 7) == 4);

        packet[0] = (uint8_t)first;
        assert_int_equal(read_answer(), !is_good       ? NTP_BROKEN
                                        : first < 0xC0 ? NTP_GOOD
                                                       : NTP_UNSYNCHRONISED);
    }
}

static void an_answer_to_another_question_is_none(void **state)
{
    (void)state;
    for (unsigned i = 24; i < 32; i++) {
        packet[i] ^= 1;
        assert_int_equal(read_answer(), NTP_NOT_ANSWER);
        packet[i] ^= 1;
    }
    /* Not even that of one who sends everybody away. */
    packet[1] = 0;
    packet[31] ^= 1;
    assert_int_equal(read_answer(), NTP_NOT_ANSWER);
    packet[31] ^= 1;
    assert_int_equal(read_answer(), NTP_GO_AWAY);
}

static void a_server_that_does_not_know_the_time_is_not_believed(void **state)
{
    (void)state;
    packet[1] = 16;
    assert_int_equal(read_answer(), NTP_UNSYNCHRONISED);
    begin(state);
    store_be32(packet + 4, 0x00028000); /* 2.5 s to the root and back */
    store_be32(packet + 8, 0x00003FFF); /* a quarter of a second but for a little */
    assert_int_equal(read_answer(), NTP_GOOD);
    store_be32(packet + 8, 0x00004000);
    assert_int_equal(read_answer(), NTP_UNSYNCHRONISED);
    store_be32(packet + 4, UINT32_MAX);
    store_be32(packet + 8, UINT32_MAX);
    assert_int_equal(read_answer(), NTP_UNSYNCHRONISED);
}

static void times_that_cannot_be_are_refused(void **state)
{
    (void)state;
    for (unsigned field = 32; field <= 40; field += 8) {
        begin(state);
        store_be64(packet + field, 0);
        assert_int_equal(read_answer(), NTP_BROKEN);
    }
    begin(state);
    store_be64(packet + 40, load_be64(packet + 32));
    assert_int_equal(read_answer(), NTP_GOOD);
    store_be64(packet + 40, load_be64(packet + 32) - 5); /* sent before it was received */
    assert_int_equal(read_answer(), NTP_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_request_is_a_clients_and_holds_the_nonce_alone, begin),
        cmocka_unit_test_setup(a_good_answer_says_when_it_was_received_and_sent, begin),
        cmocka_unit_test_setup(seconds_wrap_in_2036, begin),
        cmocka_unit_test_setup(what_no_server_sends_is_refused, begin),
        cmocka_unit_test_setup(an_answer_to_another_question_is_none, begin),
        cmocka_unit_test_setup(a_server_that_does_not_know_the_time_is_not_believed, begin),
        cmocka_unit_test_setup(times_that_cannot_be_are_refused, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
