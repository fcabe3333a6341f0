/* SPDX-License-Identifier: MIT */
/*
 * Formatted text: one pass over the format, every conversion put together from at most three
 * pieces (sign or prefix, zeros, digits) and padded to its width. Tested against the host's
 * snprintf. Where C11 leaves a choice: %p is `0x` and hexadecimal digits, a string of NULL is
 * `(null)`.
 */
#include "libc/core/format.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "libc/core/assert.h"
#include "libc/core/numbers.h"

struct conversion {
    bool is_left;      /* - */
    bool has_plus;     /* + */
    bool has_space;    /* space */
    bool is_alternate; /* # */
    bool has_zeros;    /* 0 */
    int width;
    int precision; /* -1: none */
    enum { SIZE_INT, SIZE_CHAR, SIZE_SHORT, SIZE_LONG } size;
};

/* A va_list that may be handed on: by itself it is an array on this ABI. */
struct arguments {
    va_list list;
};

/* 64 bits in octal. */
#define DIGITS_MAX 22

static void put_padded(struct output *output, const struct conversion *conversion, const char *text,
                       size_t length)
{
    size_t padding = (size_t)conversion->width > length ? (size_t)conversion->width - length : 0;

    if (!conversion->is_left) {
        output_append_repeated(output, ' ', padding);
    }
    output_append(output, text, length);
    if (conversion->is_left) {
        output_append_repeated(output, ' ', padding);
    }
}

/* The digits of a value, in the last bytes of `digits`; none for zero. Returns how many. */
static size_t make_digits(char digits[DIGITS_MAX], uint64_t value, unsigned base, bool is_upper)
{
    const char *alphabet = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t count = 0;

    for (; value != 0; value /= base) {
        CORE_ASSERT(count < DIGITS_MAX);
        digits[DIGITS_MAX - ++count] = alphabet[value % base];
    }
    return count;
}

static void put_number(struct output *output, const struct conversion *conversion,
                       const char *prefix, uint64_t value, unsigned base, bool is_upper)
{
    char digits[DIGITS_MAX];
    size_t digit_count = make_digits(digits, value, base, is_upper);
    size_t prefix_length = strlen(prefix);
    size_t least = conversion->precision >= 0 ? (size_t)conversion->precision : 1;
    size_t zeros = least > digit_count ? least - digit_count : 0;

    if (base == 8 && conversion->is_alternate && zeros == 0) {
        zeros = 1;
    }
    size_t length = prefix_length + zeros + digit_count;
    size_t padding = (size_t)conversion->width > length ? (size_t)conversion->width - length : 0;

    /* A precision says how many zeros there are: the flag then means nothing. */
    if (conversion->has_zeros && !conversion->is_left && conversion->precision < 0) {
        zeros += padding;
        padding = 0;
    }
    if (!conversion->is_left) {
        output_append_repeated(output, ' ', padding);
    }
    output_append(output, prefix, prefix_length);
    output_append_repeated(output, '0', zeros);
    output_append(output, digits + DIGITS_MAX - digit_count, digit_count);
    if (conversion->is_left) {
        output_append_repeated(output, ' ', padding);
    }
}

static void put_signed(struct output *output, const struct conversion *conversion, int64_t value)
{
    const char *sign = value < 0               ? "-"
                       : conversion->has_plus  ? "+"
                       : conversion->has_space ? " "
                                               : "";
    /* Negated as unsigned: the most negative value has no positive one. */
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    put_number(output, conversion, sign, magnitude, 10, false);
}

static void put_string(struct output *output, const struct conversion *conversion, const char *text)
{
    if (text == NULL) {
        text = "(null)";
    }
    /* With a precision the text need not end in a zero. */
    size_t length =
        conversion->precision >= 0 ? strnlen(text, (size_t)conversion->precision) : strlen(text);

    put_padded(output, conversion, text, length);
}

static const char *parse_flags(const char *format, struct conversion *conversion)
{
    for (;; format++) {
        switch (*format) {
        case '-':
            conversion->is_left = true;
            break;
        case '+':
            conversion->has_plus = true;
            break;
        case ' ':
            conversion->has_space = true;
            break;
        case '#':
            conversion->is_alternate = true;
            break;
        case '0':
            conversion->has_zeros = true;
            break;
        default:
            return format;
        }
    }
}

/* None is 0; one that is too large for an int is its largest. */
static const char *parse_number(const char *format, int *number)
{
    uint64_t value;

    *number = number_take(&format, NULL, 10, INT_MAX, &value) == -EINVAL ? 0 : (int)value;
    return format;
}

static const char *parse_size(const char *format, struct conversion *conversion)
{
    conversion->size = SIZE_INT;
    switch (*format) {
    case 'h':
        conversion->size = format[1] == 'h' ? SIZE_CHAR : SIZE_SHORT;
        return format + (format[1] == 'h' ? 2 : 1);
    case 'l':
        conversion->size = SIZE_LONG;
        return format + (format[1] == 'l' ? 2 : 1);
    case 'z':
    case 't':
    case 'j':
        conversion->size = SIZE_LONG;
        return format + 1;
    default:
        return format;
    }
}

_Static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8 &&
                   sizeof(ptrdiff_t) == 8 && sizeof(intmax_t) == 8,
               "every longer integer is fetched as a long");

/* Behind the `%`: everything up to the conversion's letter. */
static const char *parse_conversion(const char *format, struct conversion *conversion,
                                    struct arguments *arguments)
{
    *conversion = (struct conversion){.precision = -1};
    format = parse_flags(format, conversion);
    if (*format == '*') {
        conversion->width = va_arg(arguments->list, int);
        if (conversion->width < 0) {
            conversion->is_left = true;
            conversion->width = conversion->width == INT_MIN ? INT_MAX : -conversion->width;
        }
        format++;
    } else {
        format = parse_number(format, &conversion->width);
    }
    if (format[0] == '.' && format[1] == '*') {
        /* A negative one counts as none. */
        conversion->precision = va_arg(arguments->list, int);
        format += 2;
    } else if (format[0] == '.') {
        format = parse_number(format + 1, &conversion->precision);
    }
    return parse_size(format, conversion);
}

static int64_t take_signed(const struct conversion *conversion, struct arguments *arguments)
{
    switch (conversion->size) {
    case SIZE_LONG:
        return va_arg(arguments->list, long);
    case SIZE_CHAR:
        return (signed char)va_arg(arguments->list, int);
    case SIZE_SHORT:
        return (short)va_arg(arguments->list, int);
    default:
        return va_arg(arguments->list, int);
    }
}

static uint64_t take_unsigned(const struct conversion *conversion, struct arguments *arguments)
{
    switch (conversion->size) {
    case SIZE_LONG:
        return va_arg(arguments->list, unsigned long);
    case SIZE_CHAR:
        return (unsigned char)va_arg(arguments->list, unsigned);
    case SIZE_SHORT:
        return (unsigned short)va_arg(arguments->list, unsigned);
    default:
        return va_arg(arguments->list, unsigned);
    }
}

static void put_hexadecimal(struct output *output, const struct conversion *conversion,
                            uint64_t value, bool is_upper)
{
    const char *prefix = !conversion->is_alternate || value == 0 ? "" : is_upper ? "0X" : "0x";

    put_number(output, conversion, prefix, value, 16, is_upper);
}

/* False for a letter that is none of ours: then no argument was taken. */
static bool convert(struct output *output, char letter, const struct conversion *conversion,
                    struct arguments *arguments)
{
    switch (letter) {
    case 'd':
    case 'i':
        put_signed(output, conversion, take_signed(conversion, arguments));
        return true;
    case 'u':
        put_number(output, conversion, "", take_unsigned(conversion, arguments), 10, false);
        return true;
    case 'o':
        put_number(output, conversion, "", take_unsigned(conversion, arguments), 8, false);
        return true;
    case 'x':
    case 'X':
        put_hexadecimal(output, conversion, take_unsigned(conversion, arguments), letter == 'X');
        return true;
    case 'p':
        put_number(output, conversion, "0x", (uintptr_t)va_arg(arguments->list, void *), 16, false);
        return true;
    case 'c': {
        char character = (char)va_arg(arguments->list, int);

        put_padded(output, conversion, &character, 1);
        return true;
    }
    case 's':
        put_string(output, conversion, va_arg(arguments->list, const char *));
        return true;
    case '%':
        output_append(output, "%", 1);
        return true;
    default:
        return false;
    }
}

void format_append_v(struct output *output, const char *format, va_list list)
{
    struct arguments arguments;

    va_copy(arguments.list, list);
    while (*format != '\0') {
        const char *start = format;
        struct conversion conversion;

        if (*format != '%') {
            while (*format != '\0' && *format != '%') {
                format++;
            }
            output_append(output, start, (size_t)(format - start));
            continue;
        }
        format = parse_conversion(format + 1, &conversion, &arguments);
        if (convert(output, *format, &conversion, &arguments)) {
            format++;
        } else {
            /* Shown as it stands, which is how a mistake is found. */
            output_append(output, start, (size_t)(format - start));
        }
    }
    va_end(arguments.list);
}

void format_append(struct output *output, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_append_v(output, format, arguments);
    va_end(arguments);
}

int format_text_v(char *text, size_t size, const char *format, va_list list)
{
    struct output output;

    output_start(&output, text, size);
    format_append_v(&output, format, list);
    return output.length <= INT_MAX ? (int)output.length : -EOVERFLOW;
}

int format_text(char *text, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = format_text_v(text, size, format, arguments);
    va_end(arguments);
    return length;
}
