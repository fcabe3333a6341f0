/* SPDX-License-Identifier: MIT */
/*
 * From settings to resources.
 */
#include "apps/httpd/rules.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apps/httpd/check.h"
#include "apps/httpd/fields.h"
#include "apps/httpd/listing.h"
#include "apps/httpd/text.h"

/* So many header fields of its own a file can have. */
#define FIELDS_MAX 32u

/* Most files have the same fields as some of the last ones. */
#define RECENT_COUNT 16u

/* So many resources are looked at between two chances for others to run. Chosen: with as many lines
 * as there can be, some ten milliseconds. */
#define SLICE_COUNT 256u

static struct settings *rules;

/* With the i-th of many. */
static void let_others_run(size_t i)
{
    if (i % SLICE_COUNT == SLICE_COUNT - 1) {
        (void)poll(NULL, 0, 0); /* as tag_of_content() */
    }
}

/* --- Redirections --- */

static bool has_star(const struct setting *setting)
{
    return strchr(setting->pattern, '*') != NULL;
}

const struct setting *rules_redirect(unsigned site, const char *path, size_t bytes)
{
    for (size_t i = rules != NULL ? rules->line_count : 0; i-- > 0;) {
        const struct setting *line = &rules->lines[i];

        if (line->kind == SETTING_REDIRECT && settings_holds_for(line, site) &&
            settings_fits(line->pattern, path, bytes)) {
            return line;
        }
    }
    return NULL;
}

/* Of a path without a star there is a resource afterwards; of others only what there is leads
 * elsewhere, and rules_redirect() tells of the rest. */
static int apply_redirects(unsigned site)
{
    for (size_t i = 0; i < rules->line_count; i++) {
        const struct setting *line = &rules->lines[i];
        const struct resource moved = {.kind = RESOURCE_MOVED, .redirect = line};

        if (line->kind == SETTING_REDIRECT && settings_holds_for(line, site) && !has_star(line) &&
            !site_add(site, line->pattern, strlen(line->pattern), &moved)) {
            return -ENOMEM;
        }
    }
    size_t count;
    struct resource **list = site_list(site, &count);
    if (list == NULL && count != 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct setting *line = rules_redirect(site, list[i]->path, list[i]->path_bytes);
        if (line != NULL) {
            list[i]->kind = RESOURCE_MOVED;
            list[i]->redirect = line;
        }
        let_others_run(i);
    }
    free(list);
    return 0;
}

/* --- Header fields --- */

struct field {
    const char *name, *value;
};

static bool fits_type(const char *pattern, const char *type)
{
    size_t type_bytes = strcspn(type, ";");
    size_t bytes = strlen(pattern);

    if (pattern[bytes - 1] == '*') {
        return type_bytes >= bytes - 1 && strncasecmp(pattern, type, bytes - 1) == 0;
    }
    return type_bytes == bytes && strncasecmp(pattern, type, bytes) == 0;
}

static bool gives_field(const struct setting *line, unsigned site, const struct resource *file)
{
    if (!settings_holds_for(line, site)) {
        return false;
    }
    if (line->kind == SETTING_CACHE) {
        return fits_type(line->pattern, file->type);
    }
    return line->kind == SETTING_HEADER &&
           settings_fits(line->pattern, file->path, file->path_bytes);
}

/* The place of that name, or a new one; FIELDS_MAX if there is none. */
static unsigned place_of(const struct field *fields, unsigned count, const char *name)
{
    unsigned i = 0;

    while (i < count && strcasecmp(fields[i].name, name) != 0) {
        i++;
    }
    return i;
}

static unsigned gather_fields(unsigned site, const struct resource *file, struct field *fields)
{
    unsigned count = 0;

    for (size_t i = 0; i < rules->line_count; i++) {
        const struct setting *line = &rules->lines[i];

        if (gives_field(line, site, file)) {
            unsigned place = place_of(fields, count, line->name);
            if (place == FIELDS_MAX) {
                settings_complain(rules, line->line, "a file has too many fields already");
                continue;
            }
            fields[place] = (struct field){line->name, line->value};
            count += place == count;
        }
    }
    return count;
}

/* The same text, of which many files need one; to stay. NULL: no memory. */
static const char *keep_text(struct text *text)
{
    static char *recent[RECENT_COUNT];
    static unsigned next;

    for (unsigned i = 0; i < RECENT_COUNT; i++) {
        if (!text->has_failed && recent[i] != NULL && strcmp(recent[i], text->at) == 0) {
            text_release(text);
            return recent[i];
        }
    }
    if (text->has_failed) {
        text_release(text);
        return NULL;
    }
    char *kept = text->at;
    recent[next++ % RECENT_COUNT] = kept;
    return kept;
}

static int apply_fields(unsigned site, struct resource *file)
{
    struct field fields[FIELDS_MAX];
    struct text text = {0};
    unsigned count = gather_fields(site, file, fields);

    if (count == 0) {
        return 0;
    }
    if ((file->varies & 1u << FIELD_ACCEPT_ENCODING) != 0) {
        text_print(&text, ENCODING_VARY);
    }
    for (unsigned i = 0; i < count; i++) {
        text_print(&text, "%s: %s\r\n", fields[i].name, fields[i].value);
    }
    const char *kept = keep_text(&text);
    if (kept == NULL) {
        return -ENOMEM;
    }
    file->fields = kept;
    for (unsigned encoding = 0; encoding < ENCODING_COUNT; encoding++) {
        if (file->encoded[encoding] != NULL) {
            file->encoded[encoding]->fields = kept;
        }
    }
    return 0;
}

static int apply_all_fields(unsigned site)
{
    size_t count;
    struct resource **list = site_list(site, &count);
    int result = list == NULL && count != 0 ? -ENOMEM : 0;

    for (size_t i = 0; list != NULL && i < count; i++) {
        if (list[i]->kind == RESOURCE_FILE && apply_fields(site, list[i]) != 0) {
            result = -ENOMEM;
        }
        let_others_run(i);
    }
    free(list);
    return result;
}

/* --- Pages of errors --- */

static const struct resource *page_of(const struct setting *line, unsigned site)
{
    const struct resource *page = site_find_in(site, line->pattern, strlen(line->pattern));

    return page != NULL && page->kind == RESOURCE_FILE ? page : NULL;
}

const struct resource *rules_error_page(unsigned site, uint16_t status)
{
    for (size_t i = rules != NULL ? rules->line_count : 0; i-- > 0;) {
        const struct setting *line = &rules->lines[i];

        if (line->kind == SETTING_ERROR && line->status == status &&
            settings_holds_for(line, site)) {
            const struct resource *page = page_of(line, site);
            if (page != NULL) {
                return page;
            }
        }
    }
    return NULL;
}

/* --- All of it --- */

/* What can be told only when the files are there. */
static void complain_of_what_is_missing(void)
{
    for (size_t i = 0; i < rules->line_count; i++) {
        const struct setting *line = &rules->lines[i];
        bool has_page = line->kind != SETTING_ERROR;

        for (unsigned site = 0; site < rules->site_count && !has_page; site++) {
            has_page = settings_holds_for(line, site) && page_of(line, site) != NULL;
        }
        if (!has_page && line->site != SETTINGS_NO_SITE) {
            settings_complain(rules, line->line, "there is no such file");
        }
    }
    for (size_t i = 1; i < rules->folder_count; i++) {
        if (rules->folders[i].file_count == 0) {
            settings_complain(rules, rules->folders[i].line, "no file is in this folder");
        }
    }
}

int rules_apply(struct settings *settings, unsigned archive)
{
    int result = 0;

    assert(rules == NULL);
    rules = settings;
    complain_of_what_is_missing();
    for (unsigned site = 0; site < settings->site_count; site++) {
        if (apply_redirects(site) != 0 || listing_add(site, settings, archive) != 0 ||
            apply_all_fields(site) != 0) {
            result = -ENOMEM;
        }
    }
    return result;
}

unsigned rules_refused(void)
{
    return rules != NULL ? rules->refused_count : 0;
}

unsigned rules_site_of_host(const char *host, size_t bytes)
{
    return rules != NULL ? settings_site_of_host(rules, host, bytes) : SITE_DEFAULT;
}
