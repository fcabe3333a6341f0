/* SPDX-License-Identifier: MIT */
/*
 * Filling a struct boot_info from data that is not to be trusted. Also compiled into the UEFI
 * application, so it needs nothing but <string.h>.
 */
#include "boot/boot_info.h"

#include <string.h>

/* Nothing lies there; ends of ranges up to it can be rounded up. */
#define LAST_PAGE_PADDR ALIGN_DOWN(UINT64_MAX, PAGE_BYTES)

static paddr_t range_end(const struct memory_range *range)
{
    return range->paddr + range->bytes;
}

static void copy_text(char *to, size_t size, const char *text, size_t text_bytes)
{
    size_t length = 0;

    while (length < text_bytes && length < size - 1 && text[length] != '\0') {
        /* It will be printed. */
        to[length] = text[length] >= '\0' && text[length] < ' ' ? ' ' : text[length];
        length++;
    }
    to[length] = '\0';
}

void boot_info_initialise(struct boot_info *info, const char *loader)
{
    memset(info, 0, sizeof(*info));
    info->magic = BOOT_INFO_MAGIC;
    info->bytes = sizeof(*info);
    boot_info_set_loader(info, loader, strlen(loader));
}

void boot_info_set_loader(struct boot_info *info, const char *name, size_t name_bytes)
{
    copy_text(info->loader, sizeof(info->loader), name, name_bytes);
}

/* Take the ranges of the same kind that this one touches into it, and out of the list. */
static void absorb_ranges(struct boot_info *info, struct memory_range *range, bool is_usable)
{
    for (unsigned i = 0; i < info->range_count;) {
        const struct memory_range *other = &info->ranges[i].range;

        if (info->ranges[i].is_usable != is_usable || range->paddr > range_end(other) ||
            other->paddr > range_end(range)) {
            i++;
            continue;
        }
        paddr_t start = range->paddr < other->paddr ? range->paddr : other->paddr;
        paddr_t end = range_end(range) > range_end(other) ? range_end(range) : range_end(other);

        *range = (struct memory_range){start, end - start};
        info->range_count--;
        memmove(&info->ranges[i], &info->ranges[i + 1],
                (info->range_count - i) * sizeof(info->ranges[0]));
        /* Grown, it may touch one that was passed by. */
        i = 0;
    }
}

/* Without an entry for the reserved range: of each usable one keep the larger side beside it. */
static void cut_usable_ranges(struct boot_info *info, const struct memory_range *reserved)
{
    for (unsigned i = 0; i < info->range_count; i++) {
        struct memory_range *range = &info->ranges[i].range;
        paddr_t end = range_end(range);

        if (!info->ranges[i].is_usable || range->paddr >= range_end(reserved) ||
            reserved->paddr >= end) {
            continue;
        }
        uint64_t below = reserved->paddr > range->paddr ? reserved->paddr - range->paddr : 0;
        uint64_t above = end > range_end(reserved) ? end - range_end(reserved) : 0;

        *range = below >= above ? (struct memory_range){range->paddr, below}
                                : (struct memory_range){range_end(reserved), above};
    }
}

void boot_info_add_range(struct boot_info *info, paddr_t paddr, uint64_t bytes, bool is_usable)
{
    struct memory_range range = {paddr, bytes};

    if (bytes == 0) {
        return;
    }
    if (paddr + bytes < paddr) {
        info->dropped_range_count++;
        if (is_usable || paddr >= LAST_PAGE_PADDR) {
            return;
        }
        range.bytes = LAST_PAGE_PADDR - paddr;
    }
    absorb_ranges(info, &range, is_usable);
    if (info->range_count < BOOT_RANGE_MAX) {
        info->ranges[info->range_count++] = (struct boot_range){range, is_usable};
        return;
    }
    info->dropped_range_count++;
    if (!is_usable) {
        cut_usable_ranges(info, &range);
    }
}

void boot_info_add_module(struct boot_info *info, paddr_t paddr, uint64_t bytes, const char *name,
                          size_t name_bytes)
{
    static const char first_name[] = "root.tar";
    struct boot_module *module = &info->modules[info->module_count];

    if (info->module_count == ARRAY_COUNT(info->modules) || bytes == 0 || paddr + bytes < paddr) {
        info->dropped_module_count++;
        return;
    }
    module->paddr = paddr;
    module->bytes = bytes;
    copy_text(module->name, sizeof(module->name), name, name_bytes);
    if (module->name[0] == '\0' && info->module_count == 0) {
        memcpy(module->name, first_name, sizeof(first_name));
    }
    info->module_count++;
}

/* Chosen: twice 8K; what is larger is noise. */
#define FRAMEBUFFER_SIDE_MAX  16384u
#define TEXT_CELL_BYTES       2u
#define FRAMEBUFFER_DEPTH_MAX 32u
#define FRAMEBUFFER_DEPTH_MIN 15u

static bool is_sound_channel(const struct framebuffer_info *framebuffer,
                             const struct framebuffer_channel *channel)
{
    return channel->bits > 0 && channel->bits <= 8 &&
           channel->position + channel->bits <= framebuffer->bits_per_pixel;
}

static bool is_sound_screen(const struct framebuffer_info *framebuffer)
{
    uint32_t pixel_bytes =
        framebuffer->is_text ? TEXT_CELL_BYTES : (framebuffer->bits_per_pixel + 7u) / 8;
    uint64_t bytes = (uint64_t)framebuffer->pitch_bytes * framebuffer->height;

    if (framebuffer->paddr == 0 || framebuffer->paddr + bytes < framebuffer->paddr ||
        framebuffer->width == 0 || framebuffer->width > FRAMEBUFFER_SIDE_MAX ||
        framebuffer->height == 0 || framebuffer->height > FRAMEBUFFER_SIDE_MAX ||
        framebuffer->pitch_bytes < framebuffer->width * pixel_bytes) {
        return false;
    }
    return framebuffer->is_text || (framebuffer->bits_per_pixel >= FRAMEBUFFER_DEPTH_MIN &&
                                    framebuffer->bits_per_pixel <= FRAMEBUFFER_DEPTH_MAX &&
                                    is_sound_channel(framebuffer, &framebuffer->red) &&
                                    is_sound_channel(framebuffer, &framebuffer->green) &&
                                    is_sound_channel(framebuffer, &framebuffer->blue));
}

void boot_info_set_framebuffer(struct boot_info *info, const struct framebuffer_info *framebuffer)
{
    if (is_sound_screen(framebuffer)) {
        info->framebuffer = *framebuffer;
    }
}

bool boot_info_is_memory(const struct boot_info *info, paddr_t paddr, uint64_t bytes)
{
    paddr_t start = ALIGN_DOWN(paddr, (paddr_t)PAGE_BYTES);
    paddr_t end = bytes < LAST_PAGE_PADDR - start ? ALIGN_UP(paddr + bytes, (paddr_t)PAGE_BYTES)
                                                  : LAST_PAGE_PADDR;

    for (unsigned i = 0; i < info->range_count; i++) {
        const struct memory_range *range = &info->ranges[i].range;

        if (info->ranges[i].is_usable && range->paddr < end &&
            (range->paddr >= start || start - range->paddr < range->bytes)) {
            return true;
        }
    }
    return false;
}

bool boot_info_check_framebuffer(struct boot_info *info)
{
    const struct framebuffer_info *screen = &info->framebuffer;

    if (screen->paddr == 0 ||
        !boot_info_is_memory(info, screen->paddr, (uint64_t)screen->pitch_bytes * screen->height)) {
        return true;
    }
    info->framebuffer = (struct framebuffer_info){.paddr = 0};
    return false;
}

void boot_info_set_command_line(struct boot_info *info, const char *text, size_t text_bytes)
{
    size_t length = strnlen(text, text_bytes);

    info->is_command_line_cut = length >= sizeof(info->command_line);
    copy_text(info->command_line, sizeof(info->command_line), text, text_bytes);
}

static bool is_blank(char character)
{
    return character == ' ' || (character >= '\t' && character <= '\r');
}

void boot_info_add_configuration(struct boot_info *info, const char *text, size_t text_bytes)
{
    size_t line_bytes = strlen(info->command_line) + 1;
    size_t room = sizeof(info->command_line) - line_bytes;
    size_t length = 0;
    size_t at = 0;

    /* Make room in front by moving the line to the buffer's end, and close the gap afterwards. */
    char *line = info->command_line + room;

    memmove(line, info->command_line, line_bytes);
    while (at < text_bytes && text[at] != '\0') {
        size_t start = at;

        if (text[at] == '#') {
            while (at < text_bytes && text[at] != '\n') {
                at++;
            }
            continue;
        }
        while (at < text_bytes && text[at] != '\0' && !is_blank(text[at])) {
            at++;
        }
        if (at == start) {
            at++; /* a blank */
            continue;
        }
        if (at - start + 1 > room - length) {
            info->is_command_line_cut = true;
            break;
        }
        memcpy(info->command_line + length, text + start, at - start);
        length += at - start;
        info->command_line[length++] = ' ';
    }
    memmove(info->command_line + length, line, line_bytes);
}
