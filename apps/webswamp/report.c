/* SPDX-License-Identifier: MIT */
/*
 * Lines of text: see report.h.
 */
#include "apps/webswamp/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "libc/core/base.h"
#include "libc/core/format.h"
#include "libc/core/output.h"

const unsigned report_quantiles[REPORT_QUANTILES] = {50000, 90000, 99000, 99900, 100000};

static const char *const quantile_names[REPORT_QUANTILES] = {"p50", "p90", "p99", "p99.9", "max"};

void report_make(struct report *report, const struct result *result)
{
    report->responses = result->responses;
    report->bytes = result->bytes;
    report->duration_ns = result->end_ns - result->start_ns;
    for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++) {
        report->errors[i] = result->errors[i];
    }
    for (unsigned i = 0; i < REPORT_QUANTILES; i++) {
        report->quantiles_ns[i] = histogram_quantile_ns(&result->latencies, report_quantiles[i]);
    }
}

void report_format_bytes(char *text, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    uint64_t hundredths;
    unsigned unit = 0;

    /* Larger ones lose what a hundredth of their unit does not show. */
    while (bytes >= UINT64_C(1024) * 1024 && unit < 3) {
        bytes /= 1024;
        unit++;
    }
    hundredths = bytes * 100;
    if (bytes >= 1024) {
        hundredths /= 1024;
        unit++;
    }
    if (unit == 0) {
        (void)format_text(text, size, "%" PRIu64 "B", bytes);
    } else {
        (void)format_text(text, size, "%" PRIu64 ".%02u%s", hundredths / 100,
                          (unsigned)(hundredths % 100), units[unit]);
    }
}

/* `count` in that time, per second and in hundredths. A product that would wrap is cut first. */
static uint64_t hundredths_per_s(uint64_t count, uint64_t duration_ns)
{
    uint64_t duration_us = duration_ns / NS_PER_US;

    if (duration_us == 0) {
        duration_us = 1;
    }
    return count < UINT64_MAX / (100 * NS_PER_MS) ? count * (100 * NS_PER_MS) / duration_us
                                                  : count / duration_us * (100 * NS_PER_MS);
}

static void print_latencies(const struct report *report, const char *label)
{
    char text[128];
    struct output line;

    output_start(&line, text, sizeof(text));
    for (unsigned i = 0; i < REPORT_QUANTILES; i++) {
        uint64_t us = report->quantiles_ns[i] / NS_PER_US;

        format_append(&line, "%s %s %" PRIu64 ".%03u", i == 0 ? "" : ",", quantile_names[i],
                      us / 1000, (unsigned)(us % 1000));
    }
    printf("  %s in ms:%s\n", label, text);
}

static void print_errors(const struct report *report)
{
    char text[LOAD_ERROR_COUNT * 64];
    struct output line;

    output_start(&line, text, sizeof(text));
    for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++) {
        if (report->errors[i] != 0) {
            format_append(&line, "%s %" PRIu64 " %s", line.length == 0 ? "" : ",",
                          report->errors[i], load_error_text(i));
        }
    }
    if (line.length != 0) {
        printf("  errors:%s\n", text);
    }
}

void report_print(const struct report *report, const char *label)
{
    uint64_t duration_ms = report->duration_ns / NS_PER_MS;
    uint64_t rate = hundredths_per_s(report->responses, report->duration_ns);
    char bytes[32];

    if (report->responses != 0) {
        print_latencies(report, label);
    }
    report_format_bytes(bytes, sizeof(bytes), report->bytes);
    printf("  %" PRIu64 " requests in %" PRIu64 ".%02us, %s read\n", report->responses,
           duration_ms / 1000, (unsigned)(duration_ms % 1000 / 10), bytes);
    print_errors(report);
    printf("Requests/sec: %" PRIu64 ".%02u\n", rate / 100, (unsigned)(rate % 100));
    report_format_bytes(bytes, sizeof(bytes),
                        hundredths_per_s(report->bytes, report->duration_ns) / 100);
    printf("Transfer/sec: %s\n", bytes);
}

void report_print_plan(const struct options *options)
{
    char text[160];
    struct output line;

    output_start(&line, text, sizeof(text));
    format_append(&line, "http://%.60s%.40s", options->authority, options->paths[0]);
    if (options->path_count > 1) {
        format_append(&line, " and %u more", options->path_count - 1);
    }
    if (options->count != 0) {
        format_append(&line, ", %" PRIu64 " requests", options->count);
    }
    if (options->duration_ns != 0) {
        format_append(&line, ", for %" PRIu64 " ms", (uint64_t)(options->duration_ns / NS_PER_MS));
    }
    if (options->rate != 0) {
        format_append(&line, ", %" PRIu64 " a second", options->rate);
    }
    printf("%s: %u connections, %s\n", text, options->connections,
           options->is_kept ? "kept" : "each for a request");
}
