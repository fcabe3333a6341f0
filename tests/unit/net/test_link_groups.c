/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/groups.c by the link server that uses it, over an 82599: which frames to groups
 * are handed on, and what the card is told. The server lives as long as the process: each test
 * begins with what a new speaker says first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/link/groups.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

#define SPEAKER  0
#define MCSTCTRL 0x05090
#define MTA(bit) (0x05200 + 4 * ((bit) / 32))

#define ADDRESS(a, b, c, d) ((uint32_t)(a) | (b) << 8 | (c) << 16 | (uint32_t)(d) << 24)
#define GROUP               ADDRESS(239, 129, 2, 3)

static uint64_t counted(unsigned counter)
{
    return counter_read(platform_node(), counter);
}

static void say_from(node_id_t node, uint32_t address, bool is_wanted, bool is_first)
{
    const struct group_wanted message = {
        .header = {.type = GROUP_WANTED, .length_bytes = sizeof(message)},
        .address = address,
        .is_wanted = is_wanted,
        .is_first = is_first,
    };

    if (node == SPEAKER) { /* this one */
        memcpy(
            (struct message_header *)message_reserve_posted(node, GROUP_WANTED, sizeof(message)) +
                1,
            (const struct message_header *)&message + 1, sizeof(message) - sizeof(message.header));
        message_publish();
    } else {
        fake_deliver(node, &message.header);
    }
    settle();
}

static void say(uint32_t address, bool is_wanted)
{
    say_from(SPEAKER, address, is_wanted, false);
}

static int begin(void **state)
{
    (void)state;
    say_from(SPEAKER, GROUP_ALL_SYSTEMS, true, true);
    return 0;
}

/* Whether a frame that is no TCP segment, to that address, is handed on; if not, it is counted as
 * this. */
static bool is_admitted(const char *mac, unsigned counter)
{
    struct test_frame frame = {.length_bytes = 60};
    uint64_t before = counted(counter);
    unsigned count = received_count;

    memcpy(frame.bytes, mac, 6);
    frame.bytes[12] = 8;
    receive(&frame, EOP);
    if (received_count == count) {
        assert_int_equal(counted(counter), before + 1);
        return false;
    }
    assert_int_equal(counted(counter), before);
    received->release(received);
    return true;
}

static void frames_to_groups_that_nobody_wants_are_dropped(void **state)
{
    (void)state;
    assert_false(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
    say(GROUP, true);
    assert_true(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
    assert_false(is_admitted("\x01\x00\x5E\x01\x02\x04", COUNTER_DROP_NO_GROUP));
    assert_false(is_admitted("\x01\x00\x5E\x81\x02\x03", COUNTER_DROP_NO_GROUP));
    assert_false(is_admitted("\x03\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
    assert_false(is_admitted("\x33\x33\x00\x01\x02\x03", COUNTER_DROP_NO_GROUP));
    assert_false(is_admitted("\x01\x80\xC2\x00\x00\x00", COUNTER_DROP_NO_GROUP));
    assert_true(is_admitted("\x01\x00\x5E\x00\x00\x01", COUNTER_DROP_NO_GROUP));
    assert_true(is_admitted("\xFF\xFF\xFF\xFF\xFF\xFF", COUNTER_DROP_NO_GROUP));
    assert_true(is_admitted("\x52\x54\x00\x12\x34\x56", COUNTER_DROP_NO_GROUP));
    say(GROUP, false);
    assert_false(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
}

static void the_card_is_told_of_each_change(void **state)
{
    (void)state;
    assert_int_equal(fake_nic_get(MCSTCTRL), 4);
    assert_int_equal(fake_nic_get(MTA(0x010)), 1 << 16); /* 224.0.0.1 */
    say(GROUP, true);
    assert_int_equal(fake_nic_get(MTA(0x030)), 1 << 16);
    say(GROUP, true); /* again */
    say(GROUP, false);
    say(GROUP, false);
    assert_int_equal(fake_nic_get(MTA(0x030)), 0);
    assert_int_equal(fake_nic_get(MTA(0x010)), 1 << 16);
}

static void two_groups_of_one_address_go_one_by_one(void **state)
{
    (void)state;
    say(GROUP, true);
    say(ADDRESS(238, 1, 2, 3), true);
    say(GROUP, false);
    assert_true(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
    assert_int_equal(fake_nic_get(MTA(0x030)), 1 << 16);
    say(ADDRESS(238, 1, 2, 3), false);
    assert_false(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
}

static void what_a_new_speaker_says_first_makes_all_else_void(void **state)
{
    (void)state;
    say(GROUP, true);
    say_from(SPEAKER, GROUP_ALL_SYSTEMS, true, true);
    assert_false(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
    assert_int_equal(fake_nic_get(MTA(0x030)), 0);
}

static void who_does_not_speak_and_what_is_no_group_is_refused(void **state)
{
    uint64_t before = counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    say_from(1, GROUP, true, false); /* a transport server, whose turn it is not */
    say_from(2, GROUP, true, false); /* an application */
    say(ADDRESS(192, 168, 1, 2), true);
    say(UINT32_MAX, true);
    assert_int_equal(counted(COUNTER_DROP_BAD_MESSAGE), before + 4);
    assert_false(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
}

static void there_are_so_many_and_no_more(void **state)
{
    uint64_t before = counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    for (unsigned i = 0; i < GROUP_ADDRESS_MAX; i++) {
        say(ADDRESS(239, 0, i >> 8, i & 0xFF), true);
    }
    assert_int_equal(counted(COUNTER_DROP_BAD_MESSAGE), before);
    assert_true(is_admitted("\x01\x00\x5E\x00\x00\xFF", COUNTER_DROP_NO_GROUP));
    say(GROUP, true);
    assert_int_equal(counted(COUNTER_DROP_BAD_MESSAGE), before + 1);
    assert_false(is_admitted("\x01\x00\x5E\x01\x02\x03", COUNTER_DROP_NO_GROUP));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, ls_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_to_groups_that_nobody_wants_are_dropped),
        TEST(the_card_is_told_of_each_change),
        TEST(two_groups_of_one_address_go_one_by_one),
        TEST(what_a_new_speaker_says_first_makes_all_else_void),
        TEST(who_does_not_speak_and_what_is_no_group_is_refused),
        TEST(there_are_so_many_and_no_more),
    };

    return cmocka_run_group_tests(tests, start_link_server, NULL);
}
