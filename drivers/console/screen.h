/* SPDX-License-Identifier: MIT */
/*
 * A screen of characters: the last lines of the log, and below them one line of status. What shall
 * be seen is kept here and drawn later, a bounded amount at a time, by a function of the device.
 * A character that already stands on the screen is not drawn again, so scrolling costs what has
 * changed and never reads the device.
 *
 * Lines that have left the screen before they were drawn are counted (CONSOLE_SCREEN_DROPPED).
 */
#pragma once

#include "kernel/base.h"

/* 1920 x 1200 pixels in cells of 8 x 16. */
#define SCREEN_COLUMNS_MAX 240u
#define SCREEN_ROWS_MAX    75u

typedef void (*screen_draw_function)(unsigned column, unsigned row, char character,
                                     bool is_inverse);

/* A character, or with the top bit a character in inverse. 0: not known. */
typedef uint8_t screen_cell_t;

struct screen {
    uint16_t columns; /* 0: there is no screen */
    uint16_t rows;    /* with the line of status, which is the last */
    uint16_t cursor_column;
    uint16_t cursor_row;
    uint16_t first_line;  /* the line of lines[] that stands in row 0 */
    uint16_t next_row;    /* where drawing goes on */
    uint16_t dirty_count; /* rows that are */
    bool is_dirty[SCREEN_ROWS_MAX];
    bool is_seen[SCREEN_ROWS_MAX]; /* by line: all of it has been drawn since it was written */
    screen_cell_t lines[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
    screen_cell_t status[SCREEN_COLUMNS_MAX];
    screen_cell_t drawn[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX]; /* by row of the device */
};

/* This node's own. Node 0 goes on with the screen as it stands after the boot. */
extern struct screen screen;

/* Start with an empty screen of that size, cut to the maximum; at least two rows. Nothing is known
 * of what the device shows. */
void screen_initialise(unsigned columns, unsigned rows, screen_draw_function draw);
/* Go on with the contents of `screen` as boot has left them. What it has drawn since the hand-over
 * is not known here: rows from the cursor on are drawn again. */
void screen_resume(screen_draw_function draw);

/* Add text. Knows LF (with CR), CR and BS; other control characters show as `?`. */
void screen_write(const char *text, size_t bytes);
/* Replace the line of status; cut to size. */
void screen_set_status(const char *text);

static inline bool screen_is_dirty(void)
{
    return screen.dirty_count != 0;
}

/* Draw until so many characters are done; comparing 16 counts as drawing one. Returns whether more
 * is to be drawn. */
bool screen_draw(unsigned cell_max);
/* Draw what has text now: all rows down to the cursor, however long it takes. */
void screen_draw_text(void);
