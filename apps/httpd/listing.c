/* SPDX-License-Identifier: MIT */
/*
 * Writing listings.
 */
#include "apps/httpd/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/httpd/check.h"
#include "apps/httpd/date.h"
#include "apps/httpd/rules.h"
#include "apps/httpd/tag.h"
#include "apps/httpd/text.h"

/* So many lines a page has at most; then one that says how many more there are. */
#define LINES_MAX 10000u

/* All of a site's resources in the order of their paths. */
struct list {
    struct resource **at;
    size_t count;
};

static bool is_wanted(const struct settings *settings, unsigned site, const char *path)
{
    bool is_in_settings = false;

    for (size_t i = 0; i < settings->line_count; i++) {
        const struct setting *line = &settings->lines[i];

        is_in_settings |= line->kind == SETTING_LISTING && settings_holds_for(line, site) &&
                          settings_fits(line->pattern, path, strlen(path));
    }
    if (!is_in_settings) {
        return false;
    }
    const struct resource *index = site_find_in(site, path, strlen(path));
    return (index == NULL || index->kind == RESOURCE_PAGE) &&
           rules_redirect(site, path, strlen(path)) == NULL;
}

static void add_line(struct text *page, const struct resource *resource, const char *name)
{
    const char *slash = resource->kind == RESOURCE_FOLDER ? "/" : "";
    char date[DATE_BYTES + 1];

    text_print(page, "<tr><td><a href=\"");
    text_add_encoded(page, resource->path, resource->path_bytes);
    text_print(page, "%s\">", slash);
    text_add_escaped(page, name, strlen(name));
    text_print(page, "%s</a></td>", slash);
    if (resource->kind == RESOURCE_FILE) {
        date_print(resource->mtime_s, date);
        text_print(page, "<td>%zu</td><td>%s</td>", resource->content_bytes, date);
    }
    text_print(page, "</tr>\n");
}

/* The first of those whose path begins with this one. */
static size_t find_first(const struct list *list, const char *path)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(list->at[middle]->path, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* `path` ends in a slash. Returns the time of the newest file. */
static time_t write_page(struct text *page, const struct list *list, const char *path,
                         unsigned archive)
{
    size_t bytes = strlen(path);
    size_t lines = 0;
    time_t newest_s = 0;

    text_print(page, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>");
    text_add_escaped(page, path, bytes);
    text_print(page, "</title>\n<h1>");
    text_add_escaped(page, path, bytes);
    text_print(page, "</h1>\n<table>\n");
    if (bytes > 1) {
        text_print(page, "<tr><td><a href=\"../\">../</a></td></tr>\n");
    }
    for (size_t i = find_first(list, path);
         i < list->count && strncmp(list->at[i]->path, path, bytes) == 0; i++) {
        const struct resource *resource = list->at[i];
        const char *name = resource->path + bytes;

        if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL ||
            resource->archive != archive ||
            (resource->kind != RESOURCE_FILE && resource->kind != RESOURCE_FOLDER)) {
            continue;
        }
        if (lines++ < LINES_MAX) {
            add_line(page, resource, name);
        }
        newest_s = resource->mtime_s > newest_s ? resource->mtime_s : newest_s;
    }
    text_print(page, "</table>\n");
    if (lines > LINES_MAX) {
        text_print(page, "<p>%zu more</p>\n", lines - LINES_MAX);
    }
    text_print(page, "</html>\n");
    return newest_s;
}

static int add_page(unsigned site, const struct list *list, const char *path, unsigned archive)
{
    struct text page = {0};
    struct resource file = {.kind = RESOURCE_FILE, .type = "text/html; charset=utf-8"};

    file.mtime_s = write_page(&page, list, path, archive);
    file.content = (const uint8_t *)page.at;
    file.content_bytes = page.bytes;
    if (page.has_failed) {
        text_release(&page);
        return -ENOMEM;
    }
    file.tag = tag_of_content(file.content, file.content_bytes);
    if (!site_add(site, path, strlen(path), &file)) {
        text_release(&page);
        return -ENOMEM;
    }
    return 0;
}

int listing_add(unsigned site, const struct settings *settings, unsigned archive)
{
    static char path[UINT16_MAX + 2];
    struct list list;
    int result = 0;

    list.at = site_list(site, &list.count);
    if (list.at == NULL) {
        return list.count == 0 ? 0 : -ENOMEM;
    }
    if (is_wanted(settings, site, "/")) {
        result = add_page(site, &list, "/", archive);
    }
    for (size_t i = 0; i < list.count && result == 0; i++) {
        const struct resource *folder = list.at[i];

        if (folder->kind == RESOURCE_FOLDER && folder->archive == archive) {
            memcpy(path, folder->path, folder->path_bytes);
            memcpy(path + folder->path_bytes, "/", 2);
            if (is_wanted(settings, site, path)) {
                result = add_page(site, &list, path, archive);
            }
        }
    }
    free(list.at);
    return result;
}
