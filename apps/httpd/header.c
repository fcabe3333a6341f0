/* SPDX-License-Identifier: MIT */
/*
 * Lines of headers.
 */
#include "apps/httpd/header.h"

#include "apps/httpd/check.h"
#include "apps/httpd/tag.h"

static const char *const connection_fields[PERSISTENCE_COUNT] = {
    [PERSIST_SILENTLY] = "",
    [PERSIST_EXPRESSLY] = "Connection: keep-alive\r\n",
    [PERSIST_NOT] = "Connection: close\r\n",
};

static const struct status {
    uint16_t status;
    const char *reason;
    const char *explanation; /* for the page that goes with it */
} statuses[] = {
    {200, "OK", ""},
    {204, "No Content", ""},
    {206, "Partial Content", ""},
    {301, "Moved Permanently", "It is elsewhere."},
    {302, "Found", "It is elsewhere for now."},
    {303, "See Other", "What you look for is elsewhere."},
    {304, "Not Modified", ""},
    {307, "Temporary Redirect", "It is elsewhere for now."},
    {308, "Permanent Redirect", "It is elsewhere."},
    {400, "Bad Request", "The request breaks the rules of HTTP."},
    {404, "Not Found", "There is nothing here."},
    {405, "Method Not Allowed", "Only " HEADER_ALLOWED_METHODS " are answered here."},
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

static time_t current_s;
static char current_date[DATE_BYTES + 1];

void header_set_time(time_t now_s)
{
    if (now_s != current_s) {
        current_s = now_s;
        date_print(now_s, current_date);
    }
}

time_t header_time(void)
{
    return current_s;
}

const char *header_date(void)
{
    assert(current_date[0] != '\0'); /* header_set_time() has been called */
    return current_date;
}

/* NULL if it is not used here. */
static const struct status *find_status(uint16_t status)
{
    for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status) {
            return &statuses[i];
        }
    }
    return NULL;
}

const char *header_reason(uint16_t status)
{
    const struct status *found = find_status(status);

    return found != NULL ? found->reason : NULL;
}

const char *header_explanation(uint16_t status)
{
    const struct status *found = find_status(status);

    assert(found != NULL);
    return found->explanation;
}

void header_add_start(struct text *text, uint16_t status, enum persistence persistence)
{
    const struct status *found = find_status(status);

    assert(found != NULL);
    text_print(text, "HTTP/1.1 %u %s\r\nDate: %s\r\nServer: Talus\r\n%s", status, found->reason,
               current_date, connection_fields[persistence]);
}

void header_add_content(struct text *text, const char *type, size_t bytes)
{
    text_print(text,
               "Content-Type: %s\r\nContent-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n",
               type, bytes);
}

void header_add_validators(struct text *text, const struct resource *file)
{
    char tag[TAG_TEXT_BYTES];
    char date[DATE_BYTES + 1];

    tag_print(file->tag, tag);
    date_print(file->mtime_s, date);
    text_print(text, "Last-Modified: %s\r\nETag: %s\r\n%s", date, tag,
               file->fields != NULL ? file->fields : "");
}

void header_add_file(struct text *text, const struct resource *file)
{
    header_add_validators(text, file);
    if (file->coding != NULL) {
        text_print(text, "Content-Encoding: %s\r\n", file->coding);
    }
}
