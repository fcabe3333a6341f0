/* SPDX-License-Identifier: MIT */
#include "apps/picture/nodes.h"

#include "apps/picture/arrows.h"
#include "apps/picture/units.h"
#include "kernel/message/status.h"
#include "libc/core/format.h"
#include "net/configuration.h"

/* Of a box's edge. */
#define PADDING 12

/* Arrows that are drawn; more hide each other. Chosen by looking. */
static const unsigned arrows_max[LAYOUT_SHAPE_COUNT] = {[LAYOUT_NARROW] = 32, [LAYOUT_WIDE] = 64};

/* Half of a load and more is drawn in another colour, as is nearly all of it. */
#define BUSY_PERMILLE 500
#define FULL_PERMILLE 900

const char *nodes_state_name(const struct node_figures *node)
{
    static const char *const names[] = {
        [NODE_ABSENT] = "absent", [NODE_STARTING] = "starting",      [NODE_RUNNING] = "running",
        [NODE_DEAD] = "dead",     [NODE_DEAD_WITH_CONSOLE] = "dead", [NODE_PARKED] = "asleep",
    };

    return node->state < ARRAY_COUNT(names) ? names[node->state] : "dead";
}

void nodes_append_roles(struct output *output, const struct figures *figures,
                        const struct node_figures *node)
{
    static const struct {
        enum role role;
        const char *name;
    } roles[] = {{ROLE_LS, "LS"}, {ROLE_TS, "TS"}, {ROLE_CM, "CM"}};
    const char *gap = "";

    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        if ((node->roles & roles[i].role) != 0) {
            format_append(output, "%s%s", gap, roles[i].name);
            gap = " ";
        }
    }
    if ((node->roles & ROLE_APPLICATION) != 0) {
        output_append_string(output, gap);
        units_append_escaped(output, figures->application, 8);
        gap = " ";
    }
    if (gap[0] == '\0') {
        output_append_string(output, "idle");
    }
}

void nodes_append_busy(struct output *output, const struct node_figures *node)
{
    unsigned permille = node->busy_permille;

    if (permille != 0 && permille < 100) {
        format_append(output, "%u.%u" UNITS_SPACE "%%", permille / 10, permille % 10);
    } else {
        format_append(output, "%u" UNITS_SPACE "%%", (permille + 5) / 10);
    }
}

/* --- What stands in a box, its left upper corner at 0, 0 --- */

static void append_text(struct output *output, int x, int y, const char *kind)
{
    format_append(output, "<text class=\"%s\" x=\"%d\" y=\"%d\">", kind, x, y);
}

static void end_text(struct output *output)
{
    output_append_string(output, "</text>");
}

static void draw_busy_number(struct output *output, const struct layout *layout,
                             const struct node_figures *node, int y)
{
    append_text(output, layout->box_width - PADDING, y, "busy right");
    if (node->state == NODE_RUNNING) {
        nodes_append_busy(output, node);
        output_append_string(output, layout->detail == LAYOUT_LARGE ? " busy" : "");
    } else {
        output_append_string(output, nodes_state_name(node));
    }
    end_text(output);
}

static void draw_bar(struct output *output, const struct node_figures *node, int y, int width)
{
    const char *kind = node->busy_permille >= FULL_PERMILLE   ? "full"
                       : node->busy_permille >= BUSY_PERMILLE ? "much"
                                                              : "some";

    format_append(output,
                  "<rect class=\"track\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"5\" "
                  "rx=\"2.5\"/>",
                  PADDING, y, width);
    if (node->busy_permille != 0) {
        /* No narrower than its rounded ends. */
        int filled = width * node->busy_permille / 1000;
        format_append(output,
                      "<rect class=\"load %s\" x=\"%d\" y=\"%d\" width=\"%d\" "
                      "height=\"5\" rx=\"2.5\"/>",
                      kind, PADDING, y, filled > 5 ? filled : 5);
    }
}

/* A line of a box: what it is at the left, the value at the right. */
static void begin_figure(struct output *output, const struct layout *layout, int y,
                         const char *long_label, const char *short_label)
{
    append_text(output, PADDING, y, "label");
    output_append_string(output, layout->detail == LAYOUT_LARGE ? long_label : short_label);
    end_text(output);
    append_text(output, layout->box_width - PADDING, y, "value right");
}

static void draw_rate(struct output *output, const struct layout *layout, int y,
                      const char *long_label, const char *short_label, uint64_t rate)
{
    begin_figure(output, layout, y, long_label, short_label);
    units_append(output, rate);
    end_text(output);
}

static void draw_service(struct output *output, const struct layout *layout,
                         const struct node_figures *node, int y)
{
    begin_figure(output, layout, y, "service time", "service");
    if (node->service_ns != 0) {
        units_append_duration(output, node->service_ns);
    } else {
        output_append_string(output, "&#8211;");
    }
    end_text(output);
}

/* What TSs have, and CMs give out. */
static void draw_connections(struct output *output, const struct layout *layout,
                             const struct node_figures *node, int y)
{
    if ((node->roles & ROLE_TS) != 0) {
        begin_figure(output, layout, y, "connections", "open");
        units_append_count(output, node->connections);
        end_text(output);
    } else if ((node->roles & ROLE_CM) != 0) {
        draw_rate(output, layout, y, "assigned/s", "assigned/s", node->assigned_rate);
    }
}

/* An application's work are requests, a server's frames; there is room for two of its figures or
 * three. */
static void draw_figures(struct output *output, const struct layout *layout,
                         const struct node_figures *node, int y, int step)
{
    bool is_application = (node->roles & ROLE_APPLICATION) != 0;

    if (is_application) {
        draw_rate(output, layout, y, "requests/s", "req/s", node->requests_rate);
        draw_service(output, layout, node, y + step);
    } else if ((node->roles & ROLE_LS) != 0) {
        draw_rate(output, layout, y, "frames received/s", "in/s", node->received_rate);
        draw_rate(output, layout, y + step, "frames sent/s", "out/s", node->sent_rate);
    } else {
        draw_rate(output, layout, y, "messages/s", "msg/s", node->messages_rate);
        draw_connections(output, layout, node, y + step);
        return;
    }
    if (layout->detail == LAYOUT_LARGE) {
        draw_rate(output, layout, y + 2 * step, "messages/s", "msg/s", node->messages_rate);
    }
}

static void draw_small(struct output *output, const struct figures *figures,
                       const struct layout *layout, const struct node_figures *node)
{
    format_append(output, "<text class=\"name\" x=\"%d\" y=\"20\">%u</text>", PADDING, node->node);
    draw_busy_number(output, layout, node, 20);
    append_text(output, PADDING, 36, "roles");
    nodes_append_roles(output, figures, node);
    end_text(output);
    draw_bar(output, node, 42, layout->box_width - 2 * PADDING);
    append_text(output, layout->box_width - PADDING, 60, "value right");
    units_append(output,
                 (node->roles & ROLE_APPLICATION) != 0 ? node->requests_rate : node->messages_rate);
    output_append_string(output, (node->roles & ROLE_APPLICATION) != 0 ? " req/s" : " msg/s");
    end_text(output);
}

static void draw_inside(struct output *output, const struct figures *figures,
                        const struct layout *layout, const struct node_figures *node)
{
    if (layout->detail == LAYOUT_SMALL) {
        draw_small(output, figures, layout, node);
        return;
    }
    format_append(output, "<text class=\"name\" x=\"%d\" y=\"22\">node %u</text>", PADDING,
                  node->node);
    draw_busy_number(output, layout, node, 22);
    append_text(output, PADDING, 39, "roles");
    nodes_append_roles(output, figures, node);
    end_text(output);
    draw_bar(output, node, 47, layout->box_width - 2 * PADDING);
    draw_figures(output, layout, node, 70, 17);
}

static void draw_node(struct output *output, const struct figures *figures,
                      const struct layout *layout, unsigned box)
{
    const struct node_figures *node = &figures->nodes[box];
    const char *kind = node->state >= NODE_DEAD                ? "dead"
                       : node->roles == ROLE_APPLICATION       ? "application"
                       : (node->roles & ROLE_APPLICATION) != 0 ? "both"
                       : node->roles != 0                      ? "server"
                                                               : "idle";

    format_append(output, "<g class=\"node %s\" transform=\"translate(%d %d)\">", kind,
                  layout->boxes[box].x, layout->boxes[box].y);
    format_append(output,
                  "<rect class=\"box\" width=\"%d\" height=\"%d\" rx=\"10\"/>"
                  "<path class=\"edge\" d=\"M.5 10v%d\"/>",
                  layout->box_width, layout->box_height, layout->box_height - 20);
    draw_inside(output, figures, layout, node);
    output_append_string(output, "</g>\n");
}

static uint8_t tier_of(const struct node_figures *node)
{
    if (node->roles == ROLE_APPLICATION) {
        return 2;
    }
    return (node->roles & (ROLE_TS | ROLE_CM)) != 0 && (node->roles & ROLE_LS) == 0;
}

void nodes_draw(struct output *output, const struct figures *figures, enum layout_shape shape)
{
    struct layout layout;
    uint8_t tiers[NODE_MAX];
    uint16_t box_of[NODE_MAX];

    for (unsigned i = 0; i < NODE_MAX; i++) {
        box_of[i] = ARROWS_NO_BOX;
    }
    for (unsigned i = 0; i < figures->node_count; i++) {
        tiers[i] = tier_of(&figures->nodes[i]);
        box_of[figures->nodes[i].node] = (uint16_t)i;
    }
    layout_place(&layout, shape, tiers, figures->node_count);
    format_append(output,
                  "<svg class=\"nodes %s\" viewBox=\"0 0 %d %d\" role=\"img\" "
                  "aria-label=\"Nodes, and the messages between them. The table below has the "
                  "same figures.\" xmlns=\"http://www.w3.org/2000/svg\">\n",
                  shape == LAYOUT_NARROW ? "narrow" : "wide", layout.width, layout.height);
    arrows_draw(output, figures, &layout, box_of, arrows_max[shape]);
    for (unsigned i = 0; i < figures->node_count; i++) {
        draw_node(output, figures, &layout, i);
    }
    output_append_string(output, "</svg>\n");
}
