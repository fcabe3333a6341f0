/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/settings.c apps/httpd/settings_lookup.c apps/httpd/authority.c apps/httpd/path.c */
/* sources: apps/httpd/header.c apps/httpd/tag.c apps/httpd/date.c apps/httpd/text.c */
/* flags: -D_GNU_SOURCE -Dfprintf=noted_fprintf -Drealloc=limited_realloc -Dmalloc=limited_malloc */
/*
 * Tests apps/httpd/settings.c: what is read from an httpd.cfg, and what is said of wrong lines.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/settings.h"

/* The host's, from here on. */
#undef malloc
#undef realloc
void *malloc(size_t bytes);
void *realloc(void *block, size_t bytes);
void *limited_malloc(size_t bytes);
void *limited_realloc(void *block, size_t bytes);
int noted_fprintf(FILE *file, const char *format, ...);

static int allocations_left = -1; /* so many succeed; negative: all */
static char notes[8192];

void *limited_malloc(size_t bytes)
{
    return allocations_left == 0 ? NULL : (allocations_left--, malloc(bytes));
}

void *limited_realloc(void *block, size_t bytes)
{
    return allocations_left == 0 ? NULL : (allocations_left--, realloc(block, bytes));
}

int noted_fprintf(FILE *file, const char *format, ...)
{
    size_t length = strlen(notes);
    va_list arguments;

    assert_ptr_equal(file, stderr);
    va_start(arguments, format);
    int bytes = vsnprintf(notes + length, sizeof(notes) - length, format, arguments);
    va_end(arguments);
    return bytes;
}

static struct settings settings;

static void read_text(const char *text)
{
    settings_release(&settings);
    notes[0] = '\0';
    assert_int_equal(settings_read(&settings, text, strlen(text)), 0);
}

static int tear_down(void **state)
{
    (void)state;
    settings_release(&settings);
    return 0;
}

static unsigned site_of(const char *path)
{
    size_t prefix;

    return settings_site_of(&settings, path, strlen(path), &prefix);
}

static unsigned site_of_host(const char *host)
{
    return settings_site_of_host(&settings, host, strlen(host));
}

static void assert_setting(size_t i, enum setting_kind kind, const char *pattern, const char *name,
                           const char *value)
{
    assert_true(i < settings.line_count);
    assert_int_equal(settings.lines[i].kind, kind);
    assert_string_equal(settings.lines[i].pattern, pattern);
    if (name != NULL) {
        assert_string_equal(settings.lines[i].name, name);
    }
    if (value != NULL) {
        assert_string_equal(settings.lines[i].value, value);
    }
}

static void each_line_says_one_thing(void **state)
{
    (void)state;
    read_text("\xEF\xBB\xBF# a comment: \xC3\xA4\r\n"
              "\n"
              "   \t\n"
              "header /a%20b/* X-One  a value;  with blanks \t\r\n"
              "\tcache image/* public, max-age=60\n"
              "redirect 301 /old/* https://example.org/new/*\n"
              "redirect 307 /here /there?x=1\n"
              "error 404 /not%25found.html\n"
              "listing /pub/*");
    assert_string_equal(notes, "");
    assert_int_equal(settings.refused_count, 0);
    assert_int_equal(settings.line_count, 6);
    assert_setting(0, SETTING_HEADER, "/a b/*", "X-One", "a value;  with blanks");
    assert_setting(1, SETTING_CACHE, "image/*", "Cache-Control", "public, max-age=60");
    assert_setting(2, SETTING_REDIRECT, "/old/*", NULL, "https://example.org/new/*");
    assert_int_equal(settings.lines[2].status, 301);
    assert_setting(3, SETTING_REDIRECT, "/here", NULL, "/there?x=1");
    assert_setting(4, SETTING_ERROR, "/not%found.html", NULL, NULL);
    assert_int_equal(settings.lines[4].status, 404);
    assert_setting(5, SETTING_LISTING, "/pub/*", NULL, NULL);
    for (size_t i = 0; i < settings.line_count; i++) {
        assert_int_equal(settings.lines[i].site, SETTINGS_ALL_SITES);
        assert_int_equal(settings.lines[i].line, i + 4);
    }
    read_text("");
    assert_int_equal(settings.line_count, 0);
    assert_int_equal(site_of("/x"), SITE_DEFAULT);
}

static void wrong_lines_are_refused_with_their_number_and_a_reason(void **state)
{
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"hosts /a b.org", "its first word is unknown"},
        {"header /x", "a path, a field's name and its value are wanted"},
        {"header /x Name", "a path, a field's name and its value are wanted"},
        {"header x Name value", "this is no path"},
        {"header /x?y Name value", "this is no path"},
        {"header /../x Name value", "this is no path"},
        {"header /%zz Name value", "this is no path"},
        {"header /%2A Name value", "this is no path"},
        {"header /*/* Name value", "this is no path"},
        {"header /x Na:me value", "this is no field's name"},
        {"header /x Content-Length 5", "the server writes this field"},
        {"header /x transfer-encoding chunked", "the server writes this field"},
        {"header /x Name a\x01value", "it has a character that is not in ASCII"},
        {"header /x Name \xC3\xA4", "it has a character that is not in ASCII"},
        {"header /x Name one\rX-Two: two", "it has a character that is not in ASCII"},
        {"cache text max-age=5", "this is no media type"},
        {"cache text/* ", "a media type and a value are wanted"},
        {"cache /css max-age=5", "this is no media type"},
        {"cache t*/css max-age=5", "this is no media type"},
        {"redirect /a /b", "301, 302, 303, 307 or 308 is wanted"},
        {"redirect 304 /a /b", "301, 302, 303, 307 or 308 is wanted"},
        {"redirect 200 /a /b", "301, 302, 303, 307 or 308 is wanted"},
        {"redirect 301 /a", "a path and where it leads to are wanted"},
        {"redirect 301 /a /b c", "a path and where it leads to are wanted"},
        {"redirect 301 /a /a", "it leads to itself"},
        {"redirect 301 a /b", "this is no path, nor one that ends in /*"},
        {"redirect 301 /a* /b", "this is no path, nor one that ends in /*"},
        {"redirect 301 /a b", "it leads to no path or URL"},
        {"redirect 301 /a //evil.org/", "it leads to no path or URL"},
        {"redirect 301 /a javascript:x", "it leads to no path or URL"},
        {"redirect 301 /a http://us@er/", "it leads to no path or URL"},
        {"redirect 301 /a /b<script>", "it leads to no path or URL"},
        {"redirect 301 /a /b/*", "it leads to no path or URL"},
        {"redirect 301 /a/* http://b*", "it leads to no path or URL"},
        {"redirect 301 /a/* /*/*", "it leads to no path or URL"},
        {"error 200 /a", "this is no status of an error"},
        {"error 499 /a", "this is no status of an error"},
        {"error 404", "a path is wanted"},
        {"error 404 a", "a path is wanted"},
        {"error 404 /a /b", "a path is wanted"},
        {"listing", "a folder's path is wanted"},
        {"listing on", "a folder's path is wanted"},
        {"host", "a folder is missing"},
        {"host /a", "a host's name is missing"},
        {"host /../a b.org", "this is no folder"},
        {"host /a//b b.org", "this is no folder"},
        {"host /a/./b b.org", "this is no folder"},
        {"host /a/* b.org", "this is no folder"},
        {"host /a b.org:80", "this is no host's name"},
        {"host /a .", "this is no host's name"},
        {"host /a *.*.org", "this is no host's name"},
        {"host /a b%20.org", "this is no host's name"},
        {"host /a http://b.org/", "this is no host's name"},
    };
    char text[256], note[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), "listing /1\n%s\nlisting /3\n", cases[i].line);
        snprintf(note, sizeof(note), "httpd.cfg, line 2: %s\n", cases[i].reason);
        read_text(text);
        if (strcmp(notes, note) != 0) {
            fail_msg("%s: %s", cases[i].line, notes);
        }
        assert_int_equal(settings.refused_count, 1);
        assert_int_equal(settings.line_count, 2); /* the others hold */
        assert_int_equal(settings.lines[1].line, 3);
    }
}

static void hosts_have_folders_and_lines_of_their_own(void **state)
{
    (void)state;
    read_text("listing /all/\n"
              "host /sites/a A.org www.a.org\n"
              "listing /a/\n"
              "host sites/b/ b.org. *.b.org\n"
              "host - c.org [2001:db8::1]\n"
              "redirect 301 /* http://b.org/*\n"
              "host /sites/a another.org\n");
    assert_string_equal(notes, "");
    assert_int_equal(settings.site_count, 4);
    unsigned a = site_of_host("a.org"), b = site_of_host("x.b.org"), c = site_of_host("c.org");
    assert_true(a != b && b != c && a != c);
    assert_true(a != SITE_DEFAULT && b != SITE_DEFAULT && c != SITE_DEFAULT);
    assert_int_equal(site_of_host("WWW.A.ORG:8080"), a);
    assert_int_equal(site_of_host("www.a.org."), a);
    assert_int_equal(site_of_host("another.org"), a);
    assert_int_equal(site_of_host("b.org"), b);
    assert_int_equal(site_of_host("y.x.b.org:1"), b);
    assert_int_equal(site_of_host("xb.org"), SITE_DEFAULT);
    assert_int_equal(site_of_host("[2001:DB8::1]:80"), c);
    assert_int_equal(site_of_host("org"), SITE_DEFAULT);
    assert_int_equal(site_of_host("."), SITE_DEFAULT);
    assert_int_equal(site_of_host(":80"), SITE_DEFAULT);

    assert_int_equal(site_of("/sites/a/x"), a);
    assert_int_equal(site_of("/sites/b/x/y"), b);
    assert_int_equal(site_of("/sites/ab/x"), SITE_DEFAULT);
    assert_int_equal(site_of("/sites/x"), SITE_DEFAULT);
    assert_int_equal(settings.lines[0].site, SETTINGS_ALL_SITES);
    assert_int_equal(settings.lines[1].site, a);
    assert_int_equal(settings.lines[2].site, c);
}

static void the_host_with_a_star_is_the_default(void **state)
{
    (void)state;
    read_text("host /a a.org\n"
              "listing /x/\n"
              "host /b b.org *\n"
              "listing /y/\n"
              "host / root.org\n"
              "listing /z/\n");
    assert_string_equal(notes, "");
    assert_int_equal(site_of("/b/x"), SITE_DEFAULT);
    assert_int_equal(site_of_host("b.org"), SITE_DEFAULT);
    assert_int_equal(site_of_host("unknown.org"), SITE_DEFAULT);
    assert_int_not_equal(site_of_host("root.org"), SITE_DEFAULT);
    assert_int_equal(site_of("/x"), site_of_host("root.org"));
    assert_int_equal(site_of("/a/x"), site_of_host("a.org"));
    assert_int_equal(settings.lines[0].site, site_of_host("a.org"));
    assert_int_equal(settings.lines[1].site, SITE_DEFAULT);
    assert_int_equal(settings.lines[2].site, site_of_host("root.org"));

    read_text("host /b *\nhost /a *\n");
    assert_string_equal(notes, "httpd.cfg, line 2: another host has the star already\n");
    read_text("host /b x.org\nhost /a y.org x.org\n");
    assert_string_equal(notes, "httpd.cfg, line 2: another host has this name already\n");
    assert_int_equal(site_of_host("y.org"), site_of("/a/x"));
}

/* What its owner wanted to be one host's is not shown to others because of a slip. */
static void a_folder_is_not_the_defaults_even_if_its_line_is_wrong(void **state)
{
    static const char *const lines[] = {
        "host /private",           "host /private no%name", "host private/ a.org \xFF",
        "host /private a.org\x01", "host /private *x* y:z",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        read_text(lines[i]);
        assert_int_equal(settings.refused_count, 1);
        assert_int_not_equal(site_of("/private/x"), SITE_DEFAULT);
        assert_int_equal(site_of("/public"), SITE_DEFAULT);
    }
}

static void beyond_the_limits_lines_are_refused(void **state)
{
    static char text[128 * 1024];
    size_t length = 0;

    (void)state;
    for (unsigned i = 0; i <= SITE_MAX; i++) {
        length += (size_t)sprintf(text + length, "host /%u h%u.org\n", i, i);
    }
    read_text(text);
    assert_int_equal(settings.site_count, SITE_MAX);
    assert_string_equal(notes, "httpd.cfg, line 64: there are too many hosts\n"
                               "httpd.cfg, line 65: there are too many hosts\n");
    assert_int_equal(site_of_host("h62.org"), SITE_MAX - 1);
    assert_int_equal(site_of("/63/x"), SETTINGS_NO_SITE); /* nobody's, rather than everybody's */
    assert_int_equal(site_of("/64/x"), SETTINGS_NO_SITE);

    length = 0;
    for (unsigned i = 0; i <= SETTINGS_MAX; i++) {
        length += (size_t)sprintf(text + length, "listing /%u/\n", i);
    }
    read_text(text);
    assert_int_equal(settings.line_count, SETTINGS_MAX);
    assert_string_equal(notes, "httpd.cfg, line 1025: there are too many lines\n");

    length = (size_t)sprintf(text, "host /a");
    for (unsigned i = 0; i <= SETTINGS_NAMES_MAX; i++) {
        if (i % 100 == 99) {
            length += (size_t)sprintf(text + length, "\nhost /a");
        }
        length += (size_t)sprintf(text + length, " n%u", i);
    }
    read_text(text);
    assert_int_equal(settings.name_count, SETTINGS_NAMES_MAX);
    assert_string_equal(notes, "httpd.cfg, line 11: there are too many names of hosts\n");

    memset(text, 'x', SETTINGS_LINE_MAX + 1);
    memcpy(text, "header * X ", 11);
    text[SETTINGS_LINE_MAX + 1] = '\0';
    read_text(text);
    assert_string_equal(notes, "httpd.cfg, line 1: it is too long\n");
    text[SETTINGS_LINE_MAX] = '\0';
    read_text(text);
    assert_string_equal(notes, "");
}

/* Someone has given the file another one's name. */
static void few_words_are_made_of_many_wrong_lines(void **state)
{
    static char text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(text) / 2; i++) {
        memcpy(text + 2 * i, "x\n", 2);
    }
    settings_release(&settings);
    notes[0] = '\0';
    assert_int_equal(settings_read(&settings, text, sizeof(text)), 0);
    assert_int_equal(settings.refused_count, sizeof(text) / 2);
    assert_true(strlen(notes) < 1024);
    assert_non_null(strstr(notes, "httpd.cfg: more lines are wrong\n"));
    memset(text, 0, sizeof(text));
    settings_release(&settings);
    assert_int_equal(settings_read(&settings, text, sizeof(text)), 0);
}

static void without_memory_nothing_is_read(void **state)
{
    static const char text[] = "host /a a.org\nheader /x X-Y z\nhost /b b.org\nlisting /\n";

    (void)state;
    for (int i = 0;; i++) {
        settings_release(&settings);
        allocations_left = i;
        int result = settings_read(&settings, text, strlen(text));
        allocations_left = -1;
        if (result == 0) {
            assert_true(i > 4);
            break;
        }
        assert_int_equal(result, -ENOMEM);
        assert_null(settings.text);
    }
}

static void a_star_stands_for_any_characters(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool fits;
    } cases[] = {
        {"*", "/", true},          {"/a", "/a", true},       {"/a", "/ab", false},
        {"/a/*", "/a/", true},     {"/a/*", "/a/b/c", true}, {"/a/*", "/a", false},
        {"*.css", "/x.css", true}, {"*.css", "/css", false}, {"/a*b", "/ab", true},
        {"/ab*ba", "/aba", false}, {"/a*b", "/a/x/b", true}, {"/a*b", "/a/x/c", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(settings_fits(cases[i].pattern, cases[i].path, strlen(cases[i].path)),
                         cases[i].fits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_says_one_thing),
        cmocka_unit_test(wrong_lines_are_refused_with_their_number_and_a_reason),
        cmocka_unit_test(hosts_have_folders_and_lines_of_their_own),
        cmocka_unit_test(the_host_with_a_star_is_the_default),
        cmocka_unit_test(a_folder_is_not_the_defaults_even_if_its_line_is_wrong),
        cmocka_unit_test(beyond_the_limits_lines_are_refused),
        cmocka_unit_test(few_words_are_made_of_many_wrong_lines),
        cmocka_unit_test(without_memory_nothing_is_read),
        cmocka_unit_test(a_star_stands_for_any_characters),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
