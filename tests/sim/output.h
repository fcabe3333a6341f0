/* SPDX-License-Identifier: MIT */
/*
 * Files of data: notes, then a line of column names, then rows, all separated by tabs.
 */
#pragma once

#include <stdio.h>

#include "kernel/base.h"

struct output_file {
    FILE *file;
    char path[512];
};

/* Makes the folder if need be. What cannot be written ends the program with a word. */
void output_open(struct output_file *file, const char *folder, const char *name);
/* `# key: value`; before the columns. */
void output_note(struct output_file *file, const char *key, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A row, or the columns' names: with its tabs, without the line's end. */
void output_row(struct output_file *file, const char *format, ...) PRINTF_LIKE(2, 3);
/* Says on the terminal what has been written. */
void output_close(struct output_file *file);
