/* SPDX-License-Identifier: MIT */
/*
 * Figure 8: how many connections a second a machine serves, by scheme, when nothing is disturbed:
 * the highest constant rate that it keeps up with; and what clients get who keep so many
 * connections open that the composite servers' processors are hardly ever idle, as the paper's do.
 */
#include "tests/sim/figures.h"

/* What a connection costs a composite server. Between sockets a message costs 857/378 of what it
 * costs within one (PIKA Table 2, dispatched, many at a time); five pairs share a socket of ten
 * cores. */
#define MESSAGES_OF_A_CONNECTION 4
#define FAR_OF_NEAR(ns)          ((ns)*857 / 378)

struct cost_model {
    const char *file, *source;
    struct costs costs;
};

static const struct cost_model cost_models[] = {
    {"fig8",
     "paper: Table 4, TS1LS1CM1: 3.13 us of TCP, 0.31 us of connection management, 7.12 us of "
     "messages",
     {3130 + 310, 7120 / MESSAGES_OF_A_CONNECTION, FAR_OF_NEAR(7120) / MESSAGES_OF_A_CONNECTION,
      5}},
    /* 4 * 67 of 3,493 cycles are 8 %, here of the same 10.56 us. */
    {"fig8_talus",
     "as long as the paper's in all, of which messages are as much as of Talus': four of 67 cycles "
     "(make bench-messages) in 3,493 (make bench-native, one node, /4b short)",
     {9750, 203, FAR_OF_NEAR(203), 5}},
};

/* As in the paper: 48 times apachebench with 4 each, whatever the number of servers. */
#define OPEN_COUNT    192
/* Chosen: "a single web server can saturate a TS", so it is faster. */
#define WEB_SERVER_NS 5000

/* Of a run's connections those that were closed in its second half: when estimates have settled. */
struct load {
    uint64_t half_ns, end_ns;
    double per_s;         /* closed */
    double local_percent; /* of them */
    bool is_kept_up;      /* hardly any was left over at the end */
};

/* At the end of a rate that is too high by this share or more it is noticed. */
#define LEFT_OVER_MAX 0.01

static struct load run(const struct figure_request *request, const struct costs *costs,
                       const char *scheme, unsigned server_count, double connections_per_s)
{
    uint64_t duration_ns = request->duration_ns / 20;
    struct load load = {.half_ns = duration_ns / 2, .end_ns = duration_ns};
    struct scenario scenario;
    struct simulation *simulation;
    uint64_t count = 0, local_count = 0, late_count = 0;

    scenario_initialise(&scenario, server_count, scheme, false, duration_ns, request->seed);
    scenario.options.clients = connections_per_s == 0 ? CLIENTS_CLOSED : CLIENTS_CONSTANT;
    scenario.options.connections_per_s = connections_per_s;
    scenario.options.open_count = OPEN_COUNT;
    scenario.options.calm_ns = duration_ns / 3;
    scenario.options.service.mean_ns = WEB_SERVER_NS;
    scenario.options.costs = *costs;
    simulation = simulation_run(&scenario.options);
    for (size_t i = 0; i < simulation->statistics.record_count; i++) {
        const struct record *record = &simulation->statistics.records[i];
        uint64_t closed_ns = record->available_ns + record->service_ns;

        late_count += closed_ns >= load.end_ns;
        if (closed_ns >= load.half_ns && closed_ns < load.end_ns) {
            count++;
            local_count += record->is_local;
        }
    }
    load.per_s = (double)count * (double)NS_PER_S / (double)(load.end_ns - load.half_ns);
    load.local_percent = 100.0 * (double)local_count / (double)count;
    load.is_kept_up = (double)late_count < LEFT_OVER_MAX * (double)simulation->statistics.arrived;
    simulation_release(simulation);
    scenario_release(&scenario);
    return load;
}

/* By halves, to 1/32 of what is ideal. */
static struct load find_highest_rate(const struct figure_request *request,
                                     const struct costs *costs, const char *scheme,
                                     unsigned server_count, double ideal_per_s)
{
    struct load best = {.per_s = 0};
    double low = 0.25, high = 1;

    while (high - low > 1.0 / 32) {
        double middle = (low + high) / 2;
        struct load load = run(request, costs, scheme, server_count, middle * ideal_per_s);

        if (load.is_kept_up) {
            low = middle;
            best = load;
        } else {
            high = middle;
        }
    }
    return best;
}

static void put_model(const struct figure_request *request, const struct cost_model *model)
{
    const struct costs *costs = &model->costs;
    static const unsigned sizes[] = {1, 2, 4, 8, 16};
    static const char *const schemes[] = {"naive", "unfiltered:100", "unfiltered:2", "filtered:2",
                                          "tournament:2"};
    double alone_per_s = run(request, costs, "naive", 1, 0).per_s;
    struct output_file file;

    figure_open(
        &file, request, model->file,
        "connections per second without delays: connections_per_s is the highest constant "
        "rate that is served without a queue that grows (to 1/32 of the ideal), after a calm "
        "beginning; closed_per_s what clients get who keep a number of connections open; "
        "ideal is one server's, as often as there are servers");
    output_note(&file, "cost of a connection",
                "%llu ns for its composite server, and %d messages (%s)",
                (unsigned long long)costs->connection_ns, MESSAGES_OF_A_CONNECTION, model->source);
    output_note(&file, "cost of a message",
                "%llu ns within a socket, %llu ns between two (paper: the ratio of Table 2), of %u "
                "pairs each; sender and receiver pay it; offers are Table 3's",
                (unsigned long long)costs->near_message_ns,
                (unsigned long long)costs->far_message_ns, costs->servers_per_socket);
    output_note(&file, "web server's time per request here", "%g us (assumed)",
                WEB_SERVER_NS / 1000.0);
    output_note(&file, "open connections of closed_per_s", "%d (paper)", OPEN_COUNT);
    output_note(
        &file, "why schemes lose more than in the paper",
        "a service time contains the TS's own queue, so at a high load a TS with a queue takes "
        "its web server for slow, gives its connections away, spends more on each as messages "
        "between sockets cost more, and keeps the queue; with clients who wait for their "
        "answers (closed_per_s) it holds up all others");
    output_row(&file, "scheme\tcms\tconnections_per_s\tideal_per_s\tlocal_percent\tclosed_per_s\t"
                      "closed_local_percent");
    for (size_t size = 0; size < ARRAY_COUNT(sizes) && sizes[size] <= request->server_max; size++) {
        for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
            const char *scheme = schemes[i];
            struct load highest =
                find_highest_rate(request, costs, scheme, sizes[size], alone_per_s * sizes[size]);
            struct load closed = run(request, costs, scheme, sizes[size], 0);

            output_row(&file, "%s\t%u\t%.0f\t%.0f\t%.2f\t%.0f\t%.2f", scheme, sizes[size],
                       highest.per_s, alone_per_s * sizes[size], highest.local_percent,
                       closed.per_s, closed.local_percent);
        }
    }
    output_close(&file);
}

void figure_8(const struct figure_request *request)
{
    for (size_t i = 0; i < ARRAY_COUNT(cost_models); i++) {
        put_model(request, &cost_models[i]);
    }
}
