/* SPDX-License-Identifier: MIT */
/* sources: drivers/errors/question.c drivers/errors/neighbour.c tests/unit/world/dispatch_world.c tests/unit/world/hostile_page.c */
/*
 * Tests drivers/errors/neighbour.c and question.c: how the next node is watched, and when it is
 * asked whether it works; and what this node answers. test_watch.c has what nodes say of each
 * other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/errors/question.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/hostile_page.h"

struct node_info node_info;

#define TIMEOUT_NS (1000 * NS_PER_MS)
#define HALF_NS    (TIMEOUT_NS / 2)
#define GIVE_UP_NS (WATCH_GIVE_UP_TIMES * TIMEOUT_NS)
#define WATCHER    0
#define NEXT       2
#define BEYOND     3

static void (*meanwhile)(void); /* what happens in each sleep; NULL: nothing */

static void sleep_on(void)
{
    if (meanwhile != NULL) {
        meanwhile();
    }
}

static void go_round(node_id_t node)
{
    fake_status_page(node)->counters[COUNTER_DISPATCH_ROUNDS]++;
}

static void set_rounds(uint64_t rounds)
{
    fake_status_page(NODE)->counters[COUNTER_DISPATCH_ROUNDS] = rounds;
}

LINKER_SET_DECLARE(components, struct component);

static void start_node(const char *words)
{
    fake_set_command_line(words);
    dispatch_initialise();
    LINKER_SET_EACH(components, struct component, component)
    {
        if ((*component)->steps[NODE_READY] != NULL) {
            (*component)->steps[NODE_READY]();
        }
    }
}

/* The others' event loops have begun; only the next node is awake. */
static int start(void **state)
{
    (void)start_dispatcher(state);
    start_node("node_timeout=1000");
    meanwhile = NULL;
    fake_on_sleep(sleep_on);
    for (node_id_t node = 0; node < platform_node_count(); node++) {
        go_round(node);
        fake_status_page(node)->sleep = node == NEXT ? NODE_AWAKE : NODE_SLEEPS;
    }
    return 0;
}

/* As dispatch_run() does, for so long; a node that nothing wakes stays asleep. */
static void run_for_ns(uint64_t duration_ns)
{
    uint64_t end_ns = platform_now_ns() + duration_ns;

    while (platform_now_ns() < end_ns) {
        while (dispatch_round() != 0) {
        }
        fake_send_attention(); /* ends the sleep behind its first look */
        dispatch_sleep();
        dispatch_sleep();
        if (fake_last_sleep_deadline_ns() == UINT64_MAX) {
            return;
        }
    }
}

/* --- The watcher --- */

static unsigned sleeps_left;

/* One sleep that goes on behind so many looks, in each of which the next node may move. */
static void wake_at_last(void)
{
    if (--sleeps_left == 0) {
        fake_send_attention();
    }
}

static void sleep_behind_looks(unsigned count)
{
    meanwhile = wake_at_last;
    sleeps_left = count;
    dispatch_sleep();
    meanwhile = NULL;
}

static void next_goes_round(void)
{
    go_round(NEXT);
    wake_at_last();
}

static void a_node_that_goes_round_is_asked_nothing(void **state)
{
    (void)state;
    meanwhile = next_goes_round;
    sleeps_left = 100;
    dispatch_sleep();
    assert_true(platform_now_ns() >= 40 * TIMEOUT_NS);
    assert_int_equal(fake_stops(NEXT), 0);
}

static void one_that_stands_still_is_asked_within_the_time_out_and_nobody_else(void **state)
{
    (void)state;
    sleep_behind_looks(1); /* from its first look to the second */
    assert_int_equal(platform_now_ns(), HALF_NS);
    assert_int_equal(fake_stops(NEXT), 1);
    while (platform_now_ns() < TIMEOUT_NS) {
        sleep_behind_looks(1); /* as many questions as are needed, in as much time */
    }
    assert_int_equal(platform_now_ns(), TIMEOUT_NS);
    assert_int_equal(fake_stops(NEXT), 9);
    assert_int_equal(fake_stops(BEYOND) + fake_stops(WATCHER), 0);
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 0);
    assert_int_equal(fake_status_page(NODE)->for_nodes[NEXT].asked, 2);
    go_round(NEXT);
    unsigned before = fake_stops(NEXT);
    sleep_behind_looks(1);
    assert_int_equal(fake_stops(NEXT), before); /* it works again */
}

static void one_that_sleeps_is_asked_nothing_and_keeps_nobody_awake(void **state)
{
    (void)state;
    fake_status_page(NEXT)->sleep = NODE_SLEEPS;
    sleep_behind_looks(10);
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
    assert_true(platform_now_ns() >= 12 * TIMEOUT_NS);
    assert_int_equal(fake_stops(NEXT), 0);
}

/* It rings this node behind a long sleep; if this one has not slept yet, it sees it by itself. */
static void one_that_wakes_late_and_hangs_is_asked(void **state)
{
    (void)state;
    fake_status_page(NEXT)->sleep = NODE_SLEEPS;
    sleep_behind_looks(10);
    go_round(NEXT);
    fake_status_page(NEXT)->sleep = NODE_AWAKE;
    uint64_t woken_ns = platform_now_ns();
    sleep_behind_looks(4);
    assert_true(fake_stops(NEXT) >= 1);
    assert_true(platform_now_ns() - woken_ns <= TIMEOUT_NS * 3 / 2);
}

static void the_ring_closes_over_the_dead(void **state)
{
    (void)state;
    sleep_behind_looks(1);
    unsigned before = fake_stops(NEXT);
    fake_status_page(BEYOND)->sleep = NODE_AWAKE;
    fake_set_node_state(NEXT, NODE_DEAD);
    dispatch_sleep();
    sleep_behind_looks(4);
    assert_int_equal(fake_stops(NEXT), before);
    assert_true(fake_stops(BEYOND) >= 1);
    assert_int_equal(fake_stops(WATCHER), 0);
}

static void one_that_has_not_begun_to_go_round_is_asked_nothing(void **state)
{
    (void)state;
    fake_status_page(NEXT)->counters[COUNTER_DISPATCH_ROUNDS] = 0;
    sleep_behind_looks(12);
    go_round(NEXT);
    fake_set_node_state(NEXT, NODE_STARTING);
    sleep_behind_looks(12);
    assert_int_equal(fake_stops(NEXT), 0);
}

static void one_that_is_deaf_is_given_up_and_reset_and_the_ring_closes(void **state)
{
    (void)state;
    run_for_ns(GIVE_UP_NS * 9 / 10);
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 0);
    run_for_ns(GIVE_UP_NS * 3);
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 1 << NEXT);
    assert_int_equal(fake_resets(NEXT), 1);
    fake_status_page(BEYOND)->sleep = NODE_AWAKE;
    sleep_behind_looks(4);
    assert_true(fake_stops(BEYOND) >= 1);
}

/* Whatever the pause, it is one look, and one question at most. */
static void a_watcher_that_was_away_asks_once(void **state)
{
    (void)state;
    sleep_behind_looks(1);
    for (unsigned i = 1; i <= 5; i++) {
        fake_advance_ns(100 * TIMEOUT_NS);
        sleep_behind_looks(1);
        assert_in_range(fake_stops(NEXT), 0, 2 * i);
    }
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 0);
}

/* Or a node's look would be its own watcher's reason to look again, round the ring for ever. */
static void a_look_in_a_sleep_is_no_round(void **state)
{
    uint64_t before = counter_read(NODE, COUNTER_DISPATCH_ROUNDS);

    (void)state;
    meanwhile = next_goes_round;
    sleeps_left = 20;
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 20);
    assert_int_equal(counter_read(NODE, COUNTER_DISPATCH_ROUNDS), before);
    assert_int_equal(counter_read(NODE, COUNTER_SLEEPS), 1);
}

static uint64_t slept_ns;

static void sleep_long(void)
{
    fake_advance_ns(slept_ns);
    fake_send_attention();
}

static unsigned rings_behind_sleep(uint64_t duration_ns)
{
    unsigned before = fake_doorbells(WATCHER);

    slept_ns = duration_ns;
    meanwhile = sleep_long;
    dispatch_sleep();
    meanwhile = NULL;
    return fake_doorbells(WATCHER) - before;
}

static void behind_a_long_sleep_the_watcher_is_rung_if_it_sleeps(void **state)
{
    (void)state;
    assert_int_equal(rings_behind_sleep(2 * TIMEOUT_NS), 0);
    assert_int_equal(rings_behind_sleep(20 * TIMEOUT_NS), 1);
    fake_status_page(WATCHER)->sleep = NODE_AWAKE;
    assert_int_equal(rings_behind_sleep(20 * TIMEOUT_NS), 0);
    fake_status_page(WATCHER)->sleep = NODE_SLEEPS;
    fake_set_node_state(WATCHER, NODE_DEAD);
    dispatch_sleep();
    unsigned before = fake_doorbells(BEYOND);
    assert_int_equal(rings_behind_sleep(20 * TIMEOUT_NS), 0);
    assert_int_equal(fake_doorbells(BEYOND), before + 1);
}

static void a_node_alone_watches_nobody(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_on_sleep(sleep_on);
    start_node("node_timeout=1000");
    sleep_behind_looks(1);
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
}

static void without_a_time_out_nobody_is_asked(void **state)
{
    (void)state;
    start_node("node_timeout=0");
    sleep_behind_looks(1);
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
    assert_int_equal(fake_stops(NEXT), 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(question_answer(i * TIMEOUT_NS));
    }
}

/* Whatever CPUID says: they take turns. */
static void cores_that_see_each_other_late_are_virtual(void **state)
{
    (void)state;
    node_info.clock.doubt_ns = 4 * NS_PER_MS;
    start_node("");
    assert_int_equal(question_half_ns, QUESTION_TIMEOUT_VIRTUAL_MS * NS_PER_MS / 2);
    node_info.clock.doubt_ns = 0;
}

/* --- The answer --- */

/* Questions at equal distances over so long, all in this round; returns the last answer. */
static bool answer_questions(uint64_t *now_ns, unsigned count, uint64_t duration_ns)
{
    bool works = true;

    for (unsigned i = 0; i < count; i++) {
        works = question_answer(*now_ns + duration_ns * i / (count - 1));
    }
    *now_ns += duration_ns;
    return works;
}

static void a_node_that_is_asked_often_enough_in_one_round_hangs(void **state)
{
    uint64_t now_ns = 77;

    (void)state;
    assert_true(answer_questions(&now_ns, 8, HALF_NS - 1));
    assert_int_equal(counter_read(NODE, COUNTER_QUESTIONS), 8);
    assert_false(question_answer(now_ns + 1));
    go_round(NODE);
    assert_true(question_answer(now_ns + 2));
}

/* A wild watcher, or all of them. */
static void questions_without_end_harm_no_node_that_works(void **state)
{
    uint64_t now_ns = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        go_round(NODE);
        assert_true(answer_questions(&now_ns, 1000, HALF_NS - 1));
    }
}

/* Its core was not its own: what the host has kept from it comes as one, however long it was. */
static void a_pause_of_the_machine_is_one_question(void **state)
{
    uint64_t now_ns = 0;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        assert_true(question_answer(now_ns));
        assert_true(question_answer(now_ns + 1)); /* several at once count as one, too */
        now_ns += 100 * TIMEOUT_NS;
    }
}

static void a_round_that_was_long_makes_patient_but_not_for_ever(void **state)
{
    uint64_t now_ns = 0;

    (void)state;
    assert_true(answer_questions(&now_ns, 7, 3 * HALF_NS));
    go_round(NODE);
    assert_true(answer_questions(&now_ns, 1000, 6 * HALF_NS - 1));
    assert_false(question_answer(now_ns + 1));
    go_round(NODE);
    assert_true(answer_questions(&now_ns, 7, 1000 * TIMEOUT_NS));
    go_round(NODE);
    assert_true(answer_questions(&now_ns, 1000, 16 * HALF_NS - 1));
    assert_false(question_answer(now_ns + 1));
}

static void progress_within_a_round_counts(void **state)
{
    uint64_t now_ns = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(answer_questions(&now_ns, 100, HALF_NS - 1));
        status_note_progress();
    }
}

/* As it starts, and as it fails: it prints what it has to say. */
static void a_node_that_does_not_go_round_yet_or_no_more_has_longer(void **state)
{
    uint64_t now_ns = 0;

    (void)state;
    set_rounds(0);
    status_note_progress();
    assert_int_equal(counter_read(NODE, COUNTER_DISPATCH_ROUNDS), 0);
    assert_true(answer_questions(&now_ns, 1000, GIVE_UP_NS - 1));
    assert_false(question_answer(now_ns + 1));
    set_rounds(7);
    question_expect_no_rounds();
    assert_int_equal(counter_read(NODE, COUNTER_DISPATCH_ROUNDS), 0);
}

static void an_nmi_that_nobody_says_to_have_sent_is_no_question(void **state)
{
    uint32_t *word = &fake_status_page(BEYOND)->for_nodes[NODE].asked;

    (void)state;
    set_rounds(1000);
    assert_false(question_is_said());
    *word = 1000 | 1;
    assert_true(question_is_said());
    set_rounds(1005);
    assert_true(question_is_said());
    set_rounds(1000000);
    assert_false(question_is_said());
    set_rounds(UINT64_C(1) << 32);
    *word = 1;
    assert_true(question_is_said());
    *word = 2;
    assert_true(question_is_said());
    *word = 12345;
    assert_false(question_is_said());
}

/* So that a person's NMI is not taken for it, nor one that resets the node. */
static void a_question_that_was_sent_is_soon_none_and_one_that_is_coming_is_long_one(void **state)
{
    uint32_t *word = &fake_status_page(BEYOND)->for_nodes[NODE].asked;

    (void)state;
    *word = 1000 | 1;
    set_rounds(1000 + 60000);
    assert_true(question_is_said());
    *word = 1000;
    assert_false(question_is_said());
    set_rounds(1000 + 1000);
    assert_true(question_is_said());
}

static void what_is_said_of_a_question_names_the_round_of_who_is_asked(void **state)
{
    const uint32_t *word = &fake_status_page(NODE)->for_nodes[NEXT].asked;

    (void)state;
    fake_status_page(NEXT)->counters[COUNTER_DISPATCH_ROUNDS] = 4321;
    question_ask(NEXT);
    assert_int_equal(*word, 4320);
    assert_int_equal(fake_stops(NEXT), 1);
    fake_status_page(NEXT)->counters[COUNTER_DISPATCH_ROUNDS] = UINT64_C(1) << 32;
    question_ask(NEXT);
    assert_int_equal(*word, 2);
}

static void say_anything(void)
{
    static uint64_t count;
    struct status_page *page = fake_status_page(NEXT);

    count++;
    page->counters[COUNTER_DISPATCH_ROUNDS] = count % 3 == 0 ? UINT64_MAX : count % 5 * count;
    page->sleep = count % 7 == 0 ? UINT32_MAX : (uint32_t)(count % 4);
    page->state = count % 11 == 0 ? NODE_STARTING : NODE_RUNNING;
    page->for_nodes[NODE].asked = (uint32_t)(count * 0x9E3779B9);
}

static void a_page_gone_wild_is_asked_at_most_as_often_as_looked_at(void **state)
{
    (void)state;
    hostile_page_start(fake_status_page(NEXT), STATUS_PAGE_BYTES(platform_node_count()),
                       say_anything);
    for (unsigned i = 0; i < 200; i++) {
        (void)dispatch_round();
        fake_send_attention();
        dispatch_sleep();
        fake_advance_ns(HALF_NS / 8);
        (void)question_is_said();
    }
    assert_true(hostile_page_stop() > 0);
    assert_in_range(fake_stops(NEXT), 0, 200);
    assert_int_equal(fake_stops(BEYOND) + fake_stops(WATCHER), 0);
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 0);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_that_goes_round_is_asked_nothing),
        TEST(one_that_stands_still_is_asked_within_the_time_out_and_nobody_else),
        TEST(one_that_sleeps_is_asked_nothing_and_keeps_nobody_awake),
        TEST(one_that_wakes_late_and_hangs_is_asked),
        TEST(the_ring_closes_over_the_dead),
        TEST(one_that_has_not_begun_to_go_round_is_asked_nothing),
        TEST(one_that_is_deaf_is_given_up_and_reset_and_the_ring_closes),
        TEST(a_watcher_that_was_away_asks_once),
        TEST(a_look_in_a_sleep_is_no_round),
        TEST(behind_a_long_sleep_the_watcher_is_rung_if_it_sleeps),
        TEST(a_node_alone_watches_nobody),
        TEST(without_a_time_out_nobody_is_asked),
        TEST(cores_that_see_each_other_late_are_virtual),
        TEST(a_node_that_is_asked_often_enough_in_one_round_hangs),
        TEST(questions_without_end_harm_no_node_that_works),
        TEST(a_pause_of_the_machine_is_one_question),
        TEST(a_round_that_was_long_makes_patient_but_not_for_ever),
        TEST(progress_within_a_round_counts),
        TEST(a_node_that_does_not_go_round_yet_or_no_more_has_longer),
        TEST(an_nmi_that_nobody_says_to_have_sent_is_no_question),
        TEST(a_question_that_was_sent_is_soon_none_and_one_that_is_coming_is_long_one),
        TEST(what_is_said_of_a_question_names_the_round_of_who_is_asked),
        TEST(a_page_gone_wild_is_asked_at_most_as_often_as_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
