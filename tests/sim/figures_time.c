/* SPDX-License-Identifier: MIT */
/*
 * What happens over time: Figures 6, 9 and 10. Time goes in slices of the experiment.
 */
#include <math.h>
#include <stdlib.h>

#include "kernel/platform.h"
#include "tests/sim/figures.h"
#include "tests/sim/statistics.h"

#define SLICES 100u

/* What the CMs estimated at the end of each slice. */
struct estimates {
    uint64_t service_ns[SLICES][SCENARIO_BLOCK];
    unsigned slice;
};

static void observe(struct simulation *simulation, void *context)
{
    struct estimates *estimates = context;

    if (simulation_now_ns(simulation) == 0 || estimates->slice == SLICES) {
        return; /* nothing has been seen yet */
    }
    for (unsigned i = 0; i < SCENARIO_BLOCK; i++) {
        estimates->service_ns[estimates->slice][i] = managers_estimate_ns(simulation, i);
    }
    estimates->slice++;
}

static uint64_t slice_ns(const struct figure_request *request)
{
    return request->duration_ns / SLICES;
}

static struct simulation *run(const struct figure_request *request, const char *scheme,
                              struct estimates *estimates)
{
    struct scenario scenario;
    struct simulation *simulation;

    scenario_initialise(&scenario, SCENARIO_BLOCK, scheme, true, request->duration_ns,
                        request->seed);
    if (estimates != NULL) {
        scenario.options.observe = observe;
        scenario.options.observe_context = estimates;
        scenario.options.observe_ns = slice_ns(request);
    }
    simulation = simulation_run(&scenario.options);
    scenario_release(&scenario);
    return simulation;
}

static double seconds(uint64_t time_ns)
{
    return (double)time_ns / (double)NS_PER_S;
}

/* In which slice a connection closed; SLICES for what came after the clients' end. */
static unsigned slice_of(const struct figure_request *request, const struct record *record)
{
    uint64_t slice = (record->available_ns + record->service_ns) / slice_ns(request);

    return slice < SLICES ? (unsigned)slice : SLICES;
}

/* --- Figure 6 --- */

/* The service times that closed in one slice at one web server, sorted. Returns how many. */
static size_t select_times(const struct figure_request *request,
                           const struct statistics *statistics, unsigned slice,
                           unsigned application, uint64_t *times)
{
    size_t count = 0;

    for (size_t i = 0; i < statistics->record_count; i++) {
        const struct record *record = &statistics->records[i];

        if (record->application == application && slice_of(request, record) == slice) {
            times[count++] = record->service_ns;
        }
    }
    sort_values(times, count);
    return count;
}

static void put_error(struct output_file *file, unsigned web_server, double *errors, size_t count)
{
    uint64_t *sorted = malloc((count + 1) * sizeof(*sorted));

    ASSERT(sorted != NULL);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = (uint64_t)(errors[i] * 1e6);
    }
    sort_values(sorted, count);
    output_row(file, "%u\t%zu\t%.2f\t%.2f", web_server, count,
               count == 0 ? 0 : (double)percentile(sorted, count, 0.5) / 1e4,
               count == 0 ? 0 : (double)percentile(sorted, count, 0.9) / 1e4);
    free(sorted);
}

void figure_6(const struct figure_request *request)
{
    struct estimates estimates = {.slice = 0};
    struct simulation *simulation = run(request, "tournament:2", &estimates);
    uint64_t *times = malloc((simulation->statistics.record_count + 1) * sizeof(*times));
    struct output_file actual, estimated, error;

    ASSERT(times != NULL);
    figure_open(&actual, request, "fig6a",
                "median service time of the connections of each web server that closed within a "
                "slice of time, tournament:2, 8 servers");
    figure_open(&estimated, request, "fig6b",
                "what each web server's CM estimates at the end of a slice");
    figure_open(&error, request, "fig6_error",
                "how far the estimate is from the slice's median, over slices of 5 connections or "
                "more; a change of the load shows in both, at most a window (64 ms or more) later "
                "in the estimate");
    output_row(&actual, "time_s\tweb_server\tservice_us\tconnections");
    output_row(&estimated, "time_s\tweb_server\testimate_us");
    output_row(&error, "web_server\tslices\tmedian_error_percent\tp90_error_percent");
    for (unsigned i = 0; i < SCENARIO_BLOCK; i++) {
        double errors[SLICES];
        size_t error_count = 0;

        for (unsigned slice = 0; slice < estimates.slice; slice++) {
            double time_s = seconds((slice + 1) * slice_ns(request));
            double estimate_ns = (double)estimates.service_ns[slice][i];
            size_t count = select_times(request, &simulation->statistics, slice, i, times);

            if (count > 0) {
                double median_ns = (double)percentile(times, count, 0.5);

                output_row(&actual, "%.3f\t%u\t%.3f\t%zu", time_s, i + 1, median_ns / 1000, count);
                if (count >= 5 && estimate_ns > 0) {
                    errors[error_count++] = fabs(estimate_ns - median_ns) / median_ns;
                }
            }
            output_row(&estimated, "%.3f\t%u\t%.3f", time_s, i + 1, estimate_ns / 1000);
        }
        put_error(&error, i + 1, errors, error_count);
    }
    free(times);
    simulation_release(simulation);
    output_close(&actual);
    output_close(&estimated);
    output_close(&error);
}

/* --- Figures 9 and 10 --- */

void figure_9(const struct figure_request *request)
{
    struct simulation *simulation = run(request, "tournament:2", NULL);
    unsigned counts[SLICES + 1][SCENARIO_BLOCK] = {{0}};
    struct output_file file;

    for (size_t i = 0; i < simulation->statistics.record_count; i++) {
        const struct record *record = &simulation->statistics.records[i];

        counts[slice_of(request, record)][record->application]++;
    }
    figure_open(&file, request, "fig9", "connections closed by each web server, tournament:2");
    output_row(&file, "time_s\tweb_server\tconnections_per_s");
    for (unsigned slice = 0; slice < SLICES; slice++) {
        for (unsigned i = 0; i < SCENARIO_BLOCK; i++) {
            output_row(&file, "%.3f\t%u\t%.0f", seconds((slice + 1) * slice_ns(request)), i + 1,
                       counts[slice][i] / seconds(slice_ns(request)));
        }
    }
    simulation_release(simulation);
    output_close(&file);
}

void figure_10(const struct figure_request *request)
{
    struct output_file file;

    figure_open(&file, request, "fig10",
                "connections of web server 7 that its own CM assigned, by when they were offered");
    output_row(&file, "scheme\ttime_s\tlocal_per_s");
    for (size_t i = 0; figure_schemes_shown[i] != NULL; i++) {
        struct simulation *simulation = run(request, figure_schemes_shown[i], NULL);
        unsigned counts[SLICES + 1] = {0};

        for (size_t j = 0; j < simulation->statistics.record_count; j++) {
            const struct record *record = &simulation->statistics.records[j];
            uint64_t slice = record->available_ns / slice_ns(request);

            if (record->application == SCENARIO_MILD_SERVER - 1 && record->is_local) {
                counts[slice < SLICES ? slice : SLICES]++;
            }
        }
        for (unsigned slice = 0; slice < SLICES; slice++) {
            output_row(&file, "%s\t%.3f\t%.0f", figure_schemes_shown[i],
                       seconds((slice + 1) * slice_ns(request)),
                       counts[slice] / seconds(slice_ns(request)));
        }
        simulation_release(simulation);
    }
    output_close(&file);
}
