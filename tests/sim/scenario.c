/* SPDX-License-Identifier: MIT */
/*
 * The tables stand first. Whatever the paper does not say is `assumed`, with the reason.
 */
#include "tests/sim/scenario.h"

#include <stdlib.h>

#include "kernel/platform.h"

enum fact {
    RATE,
    SERVICE,
    SERVICE_VARIATION,
    MESSAGE,
    HANDSHAKE,
    CLAIM_TIMEOUT,
    BACKLOG,
    FACT_COUNT,
};

/* clang-format off: a table */
static const struct {
    const char *name;
    double value;
    const char *unit, *source;
} facts[FACT_COUNT] = {
    [RATE] = {"connections per server", 3750, "/s",
              "paper: 30,000/s constant for 8 servers; each goes to one at random, by its port"},
    [SERVICE] = {"web server's time per request", 10, "us",
                 "assumed: 16 of them answer 1.9 M/s in Figure 4, so 8.4 us at most"},
    [SERVICE_VARIATION] = {"its standard deviation over its mean", 0.5, "",
                           "assumed: lognormal; a small page from memory varies little"},
    [MESSAGE] = {"message between two nodes", 0.5, "us",
                 "paper: half of Table 2's 2,058 cycles for a dispatched round trip, at 2 GHz"},
    [HANDSHAKE] = {"client's round trip", 100, "us",
                   "assumed: Table 4's 307 us for a connection are three of them"},
    [CLAIM_TIMEOUT] = {"claim time-out", 100, "ms", "assumed: Talus' default"},
    [BACKLOG] = {"backlog of a web server", 1024, "", "assumed: that of apps/httpd"},
};

/* Figure 6a, as far as the text tells: which web server, and from when to when in seconds. How slow
 * each is stands only in the plot. Assumed so that all that the text says can be true: #1's and
 * #7's delays are "minor", #3's is not, and the naive scheme serves them all (#3 is busy for 0.9 of
 * its time then). */
static const struct {
    unsigned web_server;
    double from_s, to_s, extra_us;
    const char *source;
} delays[] = {
    {1, 0.5, 1.0, 18, "paper: slow from 0.5 s to 1 s"},
    {3, 1.5, 4.0, 230, "paper: slow from 1.5 s to 4 s"},
    {5, 0.0, 1e9, 18, "paper: one is consistently slow; assumed: #5"},
    {SCENARIO_MILD_SERVER, 3.0, 1e9, 14, "paper: slightly slow from 3 s; assumed: to the end"},
};
/* clang-format on */

static uint64_t time_ns(enum fact fact, uint64_t unit_ns)
{
    return (uint64_t)(facts[fact].value * (double)unit_ns);
}

static void disturb(struct scenario *scenario)
{
    struct simulation_options *options = &scenario->options;
    double pace = (double)options->duration_ns / (double)SCENARIO_NS;
    size_t count = 0;

    scenario->disturbances =
        calloc(ARRAY_COUNT(delays) * (options->server_count / SCENARIO_BLOCK + 1),
               sizeof(*scenario->disturbances));
    ASSERT(scenario->disturbances != NULL);
    for (unsigned application = 0; application < options->server_count; application++) {
        for (size_t i = 0; i < ARRAY_COUNT(delays); i++) {
            if (delays[i].web_server - 1 == application % SCENARIO_BLOCK) {
                scenario->disturbances[count++] = (struct disturbance){
                    .application = application,
                    .from_ns = (uint64_t)(delays[i].from_s * pace * (double)NS_PER_S),
                    .to_ns = (uint64_t)(delays[i].to_s * pace * (double)NS_PER_S),
                    .extra_ns = (uint64_t)(delays[i].extra_us * (double)NS_PER_US),
                };
            }
        }
    }
    options->disturbances = scenario->disturbances;
    options->disturbance_count = count;
}

void scenario_initialise(struct scenario *scenario, unsigned server_count, const char *scheme,
                         bool is_disturbed, uint64_t duration_ns, uint64_t seed)
{
    *scenario = (struct scenario){.disturbances = NULL};
    if (scheme != NULL) {
        (void)snprintf(scenario->balance, sizeof(scenario->balance), "balance=%s", scheme);
    }
    scenario->options = (struct simulation_options){
        .server_count = server_count,
        .balance = scheme == NULL ? NULL : scenario->balance,
        .seed = seed,
        .clients = CLIENTS_CONSTANT,
        .connections_per_s = facts[RATE].value * server_count,
        .duration_ns = duration_ns,
        .service = {.kind = DISTRIBUTION_LOGNORMAL,
                    .mean_ns = facts[SERVICE].value * (double)NS_PER_US,
                    .variation = facts[SERVICE_VARIATION].value},
        .message_ns = time_ns(MESSAGE, NS_PER_US),
        .handshake_ns = time_ns(HANDSHAKE, NS_PER_US),
        .claim_timeout_ns = time_ns(CLAIM_TIMEOUT, NS_PER_MS),
        .backlog = (unsigned)facts[BACKLOG].value,
    };
    if (is_disturbed) {
        disturb(scenario);
    }
}

void scenario_release(struct scenario *scenario)
{
    free(scenario->disturbances);
}

void scenario_print(struct output_file *file)
{
    for (size_t i = 0; i < FACT_COUNT; i++) {
        output_note(file, facts[i].name, "%g %s (%s)", facts[i].value, facts[i].unit,
                    facts[i].source);
    }
    for (size_t i = 0; i < ARRAY_COUNT(delays); i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "delay of web server %u", delays[i].web_server);
        output_note(file, key, "%g us more for each request (%s)", delays[i].extra_us,
                    delays[i].source);
    }
}
