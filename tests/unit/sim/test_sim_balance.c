/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/sim_world.c tests/sim/scenario.c tests/sim/curve.c tests/sim/output.c */
/*
 * Tests net/manager/ in the paper's experiment (PIKA 5.3), in virtual time: what the schemes of
 * load balance are for. Cut short to 2 s and with fixed seeds; margins are wide, because another
 * seed or a better scheme must not fail, and what is claimed is a matter of factors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/curve.h"
#include "tests/sim/scenario.h"

#define SEED        7
#define DURATION_NS (2000 * NS_PER_MS)

/* What a run is judged by. */
struct judged {
    struct curve curve;
    double local_percent;
    double offers_per_s; /* that one CM gets */
};

static struct simulation *run_scheme(unsigned server_count, const char *scheme, bool is_disturbed,
                                     uint64_t duration_ns, uint64_t seed)
{
    struct scenario scenario;
    struct simulation *simulation;

    scenario_initialise(&scenario, server_count, scheme, is_disturbed, duration_ns, seed);
    simulation = simulation_run(&scenario.options);
    scenario_release(&scenario);
    return simulation;
}

static struct judged judge(unsigned server_count, const char *scheme, bool is_disturbed,
                           uint64_t duration_ns)
{
    struct simulation *simulation =
        run_scheme(server_count, scheme, is_disturbed, duration_ns, SEED);
    struct judged judged = {
        .curve = curve_of(&simulation->statistics),
        .offers_per_s = (double)simulation->managers.offers_received * (double)NS_PER_S /
                        ((double)duration_ns * server_count),
    };

    for (size_t i = 0; i < simulation->statistics.record_count; i++) {
        judged.local_percent += simulation->statistics.records[i].is_local;
    }
    judged.local_percent *= 100.0 / (double)simulation->statistics.record_count;
    simulation_release(simulation);
    return judged;
}

static struct curve undisturbed;

static int set_up(void **state)
{
    (void)state;
    undisturbed = judge(SCENARIO_BLOCK, "tournament:2", false, DURATION_NS).curve;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    curve_release(&undisturbed);
    return 0;
}

/* Where this scheme's curve leaves that without delays, and how it stands at this percentile. */
static double leaves(const char *scheme, double percent, double *ratio)
{
    struct judged judged = judge(SCENARIO_BLOCK, scheme, true, DURATION_NS);
    double leaves_percent = curve_leaves(&judged.curve, &undisturbed);

    *ratio = curve_us(&judged.curve, percent) / curve_us(&undisturbed, percent);
    curve_release(&judged.curve);
    return leaves_percent;
}

/* --- Service times --- */

/* The whole experiment holds the 99th percentile; in a short one the time until a change is
 * noticed, which is always the same, weighs more. */
static void tournament_and_filter_hold_the_98th_percentile(void **state)
{
    double tournament_ratio, filtered_ratio;

    (void)state;
    assert_true(leaves("tournament:2", 98, &tournament_ratio) > 97);
    assert_true(leaves("filtered:2", 98, &filtered_ratio) > 97);
    assert_true(tournament_ratio < 2);
    assert_true(filtered_ratio < 2);
}

/* What tournament leaves with the slow is most of the tail. */
static void squares_in_the_last_round_cut_the_tail(void **state)
{
    struct judged tournament = judge(SCENARIO_BLOCK, "tournament:2", true, DURATION_NS);
    struct judged sharp = judge(SCENARIO_BLOCK, "sharp:2", true, DURATION_NS);

    (void)state;
    assert_true(curve_us(&sharp.curve, 99.7) < curve_us(&tournament.curve, 99.7) / 2);
    assert_true(sharp.local_percent > 0.9 * tournament.local_percent);
    curve_release(&tournament.curve);
    curve_release(&sharp.curve);
}

/* A quarter of all connections come to the CM of a web server that is slow just then. */
static void without_balance_or_with_a_high_tariff_a_fifth_is_slow(void **state)
{
    double ratio;

    (void)state;
    assert_true(leaves("naive", 98, &ratio) < 80);
    assert_true(ratio > 10);
    assert_true(leaves("unfiltered:100", 98, &ratio) < 85);
    assert_true(ratio > 3);
}

static void linuxs_one_accept_queue_is_left_behind_at_the_98th_percentile(void **state)
{
    double linux_ratio, tournament_ratio;

    (void)state;
    assert_true(leaves(NULL, 98, &linux_ratio) < 97);
    (void)leaves("tournament:2", 98, &tournament_ratio);
    assert_true(linux_ratio > 2 * tournament_ratio);
}

/* --- Locality --- */

/* With a single draw, local applications lose weight against ever more offers; a tournament's do
 * not.
 */
static void a_tournament_keeps_connections_local_however_many_managers_there_are(void **state)
{
    struct judged few = judge(8, "tournament:2", true, DURATION_NS);
    struct judged many = judge(32, "tournament:2", true, DURATION_NS / 2);
    struct judged few_in_one_draw = judge(8, "unfiltered:2", true, DURATION_NS);
    struct judged many_in_one_draw = judge(32, "unfiltered:2", true, DURATION_NS / 2);

    (void)state;
    assert_true(few.local_percent > 70);
    assert_true(many.local_percent > 70);
    assert_true(few_in_one_draw.local_percent < 40);
    assert_true(many_in_one_draw.local_percent < few_in_one_draw.local_percent / 2);
    curve_release(&few.curve);
    curve_release(&many.curve);
    curve_release(&few_in_one_draw.curve);
    curve_release(&many_in_one_draw.curve);
}

/* The share of web server 7's undisturbed load that its own CM gives it in the last third, when it
 * is slightly slow. */
static double mild_servers_share(const char *scheme)
{
    struct simulation *simulation = run_scheme(SCENARIO_BLOCK, scheme, true, DURATION_NS, SEED);
    const struct statistics *statistics = &simulation->statistics;
    uint64_t from_ns = DURATION_NS * 2 / 3, count = 0;
    double due = (double)statistics->arrived / SCENARIO_BLOCK / 3;

    for (size_t i = 0; i < statistics->record_count; i++) {
        const struct record *record = &statistics->records[i];

        count += record->application == SCENARIO_MILD_SERVER - 1 && record->is_local &&
                 record->available_ns >= from_ns;
    }
    simulation_release(simulation);
    return (double)count / due;
}

/* Figure 10. */
static void a_slightly_slow_server_keeps_more_of_its_own_under_a_tournament(void **state)
{
    double tournament = mild_servers_share("tournament:2");

    (void)state;
    assert_true(tournament > 0.3);
    assert_true(tournament < 0.8);
    assert_true(mild_servers_share("filtered:2") < tournament / 1.5);
    assert_true(mild_servers_share("unfiltered:2") < tournament / 1.5);
}

/* --- Estimates and offers --- */

#define ESTIMATE_NS (DURATION_NS / 50)

struct estimate {
    uint64_t time_ns;
    uint64_t service_ns[SCENARIO_BLOCK];
};

struct estimates {
    struct estimate of[64];
    unsigned count;
};

static void keep_estimates(struct simulation *simulation, void *context)
{
    struct estimates *estimates = context;
    struct estimate *estimate = &estimates->of[estimates->count];

    if (simulation_now_ns(simulation) == 0) {
        return;
    }
    assert_true(estimates->count < ARRAY_COUNT(estimates->of));
    estimates->count++;
    estimate->time_ns = simulation_now_ns(simulation);
    for (unsigned i = 0; i < SCENARIO_BLOCK; i++) {
        estimate->service_ns[i] = managers_estimate_ns(simulation, i);
    }
}

/* The median of this web server's connections that closed in the time before; 0: there were few. */
static double actual_ns(const struct statistics *statistics, uint64_t until_ns,
                        unsigned application)
{
    static uint64_t times[100000];
    size_t count = 0;

    for (size_t i = 0; i < statistics->record_count; i++) {
        const struct record *record = &statistics->records[i];
        uint64_t closed_ns = record->available_ns + record->service_ns;

        if (record->application == application && closed_ns <= until_ns &&
            closed_ns + ESTIMATE_NS > until_ns) {
            times[count++] = record->service_ns;
        }
    }
    sort_values(times, count);
    return count < 5 ? 0 : (double)percentile(times, count, 0.5);
}

/* Of 50 estimates of each web server, nine in ten are within a quarter of what has been measured in
 * the slice of time before; the others are just after a change. */
static void estimates_follow_the_truth(void **state)
{
    static struct estimates estimates;
    struct scenario scenario;
    struct simulation *simulation;
    unsigned near_count = 0, compared_count = 0;

    (void)state;
    scenario_initialise(&scenario, SCENARIO_BLOCK, "tournament:2", true, DURATION_NS, SEED);
    scenario.options.observe = keep_estimates;
    scenario.options.observe_context = &estimates;
    scenario.options.observe_ns = ESTIMATE_NS;
    simulation = simulation_run(&scenario.options);
    for (unsigned i = 0; i < estimates.count; i++) {
        for (unsigned application = 0; application < SCENARIO_BLOCK; application++) {
            double actual =
                actual_ns(&simulation->statistics, estimates.of[i].time_ns, application);
            double estimate = (double)estimates.of[i].service_ns[application];

            if (actual > 0) {
                compared_count++;
                near_count += fabs(estimate - actual) < 0.25 * actual;
            }
        }
    }
    assert_true(compared_count > 300);
    assert_true(near_count * 10 > compared_count * 9);
    simulation_release(simulation);
    scenario_release(&scenario);
}

/* 0.03 % of a CM's time are 300 us a second; an offer costs less than 100 ns (Table 3). */
static void offers_are_rare(void **state)
{
    struct judged judged = judge(16, "tournament:2", true, DURATION_NS / 2);

    (void)state;
    assert_true(judged.offers_per_s > 1);
    assert_true(judged.offers_per_s < 3000);
    curve_release(&judged.curve);
}

/* --- The simulation --- */

static void the_same_seed_gives_the_same_run_and_another_one_does_not(void **state)
{
    struct simulation *runs[] = {
        run_scheme(SCENARIO_BLOCK, "tournament:2", true, DURATION_NS / 10, 3),
        run_scheme(SCENARIO_BLOCK, "tournament:2", true, DURATION_NS / 10, 3),
        run_scheme(SCENARIO_BLOCK, "tournament:2", true, DURATION_NS / 10, 4),
    };
    const struct statistics *one = &runs[0]->statistics, *same = &runs[1]->statistics,
                            *other = &runs[2]->statistics;
    size_t different_count = 0;

    (void)state;
    assert_int_equal(one->record_count, same->record_count);
    for (size_t i = 0; i < one->record_count; i++) {
        assert_int_equal(one->records[i].available_ns, same->records[i].available_ns);
        assert_int_equal(one->records[i].service_ns, same->records[i].service_ns);
        assert_int_equal(one->records[i].application, same->records[i].application);
    }
    for (size_t i = 0; i < one->record_count && i < other->record_count; i++) {
        different_count += one->records[i].service_ns != other->records[i].service_ns;
    }
    assert_true(different_count > one->record_count / 2);
    for (size_t i = 0; i < ARRAY_COUNT(runs); i++) {
        simulation_release(runs[i]);
    }
}

/* Web servers that decline for want of room, and claims that time out, lose nothing: each
 * connection ends once (statistics_check()). */
static void overload_loses_no_connection(void **state)
{
    struct scenario scenario;
    struct simulation *simulation;

    (void)state;
    scenario_initialise(&scenario, SCENARIO_BLOCK, "tournament:2", true, DURATION_NS / 10, SEED);
    scenario.options.connections_per_s *= 40;
    scenario.options.backlog = 8;
    scenario.options.claim_timeout_ns = 200 * NS_PER_US;
    simulation = simulation_run(&scenario.options);
    assert_true(simulation->connections.claim_timeouts > 0);
    assert_true(simulation->connections.declines > 0);
    assert_true(simulation->statistics.refused > 0);
    assert_true(simulation->statistics.served > 0);
    simulation_release(simulation);
    scenario_release(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tournament_and_filter_hold_the_98th_percentile),
        cmocka_unit_test(squares_in_the_last_round_cut_the_tail),
        cmocka_unit_test(without_balance_or_with_a_high_tariff_a_fifth_is_slow),
        cmocka_unit_test(linuxs_one_accept_queue_is_left_behind_at_the_98th_percentile),
        cmocka_unit_test(a_tournament_keeps_connections_local_however_many_managers_there_are),
        cmocka_unit_test(a_slightly_slow_server_keeps_more_of_its_own_under_a_tournament),
        cmocka_unit_test(estimates_follow_the_truth),
        cmocka_unit_test(offers_are_rare),
        cmocka_unit_test(the_same_seed_gives_the_same_run_and_another_one_does_not),
        cmocka_unit_test(overload_loses_no_connection),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
