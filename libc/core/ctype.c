/* SPDX-License-Identifier: MIT */
/*
 * Classes of ASCII characters, and comparison without regard to case.
 */
#include <ctype.h>
#include <stdint.h>
#include <strings.h>

int islower(int character)
{
    return character >= 'a' && character <= 'z';
}

int isupper(int character)
{
    return character >= 'A' && character <= 'Z';
}

int isalpha(int character)
{
    return islower(character) || isupper(character);
}

int isdigit(int character)
{
    return character >= '0' && character <= '9';
}

int isalnum(int character)
{
    return isalpha(character) || isdigit(character);
}

int isxdigit(int character)
{
    return isdigit(character) || (character >= 'a' && character <= 'f') ||
           (character >= 'A' && character <= 'F');
}

int isblank(int character)
{
    return character == ' ' || character == '\t';
}

int isspace(int character)
{
    return character == ' ' || (character >= '\t' && character <= '\r');
}

int iscntrl(int character)
{
    return (character >= 0 && character < ' ') || character == 127;
}

int isprint(int character)
{
    return character >= ' ' && character < 127;
}

int isgraph(int character)
{
    return character > ' ' && character < 127;
}

int ispunct(int character)
{
    return isgraph(character) && !isalnum(character);
}

int tolower(int character)
{
    return isupper(character) ? character + ('a' - 'A') : character;
}

int toupper(int character)
{
    return islower(character) ? character - ('a' - 'A') : character;
}

int strncasecmp(const char *left, const char *right, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        int difference = tolower((uint8_t)left[i]) - tolower((uint8_t)right[i]);
        if (difference != 0 || left[i] == '\0') {
            return difference;
        }
    }
    return 0;
}

int strcasecmp(const char *left, const char *right)
{
    return strncasecmp(left, right, SIZE_MAX);
}
