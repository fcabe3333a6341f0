/* SPDX-License-Identifier: MIT */
/* sources: net/transport/neighbor.c tests/unit/world/panic.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/transport/neighbor.h"

#define ADDRESS 0x0500000A

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 2};
static uint64_t now_ns;
/* A letter for each: s1 packet 1 sent, d1 dropped, c1 crowded out, r resolve. */
static char events[64];

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

static struct timer *running_timer;

void timer_initialise(struct timer *timer, void (*expired)(struct timer *timer))
{
    *timer = (struct timer){.expired = expired};
}

int timer_start(struct timer *timer, uint64_t deadline_ns)
{
    timer->deadline.key = deadline_ns;
    timer->deadline.index = 1;
    running_timer = timer;
    return 0;
}

/* Time passes, second by second. */
static void pass_seconds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        now_ns += NS_PER_S;
        if (running_timer != NULL && running_timer->deadline.index != 0 &&
            running_timer->deadline.key <= now_ns) {
            running_timer->deadline.index = 0;
            running_timer->expired(running_timer);
        }
    }
}

static void note(char letter, const void *packet)
{
    size_t length = strlen(events);

    events[length] = letter;
    if (packet != NULL) {
        events[length + 1] = *(const char *)packet;
    }
}

static void send(void *packet, const uint8_t to[6])
{
    assert_memory_equal(to, mac, sizeof(mac));
    note('s', packet);
}

static void drop(void *packet, enum neighbor_loss loss)
{
    note(loss == NEIGHBOR_CROWDED_OUT ? 'c' : 'd', packet);
}

static void resolve(uint32_t address)
{
    (void)address;
    note('r', NULL);
}

static int set_up(void **state)
{
    const struct neighbor_functions functions = {send, drop, resolve};

    (void)state;
    now_ns = 0;
    running_timer = NULL;
    memset(events, 0, sizeof(events));
    neighbor_initialise(&functions);
    return 0;
}

static void packets_wait_in_order_and_the_question_is_asked_once(void **state)
{
    (void)state;
    assert_null(neighbor_find(ADDRESS));
    neighbor_wait(ADDRESS, "1");
    neighbor_wait(ADDRESS, "2");
    assert_null(neighbor_find(ADDRESS));
    assert_true(neighbor_set(ADDRESS, mac));
    assert_string_equal(events, "rs1s2");
    assert_memory_equal(neighbor_find(ADDRESS), mac, sizeof(mac));
    neighbor_wait(ADDRESS, "3");
    assert_string_equal(events, "rs1s2s3");
}

static void the_question_is_repeated_no_more_than_once_a_second(void **state)
{
    (void)state;
    neighbor_wait(ADDRESS, "1");
    now_ns = NEIGHBOR_RETRY_NS - 1;
    neighbor_wait(ADDRESS, "2");
    now_ns = NEIGHBOR_RETRY_NS;
    neighbor_wait(ADDRESS, "3");
    assert_string_equal(events, "rr");
}

static void the_oldest_packet_makes_room_for_a_fourth(void **state)
{
    (void)state;
    neighbor_wait(ADDRESS, "1");
    neighbor_wait(ADDRESS, "2");
    neighbor_wait(ADDRESS, "3");
    neighbor_wait(ADDRESS, "4");
    (void)neighbor_set(ADDRESS, mac);
    assert_string_equal(events, "rc1s2s3s4");
}

static void who_only_asks_leaves_nothing_that_waits(void **state)
{
    (void)state;
    neighbor_ask(ADDRESS);
    neighbor_ask(ADDRESS);
    assert_string_equal(events, "r");
    assert_null(running_timer);
    now_ns = NEIGHBOR_RETRY_NS;
    neighbor_ask(ADDRESS);
    assert_string_equal(events, "rr");
    neighbor_wait(ADDRESS, "1"); /* has been asked for a moment ago */
    (void)neighbor_set(ADDRESS, mac);
    assert_string_equal(events, "rrs1");
    now_ns += NEIGHBOR_RETRY_NS;
    neighbor_ask(ADDRESS); /* it is known */
    assert_string_equal(events, "rrs1");
}

/* The place is only where it is looked for first: whatever is there, the address decides. */
static void a_remembered_place_is_believed_only_if_the_neighbour_is_there(void **state)
{
    static const uint16_t wrong[] = {0, 1, NEIGHBOR_MAX - 1, NEIGHBOR_MAX, UINT16_MAX};
    uint16_t place, other_place = 0;

    (void)state;
    (void)neighbor_set(ADDRESS, mac);
    (void)neighbor_set(ADDRESS + 1, other_mac);
    assert_memory_equal(neighbor_find_at(ADDRESS + 1, &other_place), other_mac, sizeof(mac));
    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        place = wrong[i];
        assert_memory_equal(neighbor_find_at(ADDRESS, &place), mac, sizeof(mac));
        assert_true(place < NEIGHBOR_MAX && place != other_place);
    }
    assert_memory_equal(neighbor_find_at(ADDRESS, &other_place), mac, sizeof(mac));
    assert_int_equal(other_place, place);
    neighbor_forget(ADDRESS);
    assert_null(neighbor_find_at(ADDRESS, &place));
    neighbor_ask(ADDRESS);
    assert_null(neighbor_find_at(ADDRESS, &place)); /* asked for is not known */
}

/* Who remembers a place has nothing of what it finds there. */
static void a_header_has_the_latest_addresses_for_all_who_ask(void **state)
{
    static const uint8_t own[6] = {2, 0, 0, 0, 0, 8}, other_own[6] = {2, 0, 0, 0, 0, 9};
    uint8_t expected[NEIGHBOR_HEADER_BYTES] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 8, 8, 0, 0x45, 0};
    uint16_t place = 0;

    (void)state;
    neighbor_set_own(own);
    (void)neighbor_set(ADDRESS, mac);
    assert_memory_equal(neighbor_find(ADDRESS), expected, sizeof(expected));
    assert_memory_equal(neighbor_find_at(ADDRESS, &place), expected, sizeof(expected));
    expected[5] = 2;
    (void)neighbor_set(ADDRESS, other_mac);
    assert_memory_equal(neighbor_find_at(ADDRESS, &place), expected, sizeof(expected));
    expected[11] = 9;
    neighbor_set_own(other_own);
    assert_memory_equal(neighbor_find_at(ADDRESS, &place), expected, sizeof(expected));
    (void)neighbor_set(ADDRESS + 1, mac);
    expected[5] = 1;
    assert_memory_equal(neighbor_find(ADDRESS + 1), expected, sizeof(expected));
    assert_null(neighbor_find(ADDRESS + 2)); /* whose header has our own address, too */
}

static void only_a_changed_address_is_news(void **state)
{
    (void)state;
    assert_true(neighbor_set(ADDRESS, mac));
    assert_false(neighbor_set(ADDRESS, mac));
    assert_true(neighbor_set(ADDRESS, other_mac));
}

static void a_forgotten_neighbour_drops_what_waited_and_is_asked_for_again(void **state)
{
    (void)state;
    neighbor_wait(ADDRESS, "1");
    neighbor_forget(ADDRESS);
    neighbor_forget(ADDRESS);
    neighbor_wait(ADDRESS, "2");
    assert_string_equal(events, "rd1r");
}

static unsigned visited;
static void count_visit(uint32_t address, const uint8_t at[6], uint64_t confirmed_ns, void *context)
{
    assert_null(context);
    assert_memory_equal(at, &address, 4);
    assert_true(confirmed_ns <= now_ns);
    visited++;
}

/* More neighbours than places: those in use lately stay, nothing breaks, nothing leaks. */
static void a_full_cache_gives_up_old_entries(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 4 * NEIGHBOR_MAX; i++) {
        uint8_t address_as_mac[6] = {0};

        now_ns++;
        memcpy(address_as_mac, &i, sizeof(i));
        assert_true(neighbor_set(i, address_as_mac));
        assert_memory_equal(neighbor_find(i), address_as_mac, 6);
    }
    visited = 0;
    neighbor_visit(count_visit, NULL);
    assert_in_range(visited, NEIGHBOR_MAX / 2, NEIGHBOR_MAX);
}

/* Also one that is first asked for late: the time of the question counts, not that of the start. */
static void a_late_question_is_asked_once_too(void **state)
{
    (void)state;
    now_ns = 10 * NEIGHBOR_RETRY_NS;
    neighbor_wait(ADDRESS, "1");
    neighbor_wait(ADDRESS, "2");
    assert_string_equal(events, "r");
    now_ns += NEIGHBOR_RETRY_NS;
    neighbor_wait(ADDRESS, "3");
    now_ns += NEIGHBOR_RETRY_NS - 1;
    neighbor_wait(ADDRESS, "4");
    assert_string_equal(events, "rrc1");
}

/* What is confirmed again and again is never the oldest, however many others come. */
static void neighbour_that_is_in_use_stays_in_a_full_cache(void **state)
{
    (void)state;
    for (uint32_t kept = 1; kept <= NEIGHBOR_MAX; kept += 37) {
        (void)set_up(state);
        for (uint32_t i = 1; i <= 8 * NEIGHBOR_MAX; i++) {
            now_ns++;
            (void)neighbor_set(kept, mac);
            now_ns++;
            (void)neighbor_set(i << 8, mac);
            assert_non_null(neighbor_find(kept));
        }
    }
}

/* Asking is use, too. Each packet that waits for one that is given up is dropped as crowded out. */
static void packets_of_neighbours_that_are_given_up_are_dropped(void **state)
{
    static char packets[4 * NEIGHBOR_MAX];
    uint32_t first_lost = 0;

    (void)state;
    for (uint32_t i = 1; i < ARRAY_COUNT(packets); i++) {
        now_ns++;
        packets[i] = 'x';
        memset(events, 0, sizeof(events));
        neighbor_wait(i, &packets[i]);
        assert_true(strcmp(events, "r") == 0 || strcmp(events, "cxr") == 0);
        if (first_lost == 0 && events[0] == 'c') {
            first_lost = i;
        }
        /* The newest is there: its packet leaves when it is known. */
        if (i % 16 == 0) {
            memset(events, 0, sizeof(events));
            assert_true(neighbor_set(i, mac));
            assert_string_equal(events, "sx");
        }
    }
    assert_in_range(first_lost, 2, NEIGHBOR_MAX + 1);
}

static void forgotten_neighbour_is_unknown_and_not_visited(void **state)
{
    (void)state;
    (void)neighbor_set(ADDRESS, mac);
    neighbor_forget(ADDRESS);
    assert_null(neighbor_find(ADDRESS));
    visited = 0;
    neighbor_visit(count_visit, NULL);
    assert_int_equal(visited, 0);
    assert_true(neighbor_set(ADDRESS, mac)); /* news again, though the address is the same */
}

/* They waited for ever, and nobody counted them. */
static void packets_for_a_neighbour_that_never_answers_are_given_up(void **state)
{
    (void)state;
    neighbor_wait(ADDRESS, "1");
    pass_seconds(2);
    neighbor_wait(ADDRESS, "2"); /* which asks again */
    neighbor_wait(ADDRESS + 1, "3");
    pass_seconds(2);
    assert_string_equal(events, "rrr");
    neighbor_set(ADDRESS + 1, mac);
    pass_seconds(1);
    assert_string_equal(events, "rrrs3d1d2");
    assert_null(neighbor_find(ADDRESS));
    pass_seconds(1);
    assert_int_equal(running_timer->deadline.index, 0); /* nothing ticks for nobody */
    neighbor_wait(ADDRESS, "4");
    assert_string_equal(events, "rrrs3d1d2r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(packets_wait_in_order_and_the_question_is_asked_once, set_up),
        cmocka_unit_test_setup(the_question_is_repeated_no_more_than_once_a_second, set_up),
        cmocka_unit_test_setup(the_oldest_packet_makes_room_for_a_fourth, set_up),
        cmocka_unit_test_setup(who_only_asks_leaves_nothing_that_waits, set_up),
        cmocka_unit_test_setup(a_remembered_place_is_believed_only_if_the_neighbour_is_there,
                               set_up),
        cmocka_unit_test_setup(a_header_has_the_latest_addresses_for_all_who_ask, set_up),
        cmocka_unit_test_setup(only_a_changed_address_is_news, set_up),
        cmocka_unit_test_setup(a_forgotten_neighbour_drops_what_waited_and_is_asked_for_again,
                               set_up),
        cmocka_unit_test_setup(a_full_cache_gives_up_old_entries, set_up),
        cmocka_unit_test_setup(a_late_question_is_asked_once_too, set_up),
        cmocka_unit_test_setup(neighbour_that_is_in_use_stays_in_a_full_cache, set_up),
        cmocka_unit_test_setup(packets_of_neighbours_that_are_given_up_are_dropped, set_up),
        cmocka_unit_test_setup(forgotten_neighbour_is_unknown_and_not_visited, set_up),
        cmocka_unit_test_setup(packets_for_a_neighbour_that_never_answers_are_given_up, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
