/* SPDX-License-Identifier: MIT */
/*
 * The multiboot2 loader's tags (Multiboot2 specification 3.6) to a struct boot_info. They are one
 * block of known size, walked once; every field is read by copying, after a look at the tag's own
 * length, so that neither alignment nor truncation matters.
 */
#include "boot/multiboot2.h"

#include "boot/image.h"

#include <string.h>

/* Chosen: GRUB's block has a few KiB; a megabyte would be a field of noise. */
#define BLOCK_MAX_BYTES (1 * MIB)

/* --- What lies in memory --- */

/* In front of all tags (3.6.1). */
struct block_header {
    uint32_t bytes; /* of the whole block */
    uint32_t reserved;
};

/* In front of each (3.6.2). */
struct tag_header {
    uint32_t type;
    uint32_t bytes; /* with this header */
};

#define TAG_ALIGNMENT 8

_Static_assert(sizeof(struct block_header) == 8, "3.6.1");
_Static_assert(sizeof(struct tag_header) == 8, "3.6.2");

enum tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_RSDP_V1 = 14,
    TAG_RSDP_V2 = 15,
};

/* 3.6.6; the name follows. */
struct module_fields {
    uint32_t start;
    uint32_t end;
};

/* 3.6.8; entries follow. */
struct memory_map_fields {
    uint32_t entry_bytes;
    uint32_t entry_version;
};

struct memory_entry {
    uint64_t paddr;
    uint64_t bytes;
    uint32_t type;
    uint32_t reserved;
};

#define MEMORY_USABLE 1

/* 3.6.12 */
struct framebuffer_fields {
    uint64_t paddr;
    uint32_t pitch_bytes;
    uint32_t width;
    uint32_t height;
    uint8_t bits_per_pixel;
    uint8_t type;
    uint16_t reserved;
} __attribute__((packed));

#define FRAMEBUFFER_RGB  1
#define FRAMEBUFFER_TEXT 2

/* What follows them when the type is RGB. */
struct framebuffer_colours {
    struct {
        uint8_t position;
        uint8_t bits;
    } red, green, blue;
};

_Static_assert(sizeof(struct module_fields) == 8, "3.6.6");
_Static_assert(sizeof(struct memory_map_fields) == 8, "3.6.8");
_Static_assert(sizeof(struct memory_entry) == 24, "3.6.8");
_Static_assert(sizeof(struct framebuffer_fields) == 24, "3.6.12");
_Static_assert(sizeof(struct framebuffer_colours) == 6, "3.6.12");

/* --- One tag --- */

/* A tag's content: what follows its type and length. */
struct tag {
    uint32_t type;
    paddr_t paddr;
    const uint8_t *content;
    size_t bytes;
};

/* False when the tag is too short for it. */
static bool get_fields(const struct tag *tag, size_t offset, void *fields, size_t bytes)
{
    if (offset > tag->bytes || bytes > tag->bytes - offset) {
        return false;
    }
    memcpy(fields, tag->content + offset, bytes);
    return true;
}

static void read_module(struct boot_info *info, const struct tag *tag)
{
    struct module_fields fields = {0};

    if (!get_fields(tag, 0, &fields, sizeof(fields)) || fields.end < fields.start) {
        info->dropped_module_count++;
        return;
    }
    boot_info_add_module(info, fields.start, fields.end - fields.start,
                         (const char *)tag->content + sizeof(fields), tag->bytes - sizeof(fields));
}

static void read_memory_map(struct boot_info *info, const struct tag *tag)
{
    struct memory_map_fields fields;
    struct memory_entry entry;

    /* Later versions of the entry may be longer, and begin the same. */
    if (!get_fields(tag, 0, &fields, sizeof(fields)) || fields.entry_bytes < sizeof(entry)) {
        return;
    }
    for (size_t offset = sizeof(fields); get_fields(tag, offset, &entry, sizeof(entry));
         offset += fields.entry_bytes) {
        boot_info_add_range(info, entry.paddr, entry.bytes, entry.type == MEMORY_USABLE);
    }
}

static void read_framebuffer(struct boot_info *info, const struct tag *tag)
{
    struct framebuffer_fields fields;
    struct framebuffer_colours colours;

    memset(&colours, 0, sizeof(colours));
    if (!get_fields(tag, 0, &fields, sizeof(fields)) ||
        (fields.type != FRAMEBUFFER_TEXT &&
         (fields.type != FRAMEBUFFER_RGB ||
          !get_fields(tag, sizeof(fields), &colours, sizeof(colours))))) {
        return;
    }
    boot_info_set_framebuffer(info, &(struct framebuffer_info){
                                        .paddr = fields.paddr,
                                        .width = fields.width,
                                        .height = fields.height,
                                        .pitch_bytes = fields.pitch_bytes,
                                        .bits_per_pixel = fields.bits_per_pixel,
                                        .is_text = fields.type == FRAMEBUFFER_TEXT,
                                        .red = {colours.red.position, colours.red.bits},
                                        .green = {colours.green.position, colours.green.bits},
                                        .blue = {colours.blue.position, colours.blue.bits},
                                    });
}

static void read_tag(struct boot_info *info, const struct tag *tag)
{
    switch (tag->type) {
    case TAG_COMMAND_LINE:
        boot_info_set_command_line(info, (const char *)tag->content, tag->bytes);
        break;
    case TAG_LOADER_NAME:
        boot_info_set_loader(info, (const char *)tag->content, tag->bytes);
        break;
    case TAG_MODULE:
        read_module(info, tag);
        break;
    case TAG_MEMORY_MAP:
        read_memory_map(info, tag);
        break;
    case TAG_FRAMEBUFFER:
        read_framebuffer(info, tag);
        break;
    case TAG_RSDP_V1:
        /* The content is a copy of the table, in memory that is reserved below. */
        info->rsdp = info->rsdp == 0 ? tag->paddr : info->rsdp;
        break;
    case TAG_RSDP_V2:
        info->rsdp = tag->paddr;
        break;
    default:
        break;
    }
}

void multiboot2_read(struct boot_info *info, const void *block, uint32_t bytes, paddr_t paddr)
{
    const uint8_t *start = block;
    size_t offset = sizeof(struct block_header);

    boot_info_initialise(info, "multiboot2");
    /* It may lie in memory that the map calls free, and the copy of the RSDP is read later. */
    boot_info_add_range(info, paddr, bytes, false);
    while (offset + sizeof(struct tag_header) <= bytes) {
        struct tag_header header;

        memcpy(&header, start + offset, sizeof(header));
        if (header.type == TAG_END || header.bytes < sizeof(header) ||
            header.bytes > bytes - offset) {
            return;
        }
        read_tag(info, &(struct tag){
                           .type = header.type,
                           .paddr = paddr + offset + sizeof(header),
                           .content = start + offset + sizeof(header),
                           .bytes = header.bytes - sizeof(header),
                       });
        offset += ALIGN_UP((size_t)header.bytes, (size_t)TAG_ALIGNMENT);
    }
}

#ifndef TALUS_HOSTED
static BOOT_DATA struct boot_info boot_info;

/* From entry.S. */
CALLED_FROM_OUTSIDE _Noreturn void multiboot2_start(paddr_t block_paddr);

_Noreturn void multiboot2_start(paddr_t block_paddr)
{
    const struct block_header *header = boot_info_data(block_paddr, sizeof(*header));
    const void *block = NULL;

    if (header != NULL && header->bytes >= sizeof(*header) && header->bytes <= BLOCK_MAX_BYTES) {
        block = boot_info_data(block_paddr, header->bytes);
    }
    if (block != NULL) {
        multiboot2_read(&boot_info, block, header->bytes, block_paddr);
    } else {
        boot_info_initialise(&boot_info, "multiboot2");
    }
    boot_main(&boot_info);
}
#endif
