/* SPDX-License-Identifier: MIT */
/*
 * Printable text from UCS-2, and the judgement whether it is text at all.
 */
#include "boot/uefi/load_options.h"

#include <string.h>

#define LAST_PRINTABLE '~'

static bool ends_in_efi(const char *word, size_t length)
{
    static const char ending[] = ".efi";
    size_t ending_bytes = sizeof(ending) - 1;

    if (length < ending_bytes) {
        return false;
    }
    for (size_t i = 0; i < ending_bytes; i++) {
        char character = word[length - ending_bytes + i];

        if (character >= 'A' && character <= 'Z') {
            character = (char)(character - 'A' + 'a');
        }
        if (character != ending[i]) {
            return false;
        }
    }
    return true;
}

static void drop_program_name(char *text)
{
    size_t start = 0;

    while (text[start] == ' ') {
        start++;
    }
    size_t end = start;

    while (text[end] != ' ' && text[end] != '\0') {
        end++;
    }
    if (ends_in_efi(text + start, end - start)) {
        while (text[end] == ' ') {
            end++;
        }
        memmove(text, text + end, strlen(text + end) + 1);
    }
}

bool load_options_read(char *text, size_t size, const void *options, size_t bytes)
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t offset = 0; offset + sizeof(uint16_t) <= bytes; offset += sizeof(uint16_t)) {
        uint16_t character;

        memcpy(&character, (const char *)options + offset, sizeof(character));
        if (character == '\0') {
            break;
        }
        if ((character < ' ' && character != '\t') || character > LAST_PRINTABLE) {
            text[0] = '\0';
            return false;
        }
        if (length < size - 1) {
            text[length++] = character == '\t' ? ' ' : (char)character;
        }
    }
    text[length] = '\0';
    drop_program_name(text);
    return true;
}
