/* SPDX-License-Identifier: MIT */
/*
 * The kernel's ELF file. Every structure is copied out of it after its place has been checked, so
 * neither truncation nor alignment matters.
 */
#include "boot/uefi/elf.h"

#include <string.h>

#include "kernel/limits.h"
#include "kernel/x86/layout.h"

#define IDENT_BYTES     16
#define CLASS_64        2
#define LITTLE_ENDIAN   1
#define TYPE_EXECUTABLE 2
#define MACHINE_X86_64  62
#define SEGMENT_LOAD    1
#define SECTION_SYMBOLS 2
#define SECTION_STRINGS 3

struct file_header {
    uint8_t ident[IDENT_BYTES];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t segments_offset;
    uint64_t sections_offset;
    uint32_t flags;
    uint16_t header_bytes;
    uint16_t segment_bytes;
    uint16_t segment_count;
    uint16_t section_bytes;
    uint16_t section_count;
    uint16_t section_names_index;
};

struct program_header {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t alignment;
};

struct section_header {
    uint32_t name;
    uint32_t type;
    uint64_t flags;
    uint64_t vaddr;
    uint64_t offset;
    uint64_t bytes;
    uint32_t link;
    uint32_t info;
    uint64_t alignment;
    uint64_t entry_bytes;
};

struct symbol {
    uint32_t name;
    uint8_t info;
    uint8_t other;
    uint16_t section_index;
    uint64_t value;
    uint64_t bytes;
};

_Static_assert(sizeof(struct file_header) == 64 && sizeof(struct program_header) == 56 &&
                   sizeof(struct section_header) == 64 && sizeof(struct symbol) == 24,
               "sizes of the ELF specification");

struct file {
    const uint8_t *start;
    size_t bytes;
};

static bool is_inside(const struct file *file, uint64_t offset, uint64_t bytes)
{
    return offset <= file->bytes && bytes <= file->bytes - offset;
}

static bool get(const struct file *file, uint64_t offset, void *fields, size_t bytes)
{
    if (!is_inside(file, offset, bytes)) {
        return false;
    }
    memcpy(fields, file->start + offset, bytes);
    return true;
}

static const char *check_header(const struct file_header *header)
{
    static const uint8_t ident[] = {0x7F, 'E', 'L', 'F', CLASS_64, LITTLE_ENDIAN};

    if (memcmp(header->ident, ident, sizeof(ident)) != 0) {
        return "is no 64-bit ELF file";
    }
    if (header->type != TYPE_EXECUTABLE || header->machine != MACHINE_X86_64) {
        return "is no executable for x86-64";
    }
    if (header->segment_bytes != sizeof(struct program_header)) {
        return "has program headers of an unknown size";
    }
    return NULL;
}

static bool overlaps_another(const struct elf_image *image, const struct elf_segment *segment)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *other = &image->segments[i];

        if (segment->paddr < other->paddr + other->memory_bytes &&
            other->paddr < segment->paddr + segment->memory_bytes) {
            return true;
        }
    }
    return false;
}

static const char *add_segment(struct elf_image *image, const struct file *file,
                               const struct program_header *header)
{
    struct elf_segment segment = {header->paddr, header->offset, header->file_bytes,
                                  header->memory_bytes};

    if (image->segment_count == ELF_SEGMENT_MAX) {
        return "has too many segments";
    }
    if (!is_inside(file, segment.offset, segment.file_bytes)) {
        return "is cut short";
    }
    if (segment.file_bytes > segment.memory_bytes) {
        return "has a segment that is larger in the file than in memory";
    }
    if (segment.paddr < ELF_PADDR_MIN || segment.paddr >= ELF_PADDR_END ||
        segment.memory_bytes > ELF_PADDR_END - segment.paddr) {
        return "has a segment outside the memory it may use";
    }
    if (overlaps_another(image, &segment)) {
        return "has segments that overlap";
    }
    paddr_t start = ALIGN_DOWN(segment.paddr, (paddr_t)PAGE_BYTES);
    paddr_t end = ALIGN_UP(segment.paddr + segment.memory_bytes, (paddr_t)PAGE_BYTES);

    image->start = start < image->start ? start : image->start;
    image->end = end > image->end ? end : image->end;
    image->segments[image->segment_count++] = segment;
    return NULL;
}

static const char *read_segments(struct elf_image *image, const struct file *file,
                                 const struct file_header *header)
{
    for (unsigned i = 0; i < header->segment_count; i++) {
        struct program_header segment;
        uint64_t offset = header->segments_offset + i * sizeof(segment);

        if (offset < header->segments_offset || !get(file, offset, &segment, sizeof(segment))) {
            return "is cut short";
        }
        if (segment.type != SEGMENT_LOAD || segment.memory_bytes == 0) {
            continue;
        }
        const char *fault = add_segment(image, file, &segment);

        if (fault != NULL) {
            return fault;
        }
    }
    return image->segment_count == 0 ? "has nothing to load" : NULL;
}

static bool get_section(const struct file *file, const struct file_header *header, unsigned index,
                        struct section_header *section)
{
    uint64_t offset = header->sections_offset + index * sizeof(*section);

    return index < header->section_count && header->section_bytes == sizeof(*section) &&
           offset >= header->sections_offset && get(file, offset, section, sizeof(*section));
}

static bool is_named(const struct file *file, const struct section_header *names, uint32_t name,
                     const char *wanted)
{
    size_t wanted_bytes = strlen(wanted) + 1;

    return names->type == SECTION_STRINGS && name <= names->bytes &&
           wanted_bytes <= names->bytes - name &&
           memcmp(file->start + names->offset + name, wanted, wanted_bytes) == 0;
}

/* False when the table, or the names that belong to it, do not hold it. */
static bool find_symbol(const struct file *file, const struct section_header *table,
                        const struct section_header *names, const char *wanted, uint64_t *value)
{
    if (!is_inside(file, table->offset, table->bytes) ||
        !is_inside(file, names->offset, names->bytes)) {
        return false;
    }
    for (uint64_t i = 0; i < table->bytes / sizeof(struct symbol); i++) {
        struct symbol symbol;

        memcpy(&symbol, file->start + table->offset + i * sizeof(symbol), sizeof(symbol));
        if (is_named(file, names, symbol.name, wanted)) {
            *value = symbol.value;
            return true;
        }
    }
    return false;
}

static bool is_loaded(const struct elf_image *image, paddr_t paddr)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];

        if (paddr >= segment->paddr && paddr - segment->paddr < segment->file_bytes) {
            return true;
        }
    }
    return false;
}

static const char *find_entry(struct elf_image *image, const struct file *file,
                              const struct file_header *header, const char *entry_symbol)
{
    struct section_header table;
    struct section_header names;

    for (unsigned i = 0; get_section(file, header, i, &table); i++) {
        if (table.type == SECTION_SYMBOLS && get_section(file, header, table.link, &names) &&
            find_symbol(file, &table, &names, entry_symbol, &image->entry)) {
            return is_loaded(image, image->entry) ? NULL : "has its entry outside what it loads";
        }
    }
    return "has no entry for UEFI (stripped of its symbols, or no Talus)";
}

const char *elf_read(struct elf_image *image, const void *file_start, size_t bytes,
                     const char *entry_symbol)
{
    struct file file = {file_start, bytes};
    struct file_header header;

    *image = (struct elf_image){.start = UINT64_MAX};
    if (!get(&file, 0, &header, sizeof(header))) {
        return "is no 64-bit ELF file";
    }
    const char *fault = check_header(&header);

    if (fault == NULL) {
        fault = read_segments(image, &file, &header);
    }
    if (fault == NULL) {
        fault = find_entry(image, &file, &header, entry_symbol);
    }
    return fault;
}
