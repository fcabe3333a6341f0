/* SPDX-License-Identifier: MIT */
/*
 * Making responses.
 */
#include "apps/httpd/response.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/httpd/check.h"
#include "apps/httpd/conditions.h"
#include "apps/httpd/date.h"
#include "apps/httpd/path.h"
#include "apps/httpd/request.h"
#include "apps/httpd/text.h"
#include "libc/core/base.h"
#include "libc/core/format.h"

/* Content up to this is sent in one piece with its header. Chosen: with it, one segment. */
#define INLINE_CONTENT_MAX_BYTES 1024

#define ALLOWED_METHODS "GET, HEAD, OPTIONS"

/* How each ready response starts: its date stands at a fixed place, where it is renewed. */
#define OK_START "HTTP/1.1 200 OK\r\nDate: "

struct ready_response {
    time_t date_s; /* the second that its date tells */
    size_t head_bytes;
    size_t inline_bytes; /* of content, behind the head */
    char text[];
};

static const char *const connection_fields[PERSISTENCE_COUNT] = {
    [PERSIST_SILENTLY] = "",
    [PERSIST_EXPRESSLY] = "Connection: keep-alive\r\n",
    [PERSIST_NOT] = "Connection: close\r\n",
};

static const struct {
    uint16_t status;
    const char *reason;
    const char *explanation; /* for the page that goes with it */
} statuses[] = {
    {200, "OK", ""},
    {204, "No Content", ""},
    {206, "Partial Content", ""},
    {301, "Moved Permanently", "It is elsewhere."},
    {304, "Not Modified", ""},
    {400, "Bad Request", "The request breaks the rules of HTTP."},
    {404, "Not Found", "There is nothing here."},
    {405, "Method Not Allowed", "Only " ALLOWED_METHODS " are answered here."},
    {408, "Request Timeout", "The request took too long to arrive."},
    {412, "Precondition Failed", "The file is not the one that was expected."},
    {413, "Content Too Large", "The request's body is too large."},
    {414, "URI Too Long", "The request's address is too long."},
    {416, "Range Not Satisfiable", "The file has no such bytes."},
    {417, "Expectation Failed", "Only 100-continue can be expected."},
    {431, "Request Header Fields Too Large", "The request's header is too large."},
    {501, "Not Implemented", "This method is unknown."},
    {503, "Service Unavailable", "There is no memory for an answer."},
    {505, "HTTP Version Not Supported", "Only HTTP/1.0 and HTTP/1.1 are spoken here."},
};

#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

static time_t current_s;
static char current_date[DATE_BYTES + 1];

static const char overload[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Server: Talus\r\n"
                               "Retry-After: 10\r\n"
                               "Content-Length: 0\r\n"
                               "Connection: close\r\n\r\n";

void response_set_time(time_t now_s)
{
    if (now_s != current_s) {
        current_s = now_s;
        date_print(now_s, current_date);
    }
}

time_t response_time(void)
{
    return current_s;
}

static unsigned status_index(uint16_t status)
{
    unsigned i = 0;

    while (i < STATUS_COUNT && statuses[i].status != status) {
        i++;
    }
    assert(i < STATUS_COUNT);
    return i;
}

static void print_start(struct text *text, uint16_t status, enum persistence persistence)
{
    text_print(text, "HTTP/1.1 %u %s\r\nDate: %s\r\nServer: Talus\r\n%s", status,
               statuses[status_index(status)].reason, current_date, connection_fields[persistence]);
}

static void print_validators(struct text *text, const struct resource *resource)
{
    char tag[TAG_TEXT_BYTES];
    char date[DATE_BYTES + 1];

    conditions_print_tag(resource, tag);
    date_print(resource->mtime_s, date);
    text_print(text, "Last-Modified: %s\r\nETag: %s\r\n", date, tag);
}

static void print_content_fields(struct text *text, const char *type, size_t bytes)
{
    text_print(text,
               "Content-Type: %s\r\nContent-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n",
               type, bytes);
}

void response_make_overload(struct response *response)
{
    *response =
        (struct response){.status = 503, .head = overload, .head_bytes = sizeof(overload) - 1};
}

/* Hand the text over. Without memory for it the response is 503, whose text is constant. */
static void use_text(struct response *response, uint16_t status, struct text *text)
{
    if (text->has_failed) {
        text_release(text);
        response_make_overload(response);
    } else {
        *response = (struct response){
            .status = status, .head = text->at, .head_bytes = text->bytes, .owned = text->at};
    }
}

/* --- Ready responses --- */

static struct ready_response *make_ready(const struct resource *resource,
                                         enum persistence persistence)
{
    struct text head = {0};
    struct ready_response *ready = NULL;
    bool is_inline = resource->content_bytes <= INLINE_CONTENT_MAX_BYTES;
    size_t inline_bytes = is_inline ? resource->content_bytes : 0;

    print_start(&head, 200, persistence);
    print_content_fields(&head, resource->type, resource->content_bytes);
    print_validators(&head, resource);
    text_print(&head, "Accept-Ranges: bytes\r\n\r\n");
    assert(current_date[0] != '\0'); /* response_set_time() has been called */
    if (!head.has_failed) {
        ready = malloc(sizeof(*ready) + head.bytes + inline_bytes);
    }
    if (ready != NULL) {
        assert(memcmp(head.at, OK_START, strlen(OK_START)) == 0);
        ready->date_s = current_s;
        ready->head_bytes = head.bytes;
        ready->inline_bytes = inline_bytes;
        memcpy(ready->text, head.at, head.bytes);
        memcpy(ready->text + head.bytes, resource->content, inline_bytes);
    }
    text_release(&head);
    return ready;
}

/* The one for this file, with the current date; NULL without memory for it. Rarely called: inlined
 * it would have its caller save registers for each response. */
static __attribute__((noinline)) struct ready_response *renew_ready(struct resource *resource,
                                                                    enum persistence persistence)
{
    struct ready_response *ready = resource->ready[persistence];

    if (ready == NULL) {
        ready = make_ready(resource, persistence);
        resource->ready[persistence] = ready;
    } else {
        ready->date_s = current_s;
        memcpy(ready->text + strlen(OK_START), current_date, DATE_BYTES);
    }
    return ready;
}

static inline const struct ready_response *find_ready(struct resource *resource,
                                                      enum persistence persistence)
{
    const struct ready_response *ready = resource->ready[persistence];

    check(resource->kind == RESOURCE_FILE);
    return LIKELY(ready != NULL && ready->date_s == current_s) ? ready
                                                               : renew_ready(resource, persistence);
}

static void make_whole_file(struct response *response, struct resource *resource, bool is_head,
                            enum persistence persistence)
{
    const struct ready_response *ready = find_ready(resource, persistence);

    if (ready == NULL) {
        response_make_overload(response);
        return;
    }
    response->status = 200;
    response->head = ready->text;
    response->head_bytes = ready->head_bytes + (is_head ? 0 : ready->inline_bytes);
    response->body = NULL;
    response->body_bytes = 0;
    response->owned = NULL;
    if (!is_head && ready->inline_bytes < resource->content_bytes) {
        response->body = resource->content;
        response->body_bytes = resource->content_bytes;
    }
}

/* --- Responses that are written for one request --- */

/* A short page for people; `extra`: header fields that belong to this status. */
static void make_message(struct response *response, uint16_t status, const char *extra,
                         bool is_head, enum persistence persistence)
{
    struct text text = {0};
    char room[512];
    struct output page;
    unsigned index = status_index(status);

    output_start(&page, room, sizeof(room));
    format_append(&page,
                  "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                  "<title>%u %s</title>\n<h1>%u %s</h1>\n<p>%s</p>\n"
                  "<p><a href=\"/\">Talus</a></p>\n</html>\n",
                  status, statuses[index].reason, status, statuses[index].reason,
                  statuses[index].explanation);
    assert(!output_is_cut(&page));
    print_start(&text, status, persistence);
    print_content_fields(&text, "text/html; charset=utf-8", page.length);
    text_print(&text, "%s\r\n", extra);
    if (!is_head) {
        text_add(&text, page.text, page.length);
    }
    use_text(response, status, &text);
}

void response_make_refusal(struct response *response, uint16_t status, bool is_head)
{
    assert(status >= 400);
    make_message(response, status, "", is_head, PERSIST_NOT);
}

static void make_page(struct response *response, const struct resource *resource, bool is_head,
                      enum persistence persistence)
{
    struct text text = {0};
    struct text page = {0};

    assert(resource->write_page != NULL);
    resource->write_page(&page);
    print_start(&text, 200, persistence);
    print_content_fields(&text, resource->type, page.bytes);
    text_print(&text, "Cache-Control: no-store\r\n\r\n");
    if (!is_head && page.bytes > 0) {
        text_add(&text, page.at, page.bytes);
    }
    text.has_failed |= page.has_failed;
    text_release(&page);
    use_text(response, 200, &text);
}

static void make_not_modified(struct response *response, const struct resource *resource,
                              enum persistence persistence)
{
    struct text text = {0};

    print_start(&text, 304, persistence);
    print_validators(&text, resource);
    text_print(&text, "\r\n");
    use_text(response, 304, &text);
}

static void make_part(struct response *response, const struct resource *resource,
                      const struct byte_range *range, enum persistence persistence)
{
    struct text text = {0};

    assert(range->bytes >= 1 && range->first < resource->content_bytes &&
           range->bytes <= resource->content_bytes - range->first);
    print_start(&text, 206, persistence);
    print_content_fields(&text, resource->type, range->bytes);
    print_validators(&text, resource);
    text_print(&text, "Content-Range: bytes %zu-%zu/%zu\r\n\r\n", range->first,
               range->first + range->bytes - 1, resource->content_bytes);
    use_text(response, 206, &text);
    if (response->status == 206) {
        response->body = resource->content + range->first;
        response->body_bytes = range->bytes;
    }
}

static void make_conditional(struct response *response, const struct request *request,
                             const char *head, struct resource *resource,
                             enum persistence persistence)
{
    bool is_head = request->method == HTTP_HEAD;
    struct byte_range range;
    char room[64];
    struct output content_range;

    switch (conditions_evaluate(request, head, resource, &range)) {
    case OUTCOME_PART:
        make_part(response, resource, &range, persistence);
        break;
    case OUTCOME_NOT_MODIFIED:
        make_not_modified(response, resource, persistence);
        break;
    case OUTCOME_FAILED:
        make_message(response, 412, "", is_head, persistence);
        break;
    case OUTCOME_UNSATISFIABLE:
        output_start(&content_range, room, sizeof(room));
        format_append(&content_range, "Content-Range: bytes */%zu\r\n", resource->content_bytes);
        assert(!output_is_cut(&content_range));
        make_message(response, 416, content_range.text, is_head, persistence);
        break;
    case OUTCOME_WHOLE:
        make_whole_file(response, resource, is_head, persistence);
        break;
    }
}

/* The same path with a slash. Written from the path as it was found, because that has one slash
 * at its start: "//name" would send the client to another host. */
static void make_redirection(struct response *response, const struct request *request,
                             const char *head, const struct resource *resource, bool is_head,
                             enum persistence persistence)
{
    /* An escape makes three bytes of one. */
    static char room[3 * REQUEST_TARGET_MAX_BYTES + 64];
    struct output location;
    const char *target = head + request->target.offset;
    const char *query = memchr(target, '?', request->target.bytes);

    output_start(&location, room, sizeof(room));
    output_append_string(&location, "Location: ");
    for (const char *at = resource->path; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte <= ' ' || byte >= 127 || strchr("\"#%<>?\\^`{|}", byte) != NULL) {
            format_append(&location, "%%%02X", byte);
        } else {
            output_append(&location, at, 1);
        }
    }
    output_append_string(&location, "/");
    if (query != NULL) {
        output_append(&location, query, request->target.bytes - (size_t)(query - target));
    }
    output_append_string(&location, "\r\n");
    assert(!output_is_cut(&location));
    make_message(response, 301, location.text, is_head, persistence);
}

static void make_options(struct response *response, enum persistence persistence)
{
    struct text text = {0};

    print_start(&text, 204, persistence);
    text_print(&text, "Allow: " ALLOWED_METHODS "\r\n\r\n");
    use_text(response, 204, &text);
}

/* All but a file that goes out whole. */
static __attribute__((noinline)) void
make_otherwise(struct response *response, const struct request *request, const char *head,
               int error, struct resource *resource, enum persistence persistence)
{
    bool is_head = request->method == HTTP_HEAD;

    if (error == -EINVAL) {
        make_message(response, 400, "", is_head, persistence);
    } else if (error != 0 || resource == NULL) {
        make_message(response, 404, "", is_head, persistence);
    } else if (resource->kind == RESOURCE_PAGE) {
        make_page(response, resource, is_head, persistence);
    } else if (resource->kind == RESOURCE_FOLDER) {
        make_redirection(response, request, head, resource, is_head, persistence);
    } else {
        make_conditional(response, request, head, resource, persistence);
    }
}

/*
 * By a request's target. Returns 0, and *resource is NULL if there is nothing; or an error of
 * path_decode(). What is found as it stands is not decoded: a path of the site has no segment "..",
 * and one that is plain is what a target of the same characters is decoded to.
 */
static int find_resource(const char *target, size_t bytes, struct resource **resource)
{
    static char path[REQUEST_TARGET_MAX_BYTES + 1];

    *resource = site_find(target, bytes);
    if (*resource != NULL && (*resource)->is_plain) {
        return 0;
    }
    check(bytes <= REQUEST_TARGET_MAX_BYTES);
    int path_bytes = path_decode(target, bytes, path);
    if (path_bytes < 0) {
        return path_bytes;
    }
    *resource = site_find(path, (size_t)path_bytes);
    return 0;
}

const char *response_text(struct resource *file, enum persistence persistence, size_t *bytes,
                          size_t *content_bytes)
{
    const struct ready_response *ready = find_ready(file, persistence);

    if (UNLIKELY(ready == NULL)) {
        return NULL;
    }
    *bytes = ready->head_bytes + ready->inline_bytes;
    *content_bytes = file->content_bytes - ready->inline_bytes; /* all or nothing is inline */
    return ready->text;
}

void response_make_file(struct response *response, struct resource *file,
                        enum persistence persistence)
{
    make_whole_file(response, file, false, persistence);
}

/* As response_make(). */
static struct resource *make_for_path(struct response *response, const struct request *request,
                                      const char *head, enum persistence persistence)
{
    bool is_head = request->method == HTTP_HEAD;
    struct resource *resource;
    int error = find_resource(head + request->target.offset, request->target.bytes, &resource);

    if (error == 0 && resource != NULL && resource->kind == RESOURCE_FILE &&
        (request->present & REQUEST_CONDITIONS) == 0) {
        make_whole_file(response, resource, is_head, persistence);
        return is_head ? NULL : resource;
    }
    make_otherwise(response, request, head, error, resource, persistence);
    return NULL;
}

struct resource *response_make(struct response *response, const struct request *request,
                               const char *head, enum persistence persistence)
{
    check(request->is_complete && persistence < PERSISTENCE_COUNT);
    switch (request->method) {
    case HTTP_GET:
    case HTTP_HEAD:
        return make_for_path(response, request, head, persistence);
    case HTTP_OPTIONS:
        make_options(response, persistence);
        break;
    default:
        make_message(response, 405, "Allow: " ALLOWED_METHODS "\r\n", false, persistence);
        break;
    }
    return NULL;
}
