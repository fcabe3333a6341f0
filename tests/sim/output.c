/* SPDX-License-Identifier: MIT */
/*
 * See output.h.
 */
#include "tests/sim/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static _Noreturn void give_up(const char *path)
{
    (void)fprintf(stderr, "sim: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void make_folders(const char *folder)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s", folder);
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            (void)mkdir(path, 0777);
            *at = '/';
        }
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        give_up(path);
    }
}

void output_open(struct output_file *file, const char *folder, const char *name)
{
    make_folders(folder);
    (void)snprintf(file->path, sizeof(file->path), "%s/%s.tsv", folder, name);
    file->file = fopen(file->path, "w");
    if (file->file == NULL) {
        give_up(file->path);
    }
}

void output_note(struct output_file *file, const char *key, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fprintf(file->file, "# %s: ", key);
    (void)vfprintf(file->file, format, arguments);
    (void)fputc('\n', file->file);
    va_end(arguments);
}

void output_row(struct output_file *file, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vfprintf(file->file, format, arguments);
    (void)fputc('\n', file->file);
    va_end(arguments);
}

void output_close(struct output_file *file)
{
    if (fclose(file->file) != 0) {
        give_up(file->path);
    }
    (void)printf("%s\n", file->path);
}
