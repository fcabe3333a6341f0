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
#include "apps/httpd/encoding.h"
#include "apps/httpd/header.h"
#include "apps/httpd/multipart.h"
#include "apps/httpd/path.h"
#include "apps/httpd/request.h"
#include "apps/httpd/rules.h"
#include "apps/httpd/text.h"
#include "libc/core/ablation.h"
#include "libc/core/base.h"
#include "libc/core/format.h"

/* Content up to this is sent in one piece with its header. Chosen: with it, one segment. */
#define INLINE_CONTENT_MAX_BYTES 1024

struct ready_response {
    time_t date_s; /* the second that its date tells */
    size_t head_bytes;
    size_t inline_bytes; /* of content, behind the head */
    char text[];
};

/* The same as header_time(), for one look at it with each file that goes out. */
static time_t current_s;

static const char overload[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Server: Talus\r\n"
                               "Retry-After: 10\r\n"
                               "Content-Length: 0\r\n"
                               "Connection: close\r\n\r\n";

void response_set_time(time_t now_s)
{
    current_s = now_s;
    header_set_time(now_s);
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

    header_add_start(&head, 200, persistence);
    header_add_content(&head, resource->type, resource->content_bytes);
    header_add_file(&head, resource);
    text_print(&head, "Accept-Ranges: bytes\r\n\r\n");
    if (!head.has_failed) {
        ready = malloc(sizeof(*ready) + head.bytes + inline_bytes);
    }
    if (ready != NULL) {
        assert(memcmp(head.at, HEADER_OK_START, strlen(HEADER_OK_START)) == 0);
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
        memcpy(ready->text + strlen(HEADER_OK_START), header_date(), DATE_BYTES);
    }
    return ready;
}

static inline const struct ready_response *find_ready(struct resource *resource,
                                                      enum persistence persistence)
{
    const struct ready_response *ready = resource->ready[persistence];

    check(resource->kind == RESOURCE_FILE);
    if (WITHOUT(READY_RESPONSES)) {
        free(resource->ready[persistence]); /* who waits to send has a copy */
        ready = resource->ready[persistence] = NULL;
    }
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

/* What such a response depends on. */
struct asked {
    const struct request *request;
    const char *head;
    unsigned site;
    bool is_head;
    enum persistence persistence;
};

static void add_message_page(struct text *page, uint16_t status)
{
    const char *reason = header_reason(status);

    text_print(page,
               "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
               "<title>%u %s</title>\n<h1>%u %s</h1>\n<p>%s</p>\n"
               "<p><a href=\"/\">Talus</a></p>\n</html>\n",
               status, reason, status, reason, header_explanation(status));
}

/* A short page for people, the site's own if it has one; `extra`: header fields that belong to this
 * status. */
static void make_message(struct response *response, uint16_t status, const char *extra,
                         const struct asked *asked)
{
    const struct resource *own = rules_error_page(asked->site, status);
    struct text text = {0}, page = {0};

    if (own == NULL) {
        add_message_page(&page, status);
        text.has_failed = page.has_failed;
    }
    header_add_start(&text, status, asked->persistence);
    header_add_content(&text, own != NULL ? own->type : "text/html; charset=utf-8",
                       own != NULL ? own->content_bytes : page.bytes);
    text_print(&text, "%s\r\n", extra);
    if (!asked->is_head && page.bytes > 0) {
        text_add(&text, page.at, page.bytes);
    }
    text_release(&page);
    use_text(response, status, &text);
    /* Without memory the answer is 503, which may be the status that was meant, without content. */
    if (own != NULL && !asked->is_head && response->owned != NULL && own->content_bytes > 0) {
        response->body = own->content;
        response->body_bytes = own->content_bytes;
    }
}

void response_make_refusal(struct response *response, uint16_t status, bool is_head)
{
    const struct asked asked = {
        .site = SITE_DEFAULT, .is_head = is_head, .persistence = PERSIST_NOT};

    assert(status >= 400);
    make_message(response, status, "", &asked);
}

static void make_page(struct response *response, const struct resource *resource,
                      const struct asked *asked)
{
    struct text text = {0};
    struct text page = {0};

    assert(resource->write_page != NULL);
    resource->write_page(&page);
    header_add_start(&text, 200, asked->persistence);
    header_add_content(&text, resource->type, page.bytes);
    text_print(&text, "Cache-Control: no-store\r\n\r\n");
    if (!asked->is_head && page.bytes > 0) {
        text_add(&text, page.at, page.bytes);
    }
    text.has_failed |= page.has_failed;
    text_release(&page);
    use_text(response, 200, &text);
}

/* A refusal is said in a line of text. */
static void make_stream(struct response *response, const struct resource *resource,
                        const struct asked *asked)
{
    const char *target = asked->head + asked->request->target.offset;
    const char *end = target + asked->request->target.bytes;
    const char *query = memchr(target, '?', asked->request->target.bytes);
    const struct stream_request wanted = {
        .query = query != NULL ? query + 1 : end,
        .query_bytes = query != NULL ? (size_t)(end - query) - 1 : 0,
        .is_chunked = asked->request->minor_version >= 1,
        .is_head = asked->is_head,
    };
    char reason[STREAM_REASON_BYTES] = "";
    struct stream *stream = NULL;
    struct text text = {0};
    uint16_t status = resource->begin_stream(&wanted, &stream, reason);

    if (stream != NULL) {
        *response = (struct response){.status = status, .owned = stream};
        return;
    }
    header_add_start(&text, status, asked->persistence);
    if (status == 200) {
        text_print(&text, "Content-Type: %s\r\nCache-Control: no-store\r\n\r\n", resource->type);
    } else {
        header_add_content(&text, "text/plain; charset=utf-8", strlen(reason) + 1);
        text_print(&text, asked->is_head ? "\r\n" : "\r\n%s\n", reason);
    }
    use_text(response, status, &text);
}

static void make_not_modified(struct response *response, const struct resource *file,
                              enum persistence persistence)
{
    struct text text = {0};

    header_add_start(&text, 304, persistence);
    header_add_validators(&text, file);
    text_print(&text, "\r\n");
    use_text(response, 304, &text);
}

static void make_part(struct response *response, const struct resource *file,
                      const struct byte_range *range, enum persistence persistence)
{
    struct text text = {0};

    assert(range->bytes >= 1 && range->first < file->content_bytes &&
           range->bytes <= file->content_bytes - range->first);
    header_add_start(&text, 206, persistence);
    header_add_content(&text, file->type, range->bytes);
    header_add_file(&text, file);
    text_print(&text, "Content-Range: bytes %zu-%zu/%zu\r\n\r\n", range->first,
               range->first + range->bytes - 1, file->content_bytes);
    use_text(response, 206, &text);
    if (response->status == 206) {
        response->body = file->content + range->first;
        response->body_bytes = range->bytes;
    }
}

static void make_conditional(struct response *response, struct resource *file,
                             const struct asked *asked)
{
    struct ranges ranges;
    char room[64];
    struct output content_range;

    switch (conditions_evaluate(asked->request, asked->head, file, &ranges)) {
    case OUTCOME_PART:
        if (ranges.count == 1) {
            make_part(response, file, &ranges.at[0], asked->persistence);
        } else {
            multipart_make(response, file, &ranges, asked->persistence);
        }
        break;
    case OUTCOME_NOT_MODIFIED:
        make_not_modified(response, file, asked->persistence);
        break;
    case OUTCOME_FAILED:
        make_message(response, 412, "", asked);
        break;
    case OUTCOME_UNSATISFIABLE:
        output_start(&content_range, room, sizeof(room));
        format_append(&content_range, "Content-Range: bytes */%zu\r\n", file->content_bytes);
        assert(!output_is_cut(&content_range));
        make_message(response, 416, content_range.text, asked);
        break;
    case OUTCOME_WHOLE:
        make_whole_file(response, file, asked->is_head, asked->persistence);
        break;
    }
}

static void add_query(struct text *location, const struct asked *asked)
{
    const char *target = asked->head + asked->request->target.offset;
    const char *query = memchr(target, '?', asked->request->target.bytes);

    if (query != NULL) {
        text_add(location, query, asked->request->target.bytes - (size_t)(query - target));
    }
}

/* The client is sent to `location`, which is not kept. */
static void make_redirection(struct response *response, uint16_t status, struct text *location,
                             const struct asked *asked)
{
    text_print(location, "\r\n");
    if (location->has_failed) {
        response_make_overload(response);
    } else {
        make_message(response, status, location->at, asked);
    }
    text_release(location);
}

/* The same path with a slash. Written from the path as it was found, because that has one slash
 * at its start: "//name" would send the client to another host. */
static void make_folder(struct response *response, const struct resource *folder,
                        const struct asked *asked)
{
    struct text location = {0};

    text_print(&location, "Location: ");
    text_add_encoded(&location, folder->path, folder->path_bytes);
    text_print(&location, "/");
    add_query(&location, asked);
    make_redirection(response, 301, &location, asked);
}

/* As httpd.cfg says. What its star stands for begins without a slash: a doubled one would send the
 * client to another host. */
static void make_moved(struct response *response, const struct setting *redirect, const char *path,
                       size_t bytes, const struct asked *asked)
{
    const char *to = redirect->value;
    size_t to_bytes = strlen(to);
    struct text location = {0};

    text_print(&location, "Location: ");
    if (to[to_bytes - 1] == '*') {
        size_t rest = strlen(redirect->pattern) - 1;
        while (rest < bytes && path[rest] == '/') {
            rest++;
        }
        text_add(&location, to, to_bytes - 1);
        text_add_encoded(&location, path + rest, bytes - rest);
    } else {
        text_add(&location, to, to_bytes);
    }
    if (strpbrk(to, "?#") == NULL) {
        add_query(&location, asked);
    }
    make_redirection(response, redirect->status, &location, asked);
}

static void make_options(struct response *response, enum persistence persistence)
{
    struct text text = {0};

    header_add_start(&text, 204, persistence);
    text_print(&text, "Allow: " HEADER_ALLOWED_METHODS "\r\n\r\n");
    use_text(response, 204, &text);
}

/* Which host's: the target's, if it names one (RFC 9112 3.2.2), or that of Host. */
static unsigned find_site(const struct request *request, const char *head)
{
    const struct request_span *host = &request->values[FIELD_HOST];
    size_t bytes;
    const char *authority =
        path_authority(head + request->target.offset, request->target.bytes, &bytes);

    if (authority != NULL) {
        return rules_site_of_host(authority, bytes);
    }
    return request_has(request, FIELD_HOST) ? rules_site_of_host(head + host->offset, host->bytes)
                                            : SITE_DEFAULT;
}

static struct resource *choose_encoding(struct resource *file, const struct asked *asked)
{
    const struct request_span *value = &asked->request->values[FIELD_ACCEPT_ENCODING];

    return request_has(asked->request, FIELD_ACCEPT_ENCODING)
               ? encoding_choose(file, asked->head + value->offset, value->bytes)
               : file;
}

/* As response_make(). */
static struct resource *make_file(struct response *response, struct resource *file,
                                  const struct asked *asked)
{
    file = choose_encoding(file, asked);
    if ((asked->request->present & FIELDS_OF_CONDITIONS) != 0) {
        make_conditional(response, file, asked);
        return NULL;
    }
    make_whole_file(response, file, asked->is_head, asked->persistence);
    return asked->is_head ? NULL : file;
}

/* As response_make(), for a path of this site; NULL: there is nothing. */
static struct resource *make_resource(struct response *response, struct resource *resource,
                                      const char *path, size_t bytes, const struct asked *asked)
{
    const struct setting *redirect =
        resource == NULL ? rules_redirect(asked->site, path, bytes) : NULL;

    if (redirect != NULL) {
        make_moved(response, redirect, path, bytes, asked);
    } else if (resource == NULL) {
        make_message(response, 404, "", asked);
    } else if (resource->kind == RESOURCE_PAGE) {
        make_page(response, resource, asked);
    } else if (resource->kind == RESOURCE_STREAM) {
        make_stream(response, resource, asked);
    } else if (resource->kind == RESOURCE_FOLDER) {
        make_folder(response, resource, asked);
    } else if (resource->kind == RESOURCE_MOVED) {
        make_moved(response, resource->redirect, path, bytes, asked);
    } else {
        return make_file(response, resource, asked);
    }
    return NULL;
}

/* All but a file that goes out whole, found without decoding. As response_make(). */
static __attribute__((noinline)) struct resource *make_otherwise(struct response *response,
                                                                 const struct request *request,
                                                                 const char *head,
                                                                 enum persistence persistence)
{
    static char path[REQUEST_TARGET_MAX_BYTES + 1];
    const struct asked asked = {
        .request = request,
        .head = head,
        .site = site_has_hosts() ? find_site(request, head) : SITE_DEFAULT,
        .is_head = request->method == HTTP_HEAD,
        .persistence = persistence,
    };

    check(request->target.bytes <= REQUEST_TARGET_MAX_BYTES);
    int bytes = path_decode(head + request->target.offset, request->target.bytes, path);
    if (bytes < 0) {
        make_message(response, bytes == -EINVAL ? 400 : 404, "", &asked);
        return NULL;
    }
    return make_resource(response, site_find_in(asked.site, path, (size_t)bytes), path,
                         (size_t)bytes, &asked);
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

/*
 * As response_make(). What is found as it stands is not decoded: a path of the site has no segment
 * "..", and one that is plain is what a target of the same characters is decoded to.
 */
static struct resource *make_for_path(struct response *response, const struct request *request,
                                      const char *head, enum persistence persistence)
{
    struct resource *resource = site_find(head + request->target.offset, request->target.bytes);

    if (resource != NULL && resource->is_plain && resource->kind == RESOURCE_FILE &&
        (request->present & resource->varies) == 0) {
        bool is_head = request->method == HTTP_HEAD;

        make_whole_file(response, resource, is_head, persistence);
        return is_head ? NULL : resource;
    }
    return make_otherwise(response, request, head, persistence);
}

static __attribute__((noinline)) void make_without_path(struct response *response,
                                                        const struct request *request,
                                                        const char *head,
                                                        enum persistence persistence)
{
    const struct asked asked = {.request = request,
                                .head = head,
                                .site = site_has_hosts() ? find_site(request, head) : SITE_DEFAULT,
                                .persistence = persistence};

    if (request->method == HTTP_OPTIONS) {
        make_options(response, persistence);
    } else {
        make_message(response, 405, "Allow: " HEADER_ALLOWED_METHODS "\r\n", &asked);
    }
}

struct resource *response_make(struct response *response, const struct request *request,
                               const char *head, enum persistence persistence)
{
    check(request->is_complete && persistence < PERSISTENCE_COUNT);
    if (request->method == HTTP_GET || request->method == HTTP_HEAD) {
        return make_for_path(response, request, head, persistence);
    }
    make_without_path(response, request, head, persistence);
    return NULL;
}
