/* SPDX-License-Identifier: MIT */
/*
 * VGA text (IBM VGA, modes 2 and 3): two bytes for each character, at 0xB8000.
 */
#include "drivers/console/vga_text.h"

#include "drivers/console/screen.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "libc/core/mmio.h"
#include "libc/core/port.h"

/* The BIOS's data area. */
#define BIOS_VIDEO_MODE    0x449
#define BIOS_COLUMNS       0x44A
#define MODE_TEXT_80_GREY  2
#define MODE_TEXT_80_COLOR 3

#define TEXT_PADDR   0xB8000
#define TEXT_COLUMNS 80
#define TEXT_ROWS    25
#define CELL_BYTES   2u

#define ATTRIBUTE_NORMAL  0x07 /* light grey on black */
#define ATTRIBUTE_INVERSE 0x70

#define CRTC_INDEX          0x3D4
#define CRTC_DATA           0x3D5
#define CRTC_CURSOR_START   0x0A
#define CURSOR_START_HIDDEN 0x20

static uint8_t *text;
static uint32_t pitch_bytes;
static unsigned columns;
static unsigned rows;

/* Try whether the last cell of the text keeps what is written to it; it gets its own value back. */
static bool probe_memory(uint8_t *mapped)
{
    const size_t last = (TEXT_COLUMNS * TEXT_ROWS - 1) * CELL_BYTES;
    uint16_t saved = mmio_read16(mapped, last);
    bool is_kept;

    mmio_write16(mapped, last, 0x0741);
    is_kept = mmio_read16(mapped, last) == 0x0741;
    mmio_write16(mapped, last, 0x0720);
    is_kept = is_kept && mmio_read16(mapped, last) == 0x0720;
    mmio_write16(mapped, last, saved);
    return is_kept;
}

bool vga_text_detect(struct framebuffer_info *info, uint8_t *low_memory)
{
    uint8_t mode = mmio_read8(low_memory, BIOS_VIDEO_MODE);

    if ((mode != MODE_TEXT_80_GREY && mode != MODE_TEXT_80_COLOR) ||
        mmio_read16(low_memory, BIOS_COLUMNS) != TEXT_COLUMNS ||
        !probe_memory(low_memory + TEXT_PADDR)) {
        return false;
    }
    *info = (struct framebuffer_info){
        .paddr = TEXT_PADDR,
        .width = TEXT_COLUMNS,
        .height = TEXT_ROWS,
        .pitch_bytes = TEXT_COLUMNS * CELL_BYTES,
        .bits_per_pixel = 8 * CELL_BYTES,
        .is_text = true,
    };
    return true;
}

uint64_t vga_text_bytes(const struct framebuffer_info *info)
{
    if (!info->is_text || info->width == 0 || info->width > SCREEN_COLUMNS_MAX ||
        info->height == 0 || info->height > SCREEN_ROWS_MAX ||
        info->pitch_bytes < info->width * CELL_BYTES ||
        info->pitch_bytes > SCREEN_COLUMNS_MAX * CELL_BYTES) {
        return 0;
    }
    return (uint64_t)info->pitch_bytes * info->height;
}

bool vga_text_open(const struct framebuffer_info *info, void *cells)
{
    if (vga_text_bytes(info) == 0) {
        return false;
    }
    text = cells;
    pitch_bytes = info->pitch_bytes;
    columns = info->width;
    rows = info->height;
    ASSERT(columns * CELL_BYTES <= pitch_bytes);
    return true;
}

void vga_text_hide_cursor(void)
{
    port_write8(CRTC_INDEX, CRTC_CURSOR_START);
    port_write8(CRTC_DATA, CURSOR_START_HIDDEN);
}

void vga_text_draw(unsigned column, unsigned row, char character, bool is_inverse)
{
    if (column < columns && row < rows) {
        uint8_t attribute = is_inverse ? ATTRIBUTE_INVERSE : ATTRIBUTE_NORMAL;

        mmio_write16(text, (size_t)row * pitch_bytes + (size_t)column * CELL_BYTES,
                     (uint16_t)(attribute << 8 | (uint8_t)character));
    }
}
