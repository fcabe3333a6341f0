/* SPDX-License-Identifier: MIT */
/*
 * Service times by percentile: Figures 5 and 7, and Figure 7's schemes on larger machines.
 */
#include <stdlib.h>

#include "tests/sim/curve.h"
#include "tests/sim/figures.h"

const char *const figure_schemes_shown[] = {
    "naive",        "unfiltered:100", "unfiltered:2", "filtered:2",
    "tournament:2", "sharp:2",        "least",        NULL,
};

struct outcome {
    struct curve curve;
    double local_percent, refused_percent;
};

static struct outcome run(unsigned server_count, const char *scheme, bool is_disturbed,
                          uint64_t duration_ns, uint64_t seed)
{
    struct scenario scenario;
    struct simulation *simulation;
    struct outcome outcome;
    uint64_t local_count = 0;

    scenario_initialise(&scenario, server_count, scheme, is_disturbed, duration_ns, seed);
    simulation = simulation_run(&scenario.options);
    for (size_t i = 0; i < simulation->statistics.record_count; i++) {
        local_count += simulation->statistics.records[i].is_local;
    }
    outcome = (struct outcome){
        .curve = curve_of(&simulation->statistics),
        .local_percent = 100.0 * (double)local_count / (double)simulation->statistics.served,
        .refused_percent =
            100.0 * (double)simulation->statistics.refused / (double)simulation->statistics.arrived,
    };
    simulation_release(simulation);
    scenario_release(&scenario);
    return outcome;
}

static void put_curve(struct output_file *file, const char *name, const struct curve *curve)
{
    double percent;

    for (unsigned step = 0; curve_point(step, &percent); step++) {
        output_row(file, "%s\t%g\t%.3f", name, percent, curve_us(curve, percent));
    }
}

void figure_5(const struct figure_request *request)
{
    static const struct {
        const char *system, *scheme;
        bool is_disturbed;
    } systems[] = {
        {"tournament:2", "tournament:2", true},
        {"linux", NULL, true},
        {"undisturbed", "tournament:2", false},
    };
    struct output_file file;

    figure_open(
        &file, request, "fig5",
        "service time from offer to close, 8 servers; linux is one accept queue for all web "
        "servers, first come, first served; undisturbed is tournament:2 without delays");
    output_row(&file, "system\tpercentile\tservice_us");
    for (size_t i = 0; i < ARRAY_COUNT(systems); i++) {
        struct outcome outcome = run(SCENARIO_BLOCK, systems[i].scheme, systems[i].is_disturbed,
                                     request->duration_ns, request->seed);

        put_curve(&file, systems[i].system, &outcome.curve);
        curve_release(&outcome.curve);
    }
    output_close(&file);
}

static void open_summary(struct output_file *file, const struct figure_request *request,
                         const char *name)
{
    figure_open(
        file, request, name,
        "service time from offer to close; leaves_percentile is the first one at which it is "
        "half as long again as without delays under tournament:2, 100 if there is none; with 256 "
        "CMs the experiment takes a quarter of its length, with 1,024 a sixteenth");
    output_row(file, "scheme\tcms\tp50_us\tp90_us\tp95_us\tp99_us\tp999_us\tundisturbed_p99_us\t"
                     "leaves_percentile\tlocal_percent\trefused_percent");
}

static void put_summary(struct output_file *file, const char *scheme, unsigned server_count,
                        const struct outcome *outcome, const struct curve *undisturbed)
{
    const struct curve *curve = &outcome->curve;

    output_row(file, "%s\t%u\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f", scheme,
               server_count, curve_us(curve, 50), curve_us(curve, 90), curve_us(curve, 95),
               curve_us(curve, 99), curve_us(curve, 99.9), curve_us(undisturbed, 99),
               curve_leaves(curve, undisturbed), outcome->local_percent, outcome->refused_percent);
}

void figure_7(const struct figure_request *request)
{
    struct outcome undisturbed =
        run(SCENARIO_BLOCK, "tournament:2", false, request->duration_ns, request->seed);
    struct output_file curves, summary;

    figure_open(&curves, request, "fig7", "service time from offer to close, 8 servers");
    output_row(&curves, "scheme\tpercentile\tservice_us");
    open_summary(&summary, request, "fig7_summary");
    for (size_t i = 0; figure_schemes_shown[i] != NULL; i++) {
        struct outcome outcome =
            run(SCENARIO_BLOCK, figure_schemes_shown[i], true, request->duration_ns, request->seed);

        put_curve(&curves, figure_schemes_shown[i], &outcome.curve);
        put_summary(&summary, figure_schemes_shown[i], SCENARIO_BLOCK, &outcome,
                    &undisturbed.curve);
        curve_release(&outcome.curve);
    }
    curve_release(&undisturbed.curve);
    output_close(&curves);
    output_close(&summary);
}

/* Shorter on the largest machines, which have the most connections. There a phase of the experiment
 * may be shorter than the window of the estimates (64 ms), which is then more of it. */
static uint64_t duration_at(const struct figure_request *request, unsigned server_count)
{
    return request->duration_ns / (server_count >= 1024 ? 16 : server_count >= 256 ? 4 : 1);
}

void figure_schemes(const struct figure_request *request)
{
    static const unsigned sizes[] = {8, 16, 64, 256, 1024};
    static const char *const schemes[] = {"naive",      "unfiltered:100", "unfiltered:2",
                                          "filtered:2", "tournament:2",   "sharp:2"};
    struct output_file file;

    open_summary(&file, request, "schemes");
    for (size_t size = 0; size < ARRAY_COUNT(sizes) && sizes[size] <= request->server_max; size++) {
        unsigned server_count = sizes[size];
        uint64_t duration_ns = duration_at(request, server_count);
        struct outcome undisturbed =
            run(server_count, "tournament:2", false, duration_ns, request->seed);

        for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
            struct outcome outcome =
                run(server_count, schemes[i], true, duration_ns, request->seed);

            put_summary(&file, schemes[i], server_count, &outcome, &undisturbed.curve);
            curve_release(&outcome.curve);
        }
        curve_release(&undisturbed.curve);
    }
    output_close(&file);
}
