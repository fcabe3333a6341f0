/* SPDX-License-Identifier: MIT */
#include "apps/picture/arrows.h"

#include "apps/picture/units.h"
#include "kernel/message/message.h"
#include "libc/core/format.h"
#include "net/configuration.h"

/* In tenths of a unit. */
#define WIDTH_MIN 12
#define WIDTH_MAX 140

/* Among many arrows, those that are so much thinner than the widest are left out. Chosen by
 * looking.
 */
#define MANY_ARROWS 24u
#define FAINT_SHARE 50u

/* Of the way between the boxes: where a curve's handles are. */
#define HANDLE_PERCENT 45
/* The farthest that an arrow between boxes of one column swings out. */
#define SWING_MAX      56

struct end {
    int x, y;
    bool is_right; /* at the box's right side */
};

/* An arrow between two boxes; 0 is where it starts. */
struct line {
    const struct arrow_figures *arrow;
    uint16_t boxes[2];
    struct end ends[2];
};

static int box_middle(const struct layout *layout, unsigned box)
{
    return layout->boxes[box].y + layout->box_height / 2;
}

/* Which sides of its boxes a line leads from and to. */
static void choose_sides(struct line *line, const struct layout *layout)
{
    unsigned from = layout->boxes[line->boxes[0]].column;
    unsigned to = layout->boxes[line->boxes[1]].column;

    if (from == to) {
        bool is_right = layout->room_right[from] >= layout->room_left[from];
        line->ends[0].is_right = line->ends[1].is_right = is_right;
    } else {
        line->ends[0].is_right = from < to;
        line->ends[1].is_right = to < from;
    }
}

/* Whether, at one side of a box, the end of `a` stands above that of `b`. Lines to the same box
 * stand in the same order at both. */
static bool is_above(const struct layout *layout, const struct line *a, unsigned a_end,
                     const struct line *b, unsigned b_end)
{
    int a_other = box_middle(layout, a->boxes[!a_end]);
    int b_other = box_middle(layout, b->boxes[!b_end]);

    return a_other != b_other ? a_other < b_other : a < b;
}

/* Where an end stands among those at its side of the box; returns how many these are. */
static unsigned place_end(struct line *lines, unsigned count, const struct layout *layout,
                          unsigned at, unsigned end_index)
{
    struct line *line = &lines[at];
    struct end *end = &line->ends[end_index];
    unsigned box = line->boxes[end_index], above = 0, all = 0;

    for (unsigned i = 0; i < count; i++) {
        for (unsigned e = 0; e < 2; e++) {
            if (lines[i].boxes[e] == box && lines[i].ends[e].is_right == end->is_right) {
                all++;
                above += is_above(layout, &lines[i], e, line, end_index);
            }
        }
    }
    end->x = layout->boxes[box].x + (end->is_right ? layout->box_width : 0);
    end->y = layout->boxes[box].y + layout->box_height * (int)(above + 1) / (int)(all + 1);
    return all;
}

static unsigned find_lines(struct line lines[], const struct figures *figures,
                           const struct layout *layout, const uint16_t box_of[], unsigned most)
{
    unsigned count = 0;

    for (unsigned i = 0; i < figures->arrow_count && count < most; i++) {
        const struct arrow_figures *arrow = &figures->arrows[i];
        bool is_faint = arrow->lines_rate < figures->arrows[0].lines_rate / FAINT_SHARE;
        struct line line = {.arrow = arrow, .boxes = {box_of[arrow->from], box_of[arrow->to]}};

        if (line.boxes[0] != ARROWS_NO_BOX && line.boxes[1] != ARROWS_NO_BOX &&
            arrow->from != arrow->to && (count < MANY_ARROWS || !is_faint)) {
            choose_sides(&line, layout);
            lines[count++] = line;
        }
    }
    return count;
}

/* In tenths; of the widest it is `most`. */
static int width_of(const struct arrow_figures *arrow, uint64_t widest_rate, int most)
{
    uint64_t unit = widest_rate / (uint64_t)most + 1;
    int width = (int)(arrow->lines_rate / unit);

    return width > WIDTH_MIN ? width : WIDTH_MIN;
}

static bool is_from_application(const struct figures *figures, node_id_t node)
{
    for (unsigned i = 0; i < figures->node_count; i++) {
        if (figures->nodes[i].node == node) {
            return figures->nodes[i].roles == ROLE_APPLICATION;
        }
    }
    return false;
}

/* The curve ends where the head begins, the head at the box. */
static void draw_line(struct output *output, const struct figures *figures,
                      const struct layout *layout, const struct line *line, int width)
{
    const struct end *from = &line->ends[0], *to = &line->ends[1];
    const unsigned column = layout->boxes[line->boxes[1]].column;
    const int room = to->is_right ? layout->room_right[column] : layout->room_left[column];
    const int wanted = width / 10 + 5;
    const int head = wanted < room / 2 ? wanted : room / 2;
    const int out = to->is_right ? 1 : -1; /* away from the box */
    const int end_x = to->x + out * head;
    int handle;

    if (from->is_right == to->is_right) {
        handle = room * 2 / 3 < SWING_MAX ? room * 2 / 3 : SWING_MAX;
    } else {
        handle = (from->x < to->x ? to->x - from->x : from->x - to->x) * HANDLE_PERCENT / 100;
    }
    format_append(output, "<g class=\"arrow %s\"><title>node %u &#8594; node %u: ",
                  is_from_application(figures, line->arrow->from) ? "of-application" : "of-server",
                  line->arrow->from, line->arrow->to);
    units_append(output, line->arrow->lines_rate);
    format_append(output,
                  " lines/s</title><path class=\"line\" stroke-width=\"%d.%d\" "
                  "d=\"M%d %dC%d %d %d %d %d %d\"/>",
                  width / 10, width % 10, from->x, from->y,
                  from->x + (from->is_right ? handle : -handle), from->y, end_x + out * handle,
                  to->y, end_x, to->y);
    format_append(output, "<path class=\"head\" d=\"M%d %dL%d %dL%d %dz\"/></g>\n", to->x, to->y,
                  end_x, to->y - wanted * 2 / 3, end_x, to->y + wanted * 2 / 3);
}

void arrows_draw(struct output *output, const struct figures *figures, const struct layout *layout,
                 const uint16_t box_of[], unsigned most)
{
    struct line lines[FIGURES_ARROW_MAX];
    unsigned count = find_lines(lines, figures, layout, box_of,
                                most < FIGURES_ARROW_MAX ? most : FIGURES_ARROW_MAX);
    unsigned densest = 1;
    int widest;

    for (unsigned i = 0; i < count; i++) {
        for (unsigned e = 0; e < 2; e++) {
            unsigned here = place_end(lines, count, layout, i, e);
            densest = here > densest ? here : densest;
        }
    }
    /* Where most meet they still stand apart. */
    widest = layout->box_height * 10 * 4 / 5 / (int)(densest + 1);
    widest = widest < WIDTH_MAX ? widest : WIDTH_MAX;
    for (unsigned i = 0; i < count; i++) {
        draw_line(output, figures, layout, &lines[i],
                  width_of(lines[i].arrow, lines[0].arrow->lines_rate, widest));
    }
}
