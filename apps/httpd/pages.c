/* SPDX-License-Identifier: MIT */
/*
 * Pages with live content. A page is a file of the site in which each mark
 *
 *     <!--#file /proc/nodes -->
 *
 * is replaced by the text of that file as it is now, which the system writes when it is opened.
 */
#include "apps/httpd/pages.h"

#include <string.h>

#include "apps/httpd/site.h"
#include "apps/httpd/text.h"

#define MARK_START      "<!--#file "
#define MARK_END        " -->"
#define MARK_PATH_BYTES 64

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

static void add_marked_file(struct text *text, const char *path, size_t path_bytes)
{
    char name[MARK_PATH_BYTES];

    if (path_bytes < sizeof(name)) {
        memcpy(name, path, path_bytes);
        name[path_bytes] = '\0';
        if (text_add_file(text, name, true)) {
            return;
        }
    }
    text_print(text, "not available on this system\n");
}

/* Copy a file of the site, marks replaced. */
static void write_file(struct text *text, const char *path)
{
    const struct resource *resource = site_find(path, strlen(path));

    if (resource == NULL || resource->kind != RESOURCE_FILE) {
        text_print(text, "This server was built without %s.\n", path);
        return;
    }
    const char *at = (const char *)resource->content;
    const char *end = at + resource->content_bytes;
    const char *mark;
    while ((mark = find(at, end, MARK_START)) != NULL) {
        const char *name = mark + strlen(MARK_START);
        const char *mark_end = find(name, end, MARK_END);
        if (mark_end == NULL) {
            break;
        }
        text_add(text, at, (size_t)(mark - at));
        add_marked_file(text, name, (size_t)(mark_end - name));
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

static void write_metrics(struct text *text)
{
    if (!text_add_file(text, "/proc/metrics", false)) {
        text_print(text, "# not available on this system\n");
    }
}

void pages_add(void)
{
    site_add_page("/", "text/html; charset=utf-8", write_welcome);
    site_add_page("/stats", "text/html; charset=utf-8", write_stats);
    site_add_page("/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics);
}
