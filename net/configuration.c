/* SPDX-License-Identifier: MIT */
/*
 * The paper's notation, read and written. The words come from outside: everything is checked, and
 * what cannot be used is refused with a sentence that says why. net/placement.c finds nodes for
 * what they ask for.
 */
#include "net/configuration.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"
#include "net/placement.h"

#define WORD_BYTES        64 /* the longest word that can be right is shorter */
#define COMPONENT_LETTERS 2

static const char component_names[COMPONENT_COUNT][COMPONENT_LETTERS + 1] = {
    [COMPONENT_TS] = "TS",
    [COMPONENT_LS] = "LS",
    [COMPONENT_CM] = "CM",
};

/* A number from 1; values above NODE_MAX come back as NODE_MAX + 1, so that nothing overflows. */
static int parse_count(const char **text, unsigned *count)
{
    uint64_t number;

    if (number_take(text, NULL, 10, NODE_MAX + 1, &number) == -EINVAL || number == 0) {
        return -EINVAL;
    }
    *count = (unsigned)number;
    return 0;
}

static int parse_component(const char **text, enum component *component)
{
    for (unsigned i = 0; i < COMPONENT_COUNT; i++) {
        if (strncmp(*text, component_names[i], COMPONENT_LETTERS) == 0) {
            *component = (enum component)i;
            *text += COMPONENT_LETTERS;
            return 0;
        }
    }
    return -EINVAL;
}

/* TS4LS4+CM2: terms joined by '+', each of one or more components with their numbers. */
static int parse_servers(const char *text, struct servers *servers, struct reason reason)
{
    bool is_given[COMPONENT_COUNT] = {false};
    unsigned given_count = 0;
    const char *at = text;

    memset(servers, 0, sizeof(*servers));
    servers->term_count = 1;
    while (*at != '\0') {
        struct term *term = &servers->terms[servers->term_count - 1];
        enum component component;

        if (parse_component(&at, &component) != 0) {
            (void)format_text(reason.text, reason.bytes,
                              "pika=%s: TS, LS or CM is expected where '%s' stands", text, at);
            return -EINVAL;
        }
        if (is_given[component]) {
            (void)format_text(reason.text, reason.bytes, "pika=%s: %s stands twice", text,
                              component_names[component]);
            return -EINVAL;
        }
        if (parse_count(&at, &term->counts[component]) != 0) {
            (void)format_text(reason.text, reason.bytes, "pika=%s: a number from 1 must follow %s",
                              text, component_names[component]);
            return -EINVAL;
        }
        is_given[component] = true;
        given_count++;
        /* With all three given, what follows a '+' cannot be a component that is still missing. */
        if (*at == '+' && given_count < COMPONENT_COUNT) {
            ASSERT(servers->term_count < COMPONENT_COUNT);
            servers->term_count++;
            at++;
        }
    }
    for (unsigned i = 0; i < COMPONENT_COUNT; i++) {
        if (!is_given[i]) {
            (void)format_text(reason.text, reason.bytes, "pika=%s: there must be at least one %s",
                              text, component_names[i]);
            return -EINVAL;
        }
    }
    return 0;
}

/* NAME, NAME:N, NAME:N@ts, NAME@ts or none. */
static int parse_application(const char *text, struct application_request *request,
                             struct reason reason)
{
    size_t name_bytes = strcspn(text, ":@");
    const char *at = text + name_bytes;

    memset(request, 0, sizeof(*request));
    if (strcmp(text, "none") == 0) {
        return 0;
    }
    if (name_bytes == 0 || name_bytes >= sizeof(request->name)) {
        (void)format_text(reason.text, reason.bytes,
                          "app=%s: a name of 1 to %u letters is expected", text,
                          APPLICATION_NAME_BYTES - 1);
        return -EINVAL;
    }
    memcpy(request->name, text, name_bytes);
    if (*at == ':') {
        at++;
        if (parse_count(&at, &request->count) != 0) {
            (void)format_text(reason.text, reason.bytes, "app=%s: a number from 1 must follow ':'",
                              text);
            return -EINVAL;
        }
    }
    if (strcmp(at, "@ts") == 0) {
        request->is_on_ts = true;
    } else if (*at != '\0') {
        (void)format_text(reason.text, reason.bytes, "app=%s: '%s' is not understood", text, at);
        return -EINVAL;
    }
    return 0;
}

/* The value of `key`, or "" when it is not there; false when it is too long to be right. */
static bool find_word(const char *line, const char *key, char *text, size_t bytes,
                      struct reason reason)
{
    int length = command_line_copy(line, key, text, bytes);

    if (length == -ENAMETOOLONG) {
        (void)format_text(reason.text, reason.bytes, "%s=: longer than %zu letters", key,
                          bytes - 1);
        return false;
    }
    if (length < 0) {
        text[0] = '\0';
    }
    return true;
}

void configuration_default(struct configuration *configuration, unsigned node_count)
{
    struct servers servers = {.term_count = 0};
    struct application_request request = {.name = APPLICATION_DEFAULT};
    char reason[1] = "";

    ASSERT(node_count >= 1);
    ASSERT(node_count <= NODE_MAX);
    ASSERT(placement_fit(&servers, &request, node_count, (struct reason){reason, sizeof(reason)}) ==
           0);
    placement_build(configuration, &servers, &request, node_count);
}

int configuration_parse(struct configuration *configuration, const char *line, unsigned node_count,
                        char *reason_text, size_t reason_bytes)
{
    struct reason reason = {reason_text, reason_bytes};
    struct servers servers = {.term_count = 0};
    struct application_request request = {.name = APPLICATION_DEFAULT};
    char servers_word[WORD_BYTES], application_word[WORD_BYTES];

    reason_text[0] = '\0';
    if (find_word(line, "pika", servers_word, sizeof(servers_word), reason) &&
        find_word(line, "app", application_word, sizeof(application_word), reason) &&
        (servers_word[0] == '\0' || parse_servers(servers_word, &servers, reason) == 0) &&
        (application_word[0] == '\0' ||
         parse_application(application_word, &request, reason) == 0) &&
        placement_fit(&servers, &request, node_count, reason) == 0) {
        placement_build(configuration, &servers, &request, node_count);
        return 0;
    }
    configuration_default(configuration, node_count);
    return -EINVAL;
}

void configuration_print(const struct configuration *configuration, char *text, size_t size)
{
    const node_id_t *nodes[COMPONENT_COUNT] = {configuration->ts, configuration->ls,
                                               configuration->cm};
    const unsigned counts[COMPONENT_COUNT] = {configuration->ts_count, configuration->ls_count,
                                              configuration->cm_count};
    bool is_printed[COMPONENT_COUNT] = {false};
    struct output output;

    output_start(&output, text, size);
    /* Components of one term begin on the same node. */
    for (unsigned i = 0; i < COMPONENT_COUNT; i++) {
        if (is_printed[i]) {
            continue;
        }
        output_append_string(&output, i == 0 ? "" : "+");
        for (unsigned j = i; j < COMPONENT_COUNT; j++) {
            if (nodes[j][0] == nodes[i][0]) {
                format_append(&output, "%s%u", component_names[j], counts[j]);
                is_printed[j] = true;
            }
        }
    }
    if (configuration->application_count != 0) {
        bool is_on_ts = configuration->applications[0] == configuration->ts[0];

        format_append(&output, " %s:%u%s", configuration->application,
                      configuration->application_count, is_on_ts ? "@ts" : "");
    }
}

void configuration_print_roles(const struct configuration *configuration, node_id_t node,
                               char *text, size_t size)
{
    static const struct {
        enum role role;
        const char *name;
    } servers[] = {{ROLE_LS, "LS"}, {ROLE_TS, "TS"}, {ROLE_CM, "CM"}};
    unsigned roles = configuration->roles[node];
    struct output output;
    const char *separator = "";

    output_start(&output, text, size);
    for (unsigned i = 0; i < ARRAY_COUNT(servers); i++) {
        if ((roles & servers[i].role) != 0) {
            format_append(&output, "%s%s", separator, servers[i].name);
            separator = " ";
        }
    }
    if ((roles & ROLE_APPLICATION) != 0) {
        format_append(&output, "%s%s", separator, configuration->application);
    } else if (roles == 0) {
        output_append_string(&output, "idle");
    }
}
