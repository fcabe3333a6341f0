/* SPDX-License-Identifier: MIT */
/*
 * The command line: see options.h.
 */
#include "apps/webswamp/options.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "apps/webswamp/schedule.h"
#include "libc/core/address.h"
#include "libc/core/base.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"

#define SCHEME              "http://"
#define PORT_DEFAULT        80u
#define CONNECTIONS_DEFAULT 10u
#define DURATION_DEFAULT_NS (10 * NS_PER_S)
#define TIMEOUT_DEFAULT_NS  (10 * NS_PER_S)

void options_print_usage(void)
{
    printf("webswamp [OPTIONS] http://SERVER[:PORT]/PATH [/PATH ...]\n"
           "  -c N            connections at a time (10)\n"
           "  -n N  -d TIME   so many requests, or for so long (10s); with both, what comes first\n"
           "  -R N            requests a second, each at its time; else as fast as answers come\n"
           "  -k              keep connections; else each request has one of its own\n"
           "  -s TIME         how long an answer, or a connection, is waited for (10s)\n"
           "  -H NAME:VALUE   a header field more\n"
           "  --random SEED   paths by chance, not in turn\n"
           "  --verify        each path's bodies are all like its first one\n"
           "  --after TIME    wait before the first request\n"
           "TIME is a number with s, ms or m behind it, of seconds without. Several nodes each do\n"
           "all of it.\n");
}

static bool take_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    return number_parse(text, strlen(text), 10, most, number) == 0 && *number >= least;
}

/* Up to `most_s` seconds. */
static bool take_time(const char *text, uint64_t most_s, uint64_t *time_ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", NS_PER_S}, {"s", NS_PER_S}, {"ms", NS_PER_MS}, {"m", 60 * NS_PER_S}};
    uint64_t number;

    if (number_take(&text, NULL, 10, most_s * 1000, &number) != 0) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i].name) == 0) {
            *time_ns = number * units[i].ns;
            return *time_ns <= most_s * NS_PER_S;
        }
    }
    return false;
}

/* What stands in a request between two blanks (RFC 9112 3.2). */
static bool is_path(const char *text)
{
    size_t bytes = 0;

    while (text[bytes] > ' ' && text[bytes] <= '~') {
        bytes++;
    }
    return text[0] == '/' && text[bytes] == '\0' && bytes <= OPTIONS_PATH_BYTES &&
           strchr(text, '#') == NULL;
}

/* RFC 9110 5.1 and 5.5; not those that are the program's own. */
static bool is_field(const char *text)
{
    static const char *const own[] = {
        "Host:", "Connection:", "Content-Length:", "Transfer-Encoding:"};
    size_t name_bytes = strspn(
        text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    size_t bytes = strlen(text);

    if (name_bytes == 0 || text[name_bytes] != ':' || bytes > OPTIONS_FIELD_BYTES) {
        return false;
    }
    for (size_t i = name_bytes + 1; i < bytes; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strncasecmp(text, own[i], strlen(own[i])) == 0) {
            return false;
        }
    }
    return true;
}

static bool add_path(struct options *options, const char *path)
{
    if (!is_path(path) || options->path_count == OPTIONS_PATHS_MAX) {
        return false;
    }
    options->paths[options->path_count++] = path;
    return true;
}

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

static bool is_of_names(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           is_digit(letter) || letter == '-' || letter == '_' || letter == '.';
}

/* A server's name, of which its resolver knows whether it is one. What ends in a number is none
 * (RFC 1123 2.1), but an address that went wrong. Returns what stands behind it, or NULL. */
static const char *take_name(struct options *options, const char *text)
{
    bool is_number = false; /* the last label, as far as it was read */
    size_t bytes = 0;

    for (; is_of_names(text[bytes]); bytes++) {
        bool is_first = bytes == 0 || text[bytes - 1] == '.';

        is_number = is_digit(text[bytes]) && (is_first || is_number);
    }
    if (bytes == 0 || bytes >= sizeof(options->name) || is_number) {
        return NULL;
    }
    memcpy(options->name, text, bytes);
    options->name[bytes] = '\0';
    return text + bytes;
}

/* The first word that is no option. */
static bool take_url(struct options *options, const char *url)
{
    uint64_t port = PORT_DEFAULT;
    const char *authority, *at;
    size_t bytes;

    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0) {
        return false;
    }
    authority = url + strlen(SCHEME);
    at = address_parse_ipv4(authority, &options->address);
    if (at == NULL || (*at != ':' && *at != '/' && *at != '\0')) {
        at = take_name(options, authority);
    }
    if (at == NULL) {
        return false;
    }
    if (*at == ':') {
        at++;
        if (*at == '0' || number_take(&at, NULL, 10, UINT16_MAX, &port) != 0) {
            return false; /* zeros in front are no part of an authority */
        }
    }
    options->port = (uint16_t)port;
    bytes = (size_t)(at - authority);
    if (bytes >= sizeof(options->authority)) {
        return false;
    }
    memcpy(options->authority, authority, bytes);
    options->authority[bytes] = '\0';
    return add_path(options, *at == '\0' ? "/" : at);
}

/* One that has a value. */
static bool take_option(struct options *options, const char *name, const char *value)
{
    uint64_t number = 0;
    bool is_good;

    if (strcmp(name, "-c") == 0) {
        is_good = take_number(value, 1, OPTIONS_CONNECTIONS_MAX, &number);
        options->connections = (unsigned)number;
        return is_good;
    }
    if (strcmp(name, "-n") == 0) {
        return take_number(value, 1, SCHEDULE_COUNT_MAX, &options->count);
    }
    if (strcmp(name, "-d") == 0) {
        return take_time(value, SCHEDULE_DURATION_MAX_S, &options->duration_ns) &&
               options->duration_ns != 0;
    }
    if (strcmp(name, "-R") == 0) {
        return take_number(value, 1, SCHEDULE_RATE_MAX, &options->rate);
    }
    if (strcmp(name, "-s") == 0) {
        return take_time(value, OPTIONS_TIMEOUT_MAX_S, &options->timeout_ns) &&
               options->timeout_ns != 0;
    }
    if (strcmp(name, "--after") == 0) {
        return take_time(value, SCHEDULE_DURATION_MAX_S, &options->after_ns);
    }
    if (strcmp(name, "--random") == 0) {
        is_good = take_number(value, 0, UINT32_MAX, &number);
        options->is_random = true;
        options->seed = (uint32_t)number;
        return is_good;
    }
    if (strcmp(name, "-H") == 0 && is_field(value) && options->field_count < OPTIONS_FIELDS_MAX) {
        options->fields[options->field_count++] = value;
        return true;
    }
    return false;
}

static bool take_switch(struct options *options, const char *word)
{
    if (strcmp(word, "-k") == 0) {
        options->is_kept = true;
    } else if (strcmp(word, "--verify") == 0) {
        options->is_verified = true;
    } else {
        return false;
    }
    return true;
}

/* Returns how many of the words from `argv` on it has taken; 0: they mean nothing. */
static int take_words(struct options *options, int count, char **argv)
{
    if (argv[0][0] != '-') {
        bool is_good =
            options->path_count == 0 ? take_url(options, argv[0]) : add_path(options, argv[0]);

        return is_good ? 1 : 0;
    }
    if (take_switch(options, argv[0])) {
        return 1;
    }
    return count > 1 && take_option(options, argv[0], argv[1]) ? 2 : 0;
}

/* So that the last request's time can be told. */
static bool is_count_too_large(const struct options *options)
{
    return options->rate != 0 && options->count / options->rate >= SCHEDULE_DURATION_MAX_S;
}

bool options_parse(struct options *options, int argc, char **argv, char *reason,
                   size_t reason_bytes)
{
    *options =
        (struct options){.connections = CONNECTIONS_DEFAULT, .timeout_ns = TIMEOUT_DEFAULT_NS};
    for (int i = 1; i < argc;) {
        int taken = take_words(options, argc - i, argv + i);

        if (taken == 0) {
            (void)format_text(reason, reason_bytes, "cannot use `%s`", argv[i]);
            return false;
        }
        i += taken;
    }
    if (options->path_count == 0) {
        (void)format_text(reason, reason_bytes, "no server is named");
        return false;
    }
    if (is_count_too_large(options)) {
        (void)format_text(reason, reason_bytes, "so many requests at that rate take over a day");
        return false;
    }
    if (options->count == 0 && options->duration_ns == 0) {
        options->duration_ns = DURATION_DEFAULT_NS;
    }
    return true;
}
