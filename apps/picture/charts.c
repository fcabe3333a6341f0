/* SPDX-License-Identifier: MIT */
#include "apps/picture/charts.h"

#include <string.h>

#include "apps/picture/units.h"
#include "kernel/message/status.h"
#include "libc/core/format.h"
#include "libc/core/multiply_divide.h"
#include "net/configuration.h"

#define WHOLE 10000u /* of the width, in units_append_share()'s unit */

/* Columns: where they stand, down from the top. */
#define COLUMNS_TOP    34
#define COLUMNS_HEIGHT 104
#define COLUMNS_BOTTOM (COLUMNS_TOP + COLUMNS_HEIGHT)
#define COLUMNS_CHART  (COLUMNS_BOTTOM + 24)

/* Rows: a line of text with a bar below. */
#define ROW_HEIGHT 34
#define ROWS_MAX   8u /* what is left of them is one row more */

static void begin_chart(struct output *output, int height, const char *label)
{
    format_append(output,
                  "<svg class=\"chart\" width=\"100%%\" height=\"%d\" role=\"img\" "
                  "aria-label=\"%s\" xmlns=\"http://www.w3.org/2000/svg\">\n",
                  height, label);
}

static void end_chart(struct output *output)
{
    output_append_string(output, "</svg>\n");
}

/* Text whose anchor is the start, middle or end: `kind` names it to the style sheet. */
static void begin_text(struct output *output, unsigned share, int y, const char *kind)
{
    output_append_string(output, "<text x=\"");
    units_append_share(output, share);
    format_append(output, "\" y=\"%d\" class=\"%s\">", y, kind);
}

static void end_text(struct output *output)
{
    output_append_string(output, "</text>\n");
}

static void draw_text(struct output *output, unsigned share, int y, const char *kind,
                      const char *text)
{
    begin_text(output, share, y, kind);
    output_append_string(output, text);
    end_text(output);
}

static void draw_bar(struct output *output, const char *kind, unsigned left, unsigned width, int y,
                     int height)
{
    format_append(output, "<rect class=\"%s\" x=\"", kind);
    units_append_share(output, left);
    output_append_string(output, "\" width=\"");
    units_append_share(output, width);
    format_append(output, "\" y=\"%d\" height=\"%d\" rx=\"2\"/>\n", y, height);
}

/* --- Columns --- */

/* One of `count` columns of equal width; any value at all is seen. */
static void draw_column(struct output *output, const char *kind, unsigned index, unsigned count,
                        uint64_t value, uint64_t most)
{
    unsigned step = WHOLE / count;
    int height = most == 0 ? 0 : (int)multiply_divide(value, COLUMNS_HEIGHT, most);

    if (value != 0 && height < 2) {
        height = 2;
    }
    if (height != 0) {
        draw_bar(output, kind, index * step + step / 12, step - step / 6, COLUMNS_BOTTOM - height,
                 height);
    }
}

static void draw_ground(struct output *output)
{
    format_append(output,
                  "<line class=\"ground\" x1=\"0\" x2=\"100%%\" y1=\"%d.5\" y2=\"%d.5\"/>\n",
                  COLUMNS_BOTTOM, COLUMNS_BOTTOM);
}

static uint64_t most_of(const uint64_t values[], unsigned count)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < count; i++) {
        most = values[i] > most ? values[i] : most;
    }
    return most;
}

void charts_draw_requests(struct output *output, const struct figures *figures)
{
    const unsigned count = ARRAY_COUNT(figures->minute_requests);
    const uint64_t most = most_of(figures->minute_requests, count);

    begin_chart(output, COLUMNS_CHART, "Requests in each four seconds of the last minute");
    begin_text(output, 0, 14, "note");
    output_append_string(output, "most: ");
    units_append(output, multiply_divide(most, 1000, DURATION_SLOT_NS / NS_PER_S));
    output_append_string(output, "/s");
    end_text(output);
    for (unsigned i = 0; i < count; i++) {
        draw_column(output, i < count - 1 ? "column" : "column growing", i, count,
                    figures->minute_requests[i], most);
    }
    draw_ground(output);
    draw_text(output, 0, COLUMNS_BOTTOM + 18, "note", "a minute ago");
    draw_text(output, WHOLE, COLUMNS_BOTTOM + 18, "note right", "now");
    end_chart(output);
}

/* Where a duration stands among the buckets, each of which is as wide as the others. */
static unsigned share_of(uint64_t duration_ns)
{
    unsigned bucket = 0;
    uint64_t start_ns, end_ns;

    while (bucket < DURATION_BUCKETS - 1 && duration_ns > DURATION_BOUND_NS(bucket)) {
        bucket++;
    }
    start_ns = bucket == 0 ? 0 : DURATION_BOUND_NS(bucket - 1);
    end_ns = DURATION_BOUND_NS(bucket);
    duration_ns = duration_ns < end_ns ? duration_ns : end_ns;
    return WHOLE / DURATION_BUCKETS *
           (unsigned)(bucket * 100 + (duration_ns - start_ns) * 100 / (end_ns - start_ns)) / 100;
}

static void draw_mark(struct output *output, const struct figures *figures, unsigned permille,
                      const char *name, int y)
{
    uint64_t duration_ns = durations_quantile_ns(&figures->minute, permille);
    unsigned share = share_of(duration_ns);
    bool is_right = share > WHOLE / 2; /* there the text stands at the left of its line */

    output_append_string(output, "<line class=\"mark\" x1=\"");
    units_append_share(output, share);
    output_append_string(output, "\" x2=\"");
    units_append_share(output, share);
    format_append(output, "\" y1=\"%d\" y2=\"%d\"/>\n", y - 11, COLUMNS_BOTTOM);
    begin_text(output, share, y, is_right ? "mark right" : "mark");
    format_append(output, "<tspan dx=\"%d\">%s ", is_right ? -5 : 5, name);
    units_append_duration(output, duration_ns);
    output_append_string(output, "</tspan>");
    end_text(output);
}

void charts_draw_durations(struct output *output, const struct figures *figures)
{
    /* Bounds of buckets; a bucket's is at its right. */
    static const struct {
        unsigned bucket;
        const char *kind, *text;
    } axis[] = {
        {0, "note middle", "1&#160;&#181;s"}, {4, "note middle", "16&#160;&#181;s"},
        {9, "note middle", "0.5&#160;ms"},    {14, "note middle", "17&#160;ms"},
        {19, "note right", "&gt;0.3&#160;s"},
    };
    const uint64_t *counts = figures->minute.counts;
    const uint64_t most = most_of(counts, DURATION_BUCKETS);

    begin_chart(output, COLUMNS_CHART,
                "How many requests of the last minute took how long, in steps of a factor of two");
    for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
        draw_column(output, "column", i, DURATION_BUCKETS, counts[i], most);
    }
    draw_ground(output);
    for (size_t i = 0; i < ARRAY_COUNT(axis); i++) {
        draw_text(output, (axis[i].bucket + 1) * (WHOLE / DURATION_BUCKETS), COLUMNS_BOTTOM + 18,
                  axis[i].kind, axis[i].text);
    }
    if (most != 0) {
        draw_mark(output, figures, 500, "median", 11);
        draw_mark(output, figures, 990, "99th", 27);
    }
    end_chart(output);
}

/* --- Rows --- */

struct row {
    char label[64];
    uint64_t value, most;
    char text[96]; /* of the value */
};

static void draw_row(struct output *output, unsigned index, const struct row *row)
{
    const int y = (int)index * ROW_HEIGHT;
    unsigned share = row->most == 0 ? 0 : (unsigned)multiply_divide(row->value, WHOLE, row->most);

    draw_text(output, 0, y + 16, "label", row->label);
    draw_text(output, WHOLE, y + 16, "value right", row->text);
    draw_bar(output, "track", 0, WHOLE, y + 22, 5);
    if (row->value != 0) {
        draw_bar(output, "column", 0, share > 100 ? share : 100, y + 22, 5);
    }
}

static bool is_acceptor(const struct node_figures *node)
{
    return (node->roles & ROLE_APPLICATION) != 0 && node->state == NODE_RUNNING;
}

static void describe_accepted(struct row *row, uint64_t accepted, uint64_t rate)
{
    struct output text;

    row->value = accepted;
    output_start(&text, row->text, sizeof(row->text));
    units_append_count(&text, accepted);
    output_append_string(&text, ", ");
    units_append(&text, rate);
    output_append_string(&text, "/s");
}

/* Of the acceptors behind `previous` in the order of how much they have accepted, the first; NULL
 * for none. */
static const struct node_figures *next_acceptor(const struct figures *figures,
                                                const struct node_figures *previous)
{
    const struct node_figures *next = NULL;

    for (unsigned i = 0; i < figures->node_count; i++) {
        const struct node_figures *node = &figures->nodes[i];
        bool is_behind = previous == NULL || node->accepted < previous->accepted ||
                         (node->accepted == previous->accepted && node > previous);

        if (is_acceptor(node) && is_behind && (next == NULL || node->accepted > next->accepted)) {
            next = node;
        }
    }
    return next;
}

void charts_draw_acceptors(struct output *output, const struct figures *figures)
{
    const struct node_figures *node = next_acceptor(figures, NULL);
    struct row row = {.most = node == NULL ? 0 : node->accepted};
    uint64_t others = 0, others_rate = 0;
    unsigned count = 0, rows;

    for (unsigned i = 0; i < figures->node_count; i++) {
        count += is_acceptor(&figures->nodes[i]);
    }
    rows = count <= ROWS_MAX ? count : ROWS_MAX;
    begin_chart(output, (int)(rows + (count > rows)) * ROW_HEIGHT,
                "Connections accepted since the start, and a second, by node");
    for (unsigned i = 0; i < count; i++, node = next_acceptor(figures, node)) {
        if (i < rows) {
            format_text(row.label, sizeof(row.label), "node %u", node->node);
            describe_accepted(&row, node->accepted, node->accepted_rate);
            draw_row(output, i, &row);
        } else {
            others += node->accepted;
            others_rate += node->accepted_rate;
        }
    }
    if (count > rows) {
        format_text(row.label, sizeof(row.label), "%u others, each", count - rows);
        describe_accepted(&row, others / (count - rows), others_rate / (count - rows));
        draw_row(output, rows, &row);
    }
    end_chart(output);
}

/* `no_memory` reads `no memory`. */
static void copy_reason(struct row *row, const char *reason)
{
    size_t length = strcspn(reason, "\"");

    length = length < sizeof(row->label) ? length : sizeof(row->label) - 1;
    memcpy(row->label, reason, length);
    row->label[length] = '\0';
    for (char *at = row->label; *at != '\0'; at++) {
        *at = *at == '_' ? ' ' : *at;
    }
}

void charts_draw_drops(struct output *output, const struct figures *figures)
{
    unsigned rows = figures->drop_count <= ROWS_MAX ? figures->drop_count : ROWS_MAX;
    struct row row = {.most = figures->drops[0].count};

    begin_chart(output, (int)rows * ROW_HEIGHT, "Input refused since the start, by reason");
    for (unsigned i = 0; i < rows; i++) {
        const struct drop_figures *drop = &figures->drops[i];
        struct output text;

        copy_reason(&row, drop->reason);
        row.value = drop->count;
        output_start(&text, row.text, sizeof(row.text));
        units_append_count(&text, drop->count);
        if (drop->rate != 0) {
            output_append_string(&text, ", ");
            units_append(&text, drop->rate);
            output_append_string(&text, "/s");
        }
        draw_row(output, i, &row);
    }
    end_chart(output);
}
