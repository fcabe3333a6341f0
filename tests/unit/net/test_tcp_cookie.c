/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/cookie.c net/transport/tcp/options.c net/transport/hash.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c kernel/message/channel.c kernel/message/status.c */
/*
 * Tests SYN cookies: what comes back in one, for how long, and what else is taken for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base.h"
#include "net/packet.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/cookie.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_platform.h"

static struct packet syn, ack;
static struct tcp_options options;
static struct handshake handshake;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(1, 2);
    cookie_initialise();
    syn = (struct packet){.flow = {0x0200000A, 0x0100000A, 0x1234, 0x5000}, .sequence = UINT32_MAX};
    options =
        (struct tcp_options){.mss = 1460, .scale = 7, .has_scale = true, .is_sack_permitted = true};
    return 0;
}

/* Make one, and let its ACK be in `ack`. */
static uint32_t make(uint64_t now_ns)
{
    uint32_t iss = cookie_make(&syn, &options, now_ns);

    ack = (struct packet){
        .flow = syn.flow,
        .sequence = syn.sequence + 1,
        .acknowledgment = iss + 1,
        .window = 1000,
    };
    return iss;
}

static bool check(uint64_t now_ns)
{
    memset(&handshake, 0xEE, sizeof(handshake));
    return cookie_check(&ack, now_ns, &handshake);
}

static void a_cookie_brings_back_the_handshake(void **state)
{
    uint32_t iss = make(5 * NS_PER_S);

    (void)state;
    assert_true(check(6 * NS_PER_S));
    assert_memory_equal(&handshake.flow, &syn.flow, sizeof(syn.flow));
    assert_int_equal(handshake.irs, syn.sequence);
    assert_int_equal(handshake.iss, iss);
    assert_int_equal(handshake.mss, 1460);
    assert_int_equal(handshake.snd_scale, 7);
    assert_true(handshake.has_scale);
    assert_true(handshake.has_sack);
    assert_false(handshake.is_repeated);
    assert_int_equal(handshake.state, TCB_CLOSED); /* it has no place in the table of flows */
    assert_int_equal(handshake.opened_ns, 6 * NS_PER_S);
    assert_int_equal(handshake.acceptor.node, NODE_NONE);
    assert_int_equal(handshake.acceptor.assigned_by, NODE_NONE);
}

/* All of them: too small a value wastes, too large a one overruns the peer. */
static void what_comes_back_is_the_most_that_is_no_more_than_the_peer_has_said(void **state)
{
    static const uint16_t sizes[] = {216, 536, 1220, 1360, 1400, 1440, 1452, 1460};
    static const uint8_t scales[] = {0, 2, 4, 6, 7, 8, 10};

    (void)state;
    for (unsigned mss = 216; mss <= 1500; mss++) {
        unsigned largest = 0;

        for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
            largest = sizes[i] <= mss ? sizes[i] : largest;
        }
        options.mss = (uint16_t)mss;
        (void)make(0);
        assert_true(check(0));
        assert_int_equal(handshake.mss, largest);
    }
    options.mss = UINT16_MAX;
    (void)make(0);
    assert_true(check(0));
    assert_int_equal(handshake.mss, 1460);
    options.mss = 0; /* it has said nothing */
    (void)make(0);
    assert_true(check(0));
    assert_int_equal(handshake.mss, 536);

    for (unsigned scale = 0; scale <= TCP_OPTION_SCALE_MAX; scale++) {
        unsigned largest = 0;

        for (unsigned i = 0; i < ARRAY_COUNT(scales); i++) {
            largest = scales[i] <= scale ? scales[i] : largest;
        }
        options.scale = (uint8_t)scale;
        (void)make(0);
        assert_true(check(0));
        assert_int_equal(handshake.snd_scale, largest);
        assert_true(handshake.has_scale);
    }
}

static void what_the_peer_does_not_offer_is_not_used(void **state)
{
    (void)state;
    options.has_scale = false; /* what stands in `scale` means nothing then */
    options.is_sack_permitted = false;
    (void)make(0);
    assert_true(check(0));
    assert_int_equal(handshake.snd_scale, 0);
    assert_false(handshake.has_scale);
    assert_false(handshake.has_sack);
}

/* A secret lasts 32 s, and is valid 32 s more. */
static void a_cookie_is_good_for_the_time_of_its_secret_and_of_the_next(void **state)
{
    const uint64_t made_ns[] = {0, 1, COOKIE_SECRET_NS / 2, COOKIE_SECRET_NS - 1};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(made_ns); i++) {
        set_up(NULL);
        (void)make(made_ns[i]);
        assert_true(check(made_ns[i]));
        assert_true(check(COOKIE_SECRET_NS - 1));
        assert_true(check(COOKIE_SECRET_NS));
        assert_true(check(COOKIE_LIFETIME_NS - 1));
        assert_false(check(COOKIE_LIFETIME_NS));
        assert_false(check(10 * COOKIE_LIFETIME_NS));
    }
}

/* Nothing has happened for a secret's time or longer: none is used again. */
static void after_a_pause_old_cookies_are_void(void **state)
{
    (void)state;
    for (unsigned periods = 2; periods < 6; periods++) {
        set_up(NULL);
        (void)make(0);
        assert_false(check(periods * COOKIE_SECRET_NS));
        (void)make(periods * COOKIE_SECRET_NS);
        assert_true(check(periods * COOKIE_SECRET_NS));
    }
}

static void a_secret_turns_while_cookies_go_on(void **state)
{
    uint32_t numbers[4];

    (void)state;
    for (unsigned period = 0; period < 4; period++) {
        numbers[period] = make(period * COOKIE_SECRET_NS);
        assert_true(check((period + 1) * COOKIE_SECRET_NS));
        for (unsigned before = 0; before < period; before++) {
            assert_int_not_equal(numbers[before], numbers[period]);
        }
        ack.acknowledgment = numbers[period > 1 ? period - 2 : 0] + 1;
        assert_int_equal(check((period + 1) * COOKIE_SECRET_NS), period == 0);
    }
}

static void another_boot_has_other_cookies(void **state)
{
    (void)state;
    (void)make(0);
    cookie_initialise();
    assert_false(check(0));
}

/* Each bit of flow, numbers and data. */
static void a_cookie_with_any_bit_changed_is_none(void **state)
{
    (void)state;
    (void)make(0);
    for (unsigned bit = 0; bit < 8 * sizeof(ack.flow); bit++) {
        ((uint8_t *)&ack.flow)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(check(0));
        ((uint8_t *)&ack.flow)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        ack.sequence ^= 1u << bit;
        assert_false(check(0));
        ack.sequence ^= 1u << bit;
        ack.acknowledgment = ((ack.acknowledgment - 1) ^ 1u << bit) + 1;
        assert_false(check(0));
        ack.acknowledgment = ((ack.acknowledgment - 1) ^ 1u << bit) + 1;
    }
    assert_true(check(0));
    ack.sequence++; /* its first bytes were lost: nothing says so */
    assert_false(check(0));
}

/* Once in 2^24: none in a million, but for one in seventeen secrets. Seeded. */
static void guesses_fail(void **state)
{
    uint32_t random = 1;
    unsigned taken_count = 0;

    (void)state;
    (void)make(0);
    for (unsigned i = 0; i < 1000000; i++) {
        random = random * 1664525 + 1013904223;
        ack.acknowledgment = random;
        taken_count += check(0);
    }
    assert_int_equal(taken_count, 0);
}

static void cookies_are_awaited_for_64_s_after_the_last(void **state)
{
    const uint64_t first_ns = 7 * NS_PER_S;

    (void)state;
    assert_false(cookie_is_awaited(0));
    assert_false(cookie_is_awaited(first_ns));
    (void)make(first_ns);
    assert_true(cookie_is_awaited(first_ns));
    assert_true(cookie_is_awaited(first_ns + 64 * NS_PER_S - 1));
    assert_false(cookie_is_awaited(first_ns + 64 * NS_PER_S));
    (void)make(100 * NS_PER_S);
    assert_true(cookie_is_awaited(101 * NS_PER_S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_cookie_brings_back_the_handshake, set_up),
        cmocka_unit_test_setup(what_comes_back_is_the_most_that_is_no_more_than_the_peer_has_said,
                               set_up),
        cmocka_unit_test_setup(what_the_peer_does_not_offer_is_not_used, set_up),
        cmocka_unit_test_setup(a_cookie_is_good_for_the_time_of_its_secret_and_of_the_next, set_up),
        cmocka_unit_test_setup(after_a_pause_old_cookies_are_void, set_up),
        cmocka_unit_test_setup(a_secret_turns_while_cookies_go_on, set_up),
        cmocka_unit_test_setup(another_boot_has_other_cookies, set_up),
        cmocka_unit_test_setup(a_cookie_with_any_bit_changed_is_none, set_up),
        cmocka_unit_test_setup(guesses_fail, set_up),
        cmocka_unit_test_setup(cookies_are_awaited_for_64_s_after_the_last, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
