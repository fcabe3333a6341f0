/* SPDX-License-Identifier: MIT */
/*
 * httpd.cfg: how the owner of a web root wants it served. The file lies in the root of the archive,
 * is read once, at the start, and cannot be asked for. Each line says one thing:
 *
 *     # comment
 *     host     FOLDER NAME ...         requests for these hosts get this folder's files
 *     header   PATTERN FIELD VALUE     a header field for files of these paths
 *     cache    TYPE VALUE              Cache-Control for files of this media type
 *     redirect STATUS FROM TO          301, 302, 303, 307 or 308 for what is asked for as FROM
 *     error    STATUS PATH             the file that is the content of answers of this status
 *     listing  PATTERN                 folders without an index show what is in them
 *
 * Words are separated by blanks or tabs; VALUE is all that is left of the line. Lines behind a
 * `host` hold for that host, lines before the first one for all. Of lines that say different things
 * of the same, the last counts.
 *
 *     FOLDER   a folder of the archive, or `-`: a host without files
 *     NAME     a host's name without a port, `*.` and a name for all below it, or `*`: all others
 *     PATTERN  a path, in which one `*` stands for any characters
 *     TYPE     TYPE/SUBTYPE, TYPE/ and `*`, or `*`
 *     FROM     a path, or one that ends in a slash and a star
 *     TO       a path or an http or https URL; if it ends in a slash and a star, what FROM's star
 *              stands for is put there
 *
 * Paths are written as in a request: a blank is %20. Of a host its folder is the root of all paths.
 *
 * A line that is wrong is refused with its number and a reason on stderr, and counted; the others
 * hold. What lies in the folder of a host, be the rest of its line right or wrong, is never served
 * to another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/httpd/site.h"

#define SETTINGS_MAX       1024u /* lines that are no `host` */
#define SETTINGS_NAMES_MAX 1024u
#define SETTINGS_LINE_MAX  1024u /* bytes */

enum setting_kind {
    SETTING_HEADER,
    SETTING_CACHE,
    SETTING_REDIRECT,
    SETTING_ERROR,
    SETTING_LISTING,
};

/* Sites that are none. */
#define SETTINGS_ALL_SITES SITE_MAX
#define SETTINGS_NO_SITE   (SITE_MAX + 1)

struct setting {
    uint8_t kind;    /* enum setting_kind */
    uint16_t status; /* of redirects and errors */
    unsigned site;   /* which it holds for, or one of those above */
    unsigned line;
    const char *pattern; /* of decoded paths, or a media type's; an error's path */
    const char *name;    /* of a header field */
    const char *value;   /* the field's; a redirect's TO */
};

/* A folder and the site that its files belong to. */
struct settings_folder {
    const char *path; /* without a slash at its end: "" is the root */
    size_t bytes;
    unsigned site;
    unsigned line;
    unsigned file_count; /* that settings_site_of() was called for */
};

struct settings_name {
    const char *name; /* in lower case; `*.name` without its star */
    size_t bytes;
    unsigned site;
};

struct settings {
    struct setting *lines;
    size_t line_count;
    struct settings_folder *folders;
    size_t folder_count;
    struct settings_name *names;
    size_t name_count;
    unsigned site_count;
    unsigned refused_count;
    char *text; /* all that the pointers above point to */
};

/* Read the file. Returns 0, whatever stands in it, or -ENOMEM. What is in *settings is kept as
 * long as anything uses it; settings_release() otherwise. */
int settings_read(struct settings *settings, const void *text, size_t bytes);
void settings_release(struct settings *settings);
/* Say that a line is wrong, and count it. */
void settings_complain(struct settings *settings, unsigned line, const char *reason);

/* The site that a file of this path in the archive belongs to, and in *prefix_bytes how much of the
 * path is its folder's; SETTINGS_NO_SITE if it is to be served to nobody. */
unsigned settings_site_of(struct settings *settings, const char *path, size_t bytes,
                          size_t *prefix_bytes);
/* The site of a host, perhaps with its port (RFC 9110 7.2). */
unsigned settings_site_of_host(const struct settings *settings, const char *host, size_t bytes);

/* For qsort() and bsearch(), of struct settings_name. */
int settings_compare_names(const void *one, const void *other);

/* Whether `pattern`, in which one `*` stands for anything, fits. */
bool settings_fits(const char *pattern, const char *path, size_t bytes);
/* Whether it holds for this site. */
static inline bool settings_holds_for(const struct setting *setting, unsigned site)
{
    return setting->site == site || setting->site == SETTINGS_ALL_SITES;
}
