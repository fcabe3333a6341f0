/* SPDX-License-Identifier: MIT */
/*
 * Figure 8: how many connections a second a machine serves, by scheme, when nothing is disturbed.
 * Clients keep so many connections open that the composite servers' processors are never idle.
 */
#include "tests/sim/figures.h"

/* What a connection costs a composite server (PIKA Table 4, TS1LS1CM1: 3.13 us of TCP and 0.31 us
 * of connection management; 7.12 us of messages, which are four of ours). Between sockets a message
 * costs 857/378 of that (Table 2, dispatched, many at a time). Five pairs share a socket of ten
 * cores. */
#define MESSAGES_OF_A_CONNECTION 4
static const struct costs costs = {
    .connection_ns = 3130 + 310,
    .near_message_ns = 7120 / MESSAGES_OF_A_CONNECTION,
    .far_message_ns = 7120 * 857 / 378 / MESSAGES_OF_A_CONNECTION,
    .servers_per_socket = 5,
};

/* Chosen: more than a server can work on during a client's round trip. */
#define OPEN_PER_SERVER 48
/* Chosen: "a single web server can saturate a TS", so it is faster. */
#define WEB_SERVER_NS   5000

static double measure(const struct figure_request *request, const char *scheme,
                      unsigned server_count, double *local_percent)
{
    struct scenario scenario;
    struct simulation *simulation;
    /* Enough for estimates to settle; the first half is left out. */
    uint64_t duration_ns = request->duration_ns / 10, half_ns = duration_ns / 2;
    uint64_t count = 0, local_count = 0;

    scenario_initialise(&scenario, server_count, scheme, false, duration_ns, request->seed);
    scenario.options.clients = CLIENTS_CLOSED;
    scenario.options.open_count = OPEN_PER_SERVER * server_count;
    scenario.options.service.mean_ns = WEB_SERVER_NS;
    scenario.options.costs = costs;
    simulation = simulation_run(&scenario.options);
    for (size_t i = 0; i < simulation->statistics.record_count; i++) {
        const struct record *record = &simulation->statistics.records[i];
        uint64_t closed_ns = record->available_ns + record->service_ns;

        if (closed_ns >= half_ns && closed_ns < duration_ns) {
            count++;
            local_count += record->is_local;
        }
    }
    simulation_release(simulation);
    scenario_release(&scenario);
    *local_percent = 100.0 * (double)local_count / (double)count;
    return (double)count * (double)NS_PER_S / (double)(duration_ns - half_ns);
}

void figure_8(const struct figure_request *request)
{
    static const unsigned sizes[] = {1, 2, 4, 8, 16};
    double unused, alone_per_s = measure(request, "naive", 1, &unused);
    struct output_file file;

    figure_open(
        &file, request, "fig8",
        "connections per second with all processors busy, no delays; ideal is one server's, "
        "as often as there are servers");
    output_note(&file, "cost of a connection",
                "%llu ns for its composite server (paper: Table 4), and %d messages",
                (unsigned long long)costs.connection_ns, MESSAGES_OF_A_CONNECTION);
    output_note(
        &file, "cost of a message",
        "%llu ns within a socket, %llu ns between two (paper: Table 4 and the ratio of Table "
        "2), of %u pairs each; sender and receiver pay it; offers are Table 3's",
        (unsigned long long)costs.near_message_ns, (unsigned long long)costs.far_message_ns,
        costs.servers_per_socket);
    output_note(&file, "web server's time per request here", "%g us (assumed)",
                WEB_SERVER_NS / 1000.0);
    output_note(&file, "open connections", "%d for each server (assumed)", OPEN_PER_SERVER);
    output_row(&file, "scheme\tcms\tconnections_per_s\tideal_per_s\tlocal_percent");
    for (size_t size = 0; size < ARRAY_COUNT(sizes) && sizes[size] <= request->server_max; size++) {
        for (size_t i = 0; figure_schemes_shown[i] != NULL; i++) {
            double local_percent;
            double per_s = measure(request, figure_schemes_shown[i], sizes[size], &local_percent);

            output_row(&file, "%s\t%u\t%.0f\t%.0f\t%.2f", figure_schemes_shown[i], sizes[size],
                       per_s, alone_per_s * sizes[size], local_percent);
        }
    }
    output_close(&file);
}
