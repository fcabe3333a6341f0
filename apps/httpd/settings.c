/* SPDX-License-Identifier: MIT */
/*
 * Reading httpd.cfg. Words stay where they are in a copy of the file, with a zero behind each.
 */
#include "apps/httpd/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apps/httpd/authority.h"
#include "apps/httpd/check.h"
#include "apps/httpd/header.h"
#include "apps/httpd/path.h"
#include "libc/core/numbers.h"

/* So many lines are told of one by one. */
#define COMPLAINTS_MAX 16u

struct reader {
    struct settings *settings;
    char *at; /* of the line, behind the words that were taken */
    unsigned line;
    unsigned site; /* which the line holds for */
    unsigned default_site;
    bool has_no_memory;
};

/* A reader of the words behind the first: NULL, or why the line is refused. */
typedef const char *read_line_t(struct reader *reader);

/* --- Words --- */

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

static void skip_blanks(struct reader *reader)
{
    while (is_blank(*reader->at)) {
        reader->at++;
    }
}

/* NULL at the line's end. */
static char *take_word(struct reader *reader)
{
    skip_blanks(reader);
    char *word = reader->at;
    while (*reader->at != '\0' && !is_blank(*reader->at)) {
        reader->at++;
    }
    if (*reader->at != '\0') {
        *reader->at++ = '\0';
    }
    return *word != '\0' ? word : NULL;
}

/* All that is left, without blanks around; NULL if that is nothing. */
static char *take_rest(struct reader *reader)
{
    skip_blanks(reader);
    char *rest = reader->at;
    reader->at += strlen(reader->at);
    while (reader->at > rest && is_blank(reader->at[-1])) {
        *--reader->at = '\0';
    }
    return *rest != '\0' ? rest : NULL;
}

static unsigned count_stars(const char *text)
{
    unsigned count = 0;

    for (; *text != '\0'; text++) {
        count += *text == '*';
    }
    return count;
}

static bool ends_in_slash_and_star(const char *text)
{
    size_t bytes = strlen(text);

    return bytes >= 2 && text[bytes - 2] == '/' && text[bytes - 1] == '*';
}

/* A path as a request has it, decoded where it stands. */
static bool decode_path(char *word)
{
    if (*word != '/' || strpbrk(word, "?#") != NULL) {
        return false;
    }
    unsigned stars = count_stars(word);
    return path_decode(word, strlen(word), word) > 0 && count_stars(word) == stars;
}

static bool decode_pattern(char *word)
{
    bool is_suffix = *word == '*';

    if (count_stars(word) > 1) {
        return false;
    }
    *word = is_suffix ? '/' : *word; /* for the time that it takes */
    bool is_good = decode_path(word);
    *word = is_suffix ? '*' : *word;
    return is_good;
}

/* --- What there is --- */

/* Room for one more in an array whose size doubles. NULL: no memory. */
static void *grow(struct reader *reader, void *array, size_t count, size_t bytes)
{
    if ((count & (count - 1)) != 0) {
        return array; /* it has room up to the next power of two */
    }
    void *grown = realloc(array, (count != 0 ? 2 * count : 1) * bytes);
    reader->has_no_memory |= grown == NULL;
    return grown;
}

static const char *add_line(struct reader *reader, const struct setting *setting)
{
    struct settings *settings = reader->settings;

    if (settings->line_count == SETTINGS_MAX) {
        return "there are too many lines";
    }
    struct setting *lines =
        grow(reader, settings->lines, settings->line_count, sizeof(*settings->lines));
    if (lines != NULL) {
        settings->lines = lines;
        lines[settings->line_count] = *setting;
        lines[settings->line_count].line = reader->line;
        lines[settings->line_count].site = reader->site;
        settings->line_count++;
    }
    return NULL;
}

static unsigned add_site(struct reader *reader)
{
    unsigned *count = &reader->settings->site_count;

    return *count < SITE_MAX ? (*count)++ : SETTINGS_NO_SITE;
}

/* The site of this folder, which is its own from here on. */
static unsigned add_folder(struct reader *reader, const char *path)
{
    struct settings *settings = reader->settings;

    for (size_t i = 0; i < settings->folder_count; i++) {
        if (strcmp(settings->folders[i].path, path) == 0) {
            return settings->folders[i].site;
        }
    }
    struct settings_folder *folders =
        grow(reader, settings->folders, settings->folder_count, sizeof(*folders));
    if (folders == NULL) {
        return SETTINGS_NO_SITE;
    }
    settings->folders = folders;
    folders[settings->folder_count++] = (struct settings_folder){
        .path = path, .bytes = strlen(path), .site = add_site(reader), .line = reader->line};
    return folders[settings->folder_count - 1].site;
}

static const struct settings_name *find_name(const struct settings *settings, const char *name,
                                             size_t bytes)
{
    for (size_t i = 0; i < settings->name_count; i++) {
        const struct settings_name *at = &settings->names[i];

        if (at->bytes == bytes && memcmp(at->name, name, bytes) == 0) {
            return at;
        }
    }
    return NULL;
}

static const char *add_name(struct reader *reader, char *name)
{
    struct settings *settings = reader->settings;

    if (strcmp(name, "*") == 0) {
        if (reader->default_site != SITE_DEFAULT && reader->default_site != reader->site) {
            return "another host has the star already";
        }
        reader->default_site = reader->site;
        return NULL;
    }
    name += strncmp(name, "*.", 2) == 0; /* its dot tells it from a whole name */
    size_t bytes = strlen(name);
    if (bytes > 0 && name[bytes - 1] == '.') {
        name[--bytes] = '\0'; /* the root of all names */
    }
    if (!authority_is_good(name, bytes) || strpbrk(name, "%*") != NULL ||
        authority_host_bytes(name, bytes) != bytes) {
        return "this is no host's name";
    }
    for (char *at = name; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    const struct settings_name *same = find_name(settings, name, bytes);
    if (same != NULL) {
        return same->site == reader->site ? NULL : "another host has this name already";
    }
    if (settings->name_count == SETTINGS_NAMES_MAX) {
        return "there are too many names of hosts";
    }
    struct settings_name *names =
        grow(reader, settings->names, settings->name_count, sizeof(*settings->names));
    if (names != NULL) {
        settings->names = names;
        names[settings->name_count++] =
            (struct settings_name){.name = name, .bytes = bytes, .site = reader->site};
    }
    return NULL;
}

/* --- Lines --- */

/* "sites/a/" is "/sites/a", as written in the place where it stands: a word has a blank before it.
 */
static bool normalise_folder(char **folder)
{
    char *word = *folder;

    if (*word != '/') {
        *--word = '/';
    }
    if (count_stars(word) != 0 || !decode_path(word)) {
        return false;
    }
    size_t bytes = strlen(word);
    if (word[bytes - 1] == '/') {
        word[--bytes] = '\0';
    }
    /* No name in an archive has such a part, once it is normalised. */
    if (strstr(word, "//") != NULL || strstr(word, "/./") != NULL ||
        (bytes >= 2 && strcmp(word + bytes - 2, "/.") == 0)) {
        return false;
    }
    *folder = word;
    return true;
}

/* The folder is taken before anything else is looked at: what is in it shall not be served to
 * others because a name is wrong. */
static const char *read_host(struct reader *reader)
{
    const char *reason = NULL;
    char *folder = take_word(reader);
    char *name;

    reader->site = SETTINGS_NO_SITE;
    if (folder == NULL) {
        return "a folder is missing";
    }
    if (strcmp(folder, "-") == 0) {
        reader->site = add_site(reader);
    } else if (normalise_folder(&folder)) {
        reader->site = add_folder(reader, folder);
    } else {
        return "this is no folder";
    }
    if (reader->site == SETTINGS_NO_SITE) {
        return "there are too many hosts";
    }
    if ((name = take_word(reader)) == NULL) {
        return "a host's name is missing";
    }
    for (; name != NULL; name = take_word(reader)) {
        const char *wrong = add_name(reader, name);
        reason = reason != NULL ? reason : wrong;
    }
    return reason;
}

/* Those that the server writes itself, and those that are about the connection. */
static bool is_own_field(const char *name)
{
    static const char *const names[] = {
        "accept-ranges",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "keep-alive",
        "last-modified",
        "location",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "x-content-type-options",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_token(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("!#$%&'*+-.^_`|~", *at) == NULL) {
            return false;
        }
    }
    return *text != '\0';
}

static const char *read_header(struct reader *reader)
{
    struct setting setting = {.kind = SETTING_HEADER};
    char *pattern = take_word(reader);

    setting.pattern = pattern;
    setting.name = take_word(reader);
    setting.value = take_rest(reader);
    if (setting.value == NULL) {
        return "a path, a field's name and its value are wanted";
    }
    if (!decode_pattern(pattern)) {
        return "this is no path";
    }
    if (!is_token(setting.name)) {
        return "this is no field's name";
    }
    return is_own_field(setting.name) ? "the server writes this field" : add_line(reader, &setting);
}

static bool is_type_pattern(const char *text)
{
    const char *slash = strchr(text, '/');

    if (strcmp(text, "*") == 0) {
        return true;
    }
    return slash != NULL && slash != text && slash[1] != '\0' && strchr(slash + 1, '/') == NULL &&
           (count_stars(text) == 0 || (count_stars(text) == 1 && strcmp(slash, "/*") == 0));
}

static const char *read_cache(struct reader *reader)
{
    struct setting setting = {.kind = SETTING_CACHE, .name = "Cache-Control"};

    setting.pattern = take_word(reader);
    setting.value = take_rest(reader);
    if (setting.value == NULL) {
        return "a media type and a value are wanted";
    }
    return is_type_pattern(setting.pattern) ? add_line(reader, &setting) : "this is no media type";
}

/* One of three digits in the range, of which the server knows what it means; 0: no. */
static uint16_t take_status(struct reader *reader, uint64_t least, uint64_t most)
{
    const char *word = take_word(reader);
    uint64_t status;

    if (word == NULL || number_parse(word, strlen(word), 10, most, &status) != 0 ||
        status < least || header_reason((uint16_t)status) == NULL) {
        return 0;
    }
    return (uint16_t)status;
}

/* Characters of a URI (RFC 3986 2), of which none can end the field or begin another. */
static bool is_destination(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr("\"<>\\^`{|}", *at) != NULL) {
            return false;
        }
    }
    return strncmp(text, "//", 2) != 0 && path_is_target(text, strlen(text));
}

static const char *read_redirect(struct reader *reader)
{
    struct setting setting = {.kind = SETTING_REDIRECT};

    setting.status = take_status(reader, 301, 308);
    if (setting.status == 0 || setting.status == 304) {
        return "301, 302, 303, 307 or 308 is wanted";
    }
    char *from = take_word(reader);
    setting.pattern = from;
    setting.value = take_word(reader);
    if (setting.value == NULL || take_word(reader) != NULL) {
        return "a path and where it leads to are wanted";
    }
    if (strcmp(from, setting.value) == 0) {
        return "it leads to itself";
    }
    if (!decode_pattern(from) || (count_stars(from) != 0 && !ends_in_slash_and_star(from))) {
        return "this is no path, nor one that ends in /*";
    }
    unsigned stars = count_stars(setting.value);
    if (!is_destination(setting.value) ||
        (stars != 0 && (stars > count_stars(from) || !ends_in_slash_and_star(setting.value)))) {
        return "it leads to no path or URL";
    }
    return add_line(reader, &setting);
}

static const char *read_error(struct reader *reader)
{
    struct setting setting = {.kind = SETTING_ERROR};

    setting.status = take_status(reader, 400, 599);
    if (setting.status == 0) {
        return "this is no status of an error";
    }
    char *path = take_word(reader);
    setting.pattern = path;
    if (path == NULL || take_word(reader) != NULL || count_stars(path) != 0 || !decode_path(path)) {
        return "a path is wanted";
    }
    return add_line(reader, &setting);
}

static const char *read_listing(struct reader *reader)
{
    struct setting setting = {.kind = SETTING_LISTING};
    char *pattern = take_word(reader);

    setting.pattern = pattern;
    if (pattern == NULL || take_word(reader) != NULL || !decode_pattern(pattern)) {
        return "a folder's path is wanted";
    }
    return add_line(reader, &setting);
}

static read_line_t *find_reader(const char *word)
{
    static const struct {
        const char *word;
        read_line_t *read;
    } readers[] = {
        {"host", read_host},         {"header", read_header}, {"cache", read_cache},
        {"redirect", read_redirect}, {"error", read_error},   {"listing", read_listing},
    };

    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (strcmp(readers[i].word, word) == 0) {
            return readers[i].read;
        }
    }
    return NULL;
}

static bool is_printable(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if ((text[i] < ' ' || text[i] > '~') && text[i] != '\t') {
            return false;
        }
    }
    return true;
}

/* A zero stands behind the line. */
static const char *read_line(struct reader *reader, char *line, size_t bytes)
{
    reader->at = line;
    skip_blanks(reader);
    if (*reader->at == '#' || reader->at == line + bytes) {
        return NULL;
    }
    /* What the line is must be known even if the rest of it is wrong. */
    bool is_good = bytes <= SETTINGS_LINE_MAX && is_printable(line, bytes);
    const char *word = take_word(reader);
    read_line_t *read = word != NULL ? find_reader(word) : NULL; /* a line may begin with a zero */
    if (is_good) {
        return read != NULL ? read(reader) : "its first word is unknown";
    }
    if (read == read_host) {
        (void)read_host(reader); /* for its folder */
    }
    return bytes > SETTINGS_LINE_MAX ? "it is too long" : "it has a character that is not in ASCII";
}

void settings_complain(struct settings *settings, unsigned line, const char *reason)
{
    settings->refused_count++;
    if (settings->refused_count <= COMPLAINTS_MAX) {
        fprintf(stderr, "httpd.cfg, line %u: %s\n", line, reason);
    } else if (settings->refused_count == COMPLAINTS_MAX + 1) {
        fprintf(stderr, "httpd.cfg: more lines are wrong\n");
    }
}

static void read_lines(struct reader *reader, char *at, char *end)
{
    while (at < end && !reader->has_no_memory) {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL) {
            line_end = end;
        }
        char *behind = line_end > at && line_end[-1] == '\r' ? line_end - 1 : line_end;
        *behind = '\0'; /* behind the text, too, there is room for one */
        reader->line++;
        const char *reason = read_line(reader, at, (size_t)(behind - at));
        if (reason != NULL) {
            settings_complain(reader->settings, reader->line, reason);
        }
        at = line_end + 1;
    }
}

/* The default site is the one with the star. */
static unsigned exchange(unsigned site, unsigned with_default)
{
    if (site == with_default) {
        return SITE_DEFAULT;
    }
    return site == SITE_DEFAULT ? with_default : site;
}

static void exchange_default(struct settings *settings, unsigned with)
{
    for (size_t i = 0; i < settings->line_count; i++) {
        settings->lines[i].site = exchange(settings->lines[i].site, with);
    }
    for (size_t i = 0; i < settings->folder_count; i++) {
        settings->folders[i].site = exchange(settings->folders[i].site, with);
    }
    for (size_t i = 0; i < settings->name_count; i++) {
        settings->names[i].site = exchange(settings->names[i].site, with);
    }
}

int settings_read(struct settings *settings, const void *text, size_t bytes)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF"; /* some editors begin with it */
    struct reader reader = {.settings = settings, .site = SETTINGS_ALL_SITES};

    *settings = (struct settings){.site_count = 1};
    settings->text = malloc(bytes + 1);
    settings->folders = malloc(sizeof(*settings->folders));
    if (settings->text == NULL || settings->folders == NULL) {
        settings_release(settings);
        return -ENOMEM;
    }
    settings->folders[settings->folder_count++] = (struct settings_folder){.path = ""};
    memcpy(settings->text, text, bytes);
    char *start = settings->text;
    if (bytes >= strlen(byte_order_mark) &&
        memcmp(start, byte_order_mark, strlen(byte_order_mark)) == 0) {
        start += strlen(byte_order_mark);
    }
    read_lines(&reader, start, settings->text + bytes);
    if (reader.has_no_memory) {
        settings_release(settings);
        return -ENOMEM;
    }
    exchange_default(settings, reader.default_site);
    if (settings->name_count > 0) {
        qsort(settings->names, settings->name_count, sizeof(*settings->names),
              settings_compare_names);
    }
    return 0;
}

void settings_release(struct settings *settings)
{
    free(settings->lines);
    free(settings->folders);
    free(settings->names);
    free(settings->text);
    *settings = (struct settings){0};
}
