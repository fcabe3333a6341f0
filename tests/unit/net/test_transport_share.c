/* SPDX-License-Identifier: MIT */
/* sources: net/transport/share.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c */
/*
 * Tests net/transport/share.c: how much of what is limited an address may have beside others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/transport/share.h"
#include "tests/unit/world/fake_platform.h"

#define LIMIT      600000u
#define TWO_THIRDS (LIMIT / 3 * 2)
/* What is forgiven, and a half. */
#define NOISE      (LIMIT / 256)

static struct share share;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    share_initialise(&share, LIMIT);
    return 0;
}

/* One at a time, until it is refused. Returns how many it has got. */
static uint64_t take_all(uint32_t address)
{
    uint64_t count = 0;

    while (share_allows(&share, address, 1)) {
        share_take(&share, address, 1);
        count++;
    }
    return count;
}

static void alone_an_address_gets_two_thirds_and_leaves_the_rest(void **state)
{
    (void)state;
    assert_in_range(take_all(1), TWO_THIRDS, TWO_THIRDS + NOISE);
    assert_true(share_allows(&share, 2, 1));
    /* That one gets two thirds of what is left. */
    assert_in_range(take_all(2), (TWO_THIRDS - NOISE) / 3, (TWO_THIRDS + NOISE) / 3);
}

/* Whatever they take by turns: each next one finds something. */
static void of_many_hoarders_none_takes_what_is_left(void **state)
{
    (void)state;
    for (uint32_t address = 1; address <= 4; address++) {
        assert_true(take_all(address) > 0);
        assert_true(share_free(&share) > 0);
    }
    assert_true(share_allows(&share, 1000, 1));
}

static void an_address_is_allowed_again_when_there_is_room(void **state)
{
    (void)state;
    (void)take_all(1);
    (void)take_all(2);
    assert_false(share_allows(&share, 1, 1));
    share_give_back(&share, 2, share_of(&share, 2));
    assert_false(share_allows(&share, 1, 1)); /* it was at its limit */
    share_give_back(&share, 1, 2);
    assert_true(share_allows(&share, 1, 1));
}

/* As many addresses as there are places: each gets one, to the last. */
static void who_has_one_is_not_refused_for_many_others(void **state)
{
    (void)state;
    for (uint32_t address = 0; address < LIMIT; address++) {
        assert_true(share_allows(&share, address, 1));
        share_take(&share, address, 1);
    }
    assert_false(share_allows(&share, LIMIT, 1));
}

static void what_would_be_too_much_at_once_is_refused(void **state)
{
    (void)state;
    share_take(&share, 1, LIMIT / 2);
    assert_true(share_allows(&share, 1, LIMIT / 4));
    assert_false(share_allows(&share, 1, LIMIT / 4 + NOISE));
    assert_true(share_allows(&share, 2, LIMIT / 2));
    assert_false(share_allows(&share, 2, LIMIT / 2 + 1));
    assert_true(share_allows(&share, 1, 0));
}

static void until_two_thirds_are_taken_nobody_is_refused(void **state)
{
    (void)state;
    share_take(&share, 1, TWO_THIRDS - 1);
    assert_true(share_allows(&share, 1, 1));
    share_take(&share, 2, NOISE);
    assert_false(share_allows(&share, 1, 1));
    assert_true(share_allows(&share, 2, 1));
}

/* Nothing is left for anybody. */
static void more_than_there_is_leaves_nothing(void **state)
{
    (void)state;
    share_take(&share, 1, 2 * LIMIT);
    assert_true(share_is_exhausted(&share));
    assert_int_equal(share_free(&share), 0);
    assert_false(share_allows(&share, 1, 1));
    assert_false(share_allows(&share, 2, 1));
    share_give_back(&share, 1, 2 * LIMIT);
    assert_int_equal(share.taken, 0);
    assert_int_equal(share_of(&share, 1), 0);
}

/* An address that has nothing among ten thousand others, all of a few networks. */
static void what_others_have_counts_little(void **state)
{
    (void)state;
    share_initialise(&share, 1000000);
    for (uint32_t address = 0; address < 10000; address++) {
        share_take(&share, 0x0A000000 + address * 256, 60);
    }
    for (uint32_t address = 0; address < 1000; address++) {
        assert_true(share_of(&share, 0xC0000000 + address) < 10000);
    }
    share_take(&share, 5, 100000);
    assert_in_range(share_of(&share, 5), 100000, 110000);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(alone_an_address_gets_two_thirds_and_leaves_the_rest),
        TEST(of_many_hoarders_none_takes_what_is_left),
        TEST(an_address_is_allowed_again_when_there_is_room),
        TEST(who_has_one_is_not_refused_for_many_others),
        TEST(what_would_be_too_much_at_once_is_refused),
        TEST(until_two_thirds_are_taken_nobody_is_refused),
        TEST(more_than_there_is_leaves_nothing),
        TEST(what_others_have_counts_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
