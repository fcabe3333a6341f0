/* SPDX-License-Identifier: MIT */
/*
 * DNS's packets: see packet.h. Of an answer we read the records that lead from the name that was
 * asked for, over aliases in whatever order they stand (RFC 2181 10.1), to what was asked for. The
 * others are the server's talk, and none of it is kept (RFC 5452 6). Names are compared as text,
 * which is the same for the same labels (net/domain_name.h).
 */
#include "net/transport/dns/packet.h"

#include <string.h>

#include "kernel/platform.h"
#include "libc/core/bytes.h"

/* Offsets in the header, and behind an owner's name in a record (RFC 1035 4.1.1, 4.1.3). */
#define HEADER_BYTES       12u
#define FLAGS_OFFSET       2u
#define COUNTS_OFFSET      4u /* of questions, answers, authorities, additional records */
#define RECORD_FIXED_BYTES 10u

#define FLAG_RESPONSE          0x8000u
#define FLAGS_OPCODE           0x7800u
#define FLAG_AUTHORITY         0x0400u
#define FLAG_TRUNCATED         0x0200u
#define FLAG_RECURSION_DESIRED 0x0100u
#define FLAG_RECURSION         0x0080u
#define FLAGS_CODE             0x000Fu

enum { CODE_NO_ERROR = 0, CODE_FORMAT_ERROR = 1, CODE_NO_NAME = 3, CODE_NOT_IMPLEMENTED = 4 };
enum { TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_OPT = 41 };

#define CLASS_INTERNET 1u

/* Two bits before a label say that the rest of the name stands elsewhere (4.1.4). */
#define LABEL_POINTER 0xC0u

/* Chosen: no sane name has more aliases, and a loop of them ends. */
#define ALIAS_MAX 16u

/* RFC 2181 8: of a number with the first bit set it is zero; a day is long enough, and of what is
 * not there five minutes (RFC 2308 5 wants three hours at most). */
#define LIFETIME_MAX_S          (24 * 3600u)
#define NEGATIVE_LIFETIME_MAX_S 300u

struct packet {
    const uint8_t *bytes;
    size_t length;
};

struct record {
    char owner[DOMAIN_NAME_BYTES];
    uint16_t type;
    uint16_t class;
    uint32_t lifetime_s;
    size_t data_at;
    uint16_t data_bytes;
};

/* --- The question --- */

size_t dns_write_question(uint8_t packet[DNS_QUESTION_MAX_BYTES],
                          const struct dns_question *question)
{
    const char *label = question->name;
    uint8_t *at = packet + HEADER_BYTES;

    memset(packet, 0, HEADER_BYTES);
    store_be16(packet, question->id);
    store_be16(packet + FLAGS_OFFSET, FLAG_RECURSION_DESIRED);
    store_be16(packet + COUNTS_OFFSET, 1);
    while (*label != '\0') {
        size_t bytes = strcspn(label, ".");

        ASSERT(bytes > 0 && bytes <= DOMAIN_LABEL_MAX_BYTES);
        *at++ = (uint8_t)bytes;
        memcpy(at, label, bytes);
        at += bytes;
        label += bytes + (label[bytes] == '.');
    }
    *at++ = 0;
    store_be16(at, question->kind);
    store_be16(at + 2, CLASS_INTERNET);
    at += 4;
    if (question->has_edns) {
        /* The root's name, a type, how much we take; no flags and no options (RFC 6891 6.1.2). */
        memset(at, 0, 1 + RECORD_FIXED_BYTES);
        store_be16(at + 1, TYPE_OPT);
        store_be16(at + 3, DNS_PACKET_MAX_BYTES);
        store_be16(packet + COUNTS_OFFSET + 6, 1);
        at += 1 + RECORD_FIXED_BYTES;
    }
    ASSERT(at <= packet + DNS_QUESTION_MAX_BYTES);
    return (size_t)(at - packet);
}

/* --- Names and records --- */

/* A label behind what there is of a name. Whether it can be one. */
static bool take_label(const uint8_t *label, size_t bytes, char *name, size_t *name_bytes)
{
    if (*name_bytes + (*name_bytes != 0) + bytes > DOMAIN_NAME_MAX_BYTES) {
        return false;
    }
    if (*name_bytes != 0) {
        name[(*name_bytes)++] = '.';
    }
    for (size_t i = 0; i < bytes; i++) {
        int character = domain_name_character(label[i]);

        if (character < 0) {
            return false;
        }
        name[(*name_bytes)++] = (char)character;
    }
    return true;
}

/* The name at *at, which moves behind it. A pointer leads back before where its part of the name
 * has begun: so it ends, whatever the packet says. */
static bool read_name(const struct packet *packet, size_t *at, char name[DOMAIN_NAME_BYTES])
{
    size_t part = *at, from = *at, name_bytes = 0;
    bool is_elsewhere = false;

    for (;;) {
        size_t left = packet->length > from ? packet->length - from : 0;
        uint8_t label_bytes = left > 0 ? packet->bytes[from] : 0;
        bool is_pointer = (label_bytes & LABEL_POINTER) == LABEL_POINTER;

        if (left == 0 || (is_pointer && left < 2)) {
            return false;
        }
        if (label_bytes == 0 || is_pointer) {
            if (!is_elsewhere) {
                *at = from + 1 + is_pointer;
            }
            if (label_bytes == 0) {
                break;
            }
            from = load_be16(packet->bytes + from) & 0x3FFFu;
            if (from >= part) {
                return false;
            }
            part = from;
            is_elsewhere = true;
            continue;
        }
        if (label_bytes > DOMAIN_LABEL_MAX_BYTES || label_bytes >= left ||
            !take_label(packet->bytes + from + 1, label_bytes, name, &name_bytes)) {
            return false;
        }
        from += 1 + label_bytes;
    }
    name[name_bytes] = '\0';
    return true;
}

static bool read_record(const struct packet *packet, size_t *at, struct record *record)
{
    const uint8_t *fixed;

    if (!read_name(packet, at, record->owner) || packet->length - *at < RECORD_FIXED_BYTES) {
        return false;
    }
    fixed = packet->bytes + *at;
    record->type = load_be16(fixed);
    record->class = load_be16(fixed + 2);
    record->lifetime_s = load_be32(fixed + 4);
    if (record->lifetime_s > INT32_MAX) {
        record->lifetime_s = 0;
    }
    record->data_bytes = load_be16(fixed + 8);
    record->data_at = *at + RECORD_FIXED_BYTES;
    if (packet->length - record->data_at < record->data_bytes) {
        return false;
    }
    *at = record->data_at + record->data_bytes;
    return true;
}

/* --- The answer --- */

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The name that a record points to, which fills it. */
static bool read_target(const struct packet *packet, const struct record *record,
                        char name[DOMAIN_NAME_BYTES])
{
    size_t at = record->data_at;

    return read_name(packet, &at, name) && at == record->data_at + record->data_bytes &&
           name[0] != '\0';
}

static bool is_of(const struct record *record, const char *name, uint16_t type)
{
    return record->type == type && record->class == CLASS_INTERNET &&
           strcmp(record->owner, name) == 0;
}

/* What a record of the kind that was asked for adds. False: it is broken. */
static bool take_data(const struct packet *packet, const struct record *record,
                      struct dns_answer *answer)
{
    uint32_t address;

    if (record->type == RESOLVE_NAME) {
        return answer->result == RESOLVED_FOUND || read_target(packet, record, answer->name);
    }
    if (record->data_bytes != sizeof(address)) {
        return false;
    }
    memcpy(&address, packet->bytes + record->data_at, sizeof(address));
    for (unsigned i = 0; i < answer->address_count; i++) {
        if (answer->addresses[i] == address) {
            return true;
        }
    }
    if (answer->address_count < RESOLVED_ADDRESS_MAX) {
        answer->addresses[answer->address_count++] = address;
    }
    return true;
}

/* The name that is looked for, and how many aliases have led to it. */
struct search {
    uint16_t kind;
    unsigned alias_count;
    char name[DOMAIN_NAME_BYTES];
};

/* The records of a section, `count` of them from *at on. False: they are broken, or cut off. */
static bool read_section(const struct packet *packet, size_t *at, unsigned count,
                         struct search *search, struct dns_answer *answer)
{
    struct record record;

    for (unsigned i = 0; i < count; i++) {
        if (!read_record(packet, at, &record)) {
            return false;
        }
        if (is_of(&record, search->name, search->kind)) {
            if (!take_data(packet, &record, answer)) {
                return false;
            }
            answer->result = RESOLVED_FOUND;
            answer->lifetime_s = lesser(answer->lifetime_s, record.lifetime_s);
        } else if (answer->result != RESOLVED_FOUND && is_of(&record, search->name, TYPE_CNAME)) {
            if (!read_target(packet, &record, search->name)) {
                return false;
            }
            search->alias_count++;
            answer->lifetime_s = lesser(answer->lifetime_s, record.lifetime_s);
        }
    }
    return true;
}

/* How long it may be kept that there is nothing: what the zone's SOA record says, or not at all
 * (RFC 2308 5). */
static uint32_t negative_lifetime(const struct packet *packet, size_t at, unsigned count)
{
    struct record record;

    for (unsigned i = 0; i < count && read_record(packet, &at, &record); i++) {
        if (record.type == TYPE_SOA && record.class == CLASS_INTERNET && record.data_bytes >= 20) {
            uint32_t minimum =
                load_be32(packet->bytes + record.data_at + record.data_bytes - sizeof(minimum));

            return lesser(lesser(record.lifetime_s, minimum), NEGATIVE_LIFETIME_MAX_S);
        }
    }
    return 0;
}

/* The answer section, read until there is no alias more: they may stand in any order. */
static enum dns_verdict read_records(const struct packet *packet, size_t at, uint16_t flags,
                                     const struct dns_question *question, struct dns_answer *answer)
{
    unsigned count = load_be16(packet->bytes + COUNTS_OFFSET + 2);
    struct search search = {.kind = question->kind};
    unsigned alias_count;
    size_t end;
    bool is_whole;

    strcpy(search.name, question->name);
    *answer = (struct dns_answer){.result = RESOLVED_NO_DATA, .lifetime_s = LIFETIME_MAX_S};
    do {
        alias_count = search.alias_count;
        end = at;
        is_whole = read_section(packet, &end, count, &search, answer);
    } while (is_whole && answer->result != RESOLVED_FOUND && search.alias_count != alias_count &&
             search.alias_count <= ALIAS_MAX);
    if (!is_whole && (flags & FLAG_TRUNCATED) == 0) {
        return DNS_FOREIGN;
    }
    if (answer->result == RESOLVED_FOUND) {
        if (question->kind == RESOLVE_ADDRESSES) {
            strcpy(answer->name, search.name);
        }
        return DNS_ANSWERED;
    }
    /* What we want was cut off; the aliases have no end; or the server only knows who might know.
     */
    if ((flags & FLAG_TRUNCATED) != 0 || search.alias_count > ALIAS_MAX ||
        (flags & (FLAG_AUTHORITY | FLAG_RECURSION)) == 0) {
        return DNS_FAILED;
    }
    if ((flags & FLAGS_CODE) == CODE_NO_NAME) {
        answer->result = RESOLVED_NO_NAME;
    }
    answer->lifetime_s =
        negative_lifetime(packet, end, load_be16(packet->bytes + COUNTS_OFFSET + 4));
    return DNS_ANSWERED;
}

static bool repeats_question(const struct packet *packet, size_t *at,
                             const struct dns_question *question)
{
    char name[DOMAIN_NAME_BYTES];

    if (load_be16(packet->bytes + COUNTS_OFFSET) != 1 || !read_name(packet, at, name) ||
        packet->length - *at < 4) {
        return false;
    }
    *at += 4;
    return strcmp(name, question->name) == 0 &&
           load_be16(packet->bytes + *at - 4) == question->kind &&
           load_be16(packet->bytes + *at - 2) == CLASS_INTERNET;
}

enum dns_verdict dns_read_answer(const uint8_t *bytes, size_t length,
                                 const struct dns_question *question, struct dns_answer *answer)
{
    const struct packet packet = {bytes, length};
    size_t at = HEADER_BYTES;
    uint16_t flags, code;

    if (length < HEADER_BYTES || load_be16(bytes) != question->id) {
        return DNS_FOREIGN;
    }
    flags = load_be16(bytes + FLAGS_OFFSET);
    code = flags & FLAGS_CODE;
    if ((flags & (FLAG_RESPONSE | FLAGS_OPCODE)) != FLAG_RESPONSE) {
        return DNS_FOREIGN;
    }
    /* Who has not understood it need not repeat it. */
    if (question->has_edns && (code == CODE_FORMAT_ERROR || code == CODE_NOT_IMPLEMENTED)) {
        return DNS_NOT_UNDERSTOOD;
    }
    if (!repeats_question(&packet, &at, question)) {
        return DNS_FOREIGN;
    }
    if (code != CODE_NO_ERROR && code != CODE_NO_NAME) {
        return DNS_FAILED;
    }
    return read_records(&packet, at, flags, question, answer);
}
