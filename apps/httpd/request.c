/* SPDX-License-Identifier: MIT */
/*
 * From llhttp's callbacks to a struct request.
 */
#include "apps/httpd/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "apps/httpd/authority.h"
#include "apps/httpd/check.h"
#include "apps/httpd/path.h"

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

static int on_name(llhttp_t *parser, const char *at, size_t bytes)
{
    struct request *request = request_of(parser);

    if (request->is_name_whole) {
        request->is_name_whole = false;
        request->name.bytes = 0;
        request->value.bytes = 0;
    }
    if (request->has_head) {
        request->name.bytes += (uint32_t)bytes; /* a trailer */
        return 0;
    }
    if (request->name.bytes == 0) {
        request->name.offset = offset_of(request, at);
    }
    request->name.bytes += (uint32_t)bytes;
    request->head_bytes = request->name.offset + request->name.bytes;
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
    case 10:
        return is_name(name, bytes, "connection") ? FIELD_CONNECTION : FIELD_OTHER;
    case 13:
        return is_name(name, bytes, "if-none-match") ? FIELD_IF_NONE_MATCH : FIELD_OTHER;
    case 15:
        return is_name(name, bytes, "accept-encoding") ? FIELD_ACCEPT_ENCODING : FIELD_OTHER;
    case 17:
        if (is_name(name, bytes, "transfer-encoding")) {
            return FIELD_TRANSFER_ENCODING;
        }
        return is_name(name, bytes, "if-modified-since") ? FIELD_IF_MODIFIED_SINCE : FIELD_OTHER;
    case 19:
        return is_name(name, bytes, "if-unmodified-since") ? FIELD_IF_UNMODIFIED_SINCE
                                                           : FIELD_OTHER;
    default:
        return FIELD_OTHER;
    }
}

static int on_name_complete(llhttp_t *parser)
{
    struct request *request = request_of(parser);

    if (request->name.bytes == 0) {
        return refuse(request, 400);
    }
    request->is_name_whole = true;
    if (request->has_head) {
        return 0;
    }
    request->current = find_field(request->head + request->name.offset, request->name.bytes);
    if (request->current < FIELD_COUNT) {
        /* None of those we know may come twice; a second Host is an attack. But for one that is a
         * list, of which no use has to be made. */
        if (request->named & 1u << request->current) {
            if (request->current != FIELD_ACCEPT_ENCODING) {
                return refuse(request, 400);
            }
            request->present &= ~(1u << FIELD_ACCEPT_ENCODING);
            request->current = FIELD_OTHER;
            return 0;
        }
        request->named |= 1u << request->current;
    }
    return 0;
}

static unsigned count_line_ends(const char *from, const char *to)
{
    unsigned count = 0;

    for (; from < to; from++) {
        count += *from == '\n';
    }
    return count;
}

/* A value that goes on in the next line (obs-fold, RFC 9112 5.2) is refused. It leaves a line end
 * in front of it or in its middle; an empty value is reported behind the end of its own line. */
static int on_value(llhttp_t *parser, const char *at, size_t bytes)
{
    struct request *request = request_of(parser);

    if (request->has_head) {
        return 0;
    }
    if (request->value.bytes == 0) {
        const char *name_end = request->head + request->name.offset + request->name.bytes;
        if (count_line_ends(name_end, at) > (bytes == 0)) {
            return refuse(request, 400);
        }
        request->value.offset = offset_of(request, at);
    } else if (request->head_bytes != offset_of(request, at)) {
        return refuse(request, 400);
    }
    if (bytes > 0) {
        request->value.bytes += (uint32_t)bytes;
        request->head_bytes = offset_of(request, at) + (uint32_t)bytes;
    }
    return 0;
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

/* Blanks around a value do not belong to it (RFC 9110 5.5). */
static struct request_span without_blanks(const char *head, struct request_span span)
{
    while (span.bytes > 0 && is_blank(head[span.offset + span.bytes - 1])) {
        span.bytes--;
    }
    while (span.bytes > 0 && is_blank(head[span.offset])) {
        span.offset++;
        span.bytes--;
    }
    return span;
}

static bool is_word(const struct request *request, struct request_span span, const char *word)
{
    return span.bytes == strlen(word) &&
           strncasecmp(request->head + span.offset, word, span.bytes) == 0;
}

/* Whether one of the words, which commas separate, is `close` (RFC 9112 9.3). */
static bool has_close(const struct request *request, struct request_span list)
{
    uint32_t end = list.offset + list.bytes;

    for (uint32_t at = list.offset; at < end;) {
        const char *comma = memchr(request->head + at, ',', end - at);
        uint32_t word_end = comma != NULL ? offset_of(request, comma) : end;
        struct request_span word = {.offset = at, .bytes = word_end - at};
        if (is_word(request, without_blanks(request->head, word), "close")) {
            return true;
        }
        at = word_end + 1;
    }
    return false;
}

/* A value without a byte is as good as none. */
static int on_value_complete(llhttp_t *parser)
{
    struct request *request = request_of(parser);

    if (request->has_head || request->value.bytes == 0) {
        return 0;
    }
    struct request_span value = without_blanks(request->head, request->value);
    check(request->current <= FIELD_OTHER);
    if (request->current == FIELD_CONNECTION) {
        request->has_close |= has_close(request, value);
    } else if (request->current < FIELD_COUNT && value.bytes > 0) {
        request->present |= 1u << request->current;
        request->values[request->current] = value;
    }
    return 0;
}

/*
 * The line is METHOD, one blank, TARGET, one blank, HTTP/x.y (RFC 9112 3): llhttp also takes
 * several blanks, and other protocols of the same form. Which forms of a target there are is RFC
 * 9112 3.2.
 */
static bool is_line_good(const struct request *request)
{
    static const char protocol[] = " HTTP/";
    const char *target = request->head + request->target.offset;
    const char *end = target + request->target.bytes;

    if (is_blank(target[-2]) || memcmp(end, protocol, strlen(protocol)) != 0) {
        return false;
    }
    switch (request->parser.method) {
    case HTTP_CONNECT:
        return authority_is_good(target, request->target.bytes);
    case HTTP_OPTIONS:
        return path_is_target(target, request->target.bytes) ||
               (request->target.bytes == 1 && *target == '*');
    default:
        return path_is_target(target, request->target.bytes);
    }
}

static uint16_t check_transfer_encoding(const struct request *request)
{
    if (!(request->named & 1u << FIELD_TRANSFER_ENCODING)) {
        return 0;
    }
    if (request_has(request, FIELD_TRANSFER_ENCODING) &&
        is_word(request, request->values[FIELD_TRANSFER_ENCODING], "chunked")) {
        return 0;
    }
    /* Where such a body ends is known, but not what it says (RFC 9112 6.1). */
    return (request->parser.flags & F_CHUNKED) != 0 ? 501 : 400;
}

static uint16_t check_head(const struct request *request)
{
    const llhttp_t *parser = &request->parser;
    const struct request_span *host = &request->values[FIELD_HOST];
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
    if (has_host && !authority_is_good(request->head + host->offset, host->bytes)) {
        return 400;
    }
    if (!is_line_good(request)) {
        return 400;
    }
    if (request_has(request, FIELD_EXPECT) &&
        !is_word(request, request->values[FIELD_EXPECT], "100-continue")) {
        return 417;
    }
    if ((parser->flags & F_CONTENT_LENGTH) && parser->content_length > REQUEST_BODY_MAX_BYTES) {
        return 413;
    }
    return check_transfer_encoding(request);
}

/* Whether another request may follow. HTTP/1.0 knows no Transfer-Encoding, so whoever handed such a
 * request on may see its end elsewhere (RFC 9112 6.1); behind CONNECT comes what is no HTTP. */
static bool is_keep_alive(const struct request *request)
{
    return llhttp_should_keep_alive(&request->parser) != 0 && !request->has_close &&
           request->parser.method != HTTP_CONNECT &&
           !(request->parser.http_minor == 0 && request_has(request, FIELD_TRANSFER_ENCODING));
}

static int on_head(llhttp_t *parser)
{
    struct request *request = request_of(parser);

    request->has_head = true;
    request->unframed = request->head + request->head_bytes;
    request->status = check_head(request);
    if (request->status != 0) {
        return REFUSE;
    }
    request->method = parser->method;
    request->minor_version = parser->http_minor;
    request->is_keep_alive = is_keep_alive(request);
    request->has_body_fields =
        (parser->flags & (F_CONTENT_LENGTH | F_TRANSFER_ENCODING | F_CHUNKED | F_UPGRADE)) != 0;
    /* We change to no other protocol: an Upgrade field is ignored (RFC 9110 7.8). */
    parser->upgrade = parser->method == HTTP_CONNECT;
    return 0;
}

/* Bytes up to `end` that are no content. Returns false when they are too many. */
static bool count_framing(struct request *request, const char *end)
{
    uint64_t bytes = end > request->unframed ? (uint64_t)(end - request->unframed) : 0;

    request->framing_bytes += bytes;
    request->framing_run += (uint32_t)bytes;
    if (request->framing_run > REQUEST_FRAMING_MAX_BYTES) {
        request->status = (request->parser.flags & F_TRAILING) != 0 ? 431 : 413;
        return false;
    }
    if (request->framing_bytes >
        REQUEST_FRAMING_MAX_BYTES + REQUEST_FRAMING_EACH_BYTES * request->body_bytes) {
        request->status = 413;
        return false;
    }
    return true;
}

static int on_body(llhttp_t *parser, const char *at, size_t bytes)
{
    struct request *request = request_of(parser);

    if (!count_framing(request, at)) {
        return REFUSE;
    }
    request->unframed = at + bytes;
    request->framing_run = 0;
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
    .on_header_field = on_name,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void request_initialise(struct request *request)
{
    llhttp_init(&request->parser, HTTP_REQUEST, &callbacks);
    /* Any x of HTTP/x.y is accepted here, so that check_head() can answer 505. */
    request->parser.lenient_flags |= LENIENT_VERSION;
    request_restart(request);
}

/* llhttp keeps the last method that it has read: that of another request, or of what only begins
 * with one. Not HEAD, which is answered without content. */
static void forget_method(struct request *request)
{
    request->parser.method = HTTP_DELETE;
}

void request_restart(struct request *request)
{
    forget_method(request);
    request->target.bytes = 0;
    request->name.bytes = 0;
    request->present = 0;
    request->named = 0;
    request->is_name_whole = true;
    request->has_close = false;
    request->has_head = false;
    request->is_complete = false;
    request->is_repeated = false;
    request->status = 0;
    request->head_bytes = 0;
    request->body_bytes = 0;
    request->framing_bytes = 0;
    request->framing_run = 0;
}

/* A method that has the form of one is unknown (501); anything else is no HTTP at all (400). 0: its
 * end has not come yet. */
static uint16_t status_of_bad_method(const char *head, const char *end)
{
    const char *at = head;

    while (at < end && (isalnum((unsigned char)*at) ||
                        (*at != '\0' && strchr("!#$%&'*+-.^_`|~", *at) != NULL))) {
        at++;
    }
    if (at == end) {
        return 0;
    }
    return at > head && *at == ' ' ? 501 : 400;
}

static uint16_t status_of_error(struct request *request, llhttp_errno_t error, const char *end)
{
    if (request->status != 0) {
        return request->status;
    }
    if (error == HPE_INVALID_CONSTANT && request->parser.method >= HTTP_DESCRIBE) {
        return 501; /* RTSP's methods, which llhttp knows, but not in HTTP */
    }
    if (error == HPE_INVALID_METHOD) {
        forget_method(request);
        return status_of_bad_method(request->head, end);
    }
    return error == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

/* A blank for each tab in the fields: llhttp takes a tab behind a value for a part of it. None that
 * means something else can stand in a value that is looked at here. */
static void replace_tabs(const char *head, char *data, size_t bytes)
{
    const char *end = data + bytes;
    char *tab = memchr(data, '\t', bytes);
    const char *line = head;

    if (tab == NULL) {
        return;
    }
    while (line < end && (*line == '\r' || *line == '\n')) {
        line++;
    }
    const char *fields = memchr(line, '\n', (size_t)(end - line));
    if (fields == NULL) {
        return; /* a tab in the request's line is an error */
    }
    const char *fields_end = memmem(fields, (size_t)(end - fields), "\n\r\n", 3);
    if (fields_end == NULL) {
        fields_end = end;
    }
    for (; tab != NULL && tab < fields_end; tab = memchr(tab, '\t', (size_t)(end - tab))) {
        if (tab > fields) {
            *tab = ' ';
        }
        tab++;
    }
}

enum request_progress request_parse(struct request *request, const char *head, char *data,
                                    size_t bytes, size_t *consumed)
{
    check(!request->is_complete && request->status == 0);
    check(request->has_head || data >= head);
    if (!request->has_head) {
        replace_tabs(head, data, bytes);
    }
    request->parser.data = request; /* it may have been moved */
    request->head = head;
    request->unframed = data;
    llhttp_errno_t error = llhttp_execute(&request->parser, data, bytes);
    *consumed = bytes;
    if (error == HPE_INVALID_METHOD && status_of_bad_method(head, data + bytes) == 0) {
        error = HPE_OK; /* llhttp says it again when more has come */
    }
    if (error != HPE_OK && error != HPE_INVALID_METHOD) {
        *consumed = (size_t)(llhttp_get_error_pos(&request->parser) - data);
        check(*consumed <= bytes);
    }
    if (request->has_head && request->status == 0 && !count_framing(request, data + *consumed)) {
        return REQUEST_REFUSED;
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
