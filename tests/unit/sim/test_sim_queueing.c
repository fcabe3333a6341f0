/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/sim_world.c */
/*
 * Tests tests/sim/: without load balance a simulated machine is a textbook's queue, and gives the
 * textbook's results (Kleinrock, Queueing Systems 1): a web server with its own CM is M/G/1,
 * several with one accept queue are M/M/c. Margins are several standard errors of runs of this
 * length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <math.h>

#include <cmocka.h>

#include "tests/unit/world/sim_world.h"

#define CONNECTIONS 150000u
#define MEAN_NS     100000.0

static const struct distribution exponential = {DISTRIBUTION_EXPONENTIAL, .mean_ns = MEAN_NS};
static const struct distribution constant = {DISTRIBUTION_CONSTANT, .mean_ns = MEAN_NS};
/* 0.9 * 50 us + 0.1 * 550 us; the squared variation is 5.5. */
static const struct distribution hyperexponential = {
    DISTRIBUTION_HYPEREXPONENTIAL, .mean_ns = MEAN_NS / 2, .second_ns = 5.5 * MEAN_NS,
    .first_share = 0.9};

static void assert_near(double found, double expected, double margin, const char *what)
{
    if (fabs(found - expected) > margin * expected) {
        fail_msg("%s: %.4g instead of %.4g", what, found, expected);
    }
}

/* Pollaczek and Khinchine's mean wait, lambda E[S^2] / 2 (1 - rho); and rho of all connections find
 * the web server busy. */
static void check_mg1(const struct distribution *service, double utilisation, double margin)
{
    struct simulation_options options = sim_queue(1, utilisation, service, CONNECTIONS);
    struct observed observed = sim_observe(&options);
    double arrivals_per_ns = utilisation / distribution_mean_ns(service);
    double mean_wait_ns =
        arrivals_per_ns * distribution_second_moment(service) / (2 * (1 - utilisation));

    assert_near(observed.mean_wait_ns, mean_wait_ns, margin, "mean wait");
    assert_near(observed.waited_share, utilisation, 0.03, "share that waited");
    assert_near(observed.mean_service_ns - observed.mean_wait_ns, MEAN_NS, 0.03, "mean service");
    sim_release(&observed);
}

static void
a_web_server_of_its_own_with_exponential_service_waits_as_pollaczek_and_khinchine_say(void **state)
{
    (void)state;
    check_mg1(&exponential, 0.3, 0.05);
    check_mg1(&exponential, 0.6, 0.06);
    check_mg1(&exponential, 0.8, 0.1);
}

static void with_constant_service_it_waits_half_as_long(void **state)
{
    (void)state;
    check_mg1(&constant, 0.3, 0.05);
    check_mg1(&constant, 0.6, 0.06);
    check_mg1(&constant, 0.8, 0.1);
}

static void with_service_that_varies_much_it_waits_longer(void **state)
{
    (void)state;
    check_mg1(&hyperexponential, 0.3, 0.1);
    check_mg1(&hyperexponential, 0.6, 0.12);
    check_mg1(&hyperexponential, 0.8, 0.2);
}

/* M/M/1: the time from offer to close is exponential, with the mean 1 / (mu - lambda). */
static void percentiles_of_exponential_service_are_those_of_mm1(void **state)
{
    const double utilisation = 0.5;
    struct simulation_options options = sim_queue(1, utilisation, &exponential, CONNECTIONS);
    struct observed observed = sim_observe(&options);
    static const double shares[] = {0.1, 0.5, 0.9, 0.99, 0.999};

    (void)state;
    for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        double expected_ns = -log(1 - shares[i]) * MEAN_NS / (1 - utilisation);

        assert_near((double)percentile(observed.sorted_ns, observed.count, shares[i]), expected_ns,
                    0.1, "percentile");
    }
    sim_release(&observed);
}

/* Erlang's C: who has to wait when c servers have a load of `erlangs` together. */
static double erlang_c(unsigned server_count, double erlangs)
{
    double blocked = 1; /* Erlang's B, by its recursion */

    for (unsigned i = 1; i <= server_count; i++) {
        blocked = erlangs * blocked / (i + erlangs * blocked);
    }
    return blocked / (1 - erlangs / server_count * (1 - blocked));
}

static void check_mmc(unsigned server_count, double utilisation, double margin)
{
    struct simulation_options options =
        sim_queue(server_count, utilisation, &exponential, CONNECTIONS);
    struct observed observed;
    double waited_share = erlang_c(server_count, utilisation * server_count);

    options.balance = NULL;
    observed = sim_observe(&options);
    assert_near(observed.waited_share, waited_share, margin, "share that waited");
    assert_near(observed.mean_wait_ns, waited_share * MEAN_NS / (server_count * (1 - utilisation)),
                2 * margin, "mean wait");
    sim_release(&observed);
}

static void one_accept_queue_for_all_waits_as_erlang_says(void **state)
{
    (void)state;
    check_mmc(2, 0.5, 0.04);
    check_mmc(8, 0.8, 0.06);
    check_mmc(16, 0.9, 0.1);
}

/* Load is shared evenly, so each of them alone is M/M/1. */
static void eight_servers_that_do_not_balance_are_eight_queues(void **state)
{
    const double utilisation = 0.6;
    struct simulation_options options = sim_queue(8, utilisation, &exponential, CONNECTIONS);
    struct observed observed = sim_observe(&options);

    (void)state;
    assert_near(observed.mean_wait_ns, utilisation / (1 - utilisation) * MEAN_NS, 0.06,
                "mean wait");
    sim_release(&observed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_web_server_of_its_own_with_exponential_service_waits_as_pollaczek_and_khinchine_say),
        cmocka_unit_test(with_constant_service_it_waits_half_as_long),
        cmocka_unit_test(with_service_that_varies_much_it_waits_longer),
        cmocka_unit_test(percentiles_of_exponential_service_are_those_of_mm1),
        cmocka_unit_test(one_accept_queue_for_all_waits_as_erlang_says),
        cmocka_unit_test(eight_servers_that_do_not_balance_are_eight_queues),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
