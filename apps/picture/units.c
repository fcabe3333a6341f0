/* SPDX-License-Identifier: MIT */
#include "apps/picture/units.h"

#include <string.h>

#include "kernel/base.h"
#include "libc/core/format.h"

static void append_grouped(struct output *output, uint64_t number)
{
    if (number >= 1000) {
        format_append(output, "%llu,%03llu", (unsigned long long)(number / 1000),
                      (unsigned long long)(number % 1000));
    } else {
        format_append(output, "%llu", (unsigned long long)number);
    }
}

/* Three digits of `value` thousandths; from 1,000 on all of them. */
static void append_three_digits(struct output *output, uint64_t value)
{
    unsigned long long whole = value / 1000, part = value % 1000;

    if (whole < 10) {
        format_append(output, "%llu.%02llu", whole, part / 10);
    } else if (whole < 100) {
        format_append(output, "%llu.%llu", whole, part / 100);
    } else {
        append_grouped(output, whole);
    }
}

void units_append(struct output *output, uint64_t thousandths)
{
    static const char *const units[] = {"k", "M", "G", "T", "P"};
    unsigned unit = 0;

    if (thousandths == 0) {
        output_append_string(output, "0");
    } else if (thousandths < 10 * 1000) {
        format_append(output, "%llu.%llu", (unsigned long long)(thousandths / 1000),
                      (unsigned long long)(thousandths % 1000 / 100));
    } else if (thousandths < 10000 * UINT64_C(1000)) {
        append_grouped(output, thousandths / 1000);
    } else {
        for (thousandths /= 1000; thousandths >= 1000000 && unit < ARRAY_COUNT(units) - 1; unit++) {
            thousandths /= 1000;
        }
        append_three_digits(output, thousandths);
        format_append(output, UNITS_SPACE "%s", units[unit]);
    }
}

void units_append_count(struct output *output, uint64_t count)
{
    const uint64_t most = UINT64_MAX / 1000;

    if (count < 10) {
        format_append(output, "%llu", (unsigned long long)count);
    } else {
        units_append(output, count < most ? count * 1000 : UINT64_MAX);
    }
}

void units_append_duration(struct output *output, uint64_t duration_ns)
{
    static const char *const units[] = {"&#181;s", "ms", "s"};
    unsigned unit = 0;

    if (duration_ns < 1000) {
        format_append(output, "%llu" UNITS_SPACE "ns", (unsigned long long)duration_ns);
        return;
    }
    for (; duration_ns >= 1000000 && unit < ARRAY_COUNT(units) - 1; unit++) {
        duration_ns /= 1000;
    }
    append_three_digits(output, duration_ns);
    format_append(output, UNITS_SPACE "%s", units[unit]);
}

void units_append_long_duration(struct output *output, uint64_t duration_ns)
{
    unsigned long long minutes = duration_ns / (60 * NS_PER_S);

    if (minutes < 2) {
        format_append(output, "%llu" UNITS_SPACE "s", (unsigned long long)(duration_ns / NS_PER_S));
    } else if (minutes < 60) {
        format_append(output, "%llu" UNITS_SPACE "min", minutes);
    } else if (minutes < 24 * 60) {
        format_append(output, "%llu" UNITS_SPACE "h %llu" UNITS_SPACE "min", minutes / 60,
                      minutes % 60);
    } else {
        format_append(output, "%llu" UNITS_SPACE "d %llu" UNITS_SPACE "h", minutes / (24 * 60),
                      minutes / 60 % 24);
    }
}

void units_append_share(struct output *output, unsigned ten_thousandths)
{
    format_append(output, "%u.%02u%%", ten_thousandths / 100, ten_thousandths % 100);
}

void units_append_escaped(struct output *output, const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    size_t kept = length <= most ? length : most - 1;

    for (size_t i = 0; i < kept; i++) {
        switch (text[i]) {
        case '&':
            output_append_string(output, "&amp;");
            break;
        case '<':
            output_append_string(output, "&lt;");
            break;
        case '>':
            output_append_string(output, "&gt;");
            break;
        case '"':
            output_append_string(output, "&quot;");
            break;
        default:
            /* XML has no character for most of the others. */
            output_append(output, text[i] >= ' ' && text[i] <= '~' ? &text[i] : "?", 1);
            break;
        }
    }
    if (length > most) {
        output_append_string(output, "&#8230;");
    }
}
