/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/conditions.c apps/httpd/ranges.c apps/httpd/response.c */
/* sources: apps/httpd/multipart.c */
/* sources: tests/unit/world/http_archive.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Drealloc=limited_realloc -Dmalloc=limited_malloc -Dcalloc=limited_calloc */
/*
 * Tests apps/httpd/site.c and response.c with archives written here: which file a path names, and
 * the whole text of what is answered.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/httpd/archive.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"
#include "tests/unit/world/http_archive.h"

/* The host's, from here on. */
#undef malloc
#undef calloc
#undef realloc
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);
void *limited_malloc(size_t bytes);
void *limited_calloc(size_t count, size_t bytes);
void *limited_realloc(void *block, size_t bytes);

/* So many allocations succeed; negative: all. */
static int allocations_left = -1;

static bool allocation_fails(void)
{
    if (allocations_left > 0) {
        allocations_left--;
    }
    return allocations_left == 0;
}

void *limited_malloc(size_t bytes)
{
    return allocation_fails() ? NULL : malloc(bytes);
}

void *limited_calloc(size_t count, size_t bytes)
{
    return allocation_fails() ? NULL : calloc(count, bytes);
}

void *limited_realloc(void *block, size_t bytes)
{
    return allocation_fails() ? NULL : realloc(block, bytes);
}

#define HOST "Host: a\r\n"

static void assert_content(const char *path, const char *content)
{
    const struct resource *resource = site_find(path, strlen(path));

    assert_non_null(resource);
    assert_int_equal(resource->kind, RESOURCE_FILE);
    assert_int_equal(resource->content_bytes, strlen(content));
    assert_memory_equal(resource->content, content, strlen(content));
    assert_string_equal(resource->path, path);
    assert_int_equal(resource->mtime_s, 784111777);
}

static void assert_nothing(const char *path)
{
    assert_null(site_find(path, strlen(path)));
}

/* --- Paths --- */

static void nothing_is_found_before_there_is_anything(void **state)
{
    (void)state;
    assert_nothing("/");
    assert_nothing("");
}

/* The first archive of a site is not there, empty, or broken: that is its number of files. */
static void an_archive_that_cannot_be_read_adds_nothing(void **state)
{
    char name[] = "/tmp/test_http_files.XXXXXX";
    int fd = mkstemp(name);
    char block[512];

    (void)state;
    assert_int_equal(archive_add("/tmp/no/such/file"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(archive_add(name), -1); /* empty: nothing can be mapped */
    memset(block, 'x', sizeof(block));
    assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
    close(fd);
    assert_int_equal(archive_add(name), 0);
    unlink(name);
    assert_nothing("/");
}

static void names_are_paths_without_dots_and_doubled_slashes(void **state)
{
    (void)state;
    add_text("./dots/./a", "one");
    add_text("dots//b", "two");
    add_text("/dots/c", "three");
    add_text("dots/.hidden", "four");
    add_text("dots/..more", "five");
    add_text("dots/...", "six");
    add_text("dots/.x", "seven");
    add_text("dots/xy", "eight");
    assert_int_equal(finish_archive(), 8);
    assert_content("/dots/a", "one");
    assert_content("/dots/b", "two");
    assert_content("/dots/c", "three");
    assert_content("/dots/.hidden", "four");
    assert_content("/dots/..more", "five");
    assert_content("/dots/...", "six");
    assert_content("/dots/.x", "seven");
    assert_content("/dots/xy", "eight");
    assert_nothing("/dots/./a");
    assert_nothing("dots/a");
    assert_nothing("/dots/");
    assert_nothing("/dots/aa");
    assert_nothing("/dot");
    assert_int_equal(site_find("/dots/abc", 7)->content_bytes, 3); /* as much as is asked for */
}

static void names_that_leave_the_site_are_left_out(void **state)
{
    (void)state;
    add_text("../leave", "x");
    add_text("leave/../x", "x");
    add_text("leave/..", "x");
    add_text("..", "x");
    add_text(".", "x");
    add_text("left/", "");
    add_text("left/in", "in");
    assert_int_equal(finish_archive(), 1);
    assert_content("/left/in", "in");
    assert_nothing("/leave");
    assert_nothing("/x");
    assert_nothing("/leave/x");
}

static void folders_are_found_without_their_slash_and_indexes_with_it(void **state)
{
    (void)state;
    add_text("folder/inner/index.html", "inner");
    add_text("folder/xindex.html", "no index");
    add_text("index.html", "root");
    assert_int_equal(finish_archive(), 3);
    assert_int_equal(site_find("/folder", 7)->kind, RESOURCE_FOLDER);
    assert_int_equal(site_find("/folder/inner", 13)->kind, RESOURCE_FOLDER);
    assert_nothing("/folder/");
    assert_content("/folder/inner/", "inner");
    assert_content("/folder/inner/index.html", "inner");
    assert_content("/folder/xindex.html", "no index");
    assert_nothing("/folder/x");
    assert_content("/", "root");
    assert_content("/index.html", "root");
}

static void write_page(struct text *text)
{
    text_add(text, "page", 4);
}

static void write_nothing(struct text *text)
{
    (void)text;
}

/* Within one archive and between them, and a page is like an archive. */
static void the_file_that_counts_is_the_last(void **state)
{
    (void)state;
    add_text("twice/a", "first");
    add_text("twice/a", "second");
    add_text("twice/b", "b");
    assert_int_equal(finish_archive(), 3);
    assert_content("/twice/a", "second");
    site_add_page("/twice/page", "text/html", write_nothing);
    site_add_page("/twice/b", "text/html", write_page);
    assert_int_equal(site_find("/twice/b", 8)->kind, RESOURCE_PAGE);
    add_text("twice/a", "third");
    add_text("twice/b", "file");
    assert_int_equal(finish_archive(), 2);
    assert_content("/twice/a", "third");
    assert_content("/twice/b", "file");
    site_add_page("/twice/page", "text/html", write_page);
    assert_ptr_equal(site_find("/twice/page", 11)->write_page, write_page);
}

/* The table grows several times; nothing gets lost, and what is not there is still not found. */
static void thousands_of_files_are_found_each_under_its_path(void **state)
{
    char name[32], content[16];

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "many/%u", i);
        snprintf(content, sizeof(content), "<%u>", i);
        add_text(name, content);
    }
    assert_int_equal(finish_archive(), 500);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "/many/%u", i);
        snprintf(content, sizeof(content), "<%u>", i);
        assert_content(name, content);
    }
    for (unsigned i = 500; i < 4000; i++) {
        snprintf(name, sizeof(name), "/many/%u", i);
        assert_nothing(name);
    }
    assert_content("/", "root");
}

static void without_memory_what_was_added_stays(void **state)
{
    char name[32];

    (void)state;
    for (int left = 1; left < 12; left++) {
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "short%d/%d", left, i);
            add_text(name, "s");
        }
        allocations_left = left;
        int count = finish_archive();

        allocations_left = -1;
        assert_in_range(count, 0, 10);
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "/short%d/%d", left, i);
            assert_int_equal(site_find(name, strlen(name)) != NULL, i < count);
        }
    }
    allocations_left = 1;
    site_add_page("/no-page", "text/html", write_page);
    allocations_left = -1;
    assert_nothing("/no-page");
    assert_content("/", "root");
}

/* Each byte counts, wherever it stands, and the length. */
static void tags_tell_contents_apart(void **state)
{
    static char content[64];
    uint64_t seen[64 + 64 + 1];
    unsigned count = 0;
    char name[32];

    (void)state;
    for (size_t i = 0; i <= sizeof(content); i++) {
        snprintf(name, sizeof(name), "tags/zeros%zu", i);
        add_file(name, content, i);
    }
    for (size_t i = 0; i < sizeof(content); i++) {
        content[i] = 1;
        snprintf(name, sizeof(name), "tags/one%zu", i);
        add_file(name, content, sizeof(content));
        content[i] = 0;
    }
    add_file("tags/same", content, sizeof(content));
    assert_int_equal(finish_archive(), 64 + 64 + 2);
    for (size_t i = 0; i <= sizeof(content); i++) {
        snprintf(name, sizeof(name), "/tags/zeros%zu", i);
        seen[count++] = site_find(name, strlen(name))->tag;
    }
    assert_int_equal(site_find("/tags/same", 10)->tag, seen[count - 1]);
    for (size_t i = 0; i < sizeof(content); i++) {
        snprintf(name, sizeof(name), "/tags/one%zu", i);
        seen[count++] = site_find(name, strlen(name))->tag;
    }
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(seen[i], seen[j]);
        }
    }
}

/* Of one byte, and of one behind what is hashed in one go. */
static void tags_tell_last_bytes_apart(void **state)
{
    static const size_t lengths[] = {1, 262144 + 1};
    static char content[262144 + 1];
    uint64_t tags[2];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (char last = 0; last < 2; last++) {
            content[lengths[i] - 1] = last;
            add_file("tags/last", content, lengths[i]);
            assert_int_equal(finish_archive(), 1);
            tags[(int)last] = site_find("/tags/last", 10)->tag;
        }
        assert_int_not_equal(tags[0], tags[1]);
    }
}

/* --- Responses, to the byte --- */

static void respond(const char *text, enum persistence persistence, struct response *response)
{
    static char copy[1024]; /* reading changes tabs to blanks */
    struct request request;
    size_t consumed;

    snprintf(copy, sizeof(copy), "%s", text);
    request_initialise(&request);
    assert_int_equal(request_parse(&request, copy, copy, strlen(copy), &consumed),
                     REQUEST_COMPLETE);
    response_make(response, &request, copy, persistence);
}

/* Head and body are this text, in which # stands for the file's tag. */
static void assert_response(const struct response *response, const char *path, const char *text)
{
    static char whole[8192], expected[8192];
    char tag[32] = "";
    size_t length = 0;

    if (path != NULL) {
        snprintf(tag, sizeof(tag), "%016llx",
                 (unsigned long long)site_find(path, strlen(path))->tag);
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '#') {
            memcpy(expected + length, tag, strlen(tag));
            length += strlen(tag);
        } else {
            expected[length++] = *at;
        }
    }
    expected[length] = '\0';
    assert_true(response->head_bytes + response->body_bytes < sizeof(whole));
    memcpy(whole, response->head, response->head_bytes);
    if (response->body_bytes > 0) {
        memcpy(whole + response->head_bytes, response->body, response->body_bytes);
    }
    whole[response->head_bytes + response->body_bytes] = '\0';
    assert_string_equal(whole, expected);
}

#define START(status)                                                                              \
    "HTTP/1.1 " status "\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\nServer: Talus\r\n"
#define FIELDS(type, bytes)                                                                        \
    "Content-Type: " type "\r\nContent-Length: " bytes "\r\nX-Content-Type-Options: nosniff\r\n"
#define VALIDATORS "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"#\"\r\n"

static void files_are_answered_whole_in_each_form_of_persistence(void **state)
{
    static const char *const connections[PERSISTENCE_COUNT] = {"", "Connection: keep-alive\r\n",
                                                               "Connection: close\r\n"};
    struct response response;
    char expected[1024];

    (void)state;
    response_set_time(784111778);
    add_text("small.txt", "0123456789");
    assert_int_equal(finish_archive(), 1);
    for (unsigned i = 0; i < PERSISTENCE_COUNT; i++) {
        for (unsigned again = 0; again < 2; again++) {
            snprintf(expected, sizeof(expected), "%s%s%s", START("200 OK"), connections[i],
                     FIELDS("text/plain; charset=utf-8", "10") VALIDATORS
                     "Accept-Ranges: bytes\r\n\r\n0123456789");
            respond("GET /small.txt HTTP/1.1\r\n" HOST "\r\n", i, &response);
            assert_int_equal(response.status, 200);
            assert_response(&response, "/small.txt", expected);
            assert_null(response.owned);
            assert_int_equal(response.body_bytes, 0); /* behind the head, for one segment */
            expected[strlen(expected) - 10] = '\0';
            respond("HEAD /small.txt HTTP/1.1\r\n" HOST "\r\n", i, &response);
            assert_response(&response, "/small.txt", expected);
        }
    }
}

/* 1024 bytes still go with their head; one more does not, and is sent from the archive. */
static void long_files_are_sent_from_where_they_lie(void **state)
{
    static char content[1025];
    struct response response;

    (void)state;
    memset(content, 'x', sizeof(content));
    add_file("inline", content, 1024);
    add_file("apart", content, 1025);
    add_file("empty", "", 0);
    assert_int_equal(finish_archive(), 3);
    respond("GET /inline HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_int_equal(response.body_bytes, 0);
    assert_memory_equal(response.head + response.head_bytes - 1024, content, 1024);
    respond("GET /apart HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_int_equal(response.body_bytes, 1025);
    assert_ptr_equal(response.body, site_find("/apart", 6)->content);
    assert_memory_equal(response.head + response.head_bytes - 4, "\r\n\r\n", 4);
    respond("HEAD /apart HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_int_equal(response.body_bytes, 0);
    assert_memory_equal(response.head + response.head_bytes - 4, "\r\n\r\n", 4);
    respond("GET /empty HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_int_equal(response.body_bytes, 0);
    assert_memory_equal(response.head + response.head_bytes - 4, "\r\n\r\n", 4);
}

static void the_date_of_a_ready_response_is_renewed(void **state)
{
    struct response response;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char date[64];

        response_set_time(784111778 + i);
        snprintf(date, sizeof(date), "\r\nDate: Sun, 06 Nov 1994 08:49:%u GMT\r\n", 38 + i);
        respond("GET /small.txt HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
        assert_memory_equal(response.head + strlen("HTTP/1.1 200 OK"), date, strlen(date));
    }
    response_set_time(784111778);
}

static void conditions_have_their_responses(void **state)
{
    struct response response;
    char text[256];

    (void)state;
    respond("GET /small.txt HTTP/1.1\r\n" HOST "Range: bytes=2-4\r\n\r\n", PERSIST_SILENTLY,
            &response);
    assert_int_equal(response.status, 206);
    assert_response(&response, "/small.txt",
                    START("206 Partial Content") FIELDS("text/plain; charset=utf-8", "3") VALIDATORS
                    "Content-Range: bytes 2-4/10\r\n\r\n234");
    free(response.owned);
    respond("GET /small.txt HTTP/1.1\r\n" HOST "Range: bytes=10-\r\n\r\n", PERSIST_NOT, &response);
    assert_int_equal(response.status, 416);
    assert_non_null(
        memmem(response.head, response.head_bytes, "\r\nContent-Range: bytes */10\r\n", 29));
    assert_non_null(memmem(response.head, response.head_bytes, "\r\nConnection: close\r\n", 21));
    free(response.owned);
    snprintf(text, sizeof(text), "GET /small.txt HTTP/1.1\r\n" HOST "If-None-Match: *\r\n\r\n");
    respond(text, PERSIST_EXPRESSLY, &response);
    assert_int_equal(response.status, 304);
    assert_response(&response, "/small.txt",
                    START("304 Not Modified") "Connection: keep-alive\r\n" VALIDATORS "\r\n");
    free(response.owned);
    respond("GET /small.txt HTTP/1.1\r\n" HOST "If-Match: \"x\"\r\n\r\n", PERSIST_SILENTLY,
            &response);
    assert_int_equal(response.status, 412);
    free(response.owned);
    respond("HEAD /small.txt HTTP/1.1\r\n" HOST "If-Match: \"x\"\r\n\r\n", PERSIST_SILENTLY,
            &response);
    assert_int_equal(response.status, 412);
    assert_memory_equal(response.head + response.head_bytes - 4, "\r\n\r\n", 4);
    free(response.owned);
    /* Fields that are no conditions leave the ready response what it is. */
    respond("GET /small.txt HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n", PERSIST_SILENTLY, &response);
    assert_null(response.owned);
}

static void pages_and_messages_are_whole(void **state)
{
    static const char message[] = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                                  "<title>404 Not Found</title>\n<h1>404 Not Found</h1>\n"
                                  "<p>There is nothing here.</p>\n"
                                  "<p><a href=\"/\">Talus</a></p>\n</html>\n";
    struct response response;
    char expected[1024];

    (void)state;
    respond("GET /twice/page HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_response(&response, NULL,
                    START("200 OK") FIELDS("text/html", "4") "Cache-Control: no-store\r\n\r\npage");
    free(response.owned);
    snprintf(
        expected, sizeof(expected),
        START("404 Not Found") "Connection: close\r\nContent-Type: text/html; charset=utf-8\r\n"
                               "Content-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n\r\n%s",
        strlen(message), message);
    respond("GET /nothing HTTP/1.1\r\n" HOST "\r\n", PERSIST_NOT, &response);
    assert_response(&response, NULL, expected);
    free(response.owned);
    *strstr(expected, "<!doctype") = '\0';
    respond("HEAD /nothing HTTP/1.1\r\n" HOST "\r\n", PERSIST_NOT, &response);
    assert_response(&response, NULL, expected);
    free(response.owned);
    respond("OPTIONS /nothing HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_response(&response, NULL, START("204 No Content") "Allow: GET, HEAD, OPTIONS\r\n\r\n");
    free(response.owned);
    respond("GET /%zz HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_int_equal(response.status, 400);
    free(response.owned);
}

/* A folder's address needs no more room than the longest target with all of it escaped. */
static void a_folder_sends_to_itself_with_a_slash_and_the_query(void **state)
{
    struct response response;

    (void)state;
    add_text("f \"#%<>?\\^`{|}~\x7F\x80!x/a", "");
    assert_int_equal(finish_archive(), 1);
    respond("GET /f%20%22%23%25%3c%3E%3f%5c%5E%60%7B%7C%7D~%7F%80!x?a=b?c HTTP/1.1\r\n" HOST "\r\n",
            PERSIST_SILENTLY, &response);
    assert_int_equal(response.status, 301);
    static const char location[] =
        "\r\nLocation: /f%20%22%23%25%3C%3E%3F%5C%5E%60%7B%7C%7D~%7F%80!x/?a=b?c\r\n";

    assert_non_null(memmem(response.head, response.head_bytes, location, strlen(location)));
    free(response.owned);
    respond("GET /folder HTTP/1.1\r\n" HOST "\r\n", PERSIST_SILENTLY, &response);
    assert_non_null(memmem(response.head, response.head_bytes, "\r\nLocation: /folder/\r\n", 22));
    free(response.owned);
}

static bool has_text(const struct response *response, const char *text)
{
    return memmem(response->head, response->head_bytes, text, strlen(text)) != NULL;
}

/* Of whatever kind it would have been; the next request finds memory again. */
static void without_memory_the_answer_is_503(void **state)
{
    static const char *const texts[] = {
        "GET /dots/a HTTP/1.1\r\n" HOST "\r\n",
        "GET /twice/page HTTP/1.1\r\n" HOST "\r\n",
        "GET /nothing HTTP/1.1\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "GET /dots/a HTTP/1.1\r\n" HOST "If-None-Match: *\r\n\r\n",
        "GET /dots/a HTTP/1.1\r\n" HOST "Range: bytes=0-0\r\n\r\n",
    };
    static const char start[] = "HTTP/1.1 503 Service Unavailable\r\n";
    struct response response;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        unsigned failures = 0;

        for (int left = 1; left < 10; left++) {
            allocations_left = left;
            respond(texts[i], PERSIST_SILENTLY, &response);
            allocations_left = -1;
            if (response.status == 503) {
                failures++;
                assert_memory_equal(response.head, start, strlen(start));
                assert_memory_equal(response.head + response.head_bytes - 4, "\r\n\r\n", 4);
                assert_true(has_text(&response, "\r\nContent-Length: 0\r\n"));
                assert_true(has_text(&response, "\r\nConnection: close\r\n"));
                assert_int_equal(response.body_bytes, 0);
                assert_null(response.owned);
            }
            free(response.owned);
        }
        assert_in_range(failures, 1, 3);
        respond(texts[i], PERSIST_SILENTLY, &response);
        assert_int_not_equal(response.status, 503);
        free(response.owned);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_before_there_is_anything),
        cmocka_unit_test(an_archive_that_cannot_be_read_adds_nothing),
        cmocka_unit_test(names_are_paths_without_dots_and_doubled_slashes),
        cmocka_unit_test(names_that_leave_the_site_are_left_out),
        cmocka_unit_test(folders_are_found_without_their_slash_and_indexes_with_it),
        cmocka_unit_test(the_file_that_counts_is_the_last),
        cmocka_unit_test(thousands_of_files_are_found_each_under_its_path),
        cmocka_unit_test(without_memory_what_was_added_stays),
        cmocka_unit_test(tags_tell_contents_apart),
        cmocka_unit_test(tags_tell_last_bytes_apart),
        cmocka_unit_test(files_are_answered_whole_in_each_form_of_persistence),
        cmocka_unit_test(long_files_are_sent_from_where_they_lie),
        cmocka_unit_test(the_date_of_a_ready_response_is_renewed),
        cmocka_unit_test(conditions_have_their_responses),
        cmocka_unit_test(pages_and_messages_are_whole),
        cmocka_unit_test(a_folder_sends_to_itself_with_a_slash_and_the_query),
        cmocka_unit_test(without_memory_the_answer_is_503),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
