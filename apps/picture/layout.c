/* SPDX-License-Identifier: MIT */
#include "apps/picture/layout.h"

#include <string.h>

#include "kernel/platform.h"

#define MARGIN 8 /* above and below: an arrow at a box's edge may be as wide */

/* The widest gap between two tiers: longer arrows are no clearer. */
#define TIER_GAP_MAX 420

struct style {
    int box_min, box_max, box_height;
    int row_gap, column_gap, tier_gap;
    unsigned rows_max;    /* more want another column, and then the next style */
    unsigned columns_max; /* of a tier */
};

/* Chosen so that the texts of nodes.c fit, in wide fonts too. */
static const struct style styles[LAYOUT_SHAPE_COUNT][3] =
    {
        [LAYOUT_NARROW] =
            {
                [LAYOUT_SMALL] = {108, 136, 66, 10, 16, 44, 4, NODE_MAX},
                [LAYOUT_MEDIUM] = {132, 240, 96, 18, 16, 44, 6, 1},
                [LAYOUT_LARGE] = {240, 240, 120, 18, 16, 44, 1, 1},
            },
        [LAYOUT_WIDE] =
            {
                [LAYOUT_SMALL] = {108, 140, 66, 12, 16, 110, 4, NODE_MAX},
                [LAYOUT_MEDIUM] = {140, 220, 96, 20, 40, 160, 5, 2},
                [LAYOUT_LARGE] = {220, 300, 120, 30, 40, 200, 4, 1},
            },
};

struct tiers {
    unsigned count;
    unsigned sizes[LAYOUT_TIERS];
    unsigned columns[LAYOUT_TIERS];
    uint8_t of[NODE_MAX]; /* by box */
};

/* Tiers that have boxes, numbered without gaps. A telephone has room for two. */
static void find_tiers(struct tiers *tiers, enum layout_shape shape, const uint8_t given[],
                       unsigned count)
{
    bool is_used[LAYOUT_TIERS] = {false};
    uint8_t number[LAYOUT_TIERS];

    memset(tiers, 0, sizeof(*tiers));
    for (unsigned i = 0; i < count; i++) {
        ASSERT(given[i] < LAYOUT_TIERS);
        tiers->of[i] = shape == LAYOUT_NARROW && given[i] == 1 ? 0 : given[i];
        is_used[tiers->of[i]] = true;
    }
    for (unsigned tier = 0; tier < LAYOUT_TIERS; tier++) {
        number[tier] = (uint8_t)tiers->count;
        tiers->count += is_used[tier];
    }
    for (unsigned i = 0; i < count; i++) {
        tiers->of[i] = tiers->count > 1 ? number[tiers->of[i]] : i >= (count + 1) / 2;
        tiers->sizes[tiers->of[i]]++;
    }
    tiers->count += tiers->count == 1 && count > 1;
}

static unsigned rows_of(const struct tiers *tiers, unsigned tier)
{
    return (tiers->sizes[tier] + tiers->columns[tier] - 1) / tiers->columns[tier];
}

static unsigned most_rows(const struct tiers *tiers)
{
    unsigned most = 0;

    for (unsigned tier = 0; tier < tiers->count; tier++) {
        most = rows_of(tiers, tier) > most ? rows_of(tiers, tier) : most;
    }
    return most;
}

static unsigned all_columns(const struct tiers *tiers)
{
    unsigned columns = 0;

    for (unsigned tier = 0; tier < tiers->count; tier++) {
        columns += tiers->columns[tier];
    }
    return columns;
}

/* What the gaps take of the width. */
static int gap_width(const struct tiers *tiers, const struct style *style)
{
    return (int)(tiers->count - 1) * style->tier_gap +
           (int)(all_columns(tiers) - tiers->count) * style->column_gap;
}

static bool fits(const struct tiers *tiers, const struct style *style, int width)
{
    return gap_width(tiers, style) + (int)all_columns(tiers) * style->box_min <= width;
}

/* Give the tier with most rows one column more, as long as it is too high and that fits. */
static void choose_columns(struct tiers *tiers, const struct style *style, int width)
{
    for (unsigned tier = 0; tier < tiers->count; tier++) {
        tiers->columns[tier] = 1;
    }
    for (;;) {
        unsigned highest = 0;

        for (unsigned tier = 1; tier < tiers->count; tier++) {
            highest = rows_of(tiers, tier) > rows_of(tiers, highest) ? tier : highest;
        }
        if (rows_of(tiers, highest) <= style->rows_max ||
            tiers->columns[highest] >= style->columns_max) {
            return;
        }
        tiers->columns[highest]++;
        if (!fits(tiers, style, width)) {
            tiers->columns[highest]--;
            return;
        }
    }
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static void place_boxes(struct layout *layout, const struct tiers *tiers, const struct style *style,
                        unsigned count)
{
    const unsigned columns = all_columns(tiers);
    int tier_gap = style->tier_gap;
    int x, used;
    unsigned column = 0;

    layout->box_width =
        smaller(style->box_max, (layout->width - gap_width(tiers, style)) / (int)columns);
    layout->box_height = style->box_height;
    used = gap_width(tiers, style) + (int)columns * layout->box_width;
    if (tiers->count > 1) {
        int more =
            smaller((layout->width - used) / (int)(tiers->count - 1), TIER_GAP_MAX - tier_gap);
        tier_gap += more;
        used += more * (int)(tiers->count - 1);
    }
    layout->height =
        (int)most_rows(tiers) * (style->box_height + style->row_gap) - style->row_gap + 2 * MARGIN;
    layout->column_count = columns;
    x = (layout->width - used) / 2;
    for (unsigned tier = 0; tier < tiers->count; tier++) {
        const int tier_height =
            (int)rows_of(tiers, tier) * (style->box_height + style->row_gap) - style->row_gap;
        unsigned place = 0;

        for (unsigned i = 0; i < count; i++) {
            if (tiers->of[i] != tier) {
                continue;
            }
            unsigned across = place % tiers->columns[tier], down = place / tiers->columns[tier];

            layout->boxes[i].x =
                (int16_t)(x + (int)across * (layout->box_width + style->column_gap));
            layout->boxes[i].y = (int16_t)((layout->height - tier_height) / 2 +
                                           (int)down * (style->box_height + style->row_gap));
            layout->boxes[i].column = (uint8_t)(column + across);
            place++;
        }
        for (unsigned i = 0; i < tiers->columns[tier]; i++, column++) {
            bool is_first = i == 0, is_last = i == tiers->columns[tier] - 1;

            layout->room_left[column] = (int16_t)(column == 0 ? 0
                                                  : is_first  ? tier_gap
                                                              : style->column_gap);
            layout->room_right[column] = (int16_t)(column == columns - 1 ? 0
                                                   : is_last             ? tier_gap
                                                                         : style->column_gap);
        }
        x += (int)tiers->columns[tier] * (layout->box_width + style->column_gap) -
             style->column_gap + tier_gap;
    }
}

void layout_place(struct layout *layout, enum layout_shape shape, const uint8_t given[],
                  unsigned count)
{
    struct tiers tiers;
    const struct style *style;
    enum layout_detail detail = LAYOUT_LARGE;

    ASSERT(count >= 1 && count <= NODE_MAX);
    layout->width = shape == LAYOUT_NARROW ? LAYOUT_NARROW_WIDTH : LAYOUT_WIDE_WIDTH;
    find_tiers(&tiers, shape, given, count);
    for (;; detail--) {
        style = &styles[shape][detail];
        choose_columns(&tiers, style, layout->width);
        if (detail == LAYOUT_SMALL ||
            (most_rows(&tiers) <= style->rows_max && fits(&tiers, style, layout->width))) {
            break;
        }
    }
    layout->detail = detail;
    place_boxes(layout, &tiers, style, count);
}
