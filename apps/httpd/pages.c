/* SPDX-License-Identifier: MIT */
/*
 * Pages with live content. A page is a built-in file in which marks are replaced:
 *
 *     <!--#file /proc/nodes -->    by that file's text as it is now, written when it is opened
 *     <!--#part /proc/picture -->  by that file's text, which is HTML
 *     <!--#own /style.css -->      by that built-in file, as it stands
 *
 * Built-in files are found before others can take their paths: a page looks the same whatever else
 * the site holds.
 */
#include "apps/httpd/pages.h"

#include <string.h>

#include "apps/httpd/site.h"
#include "apps/httpd/text.h"

#define MARK_START      "<!--#"
#define MARK_FILE       "file "
#define MARK_PART       "part "
#define MARK_OWN        "own "
#define MARK_END        " -->"
#define MARK_PATH_BYTES 64

/* Their paths; the content once it is found. */
static struct own_file {
    const char *path;
    const char *content;
    size_t bytes;
} own_files[] = {
    {.path = "/index.html"}, {.path = "/stats.html"}, {.path = "/stats.css"},
    {.path = "/stats.js"},   {.path = "/style.css"},
};

#define OWN_FILE_COUNT (sizeof(own_files) / sizeof(own_files[0]))

static void find_own_files(void)
{
    for (size_t i = 0; i < OWN_FILE_COUNT; i++) {
        const struct resource *resource = site_find(own_files[i].path, strlen(own_files[i].path));

        if (resource != NULL && resource->kind == RESOURCE_FILE) {
            own_files[i].content = (const char *)resource->content;
            own_files[i].bytes = resource->content_bytes;
        }
    }
}

/* NULL if the server was built without it. */
static const struct own_file *own_file(const char *path, size_t bytes)
{
    for (size_t i = 0; i < OWN_FILE_COUNT; i++) {
        if (strlen(own_files[i].path) == bytes && memcmp(own_files[i].path, path, bytes) == 0) {
            return own_files[i].content != NULL ? &own_files[i] : NULL;
        }
    }
    return NULL;
}

static const char *find(const char *text, const char *end, const char *wanted)
{
    const size_t bytes = strlen(wanted);

    for (; (size_t)(end - text) >= bytes; text++) {
        if (memcmp(text, wanted, bytes) == 0) {
            return text;
        }
    }
    return NULL;
}

static void add_marked_file(struct text *text, const char *path, size_t path_bytes, bool is_escaped)
{
    char name[MARK_PATH_BYTES];

    if (path_bytes < sizeof(name)) {
        memcpy(name, path, path_bytes);
        name[path_bytes] = '\0';
        if (text_add_file(text, name, is_escaped)) {
            return;
        }
    }
    text_print(text, "not available on this system\n");
}

static bool starts_with(const char *text, const char *end, const char *wanted)
{
    return (size_t)(end - text) >= strlen(wanted) && memcmp(text, wanted, strlen(wanted)) == 0;
}

/* What stands for a mark: `mark` to `end` is what it says. */
static void add_mark(struct text *text, const char *mark, const char *end)
{
    if (starts_with(mark, end, MARK_OWN)) {
        const char *path = mark + strlen(MARK_OWN);
        const struct own_file *file = own_file(path, (size_t)(end - path));
        if (file != NULL) {
            text_add(text, file->content, file->bytes);
        }
    } else if (starts_with(mark, end, MARK_FILE)) {
        const char *path = mark + strlen(MARK_FILE);
        add_marked_file(text, path, (size_t)(end - path), true);
    } else if (starts_with(mark, end, MARK_PART)) {
        const char *path = mark + strlen(MARK_PART);
        add_marked_file(text, path, (size_t)(end - path), false);
    }
}

/* Copy a built-in file, marks replaced. */
static void write_file(struct text *text, const char *path)
{
    const struct own_file *file = own_file(path, strlen(path));

    if (file == NULL) {
        text_print(text, "This server was built without %s.\n", path);
        return;
    }
    const char *at = file->content;
    const char *end = at + file->bytes;
    const char *start;
    while ((start = find(at, end, MARK_START)) != NULL) {
        const char *mark = start + strlen(MARK_START);
        const char *mark_end = find(mark, end, MARK_END);
        if (mark_end == NULL) {
            break;
        }
        text_add(text, at, (size_t)(start - at));
        add_mark(text, mark, mark_end);
        at = mark_end + strlen(MARK_END);
    }
    text_add(text, at, (size_t)(end - at));
}

static void write_welcome(struct text *text)
{
    write_file(text, "/index.html");
}

static void write_stats(struct text *text)
{
    write_file(text, "/stats.html");
}

static void write_stats_style(struct text *text)
{
    write_file(text, "/stats.css");
}

static void write_stats_script(struct text *text)
{
    write_file(text, "/stats.js");
}

/* What the script puts in the place of what it has. */
static void write_stats_live(struct text *text)
{
    if (!text_add_file(text, "/proc/picture", false)) {
        text_print(text, "<p>not available on this system</p>\n");
    }
}

static void write_metrics(struct text *text)
{
    if (!text_add_file(text, "/proc/metrics", false)) {
        text_print(text, "# not available on this system\n");
    }
}

/* For who shares out connections between machines: whether this one takes them. One that is to end
 * answers no new connection. */
static void write_health(struct text *text)
{
    text_print(text, "ok\n");
}

void pages_add_welcome(void)
{
    find_own_files();
    site_add_page("/", "text/html; charset=utf-8", write_welcome);
}

void pages_add_status(void)
{
    site_add_page("/healthz", "text/plain; charset=utf-8", write_health);
    site_add_page("/stats", "text/html; charset=utf-8", write_stats);
    site_add_page("/stats/live", "text/html; charset=utf-8", write_stats_live);
    site_add_page("/stats/style.css", "text/css; charset=utf-8", write_stats_style);
    site_add_page("/stats/script.js", "text/javascript; charset=utf-8", write_stats_script);
    site_add_page("/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics);
}
