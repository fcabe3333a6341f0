/* SPDX-License-Identifier: MIT */
/*
 * Table 3: how many offers a CM gets from the others, and what share of its time they take.
 */
#include "kernel/platform.h"
#include "tests/sim/figures.h"

/* Besides what its handler does, an offer is a message to send and one to receive: 67 cycles of the
 * time-stamp counter each, of 2.4 GHz (`make bench-messages`, dispatched, 32 in flight). */
#define MESSAGE_NS (67 / 2.4)

struct traffic {
    uint64_t half_ns;          /* before that, estimates settle */
    uint64_t received_at_half; /* offers, by all CMs */
    double per_s;              /* by one CM */
    double handle_ns;
};

static void observe(struct simulation *simulation, void *context)
{
    struct traffic *traffic = context;

    if (simulation_now_ns(simulation) == traffic->half_ns) {
        traffic->received_at_half = simulation->managers.offers_received;
    }
}

static struct traffic measure(const struct figure_request *request, unsigned server_count,
                              bool is_disturbed, uint64_t duration_ns)
{
    struct traffic traffic = {.half_ns = duration_ns / 2};
    struct scenario scenario;
    struct simulation *simulation;

    scenario_initialise(&scenario, server_count, "tournament:2", is_disturbed, duration_ns,
                        request->seed);
    scenario.options.observe = observe;
    scenario.options.observe_context = &traffic;
    scenario.options.observe_ns = traffic.half_ns;
    simulation = simulation_run(&scenario.options);
    traffic.per_s = (double)(simulation->managers.offers_received - traffic.received_at_half) *
                    (double)NS_PER_S /
                    ((double)(duration_ns - traffic.half_ns) * (double)server_count);
    traffic.handle_ns = managers_measure_offer_ns(simulation);
    simulation_release(simulation);
    scenario_release(&scenario);
    return traffic;
}

/* The paper's own row, or nothing. */
static const char *paper_row(unsigned cms)
{
    switch (cms) {
    case 2:
        return "21\t0.03";
    case 4:
        return "63\t0.07";
    case 8:
        return "147\t0.13";
    case 16:
        return "315\t0.34";
    }
    return "-\t-";
}

void table_3(const struct figure_request *request)
{
    static const unsigned sizes[] = {2, 4, 8, 16, 64, 256, 1024};
    struct output_file file;

    figure_open(&file, request, "table3",
                "offers that a CM receives, tournament:2, in the second half of a run; uniform: "
                "without delays, disturbed: with them");
    output_note(
        &file, "handle_ns",
        "native: manager_handle_offer() for an offer with another service time, the best of "
        "several measurements on this machine, in nanoseconds");
    output_note(&file, "overhead_percent",
                "of a CM's time: handling, and %.0f ns for each message, sent and received "
                "(make bench-messages)",
                MESSAGE_NS);
    output_note(&file, "the paper's overhead",
                "its percentages are ten times what its microseconds in ten seconds amount to, and "
                "its updates fit an offer per CM every 48 ms, not every 50 us; both as printed");
    output_row(&file, "workload\tcms\tupdates_per_s\tns_per_update\tus_per_s\toverhead_percent\t"
                      "paper_updates_per_s\tpaper_overhead_percent");
    for (unsigned uniform = 0; uniform < 2; uniform++) {
        for (size_t i = 0; i < ARRAY_COUNT(sizes) && sizes[i] <= request->server_max; i++) {
            /* Half of it is long enough for two windows of the estimates. */
            uint64_t duration_ns = request->duration_ns / (sizes[i] >= 256 ? 20 : 2);
            struct traffic traffic = measure(request, sizes[i], uniform == 0, duration_ns);
            /* As many are sent as are received. */
            double us_per_s = traffic.per_s * (traffic.handle_ns + 2 * MESSAGE_NS) / 1000;

            output_row(&file, "%s\t%u\t%.1f\t%.1f\t%.2f\t%.5f\t%s",
                       uniform == 0 ? "disturbed" : "uniform", sizes[i], traffic.per_s,
                       traffic.handle_ns, us_per_s, us_per_s / 1e4, paper_row(sizes[i]));
        }
    }
    output_close(&file);
}
