/* SPDX-License-Identifier: MIT */
/*
 * etc/hosts, read where it lies each time. It is input: a line that is none is passed over.
 */
#include "libc/posix/hosts.h"

#include <string.h>

#include "kernel/platform.h"
#include "libc/core/address.h"
#include "libc/core/tar.h"

#define FILE_NAME "etc/hosts"

static const char blanks[] = " \t\r";

struct text {
    const char *at;
    const char *end;
};

/* --- The file --- */

static bool is_file(const struct tar_entry *entry)
{
    const char *name = entry->name;
    size_t bytes = entry->name_bytes;

    if (bytes > 2 && memcmp(name, "./", 2) == 0) {
        name += 2;
        bytes -= 2;
    }
    return entry->type == TAR_FILE && bytes == strlen(FILE_NAME) &&
           memcmp(name, FILE_NAME, bytes) == 0;
}

/* As tar has it the last one of a name counts. */
static bool find_in(const struct platform_module *module, struct text *file)
{
    struct tar_reader reader;
    struct tar_entry entry;
    bool is_found = false;

    tar_open(&reader, module->start, module->bytes);
    while (tar_next(&reader, &entry) > 0) {
        if (is_file(&entry)) {
            file->at = (const char *)entry.content;
            file->end = file->at + entry.content_bytes;
            is_found = true;
        }
    }
    return is_found;
}

/* Empty when there is none. Modules do not change. */
static struct text open_file(void)
{
    static struct text file;
    static bool is_known;
    const struct platform_module *module;

    for (unsigned i = 0; !is_known && (module = platform_module(i)) != NULL; i++) {
        is_known = find_in(module, &file);
    }
    is_known = true;
    return file;
}

/* --- Lines and words --- */

/* The next line without its comment. False: there is none. */
static bool take_line(struct text *file, struct text *line)
{
    const char *end, *comment;
    size_t left = (size_t)(file->end - file->at);

    if (left == 0) {
        return false;
    }
    end = memchr(file->at, '\n', left);
    line->at = file->at;
    line->end = end != NULL ? end : file->end;
    file->at = end != NULL ? end + 1 : file->end;
    comment = memchr(line->at, '#', (size_t)(line->end - line->at));
    if (comment != NULL) {
        line->end = comment;
    }
    return true;
}

static bool is_blank(char character)
{
    return character == '\0' || strchr(blanks, character) != NULL;
}

static bool take_word(struct text *line, struct text *word)
{
    while (line->at < line->end && is_blank(*line->at)) {
        line->at++;
    }
    word->at = line->at;
    while (line->at < line->end && !is_blank(*line->at)) {
        line->at++;
    }
    word->end = line->at;
    return word->at < word->end;
}

static bool take_address(struct text *line, uint32_t *address)
{
    char text[ADDRESS_IPV4_TEXT_BYTES];
    struct text word;
    const char *end;
    size_t bytes;

    if (!take_word(line, &word)) {
        return false;
    }
    bytes = (size_t)(word.end - word.at);
    if (bytes >= sizeof(text)) {
        return false;
    }
    memcpy(text, word.at, bytes);
    text[bytes] = '\0';
    end = address_parse_ipv4(text, address);
    return end != NULL && *end == '\0';
}

/* The next name of a line; what cannot be one is passed over. */
static bool take_name(struct text *line, char name[DOMAIN_NAME_BYTES])
{
    struct text word;

    while (take_word(line, &word)) {
        if (domain_name_copy(name, word.at, (size_t)(word.end - word.at))) {
            return true;
        }
    }
    return false;
}

/* --- Questions --- */

static bool has_name(struct text line, const char *wanted)
{
    char name[DOMAIN_NAME_BYTES];

    while (take_name(&line, name)) {
        if (strcmp(name, wanted) == 0) {
            return true;
        }
    }
    return false;
}

bool hosts_find_name(const char *name, struct name_answer *answer)
{
    struct text file = open_file();
    struct text line;
    uint32_t address;

    *answer = (struct name_answer){.result = RESOLVED_FOUND};
    while (answer->address_count < RESOLVED_ADDRESS_MAX && take_line(&file, &line)) {
        if (!take_address(&line, &address) || !has_name(line, name)) {
            continue;
        }
        if (answer->address_count == 0) {
            (void)take_name(&line, answer->name); /* it has that one at least */
        }
        answer->addresses[answer->address_count++] = address;
    }
    return answer->address_count != 0;
}

bool hosts_find_address(uint32_t address, char name[DOMAIN_NAME_BYTES])
{
    struct text file = open_file();
    struct text line;
    uint32_t of_line;

    while (take_line(&file, &line)) {
        if (take_address(&line, &of_line) && of_line == address && take_name(&line, name)) {
            return true;
        }
    }
    return false;
}
