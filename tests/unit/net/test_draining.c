/* SPDX-License-Identifier: MIT */
/* sources: net/draining.c net/draining_report.c net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c */
/*
 * Tests net/draining.c: the steps of node 3, which goes, or what it notes of node 1, which does. Of
 * five nodes 0 to 3 are composite servers and 4 is a web server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/draining.h"
#include "net/handlers.h"
#include "net/messages.h"

#define NODES 5u
#define SELF  3u

static struct configuration configuration;
static union {
    struct status_page page;
    uint8_t bytes[STATUS_PAGE_BYTES(NODES)];
} own;
struct status_page *status_own_page = &own.page;
static const char *words;
static uint64_t now_ns;
static bool can_park, has_parked;
static jmp_buf parked;
static message_handler handler;
static void (*node_down)(node_id_t node);
static void (*node_up)(node_id_t node);
static struct timer *timer;

/* What was sent, oldest first. */
static struct {
    node_id_t to;
    _Alignas(8) struct drain_step message;
} sent[32];
static unsigned sent_count;

/* --- What it meets --- */

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    mock_assert(false, format, file, line);
    abort();
}

node_id_t platform_node(void)
{
    return SELF;
}

unsigned platform_node_count(void)
{
    return NODES;
}

const char *platform_command_line(void)
{
    return words;
}

uint64_t platform_now_ns(void)
{
    return now_ns;
}

bool platform_can_park(void)
{
    return can_park;
}

_Noreturn void platform_park(void)
{
    has_parked = true;
    longjmp(parked, 1);
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

void log_flush_all(void)
{
}

void status_set_word(enum status_word word, uint64_t value)
{
    own.page.words[word] = value;
}

uint64_t status_word(node_id_t node, enum status_word word)
{
    assert_int_equal(node, SELF);
    return own.page.words[word];
}

uint32_t status_incarnation(node_id_t node)
{
    return 100u + node;
}

static node_id_t interrupted = NODE_NONE;

void platform_send_attention(node_id_t node)
{
    interrupted = node;
}

const struct configuration *configuration_current(void)
{
    return &configuration;
}

void configuration_note_draining(node_id_t node, bool is_draining)
{
    configuration_let_drain(&configuration, node, is_draining);
}

void net_register_message(uint16_t type, message_handler of)
{
    assert_int_equal(type, DRAIN_STEP);
    handler = of;
}

void dispatch_register_node_down(void (*of)(node_id_t node))
{
    node_down = of;
}

void dispatch_register_node_up(void (*of)(node_id_t node))
{
    node_up = of;
}

void timer_initialise(struct timer *of, void (*expired)(struct timer *timer))
{
    timer = of;
    timer->expired = expired;
}

int timer_start(struct timer *of, uint64_t deadline_ns)
{
    assert_ptr_equal(of, timer);
    timer->deadline.key = deadline_ns;
    return 0;
}

struct own_ring own_ring = {.node = SELF, .building = BUILT_NOWHERE};

struct message *send_reserve_posted(node_id_t to, size_t bytes)
{
    assert_int_equal(bytes, sizeof(struct drain_step));
    assert_int_not_equal(to, SELF);
    assert_in_range(sent_count, 0, ARRAY_COUNT(sent) - 1);
    own_ring.building = BUILT_TO_WAIT;
    sent[sent_count].to = to;
    return (struct message *)&sent[sent_count++].message;
}

void send_publish(void)
{
    assert_int_equal(own_ring.building, BUILT_TO_WAIT);
    own_ring.building = BUILT_NOWHERE;
}

/* --- Its parts --- */

static enum draining begun;
static uint32_t left;
static unsigned cut_count;
/* Of whom, in decimal digits. */
static unsigned keeping, going, staying;

static void begin_part(enum draining draining)
{
    begun = draining;
}

static uint32_t count_left(void)
{
    return left;
}

static void cut(void)
{
    cut_count++;
}

static void note_keeping(node_id_t node)
{
    assert_false(node_set_has(&configuration.draining, node));
    keeping = 10 * keeping + node;
}

static void note_going(node_id_t node)
{
    assert_true(node_set_has(&configuration.draining, node));
    going = 10 * going + node;
}

static void note_staying(node_id_t node)
{
    assert_false(node_set_has(&configuration.draining, node));
    staying = 10 * staying + node;
}

static const struct draining_part part = {begin_part, count_left, cut};
static const struct draining_observer observer = {note_keeping, note_going, note_staying};

/* --- */

static void start_with(const char *line)
{
    char reason[128];

    words = line;
    assert_int_equal(configuration_parse(&configuration, "pika=TS4LS4CM4 app=httpd:1", NODES,
                                         reason, sizeof(reason)),
                     0);
    memset(&own, 0, sizeof(own));
    now_ns = 50 * NS_PER_S;
    can_park = true;
    has_parked = false;
    sent_count = 0;
    begun = DRAINING_NOT;
    left = cut_count = keeping = going = staying = 0;
    draining_start();
    draining_add_part(&part);
    draining_add_part(&part); /* once is enough */
    draining_observe(&observer);
    draining_observe(&observer);
}

static int start(void **state)
{
    (void)state;
    start_with("");
    return 0;
}

static void say(node_id_t from, uint32_t step, bool is_answer)
{
    const struct drain_step message = {.step = step, .is_answer = is_answer};

    handler(from, (const struct message *)&message);
}

/* All that were told the step, each once, take it. */
static void answer_all(uint32_t step)
{
    unsigned count = sent_count;
    unsigned told = 0;

    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(sent[i].message.step, step);
        assert_int_equal(sent[i].message.is_answer, 0);
        told |= 1u << sent[i].to;
    }
    assert_int_equal(told, 0x17);
    assert_int_equal(count, 4);
    sent_count = 0;
    for (unsigned node = 0; node < NODES; node++) {
        if (node != SELF) {
            say((node_id_t)node, step, true);
        }
    }
}

/* The timer's looks of so long. */
static void pass(uint64_t time_ns)
{
    uint64_t end_ns = now_ns + time_ns;

    while (timer->deadline.key <= end_ns && !has_parked) {
        now_ns = timer->deadline.key;
        timer->deadline.key = UINT64_MAX; /* it has expired */
        if (setjmp(parked) == 0) {
            timer->expired(timer);
        }
    }
    now_ns = end_ns;
}

static void go(void)
{
    draining_begin();
    answer_all(DRAIN_STEP_KEEPS);
    answer_all(DRAIN_STEP_GOES);
}

/* --- Tests --- */

static void its_flows_are_others_when_all_know_that_it_keeps_connections(void **state)
{
    (void)state;
    left = 7;
    draining_begin();
    assert_int_equal(draining_report_of(SELF).draining, DRAINING_NODE);
    assert_int_equal(draining_report_of(SELF).left, 7);
    assert_int_equal(keeping, SELF);
    assert_int_equal(going, 0);
    assert_int_equal(begun, DRAINING_NOT);
    sent_count = 0;
    for (node_id_t node = 0; node < SELF; node++) {
        say(node, DRAIN_STEP_KEEPS, true);
        say(node, DRAIN_STEP_KEEPS, true); /* once more changes nothing */
        say(node, DRAIN_STEP_GOES, true);  /* nor what was not asked */
    }
    assert_int_equal(sent_count, 0);
    say(4, DRAIN_STEP_KEEPS, true);
    assert_int_equal(sent_count, 4);
    assert_int_equal(going, SELF);
    assert_int_equal(begun, DRAINING_NODE);
    assert_true(draining_is_ending(0)); /* whoever has the connection */
}

static void it_parks_when_nothing_has_been_left_for_a_while(void **state)
{
    (void)state;
    left = 1;
    go();
    pass(5 * NS_PER_S);
    assert_false(has_parked);
    left = 0;
    pass(60 * NS_PER_MS);
    left = 1; /* one that was on its way */
    pass(60 * NS_PER_MS);
    left = 0;
    pass(90 * NS_PER_MS);
    assert_false(has_parked);
    pass(60 * NS_PER_MS);
    assert_true(has_parked);
    assert_int_equal(cut_count, 0);
}

static void one_that_is_called_back_says_that_it_stays(void **state)
{
    (void)state;
    left = 1;
    go();
    own.page.for_nodes[SELF].wanted = 7; /* of this drain */
    draining_stay();
    assert_int_equal(begun, DRAINING_NOT);
    assert_false(draining_is_any);
    assert_int_equal(draining_report_of(SELF).draining, DRAINING_NOT);
    assert_int_equal(draining_report_of(SELF).left, 0);
    assert_int_equal(own.page.for_nodes[SELF].wanted, 0);
    assert_int_equal(sent_count, 4);
    assert_int_equal(sent[3].message.step, DRAIN_STEP_STAYS);
    left = 0;
    pass(60 * NS_PER_S);
    assert_false(has_parked);
    assert_int_equal(cut_count, 0);
}

/* Whoever has heard that it keeps what it has must have said so before he hears that it stays. */
static void it_stays_only_when_all_have_taken_both_steps(void **state)
{
    (void)state;
    draining_begin();
    draining_stay();
    answer_all(DRAIN_STEP_KEEPS);
    assert_int_equal(staying, 0);
    assert_int_equal(sent_count, 4);
    sent_count = 0;
    for (node_id_t node = 0; node < NODES; node++) {
        say(node, DRAIN_STEP_GOES, true);
    }
    assert_int_equal(staying, SELF);
    assert_int_equal(sent_count, 4);
}

/* No answer is owed: nothing waits for it. */
static void what_another_says_of_staying_is_noted(void **state)
{
    (void)state;
    say(1, DRAIN_STEP_KEEPS, false);
    say(1, DRAIN_STEP_GOES, false);
    assert_true(draining_is_any);
    sent_count = 0;
    say(1, DRAIN_STEP_STAYS, false);
    assert_int_equal(staying, 1);
    assert_int_equal(sent_count, 0);
}

static void frames_that_still_come_keep_it(void **state)
{
    (void)state;
    go();
    for (unsigned i = 0; i < 20; i++) {
        own.page.counters[COUNTER_NIC_RX_PACKETS]++;
        pass(50 * NS_PER_MS);
    }
    assert_false(has_parked);
    pass(150 * NS_PER_MS);
    assert_true(has_parked);
}

static void it_does_not_park_before_all_have_taken_both_steps(void **state)
{
    (void)state;
    draining_begin();
    answer_all(DRAIN_STEP_KEEPS);
    say(0, DRAIN_STEP_GOES, true);
    say(1, DRAIN_STEP_GOES, true);
    say(4, DRAIN_STEP_GOES, true);
    pass(NS_PER_S);
    assert_false(has_parked);
    node_set_add(&configuration.dead, 2);
    node_down(2); /* it says nothing any more */
    pass(200 * NS_PER_MS);
    assert_true(has_parked);
}

static void the_dead_are_not_told(void **state)
{
    (void)state;
    configuration_lose_node(&configuration, 1);
    draining_begin();
    assert_int_equal(sent_count, 3);
}

static void what_does_not_end_in_time_is_cut_and_counted(void **state)
{
    (void)state;
    start_with("drain=3");
    left = 5;
    go();
    pass(2900 * NS_PER_MS);
    assert_int_equal(cut_count, 0);
    pass(200 * NS_PER_MS);
    assert_int_equal(cut_count, 1);
    assert_int_equal(own.page.counters[COUNTER_DRAIN_RESETS], 5);
    assert_false(has_parked);
    pass(300 * NS_PER_MS); /* whatever still is left */
    assert_true(has_parked);
    assert_int_equal(cut_count, 1);
}

static void a_time_that_makes_no_sense_is_the_usual_one(void **state)
{
    (void)state;
    start_with("drain=soon");
    assert_int_equal(draining_limit_ns(), DRAIN_DEFAULT_S * NS_PER_S);
    start_with("drain=0");
    assert_int_equal(draining_limit_ns(), 0);
}

static void one_that_comes_back_meanwhile_is_told(void **state)
{
    (void)state;
    draining_begin();
    sent_count = 0;
    node_up(1);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].message.step, DRAIN_STEP_KEEPS);
    sent_count = 0;
    for (node_id_t node = 0; node < NODES; node++) {
        say(node, DRAIN_STEP_KEEPS, true);
    }
    sent_count = 0;
    node_up(1);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sent[0].message.step, DRAIN_STEP_KEEPS);
    assert_int_equal(sent[1].message.step, DRAIN_STEP_GOES);
}

static void one_that_stays_tells_nobody_of_itself(void **state)
{
    (void)state;
    node_up(1);
    assert_int_equal(sent_count, 0);
    can_park = false;
    draining_begin();
    assert_int_equal(sent_count, 0);
    assert_int_equal(draining_report_of(SELF).draining, DRAINING_NOT);
}

static void of_another_each_step_is_noted_and_answered(void **state)
{
    (void)state;
    say(1, DRAIN_STEP_KEEPS, false);
    assert_int_equal(keeping, 1);
    assert_int_equal(going, 0);
    assert_false(draining_is_any);
    say(1, DRAIN_STEP_GOES, false);
    assert_int_equal(going, 1);
    assert_true(draining_is_any);
    assert_true(draining_is_ending(1));
    assert_false(draining_is_ending(0));
    assert_false(draining_is_ending(NODE_NONE));
    assert_int_equal(sent_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(sent[i].to, 1);
        assert_int_equal(sent[i].message.step, DRAIN_STEP_KEEPS + i);
        assert_int_equal(sent[i].message.is_answer, 1);
    }
    configuration_lose_node(&configuration, 1);
    node_down(1);
    assert_false(draining_is_any);
}

static void a_step_that_there_is_not_is_refused(void **state)
{
    (void)state;
    say(1, 0, false);
    say(1, 4, true);
    assert_int_equal(sent_count, 0);
    assert_int_equal(own.page.counters[COUNTER_DROP_BAD_MESSAGE], 2);
}

static void when_the_machine_ends_it_finishes_and_tells_nobody(void **state)
{
    (void)state;
    left = 2;
    draining_finish();
    draining_finish();
    assert_int_equal(begun, DRAINING_MACHINE);
    assert_int_equal(sent_count, 0);
    assert_true(draining_is_ending(0));
    assert_int_equal(draining_report_of(SELF).draining, DRAINING_MACHINE);
    left = 0;
    pass(5 * NS_PER_S);
    assert_int_equal(draining_report_of(SELF).left, 0);
    draining_begin(); /* it is not for that any more */
    assert_int_equal(sent_count, 0);
    pass(60 * NS_PER_S);
    assert_false(has_parked);
    assert_int_equal(cut_count, 0);
}

static void the_machines_end_is_stronger(void **state)
{
    (void)state;
    go();
    draining_finish();
    pass(60 * NS_PER_S);
    assert_false(has_parked);
}

static void what_a_page_says_may_be_any_number(void **state)
{
    (void)state;
    own.page.words[STATUS_WORD_DRAIN] = UINT64_MAX;
    assert_int_equal(draining_report_of(SELF).draining, DRAINING_NOT);
}

static void a_node_that_sleeps_is_called_by_its_incarnation(void **state)
{
    (void)state;
    draining_call_back(2);
    assert_int_equal(own.page.for_nodes[2].wanted, 102);
    assert_int_equal(interrupted, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_flows_are_others_when_all_know_that_it_keeps_connections),
        TEST(it_parks_when_nothing_has_been_left_for_a_while),
        TEST(one_that_is_called_back_says_that_it_stays),
        TEST(it_stays_only_when_all_have_taken_both_steps),
        TEST(what_another_says_of_staying_is_noted),
        TEST(frames_that_still_come_keep_it),
        TEST(it_does_not_park_before_all_have_taken_both_steps),
        TEST(the_dead_are_not_told),
        TEST(what_does_not_end_in_time_is_cut_and_counted),
        TEST(a_time_that_makes_no_sense_is_the_usual_one),
        TEST(one_that_comes_back_meanwhile_is_told),
        TEST(one_that_stays_tells_nobody_of_itself),
        TEST(of_another_each_step_is_noted_and_answered),
        TEST(a_step_that_there_is_not_is_refused),
        TEST(when_the_machine_ends_it_finishes_and_tells_nobody),
        TEST(the_machines_end_is_stronger),
        TEST(what_a_page_says_may_be_any_number),
        TEST(a_node_that_sleeps_is_called_by_its_incarnation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
