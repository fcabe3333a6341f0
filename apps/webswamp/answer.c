/* SPDX-License-Identifier: MIT */
/*
 * Reading answers: see answer.h.
 */
#include "apps/webswamp/answer.h"

#include <string.h>

/* Bodies in chunks of a byte have five that frame each (RFC 9112 7.1); chosen above that. */
#define FRAMING_FOR_BODY 8u

/* FNV-1a. */
#define HASH_START UINT64_C(0xCBF29CE484222325)
#define HASH_PRIME UINT64_C(0x100000001B3)

/* What a callback returns to stop the parser for good. */
#define REFUSE (-1)

static void hash(struct answer *answer, const char *data, size_t bytes)
{
    uint64_t sum = answer->hash;

    for (size_t i = 0; i < bytes; i++) {
        sum = (sum ^ (unsigned char)data[i]) * HASH_PRIME;
    }
    answer->hash = sum;
}

/* --- A head that is known --- */

static enum answer_progress count_off(struct answer *answer, const char *data, size_t bytes)
{
    if (bytes > answer->left_bytes) {
        return ANSWER_BAD; /* nobody has asked for what is behind it */
    }
    if (answer->is_hashed) {
        hash(answer, data, bytes);
        answer->body_bytes += bytes;
    }
    answer->left_bytes -= bytes;
    return answer->left_bytes == 0 ? ANSWER_COMPLETE : ANSWER_INCOMPLETE;
}

static bool begins_as_known(const struct answer_known *known, const char *data, size_t bytes)
{
    return known->head_bytes != 0 && bytes >= known->head_bytes &&
           memcmp(data, known->head, known->head_bytes) == 0;
}

/* --- Any other one --- */

static struct answer *answer_of(llhttp_t *parser)
{
    return (struct answer *)parser->data;
}

static bool is_interim(const llhttp_t *parser)
{
    return parser->status_code / 100 == 1;
}

/* RFC 9112 6.3. */
static bool has_body(const struct answer *answer)
{
    return answer->status != 204 && answer->status != 304;
}

/* A pause: the parser then tells where the head ends. */
static int on_head(llhttp_t *parser)
{
    struct answer *answer = answer_of(parser);

    if (is_interim(parser)) {
        return parser->status_code == 101 ? REFUSE : 0; /* no change of protocol was asked for */
    }
    answer->has_head = true;
    answer->status = parser->status_code;
    answer->keeps = llhttp_should_keep_alive(parser) != 0;
    if (!has_body(answer)) {
        parser->flags |= F_SKIPBODY; /* a length is that of another answer's */
    }
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *data, size_t bytes)
{
    struct answer *answer = answer_of(parser);

    if (answer->is_hashed) {
        hash(answer, data, bytes);
    }
    answer->body_bytes += bytes;
    return 0;
}

static int on_end(llhttp_t *parser)
{
    if (is_interim(parser)) {
        return 0; /* RFC 9110 15.2: the answer follows */
    }
    answer_of(parser)->is_whole = true;
    return HPE_PAUSED;
}

static void start_parser(struct answer *answer)
{
    static llhttp_settings_t settings;

    if (settings.on_body == NULL) {
        llhttp_settings_init(&settings);
        settings.on_headers_complete = on_head;
        settings.on_body = on_body;
        settings.on_message_complete = on_end;
    }
    llhttp_init(&answer->parser, HTTP_RESPONSE, &settings);
    answer->parser.data = answer;
    answer->framing_bytes = 0;
    answer->is_known = false;
    answer->is_whole = false;
    answer->has_head = false;
}

/* The head that has just been parsed, if it says by itself how long the body is. */
static void remember(struct answer_known *known, const struct answer *answer, const char *head,
                     size_t bytes)
{
    const llhttp_t *parser = &answer->parser;

    if (bytes > sizeof(known->head) || !has_body(answer) ||
        (parser->flags & F_CONTENT_LENGTH) == 0 || (parser->flags & F_TRANSFER_ENCODING) != 0) {
        return;
    }
    memcpy(known->head, head, bytes);
    known->head_bytes = (uint32_t)bytes;
    known->status = answer->status;
    known->keeps = answer->keeps;
    known->body_bytes = parser->content_length;
}

/* `is_start`: with the answer's first byte. */
static enum answer_progress parse(struct answer *answer, struct answer_known *known,
                                  const char *data, size_t bytes, bool is_start)
{
    const char *at = data, *end = data + bytes;
    uint64_t body_before = answer->body_bytes;

    for (;;) {
        bool had_head = answer->has_head;
        llhttp_errno_t error = llhttp_execute(&answer->parser, at, (size_t)(end - at));

        if (error == HPE_OK) {
            break;
        }
        if (error != HPE_PAUSED) {
            return ANSWER_BAD;
        }
        at = llhttp_get_error_pos(&answer->parser);
        if (answer->is_whole) {
            return at == end ? ANSWER_COMPLETE : ANSWER_BAD;
        }
        if (is_start && !had_head) {
            remember(known, answer, data, (size_t)(at - data));
        }
        llhttp_resume(&answer->parser);
    }
    answer->framing_bytes += bytes - (answer->body_bytes - body_before);
    return answer->framing_bytes <= ANSWER_HEAD_MAX_BYTES + FRAMING_FOR_BODY * answer->body_bytes
               ? ANSWER_INCOMPLETE
               : ANSWER_BAD;
}

/* --- From outside --- */

enum answer_progress answer_take(struct answer *answer, struct answer_known *known,
                                 const char *data, size_t bytes)
{
    bool is_start = !answer->has_begun;

    if (is_start) {
        answer->has_begun = true;
        answer->body_bytes = 0;
        answer->hash = HASH_START;
        if (begins_as_known(known, data, bytes)) {
            answer->is_known = true;
            answer->status = known->status;
            answer->keeps = known->keeps;
            answer->left_bytes = known->body_bytes;
            data += known->head_bytes;
            bytes -= known->head_bytes;
        } else {
            start_parser(answer);
        }
    }
    return answer->is_known ? count_off(answer, data, bytes)
                            : parse(answer, known, data, bytes, is_start);
}

enum answer_progress answer_end(struct answer *answer)
{
    if (!answer->has_begun || answer->is_known) {
        return ANSWER_INCOMPLETE;
    }
    (void)llhttp_finish(&answer->parser); /* on_end() knows more than its result */
    return answer->is_whole ? ANSWER_COMPLETE : ANSWER_INCOMPLETE;
}

bool answer_is_like_first(const struct answer *answer, struct answer_known *known)
{
    if (!known->has_reference) {
        known->has_reference = true;
        known->reference_bytes = answer->body_bytes;
        known->reference_hash = answer->hash;
    }
    return answer->body_bytes == known->reference_bytes && answer->hash == known->reference_hash;
}
