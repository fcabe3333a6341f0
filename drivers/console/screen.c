/* SPDX-License-Identifier: MIT */
/*
 * The lines form a ring, so that scrolling moves nothing here. Each row of the device is compared
 * with what it shall show when its turn comes.
 */
#include "drivers/console/screen.h"

#include <string.h>

#include "drivers/console/counters.h"
#include "kernel/component.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

#define INVERSE 0x80u

/* Comparing costs far less than drawing some hundred pixels. */
#define COMPARED_PER_DRAWN 16u

struct screen screen;

static const struct component screen_component = {.handed_over = &screen,
                                                  .handed_over_bytes = sizeof(screen)};
COMPONENT(screen_component);

static screen_draw_function draw_function;

/* Rows of the log: all but the last. */
static unsigned log_rows(void)
{
    return screen.rows - 1u;
}

static unsigned line_of_row(unsigned row)
{
    ASSERT(row < log_rows());
    return (screen.first_line + row) % log_rows();
}

static void mark_dirty(unsigned row)
{
    ASSERT(row < screen.rows);
    if (!screen.is_dirty[row]) {
        screen.is_dirty[row] = true;
        screen.dirty_count++;
        ASSERT(screen.dirty_count <= screen.rows);
    }
}

static void mark_text_dirty(unsigned row)
{
    mark_dirty(row);
    screen.is_seen[line_of_row(row)] = false;
}

static void clear_line(unsigned line)
{
    memset(screen.lines[line], ' ', sizeof(screen.lines[line]));
    screen.is_seen[line] = true;
}

void screen_initialise(unsigned columns, unsigned rows, screen_draw_function draw)
{
    ASSERT(draw != NULL);
    memset(&screen, 0, sizeof(screen));
    draw_function = draw;
    if (columns == 0 || rows < 2) {
        return;
    }
    screen.columns = (uint16_t)(columns < SCREEN_COLUMNS_MAX ? columns : SCREEN_COLUMNS_MAX);
    screen.rows = (uint16_t)(rows < SCREEN_ROWS_MAX ? rows : SCREEN_ROWS_MAX);
    for (unsigned i = 0; i < log_rows(); i++) {
        clear_line(i);
        mark_dirty(i);
    }
    screen_set_status("");
}

void screen_resume(screen_draw_function draw)
{
    ASSERT(draw != NULL);
    ASSERT(screen.rows >= 2 && screen.rows <= SCREEN_ROWS_MAX);
    ASSERT(screen.columns >= 1 && screen.columns <= SCREEN_COLUMNS_MAX);
    draw_function = draw;
    for (unsigned row = screen.cursor_row; row < screen.rows; row++) {
        memset(screen.drawn[row], 0, sizeof(screen.drawn[row]));
        mark_dirty(row);
    }
}

/* --- Writing --- */

static void scroll(void)
{
    unsigned line = screen.first_line;

    if (!screen.is_seen[line]) {
        counter_increment(COUNTER_CONSOLE_SCREEN_DROPPED);
    }
    clear_line(line);
    screen.first_line = (uint16_t)((line + 1) % log_rows());
    for (unsigned row = 0; row < log_rows(); row++) {
        mark_dirty(row);
    }
}

static void begin_line(void)
{
    mark_dirty(screen.cursor_row); /* the cursor leaves it */
    screen.cursor_column = 0;
    if (screen.cursor_row + 1u < log_rows()) {
        screen.cursor_row++;
    } else {
        scroll();
    }
    mark_dirty(screen.cursor_row);
}

static void write_character(char character)
{
    if (character == '\n') {
        begin_line();
        return;
    }
    if (character == '\r') {
        screen.cursor_column = 0;
    } else if (character == '\b') {
        screen.cursor_column = screen.cursor_column > 0 ? screen.cursor_column - 1u : 0;
    } else {
        /* A line that is exactly full is not followed by an empty one. */
        if (screen.cursor_column == screen.columns) {
            begin_line();
        }
        ASSERT(screen.cursor_column < screen.columns);
        bool is_printable = character >= ' ' && character <= '~';

        screen.lines[line_of_row(screen.cursor_row)][screen.cursor_column++] =
            (screen_cell_t)(is_printable ? character : '?');
    }
    mark_text_dirty(screen.cursor_row);
}

void screen_write(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && screen.columns != 0; i++) {
        write_character(text[i]);
    }
}

void screen_set_status(const char *text)
{
    if (screen.columns == 0) {
        return;
    }
    for (unsigned column = 0; column < screen.columns; column++) {
        char character = *text != '\0' ? *text++ : ' ';

        if (character < ' ' || character > '~') {
            character = '?';
        }
        screen.status[column] = (screen_cell_t)((unsigned char)character | INVERSE);
    }
    mark_dirty(screen.rows - 1u);
}

/* --- Drawing --- */

/* What a row shall show. The cursor is an inverse cell. */
static screen_cell_t wanted_cell(unsigned row, unsigned column)
{
    screen_cell_t cell;

    if (row == log_rows()) {
        return screen.status[column];
    }
    cell = screen.lines[line_of_row(row)][column];
    return row == screen.cursor_row && column == screen.cursor_column ? cell ^ INVERSE : cell;
}

static void draw_cell(unsigned row, unsigned column, screen_cell_t cell)
{
    draw_function(column, row, (char)(cell & ~INVERSE), (cell & INVERSE) != 0);
    screen.drawn[row][column] = cell;
}

/* Draw what differs in one row, as far as *budget goes; false when it did not suffice. */
static bool draw_row(unsigned row, unsigned *budget)
{
    for (unsigned column = 0; column < screen.columns; column++) {
        screen_cell_t cell = wanted_cell(row, column);

        if (screen.drawn[row][column] != cell) {
            if (*budget == 0) {
                return false;
            }
            draw_cell(row, column, cell);
            (*budget)--;
        }
    }
    ASSERT(screen.is_dirty[row] && screen.dirty_count > 0);
    screen.is_dirty[row] = false;
    screen.dirty_count--;
    if (row < log_rows()) {
        screen.is_seen[line_of_row(row)] = true;
    }
    return true;
}

bool screen_draw(unsigned cell_max)
{
    const unsigned compare_cost = screen.columns / COMPARED_PER_DRAWN + 1;
    unsigned budget = cell_max;

    for (unsigned i = 0; i < screen.rows && screen.dirty_count != 0; i++) {
        ASSERT(screen.next_row < screen.rows);
        if (screen.is_dirty[screen.next_row]) {
            /* A budget that no comparison fits still draws: else a small one would draw nothing. */
            budget = budget > compare_cost ? budget - compare_cost : (i == 0 ? 1 : 0);
            if (budget == 0 || !draw_row(screen.next_row, &budget)) {
                return true;
            }
        }
        screen.next_row = (uint16_t)((screen.next_row + 1u) % screen.rows);
    }
    return screen.dirty_count != 0;
}

void screen_draw_text(void)
{
    for (unsigned row = 0; row < screen.rows && row <= screen.cursor_row; row++) {
        if (screen.is_dirty[row]) {
            unsigned budget = SCREEN_COLUMNS_MAX;

            (void)draw_row(row, &budget); /* a row has no more cells than that */
        }
    }
}
