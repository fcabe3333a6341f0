/* SPDX-License-Identifier: MIT */
/*
 * From llhttp's callbacks to a struct request.
 */
#include "apps/httpd/request.h"

#include <string.h>
#include <strings.h>

#include "apps/httpd/check.h"

_Static_assert(FIELD_COUNT <= 32, "each field has its bit in `present`");

/* What a callback returns to stop the parser; `status` says why. */
#define REFUSE (-1)

static struct request *request_of(llhttp_t *parser)
{
    return (struct request *)parser->data;
}

static int refuse(struct request *request, uint16_t status)
{
    assert(status >= 400 && status < 600);
    request->status = status;
    return REFUSE;
}

static uint32_t offset_of(const struct request *request, const char *at)
{
    check(at >= request->head && at - request->head <= UINT32_MAX);
    return (uint32_t)(at - request->head);
}

static int on_target(llhttp_t *parser, const char *at, size_t bytes)
{
    struct request *request = request_of(parser);

    if (request->target.bytes == 0) {
        request->target.offset = offset_of(request, at);
    }
    request->target.bytes += (uint32_t)bytes;
    request->head_bytes = request->target.offset + request->target.bytes;
    return request->target.bytes > REQUEST_TARGET_MAX_BYTES ? refuse(request, 414) : 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t bytes)
{
    struct request *request = request_of(parser);

    if (request->has_head) {
        return 0; /* a trailer */
    }
    if (request->is_in_value || request->field.bytes == 0) {
        request->is_in_value = false;
        request->field.offset = offset_of(request, at);
        request->field.bytes = 0;
    }
    request->field.bytes += (uint32_t)bytes;
    request->head_bytes = request->field.offset + request->field.bytes;
    return 0;
}

/* `name` in any case is `wanted`, which is in lower case and as long. */
static bool is_name(const char *name, size_t bytes, const char *wanted)
{
    for (size_t i = 0; i < bytes; i++) {
        /* Of the characters that a name may have, only capitals change; a minus sign stays. */
        if ((name[i] | 0x20) != wanted[i]) {
            return false;
        }
    }
    return true;
}

/* Most names that clients send differ from ours in length already. */
static enum request_field find_field(const char *name, size_t bytes)
{
    switch (bytes) {
    case 4:
        return is_name(name, bytes, "host") ? FIELD_HOST : FIELD_OTHER;
    case 5:
        return is_name(name, bytes, "range") ? FIELD_RANGE : FIELD_OTHER;
    case 6:
        return is_name(name, bytes, "expect") ? FIELD_EXPECT : FIELD_OTHER;
    case 8:
        if (is_name(name, bytes, "if-match")) {
            return FIELD_IF_MATCH;
        }
        return is_name(name, bytes, "if-range") ? FIELD_IF_RANGE : FIELD_OTHER;
    case 13:
        return is_name(name, bytes, "if-none-match") ? FIELD_IF_NONE_MATCH : FIELD_OTHER;
    case 17:
        return is_name(name, bytes, "if-modified-since") ? FIELD_IF_MODIFIED_SINCE : FIELD_OTHER;
    case 19:
        return is_name(name, bytes, "if-unmodified-since") ? FIELD_IF_UNMODIFIED_SINCE
                                                           : FIELD_OTHER;
    default:
        return FIELD_OTHER;
    }
}

/* A value that goes on in the next line (obs-fold, RFC 9112 5.2) leaves a line end behind it. */
static bool has_line_end(const char *from, const char *to)
{
    for (; from < to; from++) {
        if (*from == '\n') {
            return true;
        }
    }
    return false;
}

static int start_value(struct request *request, const char *at)
{
    const char *name = request->head + request->field.offset;

    request->is_in_value = true;
    if (has_line_end(name + request->field.bytes, at)) {
        return refuse(request, 400);
    }
    request->current = find_field(name, request->field.bytes);
    if (request->current == FIELD_OTHER) {
        return 0;
    }
    /* None of those we know may come twice; a second Host is an attack. */
    if (request_has(request, request->current)) {
        return refuse(request, 400);
    }
    request->present |= 1u << request->current;
    request->values[request->current] = (struct request_span){.offset = offset_of(request, at)};
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t bytes)
{
    struct request *request = request_of(parser);

    /* llhttp reports an empty value after its line or not at all; treat it as absent. */
    if (request->has_head || bytes == 0) {
        return 0;
    }
    if (!request->is_in_value) {
        int result = start_value(request, at);
        if (result != 0) {
            return result;
        }
    } else if (request->head_bytes != offset_of(request, at)) {
        return refuse(request, 400); /* folded */
    }
    check(request->current <= FIELD_OTHER);
    if (request->current != FIELD_OTHER) {
        request->values[request->current].bytes += (uint32_t)bytes;
    }
    request->head_bytes = offset_of(request, at) + (uint32_t)bytes;
    return 0;
}

/* The characters of a name or address and perhaps a port (RFC 9110 7.2), as bits. */
static const uint64_t host_characters[4] = {
    0x2FFF7FF200000000, /* ! $ & ' ( ) * + , - . digits : ; = and the percent sign */
    0x47FFFFFEAFFFFFFE, /* letters [ ] _ ~ */
};

static bool is_host_good(const char *host, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char character = (unsigned char)host[i];
        if (!(host_characters[character / 64] >> character % 64 & 1)) {
            return false;
        }
    }
    return true;
}

static uint16_t check_head(const struct request *request)
{
    const llhttp_t *parser = &request->parser;
    const struct request_span *host = &request->values[FIELD_HOST];
    const struct request_span *expect = &request->values[FIELD_EXPECT];
    bool has_host = request_has(request, FIELD_HOST);

    if (parser->http_major != 1) {
        return 505;
    }
    if (request->head_bytes > REQUEST_HEAD_MAX_BYTES) {
        return 431;
    }
    if (!has_host && parser->http_minor >= 1) {
        return 400;
    }
    if (has_host && !is_host_good(request->head + host->offset, host->bytes)) {
        return 400;
    }
    if (request_has(request, FIELD_EXPECT) &&
        (expect->bytes != strlen("100-continue") ||
         strncasecmp(request->head + expect->offset, "100-continue", expect->bytes) != 0)) {
        return 417;
    }
    if ((parser->flags & F_CONTENT_LENGTH) && parser->content_length > REQUEST_BODY_MAX_BYTES) {
        return 413;
    }
    return 0;
}

static int on_head(llhttp_t *parser)
{
    struct request *request = request_of(parser);

    request->has_head = true;
    request->status = check_head(request);
    if (request->status != 0) {
        return REFUSE;
    }
    request->method = parser->method;
    request->minor_version = parser->http_minor;
    request->is_keep_alive = llhttp_should_keep_alive(parser) != 0;
    request->has_body_fields =
        (parser->flags & (F_CONTENT_LENGTH | F_TRANSFER_ENCODING | F_CHUNKED | F_UPGRADE)) != 0;
    /* We change to no other protocol: an Upgrade field is ignored (RFC 9110 7.8). */
    parser->upgrade = parser->method == HTTP_CONNECT;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t bytes)
{
    struct request *request = request_of(parser);

    (void)at;
    request->body_bytes += bytes;
    return request->body_bytes > REQUEST_BODY_MAX_BYTES ? refuse(request, 413) : 0;
}

static int on_complete(llhttp_t *parser)
{
    request_of(parser)->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t callbacks = {
    .on_url = on_target,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void request_initialise(struct request *request)
{
    llhttp_init(&request->parser, HTTP_REQUEST, &callbacks);
    /* Any x of HTTP/x.y is accepted here, so that check_head() can answer 505. */
    request->parser.lenient_flags |= LENIENT_VERSION;
    request->parser.data = request;
    request_restart(request);
}

void request_restart(struct request *request)
{
    request->target.bytes = 0;
    request->field.bytes = 0;
    request->present = 0;
    request->is_in_value = false;
    request->has_head = false;
    request->is_complete = false;
    request->status = 0;
    request->head_bytes = 0;
    request->body_bytes = 0;
}

/* A method that has the form of one is unknown (501); anything else is no HTTP at all (400). */
static uint16_t status_of_bad_method(const char *head, const char *end)
{
    const char *at = head;

    while (at < end && ((*at >= 'A' && *at <= 'Z') || *at == '-' || *at == '_')) {
        at++;
    }
    return at > head && at < end && *at == ' ' ? 501 : 400;
}

static uint16_t status_of_error(struct request *request, llhttp_errno_t error, const char *end)
{
    if (request->status != 0) {
        return request->status;
    }
    if (error == HPE_INVALID_METHOD) {
        return status_of_bad_method(request->head, end);
    }
    return error == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

enum request_progress request_parse(struct request *request, const char *head, const char *data,
                                    size_t bytes, size_t *consumed)
{
    check(!request->is_complete && request->status == 0);
    check(request->has_head || data >= head);
    request->head = head;
    llhttp_errno_t error = llhttp_execute(&request->parser, data, bytes);
    *consumed = bytes;
    if (error != HPE_OK) {
        *consumed = (size_t)(llhttp_get_error_pos(&request->parser) - data);
        check(*consumed <= bytes);
    }
    if (request->is_complete && request->status == 0) {
        if (error == HPE_PAUSED) {
            llhttp_resume(&request->parser);
        }
        return REQUEST_COMPLETE;
    }
    if (error != HPE_OK) {
        request->status = status_of_error(request, error, data + bytes);
        return REQUEST_REFUSED;
    }
    if (!request->has_head && data + bytes - head > REQUEST_HEAD_MAX_BYTES) {
        request->status = 431;
        return REQUEST_REFUSED;
    }
    return REQUEST_INCOMPLETE;
}

bool request_expects_continue(const struct request *request)
{
    return request->has_head && !request->is_complete && request_has(request, FIELD_EXPECT) &&
           request->body_bytes == 0 && request->minor_version >= 1;
}
