/* SPDX-License-Identifier: MIT */
/*
 * The tar reader. A header block may be preceded by blocks that amend it: pax headers (types x
 * and g) and GNU's long name (type L). These are gathered in a struct amendment first.
 */
#include "libc/core/tar.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "libc/core/assert.h"
#include "libc/core/numbers.h"

#define BLOCK_BYTES 512

/* The header block, POSIX ustar interchange format. Numbers are octal text. */
struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link_name[100];
    char magic[6]; /* "ustar" and a zero, or GNU's "ustar " */
    char version[2];
    char user[32];
    char group[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char padding[12];
};

_Static_assert(sizeof(struct header) == BLOCK_BYTES, "a header is one block");
_Static_assert(TAR_USTAR_NAME_BYTES ==
                   sizeof(((struct header *)0)->prefix) + 1 + sizeof(((struct header *)0)->name),
               "a prefix, a slash and a name");

/* What headers before the header say of it. */
struct amendment {
    const char *name; /* NULL: not amended */
    size_t name_bytes;
    uint64_t size;
    int64_t mtime_s;
    bool has_size, has_mtime;
};

/* Octal text, or binary with the top bit set for what does not fit (GNU). False if it is neither.
 */
static bool parse_number(const char *field, size_t bytes, uint64_t *value)
{
    const char *at = field;
    const char *end = field + bytes;

    *value = 0;
    if ((uint8_t)field[0] == 0x80) {
        for (size_t i = 1; i < bytes; i++) {
            if (*value >> 56 != 0) {
                return false;
            }
            *value = *value << 8 | (uint8_t)field[i];
        }
        return true;
    }
    while (at < end && *at == ' ') {
        at++;
    }
    /* Without a digit it is zero. */
    return number_take(&at, end, 8, UINT64_MAX, value) != -ERANGE &&
           (at == end || *at == ' ' || *at == '\0');
}

static bool is_zero_block(const uint8_t *block)
{
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        if (block[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The sum of all bytes of the block, its own field counted as blanks. */
static bool is_checksum_good(const struct header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    uint64_t stated, sum = 0;

    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        bool is_own = i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);
        sum += is_own ? ' ' : bytes[i];
    }
    return parse_number(header->checksum, sizeof(header->checksum), &stated) && stated == sum;
}

/* Decimal digits, and for times a fraction that is cut off. */
static bool parse_decimal(const char *text, size_t bytes, uint64_t *value)
{
    const char *end = text + bytes;

    return number_take(&text, end, 10, UINT64_MAX, value) == 0 && (text == end || *text == '.');
}

static bool is_key(const char *key, size_t key_bytes, const char *wanted)
{
    return key_bytes == strlen(wanted) && memcmp(key, wanted, key_bytes) == 0;
}

/* One record's key and value into the amendment; what we do not use is passed over. */
static bool amend(struct amendment *amendment, const char *key, size_t key_bytes, const char *value,
                  size_t value_bytes)
{
    uint64_t number;

    if (is_key(key, key_bytes, "path")) {
        amendment->name = value;
        amendment->name_bytes = value_bytes;
    } else if (is_key(key, key_bytes, "size")) {
        amendment->has_size = parse_decimal(value, value_bytes, &amendment->size);
        return amendment->has_size;
    } else if (is_key(key, key_bytes, "mtime") && parse_decimal(value, value_bytes, &number)) {
        amendment->has_mtime = number <= INT64_MAX;
        amendment->mtime_s = (int64_t)number;
    }
    return true;
}

/* Records `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record. */
static bool parse_pax(struct amendment *amendment, const uint8_t *content, size_t bytes)
{
    const char *at = (const char *)content;

    while (bytes > 0) {
        const char *blank = memchr(at, ' ', bytes);
        uint64_t length;
        if (blank == NULL || !parse_decimal(at, (size_t)(blank - at), &length)) {
            return false;
        }
        size_t prefix_bytes = (size_t)(blank + 1 - at);
        if (length > bytes || length <= prefix_bytes || at[length - 1] != '\n') {
            return false;
        }
        const char *key = at + prefix_bytes;
        size_t rest_bytes = (size_t)length - prefix_bytes - 1;
        const char *equals = memchr(key, '=', rest_bytes);
        if (equals == NULL || !amend(amendment, key, (size_t)(equals - key), equals + 1,
                                     rest_bytes - (size_t)(equals + 1 - key))) {
            return false;
        }
        at += length;
        bytes -= (size_t)length;
    }
    return true;
}

static void join_name(struct tar_reader *reader, const struct header *header,
                      struct tar_entry *entry)
{
    size_t name_bytes = strnlen(header->name, sizeof(header->name));
    size_t prefix_bytes = 0;

    /* GNU's own format keeps other things where ustar has the prefix. */
    if (memcmp(header->magic, "ustar", sizeof(header->magic)) == 0) {
        prefix_bytes = strnlen(header->prefix, sizeof(header->prefix));
    }
    char *to = reader->joined_name;
    if (prefix_bytes > 0) {
        memcpy(to, header->prefix, prefix_bytes);
        to[prefix_bytes] = '/';
        prefix_bytes++;
    }
    memcpy(to + prefix_bytes, header->name, name_bytes);
    entry->name = to;
    entry->name_bytes = prefix_bytes + name_bytes;
    CORE_ASSERT(entry->name_bytes <= sizeof(reader->joined_name));
}

static enum tar_type type_of(char type)
{
    switch (type) {
    case '0':
    case '\0': /* before POSIX */
    case '7':  /* contiguous: no different here */
        return TAR_FILE;
    case '5':
        return TAR_FOLDER;
    default:
        return TAR_OTHER;
    }
}

static bool fill_entry(struct tar_reader *reader, const struct header *header,
                       const struct amendment *amendment, const uint8_t *content, size_t bytes,
                       struct tar_entry *entry)
{
    uint64_t mtime = 0;

    if (!parse_number(header->mtime, sizeof(header->mtime), &mtime) || mtime > INT64_MAX) {
        return false;
    }
    entry->type = type_of(header->type);
    entry->content = content;
    entry->content_bytes = bytes;
    entry->mtime_s = amendment->has_mtime ? amendment->mtime_s : (int64_t)mtime;
    if (amendment->name != NULL) {
        entry->name = amendment->name;
        entry->name_bytes = strnlen(amendment->name, amendment->name_bytes);
    } else {
        join_name(reader, header, entry);
    }
    return entry->name_bytes <= TAR_NAME_MAX_BYTES;
}

void tar_open(struct tar_reader *reader, const void *archive, size_t bytes)
{
    CORE_ASSERT(archive != NULL || bytes == 0);
    reader->at = archive;
    reader->end = reader->at + bytes;
}

int tar_next(struct tar_reader *reader, struct tar_entry *entry)
{
    struct amendment amendment = {0};

    /* The end is a block of zeros; an archive that was cut between two entries also ends there. */
    while (reader->end - reader->at >= BLOCK_BYTES && !is_zero_block(reader->at)) {
        const struct header *header = (const struct header *)reader->at;
        const uint8_t *content = reader->at + BLOCK_BYTES;
        uint64_t size;

        if (!is_checksum_good(header) || !parse_number(header->size, sizeof(header->size), &size)) {
            return -EINVAL;
        }
        bool is_amending = header->type == 'x' || header->type == 'g' || header->type == 'L' ||
                           header->type == 'K';
        if (!is_amending && amendment.has_size) {
            size = amendment.size;
        }
        /* Links may state a size without having content. */
        if (header->type >= '1' && header->type <= '6') {
            size = 0;
        }
        if (size > (uint64_t)(reader->end - content)) {
            return -EINVAL;
        }
        size_t padded = ((size_t)size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        size_t left = (size_t)(reader->end - content);
        reader->at = content + (padded < left ? padded : left);
        CORE_ASSERT(reader->at > (const uint8_t *)header && reader->at <= reader->end);
        if (header->type == 'x' && !parse_pax(&amendment, content, (size_t)size)) {
            return -EINVAL;
        }
        if (header->type == 'L') {
            amendment.name = (const char *)content;
            amendment.name_bytes = (size_t)size;
        }
        if (!is_amending) {
            bool is_good = fill_entry(reader, header, &amendment, content, (size_t)size, entry);
            return is_good ? 1 : -EINVAL;
        }
    }
    return 0;
}
