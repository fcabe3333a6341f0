/* SPDX-License-Identifier: MIT */
/*
 * Where the boxes of nodes stand in a picture. Boxes stand in tiers side by side, as frames travel:
 * link servers, what else serves, applications; between the tiers is room for arrows. A tier of
 * many nodes is a grid. When all nodes do the same they are two tiers all the same.
 *
 * All in the picture's own units, which are those of its text: a pixel each in a window of just its
 * width.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"

enum layout_shape {
    LAYOUT_NARROW, /* for a telephone */
    LAYOUT_WIDE,
    LAYOUT_SHAPE_COUNT
};

#define LAYOUT_NARROW_WIDTH 308
#define LAYOUT_WIDE_WIDTH   1120

/* How much a box has room for. */
enum layout_detail {
    LAYOUT_SMALL,
    LAYOUT_MEDIUM,
    LAYOUT_LARGE,
};

#define LAYOUT_TIERS 3u

struct layout {
    int width, height; /* of the picture */
    int box_width, box_height;
    enum layout_detail detail;
    unsigned column_count; /* of all tiers */
    struct {
        int16_t x, y; /* the upper left corner */
        uint8_t column;
    } boxes[NODE_MAX];
    /* By column: how much room is at its left and at its right. */
    int16_t room_left[NODE_MAX], room_right[NODE_MAX];
};

/* Place `count` boxes, 1 to NODE_MAX; tiers[i] is below LAYOUT_TIERS. Boxes lie in the picture and
 * do not overlap. */
void layout_place(struct layout *layout, enum layout_shape shape, const uint8_t tiers[],
                  unsigned count);
