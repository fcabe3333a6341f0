/* SPDX-License-Identifier: MIT */
/*
 * /proc/picture: the running system for people, a piece of an HTML page: what it does in a few
 * numbers, its nodes and their messages, charts, and a table of the same figures for who does not
 * look.
 */
#include "apps/picture/charts.h"
#include "apps/picture/figures.h"
#include "apps/picture/nodes.h"
#include "apps/picture/units.h"
#include "kernel/message/status.h"
#include "libc/core/format.h"
#include "libc/posix/file.h"
#include "net/configuration.h"

static void append_period(struct output *output, const struct figures *figures)
{
    output_append_string(output, "<p class=\"when\">Up for ");
    units_append_long_duration(output, figures->now_ns);
    output_append_string(output, ". Rates are averages ");
    if (figures->is_since_start) {
        output_append_string(output, "since the start: nobody has looked here before");
    } else {
        output_append_string(output, "of the last ");
        if (figures->period_ns < 60 * NS_PER_S) {
            units_append(output, figures->period_ns / NS_PER_MS);
            output_append_string(output, UNITS_SPACE "s");
        } else {
            units_append_long_duration(output, figures->period_ns);
        }
    }
    output_append_string(output, ".</p>\n");
}

/* --- A few numbers --- */

static void begin_tile(struct output *output, const char *name)
{
    format_append(output, "<div><dt>%s</dt><dd>", name);
}

static void end_tile(struct output *output, const char *unit, const char *remark)
{
    format_append(output, "<span class=\"unit\">%s</span></dd><dd class=\"remark\">%s</dd></div>\n",
                  unit, remark);
}

static void append_quantile(struct output *output, const struct figures *figures, unsigned permille)
{
    if (durations_count(&figures->minute) != 0) {
        units_append_duration(output, durations_quantile_ns(&figures->minute, permille));
    } else {
        output_append_string(output, "&#8211;");
    }
}

static void append_tiles(struct output *output, const struct figures *figures)
{
    uint64_t messages = 0, drops = 0;
    uint64_t minute_ms = figures->minute_ns / NS_PER_MS + 1;

    for (unsigned i = 0; i < figures->node_count; i++) {
        messages += figures->nodes[i].messages_rate;
    }
    for (unsigned i = 0; i < figures->drop_count; i++) {
        drops += figures->drops[i].count;
    }
    output_append_string(output, "<dl class=\"tiles\">\n");
    begin_tile(output, "Requests");
    units_append(output,
                 durations_count(&figures->minute) % (UINT64_C(1) << 40) * 1000000 / minute_ms);
    end_tile(output, "/s", "last minute");
    begin_tile(output, "Median response");
    append_quantile(output, figures, 500);
    end_tile(output, "", "last minute");
    begin_tile(output, "99th percentile");
    append_quantile(output, figures, 990);
    end_tile(output, "", "last minute");
    begin_tile(output, "Connections");
    units_append_count(output, figures->connections);
    end_tile(output, "", "open now");
    begin_tile(output, "Messages");
    units_append(output, messages);
    end_tile(output, "/s", "between nodes");
    begin_tile(output, "Refused");
    units_append_count(output, drops);
    end_tile(output, "", "since the start");
    output_append_string(output, "</dl>\n");
}

/* --- The table --- */

static void append_cell(struct output *output, uint64_t count)
{
    format_append(output, "<td>%llu</td>", (unsigned long long)count);
}

static void append_rate_cell(struct output *output, uint64_t thousandths)
{
    output_append_string(output, "<td>");
    units_append(output, thousandths);
    output_append_string(output, "</td>");
}

static void append_row(struct output *output, const struct figures *figures,
                       const struct node_figures *node)
{
    format_append(output, "<tr><th scope=\"row\">%u</th><td>%s</td><td>", node->node,
                  nodes_state_name(node));
    nodes_append_roles(output, figures, node);
    output_append_string(output, "</td><td>");
    nodes_append_busy(output, node);
    output_append_string(output, "</td>");
    append_rate_cell(output, node->requests_rate);
    append_rate_cell(output, node->messages_rate);
    output_append_string(output, "<td>");
    if (node->service_ns != 0) {
        units_append_duration(output, node->service_ns);
    }
    output_append_string(output, "</td>");
    append_cell(output, node->accepted);
    append_cell(output, node->requests);
    append_cell(output, node->received);
    append_cell(output, node->sent);
    append_cell(output, node->messages);
    format_append(output, "<td>%llu" UNITS_SPACE "MiB</td></tr>\n",
                  (unsigned long long)(node->memory_bytes / MIB));
}

static void append_table(struct output *output, const struct figures *figures)
{
    static const char *const columns[] = {
        "Node",        "State",    "Roles",    "Busy",     "Requests/s",
        "Messages/s",  "Service",  "Accepted", "Requests", "Frames received",
        "Frames sent", "Messages", "Memory",
    };

    output_append_string(output, "<table>\n<thead><tr>");
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
        format_append(output, "<th scope=\"col\">%s</th>", columns[i]);
    }
    output_append_string(output, "</tr></thead>\n<tbody>\n");
    for (unsigned i = 0; i < figures->node_count; i++) {
        append_row(output, figures, &figures->nodes[i]);
    }
    output_append_string(output, "</tbody>\n</table>\n");
}

/* --- All of it --- */

static void append_legend(struct output *output, const struct figures *figures)
{
    output_append_string(output, "<p class=\"legend\">");
    if (figures->node_count == 1) {
        output_append_string(output, "One node runs everything: it sends no messages to others.");
    } else if (figures->arrow_count == 0) {
        output_append_string(output, "No messages go between nodes now.");
    } else {
        output_append_string(output,
                             "An arrow is as wide as the messages that one node sends another, in "
                             "lines of 64 bytes: the widest is ");
        units_append(output, figures->arrows[0].lines_rate);
        output_append_string(output, " lines/s, and all together are ");
        units_append(output, figures->lines_rate);
        output_append_string(output, ".");
    }
    output_append_string(output, " A bar is how much of its time a node is busy. LS: link server; "
                                 "TS: transport server; CM: connection manager.</p>\n");
}

static void append_charts(struct output *output, const struct figures *figures)
{
    output_append_string(output, "<div class=\"charts\">\n<section><h2>Requests per second</h2>\n");
    charts_draw_requests(output, figures);
    output_append_string(output,
                         "</section>\n<section><h2>Response time in the web servers</h2>\n");
    charts_draw_durations(output, figures);
    output_append_string(output, "</section>\n<section><h2>Connections by acceptor</h2>\n");
    charts_draw_acceptors(output, figures);
    output_append_string(output, "</section>\n<section><h2>Refused, by reason</h2>\n");
    if (figures->drop_count != 0) {
        charts_draw_drops(output, figures);
    } else {
        output_append_string(output, "<p class=\"none\">Nothing has been refused.</p>\n");
    }
    output_append_string(output, "</section>\n</div>\n");
}

static size_t print_picture(char *text, size_t size)
{
    /* A text is measured before it is written: both must show the same. */
    const struct figures *figures = size == 0 ? figures_look() : figures_again();
    struct output output;

    output_start(&output, text, size);
    if (figures == NULL || figures->node_count == 0) {
        output_append_string(&output, "<p>There is no memory for a picture now.</p>\n");
        return output.length;
    }
    append_period(&output, figures);
    append_tiles(&output, figures);
    output_append_string(&output, "<section class=\"machine\"><h2>Nodes and their messages</h2>\n");
    nodes_draw(&output, figures, LAYOUT_WIDE);
    nodes_draw(&output, figures, LAYOUT_NARROW);
    append_legend(&output, figures);
    output_append_string(&output, "</section>\n");
    append_charts(&output, figures);
    output_append_string(&output, "<section><h2>The same as a table</h2>\n<div class=\"scroll\" "
                                  "tabindex=\"0\" role=\"region\" aria-label=\"Nodes\">\n");
    append_table(&output, figures);
    output_append_string(&output, "</div>\n</section>\n");
    return output.length;
}

static const struct generated_file picture_file = {"/proc/picture", print_picture};
GENERATED_FILE(picture_file);
