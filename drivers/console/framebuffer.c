/* SPDX-License-Identifier: MIT */
/*
 * Draws glyphs. Each line of a glyph is put together in a small buffer and copied out at once, so
 * that the bus sees whole runs of pixels, whatever their size.
 */
#include "drivers/console/framebuffer.h"

#include <string.h>

#include "drivers/console/font.h"
#include "drivers/console/screen.h"
#include "kernel/node.h"
#include "kernel/platform.h"

#define PIXEL_MAX_BYTES 4u
/* Chosen: enough for 8K screens, and bounds the buffer. */
#define SCALE_MAX       8u
/* Far above what exists; keeps products of sizes in range. */
#define SIZE_MAX_PIXELS 65536u

/* Colours in percent of full: light grey on black. */
#define FOREGROUND_PERCENT 80u
#define BACKGROUND_PERCENT 0u

static uint8_t *pixels;
static uint32_t pitch_bytes;
static unsigned pixel_bytes;
static unsigned scale;
static unsigned columns;
static unsigned rows;

/* What a bit of a glyph becomes in one line: `scale` pixels of the background, or of the
 * foreground. */
#define DOT_MAX_BYTES  (SCALE_MAX * PIXEL_MAX_BYTES)
#define DOT_WORD_BYTES 8u

static uint8_t dots[2][DOT_MAX_BYTES];
static unsigned dot_bytes;

static unsigned bytes_of_pixel(const struct framebuffer_info *info)
{
    return (info->bits_per_pixel + 7u) / 8;
}

static bool is_inside_pixel(const struct framebuffer_info *info,
                            const struct framebuffer_channel *channel)
{
    return channel->bits > 0 && channel->bits <= 16 &&
           channel->position + channel->bits <= info->bits_per_pixel;
}

uint64_t framebuffer_bytes(const struct framebuffer_info *info)
{
    bool is_known_size = info->bits_per_pixel == 15 || info->bits_per_pixel == 16 ||
                         info->bits_per_pixel == 24 || info->bits_per_pixel == 32;

    if (info->is_text || !is_known_size || info->width < FONT_WIDTH || info->height < FONT_HEIGHT ||
        info->width > SIZE_MAX_PIXELS || info->height > SIZE_MAX_PIXELS ||
        info->pitch_bytes < info->width * bytes_of_pixel(info) ||
        info->pitch_bytes > SIZE_MAX_PIXELS * PIXEL_MAX_BYTES ||
        !is_inside_pixel(info, &info->red) || !is_inside_pixel(info, &info->green) ||
        !is_inside_pixel(info, &info->blue)) {
        return 0;
    }
    return (uint64_t)info->pitch_bytes * (info->height - 1) +
           (uint64_t)info->width * bytes_of_pixel(info);
}

static uint32_t grey(const struct framebuffer_info *info, unsigned percent)
{
    const struct framebuffer_channel *const channels[] = {&info->red, &info->green, &info->blue};
    uint32_t value = 0;

    for (unsigned i = 0; i < ARRAY_COUNT(channels); i++) {
        uint32_t full = (1u << channels[i]->bits) - 1;

        value |= full * percent / 100 << channels[i]->position;
    }
    return value;
}

/* Pixels are little-endian. */
static void make_dots(const struct framebuffer_info *info)
{
    const uint32_t colours[] = {grey(info, BACKGROUND_PERCENT), grey(info, FOREGROUND_PERCENT)};

    dot_bytes = scale * pixel_bytes;
    ASSERT(dot_bytes >= 1 && dot_bytes <= DOT_MAX_BYTES);
    for (unsigned i = 0; i < ARRAY_COUNT(dots); i++) {
        for (unsigned byte = 0; byte < dot_bytes; byte++) {
            dots[i][byte] = (uint8_t)(colours[i] >> 8 * (byte % pixel_bytes));
        }
    }
}

bool framebuffer_open(const struct framebuffer_info *info, void *mapped)
{
    if (framebuffer_bytes(info) == 0) {
        return false;
    }
    pixels = mapped;
    pitch_bytes = info->pitch_bytes;
    pixel_bytes = bytes_of_pixel(info);
    for (scale = 1; scale < SCALE_MAX; scale++) {
        if (info->width / (FONT_WIDTH * scale) <= SCREEN_COLUMNS_MAX &&
            info->height / (FONT_HEIGHT * scale) <= SCREEN_ROWS_MAX) {
            break;
        }
    }
    make_dots(info);
    columns = info->width / (FONT_WIDTH * scale);
    rows = info->height / (FONT_HEIGHT * scale);
    columns = columns < SCREEN_COLUMNS_MAX ? columns : SCREEN_COLUMNS_MAX;
    rows = rows < SCREEN_ROWS_MAX ? rows : SCREEN_ROWS_MAX;
    /* So the last cell ends inside what framebuffer_bytes() tells. */
    ASSERT(columns * FONT_WIDTH * dot_bytes <= pitch_bytes);
    ASSERT(rows * FONT_HEIGHT * scale <= info->height);
    return true;
}

unsigned framebuffer_columns(void)
{
    return columns;
}

unsigned framebuffer_rows(void)
{
    return rows;
}

/*
 * One line of a glyph. Each dot is copied as `copy_bytes`, a constant to the compiler and no less
 * than dot_bytes: what is too much of it is overwritten by the next.
 */
static inline void expand(uint8_t *line, unsigned bits, size_t copy_bytes)
{
    for (unsigned x = 0; x < FONT_WIDTH; x++) {
        memcpy(line, dots[bits >> (FONT_WIDTH - 1 - x) & 1], copy_bytes);
        line += dot_bytes;
    }
}

void framebuffer_draw(unsigned column, unsigned row, char character, bool is_inverse)
{
    const size_t line_bytes = (size_t)FONT_WIDTH * dot_bytes;
    uint8_t line[FONT_WIDTH * DOT_MAX_BYTES];
    unsigned expanded_bits = UINT32_MAX; /* what is in `line`: most of a screen is blank */
    uint8_t *at;

    if (column >= columns || row >= rows) {
        return;
    }
    at = pixels + (size_t)row * FONT_HEIGHT * scale * pitch_bytes + column * line_bytes;
    for (unsigned y = 0; y < FONT_HEIGHT; y++) {
        unsigned bits = font_line(character, y) ^ (is_inverse ? 0xFFu : 0u);

        if (bits != expanded_bits && dot_bytes <= DOT_WORD_BYTES) {
            expand(line, bits, DOT_WORD_BYTES);
        } else if (bits != expanded_bits) {
            expand(line, bits, DOT_MAX_BYTES);
        }
        expanded_bits = bits;
        for (unsigned i = 0; i < scale; i++) {
            memcpy(at, line, line_bytes);
            at += pitch_bytes;
        }
    }
}
