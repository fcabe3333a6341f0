/* SPDX-License-Identifier: MIT */
/* sources: boot/rejoin.c libc/core/line_ring.c libc/core/format.c libc/core/output.c tests/unit/world/privileged.c tests/unit/world/panic.c */
/* flags: -DCPU_FAKE */
/*
 * boot/rejoin.c: what a core does between two lives of its node, here node 1 of 4. Each nanosecond
 * is a tick of the TSC and of the timer; a look at the TSC takes 100 of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/entropy.h"
#include "boot/firmware_lapic.h"
#include "boot/mark_shared.h"
#include "boot/node_addresses.h"
#include "boot/node_image.h"
#include "boot/rejoin.h"
#include "boot/start_node.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/x86/interrupt.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "tests/unit/world/privileged.h"

#define NODE_COUNT 4u
#define NODE       1u
#define ROOT       0x5000u
#define NEVER      UINT64_MAX

struct node_info node_info;

static struct node_place places[NODE_COUNT];
static struct node_plan plans[NODE_COUNT];
static struct node_layout layout;
static struct status_page *pages[NODE_COUNT];

static uint64_t tsc;
static uint64_t timer_counts; /* running */
static unsigned attentions[NODE_COUNT];
static bool was_entered, is_handed_over;
static unsigned build_count, move_count, cut_count;
static uint32_t state_when_built, incarnation_when_built;
static uint64_t seed_when_moved;
/* At that time node 2 says that it has let go; or that it is dead. */
static uint64_t release_at, death_at;
static uint64_t rounds_at; /* its event loop goes round from then on */
static bool goes_round_when_built;
static jmp_buf in_node;

/* The other ways in, which rejoin.S has. */
__asm__(
    ".globl rejoin_leave, rejoin_nmi, rejoin_machine_check, rejoin_interrupt, rejoin_exception\n"
    "rejoin_leave: nop\n"
    "rejoin_nmi: nop\n"
    "rejoin_machine_check: nop\n"
    "rejoin_interrupt: nop\n"
    "rejoin_exception: nop");

uint64_t cpu_read_tsc(void)
{
    tsc += 100;
    if (tsc >= release_at) {
        pages[2]->for_nodes[NODE].released = plans[NODE].incarnation;
    }
    if (tsc >= death_at) {
        pages[2]->state = NODE_DEAD;
    }
    pages[2]->counters[COUNTER_DISPATCH_ROUNDS] += tsc >= rounds_at;
    return tsc;
}

void lapic_timer_start(uint32_t counts)
{
    /* Stopped behind the halt, which it has ended. */
    tsc += counts == 0 ? timer_counts : 0;
    timer_counts = counts;
}

void lapic_write(unsigned offset, uint32_t value)
{
    (void)offset;
    (void)value;
}

void lapic_send(uint32_t apic_id, uint32_t command)
{
    assert_int_equal(command, LAPIC_INTERRUPT(INTERRUPT_VECTOR_ATTENTION));
    assert_in_range(apic_id, 10, 10 + NODE_COUNT - 1);
    attentions[apic_id - 10]++;
}

void lapic_end_interrupt(void)
{
}

void firmware_lapic_take_over(void)
{
}

uint8_t start_node_page(void)
{
    return 0x9F;
}

void entropy_renew(uint64_t kept[ENTROPY_SEED_WORDS], uint64_t seed[ENTROPY_SEED_WORDS])
{
    kept[0]++;
    seed[0] = 2 * kept[0];
}

void mark_rings_private(const struct status_page *status, const struct node_place *place,
                        unsigned node_count)
{
    assert_ptr_equal(status, pages[place - places]);
    assert_int_equal(node_count, NODE_COUNT);
}

struct status_page *node_image_status(const struct node_plan *plan)
{
    return pages[plan - plans];
}

void *node_image_stack_top(const struct node_plan *plan)
{
    return (void *)((uintptr_t)(plan - plans) << 16);
}

paddr_t node_image_build(const struct node_layout *of, unsigned node)
{
    assert_ptr_equal(of, &layout);
    build_count++;
    pages[2]->counters[COUNTER_DISPATCH_ROUNDS] += goes_round_when_built;
    state_when_built = pages[node]->state;
    incarnation_when_built = plans[node].incarnation;
    return ROOT;
}

void node_image_cut_off(const struct node_layout *of, unsigned from, unsigned node)
{
    assert_ptr_equal(of, &layout);
    assert_int_equal(from, 2);
    assert_int_equal(node, NODE);
    cut_count++;
}

void node_image_hand_over(const struct node_plan *plan)
{
    assert_ptr_equal(plan, &plans[0]);
    is_handed_over = true;
}

void node_addresses_move(const struct node_layout *of, unsigned node)
{
    assert_ptr_equal(of, &layout);
    assert_int_equal(move_count++, build_count); /* before it is built */
    seed_when_moved = plans[node].random_seed[0];
}

_Noreturn void node_image_enter(const struct node_layout *of, unsigned node)
{
    assert_ptr_equal(of, &layout);
    assert_int_equal(pages[node]->state, NODE_STARTING);
    was_entered = true;
    longjmp(in_node, 1);
}

/* --- */

static int begin(void **state)
{
    (void)state;
    node_info.clock = (struct clock){
        .tsc_hz = NS_PER_S, .ns_per_tick = 1ull << CLOCK_FRACTION_BITS, .lapic_timer_hz = NS_PER_S};
    layout = (struct node_layout){.node_count = NODE_COUNT, .places = places, .plans = plans};
    memset(plans, 0, sizeof(plans));
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        free(pages[i]);
        pages[i] = aligned_alloc(PAGE_BYTES, STATUS_PAGE_BYTES(NODE_COUNT));
        memset(pages[i], 0, STATUS_PAGE_BYTES(NODE_COUNT));
        pages[i]->state = NODE_RUNNING;
        pages[i]->incarnation = plans[i].incarnation = 1;
        pages[i]->for_nodes[NODE].released = pages[i]->for_nodes[0].released = 1;
        places[i].apic_id = 10 + i;
    }
    memset(attentions, 0, sizeof(attentions));
    tsc = 1000 * NS_PER_S; /* no life was a short one */
    timer_counts = 0;
    was_entered = is_handed_over = false;
    build_count = move_count = cut_count = 0;
    rounds_at = NEVER;
    goes_round_when_built = false;
    release_at = death_at = NEVER;
    privileged.sleep_count = 0;
    rejoin_prepare(&layout, false);
    return 0;
}

static void rejoin_1(void)
{
    if (setjmp(in_node) == 0) {
        rejoin_main(NODE);
    }
}

static void rejoin_0(void)
{
    if (setjmp(in_node) == 0) {
        rejoin_main(0);
    }
}

/* Its node has failed. Returns for how long it was down. */
static uint64_t down_for_ns(void)
{
    uint64_t start = tsc;

    pages[NODE]->state = NODE_DEAD;
    was_entered = false;
    assert_true(privileged_call(rejoin_1));
    assert_true(was_entered);
    return tsc - start;
}

static bool is_logged(const char *text)
{
    return strstr(pages[NODE]->log, text) != NULL;
}

static void nodes_are_told_the_way_out(void **state)
{
    (void)state;
    assert_ptr_equal(layout.leave, rejoin_leave);
    assert_int_equal(layout.startup_page, 0x9F);
}

static void its_next_life_has_another_number_and_another_secret(void **state)
{
    (void)state;
    assert_in_range(down_for_ns(), 1, 20 * NS_PER_US);
    assert_int_equal(build_count, 1);
    assert_int_equal(state_when_built, NODE_DEAD);
    assert_int_equal(incarnation_when_built, 2);
    assert_int_equal(pages[NODE]->incarnation, 2);
    assert_int_equal(pages[NODE]->state, NODE_STARTING);
    assert_int_equal(plans[NODE].random_seed[0], 2);
    assert_int_equal(plans[NODE].kept_secret[0], 1);
    assert_int_equal(seed_when_moved, 2); /* it has other addresses, too */
    assert_false(is_handed_over);
    assert_int_equal(privileged.sleep_count, 0);
    assert_string_equal(pages[NODE]->log, "");
}

static void node_0_is_given_again_what_boot_has_handed_over(void **state)
{
    (void)state;
    assert_true(privileged_call(rejoin_0));
    assert_true(is_handed_over);
    assert_int_equal(pages[0]->incarnation, 2);
}

/* One that failed in failing has told nobody. What a node gone wild says of its number is no number
 * that anybody has let go of. */
static void a_node_that_has_not_said_that_it_is_dead_is_declared_so(void **state)
{
    (void)state;
    pages[NODE]->incarnation = 77;
    pages[NODE]->state = NODE_RUNNING;
    pages[3]->state = NODE_STARTING;
    assert_true(privileged_call(rejoin_1));
    assert_int_equal(state_when_built, NODE_DEAD);
    assert_int_equal(pages[NODE]->incarnation, 2);
    assert_int_equal(attentions[0], 1);
    assert_int_equal(attentions[NODE], 0);
    assert_int_equal(attentions[3], 0);
}

/* --- Waiting for the others --- */

static void it_waits_until_all_that_live_have_let_go(void **state)
{
    (void)state;
    pages[2]->for_nodes[NODE].released = 0;
    release_at = tsc + 300 * NS_PER_MS;
    assert_in_range(down_for_ns(), 300 * NS_PER_MS, 320 * NS_PER_MS);
    /* And gives up its core meanwhile. */
    assert_in_range(privileged.sleep_count, 30, 200);
    assert_string_equal(pages[NODE]->log, "");
}

/* Nothing would end its halt. */
static void without_a_timer_it_looks_all_the_time(void **state)
{
    (void)state;
    node_info.clock.lapic_timer_hz = 0;
    pages[2]->for_nodes[NODE].released = 0;
    release_at = tsc + 3 * NS_PER_MS;
    assert_in_range(down_for_ns(), 3 * NS_PER_MS, 4 * NS_PER_MS);
    assert_int_equal(privileged.sleep_count, 0);
}

static void it_waits_for_none_that_has_died(void **state)
{
    (void)state;
    pages[2]->for_nodes[NODE].released = 0;
    death_at = tsc + NS_PER_MS;
    assert_in_range(down_for_ns(), NS_PER_MS, 2 * NS_PER_MS);
    pages[3]->state = NODE_ABSENT;
    pages[3]->for_nodes[NODE].released = 0;
    pages[0]->for_nodes[NODE].released = 2;
    assert_in_range(down_for_ns(), 1, 200 * NS_PER_MS);
}

/* It has let go of an earlier one. */
static void it_waits_for_one_that_has_let_go_of_another_life(void **state)
{
    (void)state;
    (void)down_for_ns();
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        pages[i]->for_nodes[NODE].released = i == 2 ? 1 : 2;
    }
    tsc += NS_PER_S;
    release_at = tsc + 5 * NS_PER_MS;
    assert_in_range(down_for_ns(), 5 * NS_PER_MS, 6 * NS_PER_MS);
}

static void it_says_for_whom_it_waits_long_behind_what_its_node_has_said(void **state)
{
    (void)state;
    memcpy(pages[NODE]->log, "its last words\n", 15);
    pages[NODE]->log_written = 15;
    pages[2]->for_nodes[NODE].released = 0;
    release_at = tsc + 5 * NS_PER_S;
    assert_in_range(down_for_ns(), 5 * NS_PER_S, 6 * NS_PER_S);
    assert_true(is_logged("its last words\n[ 1001."));
    assert_true(is_logged("] node1 boot: down until node2 has let go of it\n"));
    assert_int_equal(pages[NODE]->log_written, strlen(pages[NODE]->log));
    assert_int_equal(attentions[0], 2); /* its death, and the line */
}

/* --- One that neither works nor can be stopped --- */

static void release_all(void)
{
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        pages[i]->for_nodes[NODE].released = plans[NODE].incarnation;
    }
}

static void give_up_node_2(unsigned by)
{
    node_set_add(&pages[by]->declared_dead, 2);
    pages[2]->for_nodes[NODE].released = 0;
}

static void one_that_was_given_up_and_does_nothing_is_passed_over(void **state)
{
    (void)state;
    give_up_node_2(3);
    assert_in_range(down_for_ns(), NS_PER_S, 2 * NS_PER_S);
    assert_int_equal(cut_count, 1); /* whatever it does later, it does not reach the new one */
    assert_true(is_logged("node2, which does nothing, is not waited for"));
    /* By all that die later at once. */
    release_all();
    give_up_node_2(3);
    assert_in_range(down_for_ns(), 1, 200 * NS_PER_MS);
    assert_int_equal(cut_count, 2);
}

static bool has_given_up_node_2(void)
{
    return node_set_has(&pages[NODE]->declared_dead, 2);
}

/* Of the node that had given it up before; it need not look again for as long. */
static void who_was_passed_over_is_given_up_by_the_next_life(void **state)
{
    (void)state;
    give_up_node_2(3);
    (void)down_for_ns();
    assert_true(has_given_up_node_2());
    assert_int_equal(node_set_count(&pages[NODE]->declared_dead), 1);
    release_all();
    (void)down_for_ns();
    assert_false(has_given_up_node_2());
}

static void but_not_if_it_has_gone_round_since(void **state)
{
    (void)state;
    give_up_node_2(3);
    goes_round_when_built = true;
    (void)down_for_ns();
    assert_int_equal(cut_count, 1);
    assert_false(has_given_up_node_2());
}

/* There may be no third node. */
static void the_dead_ones_word_counts_too(void **state)
{
    (void)state;
    pages[0]->state = pages[3]->state = NODE_DEAD;
    give_up_node_2(NODE);
    assert_in_range(down_for_ns(), NS_PER_S, 2 * NS_PER_S);
    assert_int_equal(cut_count, 1);
}

static void one_that_goes_round_is_waited_for(void **state)
{
    (void)state;
    give_up_node_2(3);
    rounds_at = 0;
    release_at = tsc + 5 * NS_PER_S;
    assert_in_range(down_for_ns(), 5 * NS_PER_S, 6 * NS_PER_S);
    assert_int_equal(cut_count, 0);
}

/* A dead node's word is none, nor is that of the one that it is about. */
static void so_is_one_that_nobody_has_given_up(void **state)
{
    (void)state;
    pages[3]->state = NODE_DEAD;
    give_up_node_2(3);
    give_up_node_2(2);
    release_at = tsc + 5 * NS_PER_S;
    assert_in_range(down_for_ns(), 5 * NS_PER_S, 6 * NS_PER_S);
    assert_int_equal(cut_count, 0);
}

/* It works again, after all: what was known of it is old. */
static void one_that_has_gone_round_since_is_waited_for_again(void **state)
{
    (void)state;
    give_up_node_2(3);
    (void)down_for_ns();
    release_all();
    give_up_node_2(3);
    pages[2]->counters[COUNTER_DISPATCH_ROUNDS]++;
    assert_in_range(down_for_ns(), NS_PER_S, 2 * NS_PER_S);
}

/* --- Dying often --- */

static void one_that_dies_often_stays_down_longer_each_time_and_says_so(void **state)
{
    static const uint64_t expected_s[] = {0, 0, 0, 1, 2, 4, 8};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(expected_s); i++) {
        release_all();
        assert_in_range(down_for_ns(), expected_s[i] * NS_PER_S + 1,
                        expected_s[i] * NS_PER_S + 150 * NS_PER_MS);
        assert_int_equal(is_logged("has died 4 times of late: down for 1 s"), expected_s[i] >= 1);
        tsc += NS_PER_S;
    }
}

static void with_restart_always_it_does_not(void **state)
{
    (void)state;
    rejoin_prepare(&layout, true);
    for (unsigned i = 0; i < 50; i++) {
        release_all();
        assert_in_range(down_for_ns(), 1, 150 * NS_PER_MS);
    }
    assert_string_equal(pages[NODE]->log, "");
}

static void two_starts_are_apart_by_twice_what_others_leave(void **state)
{
    struct rejoin_history history = {.started_ns = NS_PER_S};

    (void)state;
    assert_int_equal(rejoin_delay_ns(&history, NS_PER_S), REJOIN_INTERVAL_NS);
    assert_int_equal(rejoin_delay_ns(&history, NS_PER_S + REJOIN_INTERVAL_NS - 1), 1);
    assert_int_equal(rejoin_delay_ns(&history, NS_PER_S + REJOIN_INTERVAL_NS), 0);
}

static void the_delay_is_bounded_and_a_long_life_forgives(void **state)
{
    struct rejoin_history history = {0};
    uint64_t now_ns = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        now_ns += rejoin_delay_ns(&history, now_ns);
        history.started_ns = now_ns;
    }
    assert_int_equal(rejoin_delay_ns(&history, now_ns), REJOIN_DELAY_MAX_NS);
    history = (struct rejoin_history){.recent_deaths = 5, .started_ns = 1000 * NS_PER_S};
    assert_int_equal(rejoin_delay_ns(&history, (1000 + 60) * NS_PER_S), 0);
    assert_int_equal(history.recent_deaths, 3);
    history.started_ns = 2000 * NS_PER_S;
    assert_int_equal(rejoin_delay_ns(&history, UINT64_MAX), 0);
    assert_int_equal(history.recent_deaths, 1);
}

static void a_new_start_is_behind_all_that_run(void **state)
{
    (void)state;
    pages[0]->start_order = 4;
    pages[2]->start_order = UINT32_MAX; /* no number of boot's */
    pages[3]->start_order = 9;
    pages[3]->state = NODE_DEAD;
    (void)down_for_ns();
    assert_int_equal(pages[NODE]->start_order, 5);
}

/* --- Sleeping by its own will --- */

static uint32_t wanted_incarnation; /* what node 2 says of it in its third sleep */
static enum node_state state_in_sleep;

static void want_in_third_sleep(void)
{
    state_in_sleep = pages[NODE]->state;
    tsc += NS_PER_S;
    if (privileged.sleep_count == 3) {
        pages[2]->for_nodes[NODE].wanted = wanted_incarnation;
    }
}

static void park(void)
{
    privileged.in_sleep = want_in_third_sleep;
    pages[NODE]->state = NODE_PARKED;
    was_entered = false;
    assert_true(privileged_call(rejoin_1));
    privileged.in_sleep = NULL;
    assert_true(was_entered);
}

static void one_that_has_parked_sleeps_until_it_is_wanted(void **state)
{
    (void)state;
    pages[0]->for_nodes[NODE].wanted = 77; /* of some other life */
    pages[3]->for_nodes[NODE].wanted = 1;
    pages[3]->state = NODE_DEAD; /* whatever it has wanted */
    wanted_incarnation = 1;
    park();
    assert_int_equal(privileged.sleep_count, 3);
    assert_int_equal(state_in_sleep, NODE_PARKED);
    assert_int_equal(timer_counts, 0);
    assert_int_equal(incarnation_when_built, 2);
    assert_int_equal(pages[NODE]->state, NODE_STARTING);
    assert_int_equal(attentions[0], 1);
}

static void sleep_is_no_death_however_often(void **state)
{
    (void)state;
    for (wanted_incarnation = 1; wanted_incarnation <= 8; wanted_incarnation++) {
        privileged.sleep_count = 0;
        release_all();
        park();
    }
    assert_int_equal(plans[NODE].history.recent_deaths, 0);
    assert_string_equal(pages[NODE]->log, "");
    assert_int_equal(pages[NODE]->incarnation, 9);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nodes_are_told_the_way_out),
        TEST(its_next_life_has_another_number_and_another_secret),
        TEST(node_0_is_given_again_what_boot_has_handed_over),
        TEST(a_node_that_has_not_said_that_it_is_dead_is_declared_so),
        TEST(it_waits_until_all_that_live_have_let_go),
        TEST(without_a_timer_it_looks_all_the_time),
        TEST(it_waits_for_none_that_has_died),
        TEST(it_waits_for_one_that_has_let_go_of_another_life),
        TEST(it_says_for_whom_it_waits_long_behind_what_its_node_has_said),
        TEST(one_that_was_given_up_and_does_nothing_is_passed_over),
        TEST(who_was_passed_over_is_given_up_by_the_next_life),
        TEST(but_not_if_it_has_gone_round_since),
        TEST(the_dead_ones_word_counts_too),
        TEST(one_that_goes_round_is_waited_for),
        TEST(so_is_one_that_nobody_has_given_up),
        TEST(one_that_has_gone_round_since_is_waited_for_again),
        TEST(one_that_dies_often_stays_down_longer_each_time_and_says_so),
        TEST(with_restart_always_it_does_not),
        TEST(two_starts_are_apart_by_twice_what_others_leave),
        TEST(the_delay_is_bounded_and_a_long_life_forgives),
        TEST(a_new_start_is_behind_all_that_run),
        TEST(one_that_has_parked_sleeps_until_it_is_wanted),
        TEST(sleep_is_no_death_however_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
