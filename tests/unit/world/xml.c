/* SPDX-License-Identifier: MIT */
#include "tests/unit/world/xml.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DEPTH_MAX 16

static const char *whole;

static void require(int is_good, const char *at, const char *wanted)
{
    if (!is_good) {
        fail_msg("at %zu, wanted %s: %.60s", (size_t)(at - whole), wanted, at);
    }
}

/* Behind a reference. */
static const char *read_reference(const char *at)
{
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(at, names[i], strlen(names[i])) == 0) {
            return at + strlen(names[i]);
        }
    }
    require(at[1] == '#' && isdigit((unsigned char)at[2]), at, "a reference");
    at += 2 + strspn(at + 2, "0123456789");
    require(*at == ';', at, "a reference's end");
    return at + 1;
}

static const char *read_text(const char *at, const char *end_marks)
{
    while (*at != '\0' && strchr(end_marks, *at) == NULL) {
        require(*at != '<' && *at != '>', at, "text");
        require((*at >= ' ' && *at <= '~') || *at == '\n', at, "printable text");
        at = *at == '&' ? read_reference(at) : at + 1;
    }
    return at;
}

static const char *read_name(const char *at)
{
    require(isalpha((unsigned char)*at), at, "a name");
    while (isalnum((unsigned char)*at) || *at == '-' || *at == ':') {
        at++;
    }
    return at;
}

static const char *read_attributes(const char *at)
{
    const char *names[16];
    size_t count = 0;

    while (*at == ' ' || *at == '\n') {
        const char *name = ++at;

        at = read_name(at);
        for (size_t i = 0; i < count; i++) {
            require(strncmp(names[i], name, (size_t)(at - name) + 1) != 0, name, "it only once");
        }
        require(count < 16, at, "fewer attributes");
        names[count++] = name;
        require(at[0] == '=' && at[1] == '"', at, "=\"");
        at = read_text(at + 2, "\"");
        require(*at == '"', at, "an attribute's end");
        at++;
    }
    return at;
}

void assert_well_formed(const char *text)
{
    struct {
        const char *name;
        size_t length;
    } open[DEPTH_MAX];
    size_t depth = 0;

    whole = text;
    for (const char *at = read_text(text, "<"); *at != '\0'; at = read_text(at, "<")) {
        const char *name = at + 1 + (at[1] == '/');
        size_t length = (size_t)(read_name(name) - name);

        if (at[1] == '/') {
            require(depth > 0 && open[depth - 1].length == length &&
                        memcmp(open[depth - 1].name, name, length) == 0,
                    at, "the end of what is open");
            depth--;
            at = name + length;
        } else {
            require(depth < DEPTH_MAX, at, "less depth");
            open[depth].name = name;
            open[depth].length = length;
            depth++;
            at = read_attributes(name + length);
            if (*at == '/') {
                depth--;
                at++;
            }
        }
        require(*at == '>', at, ">");
        at++;
    }
    require(depth == 0, "", "all ends");
}

unsigned count_elements(const char *text, const char *name)
{
    unsigned count = 0;

    for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
        size_t length = strlen(name);

        count += strncmp(at + 1, name, length) == 0 && strchr(" >/", at[1 + length]) != NULL;
    }
    return count;
}
