/* SPDX-License-Identifier: MIT */
/*
 * The kernel's ELF file (System V ABI, AMD64), read as input from outside: nothing in it is
 * believed before it is checked, so that what comes back can be copied as it says.
 */
#pragma once

#include "kernel/base.h"

/* Chosen: the image has four. */
#define ELF_SEGMENT_MAX 16

/* Physical memory that an image may ask for: above what a PC keeps for itself, and inside the
 * gigabyte that its first page tables map. */
#define ELF_PADDR_MIN MIB
#define ELF_PADDR_END GIB

struct elf_segment {
    paddr_t paddr;
    uint64_t offset; /* of its bytes in the file */
    uint64_t file_bytes;
    uint64_t memory_bytes; /* at least file_bytes; the rest is zero */
};

struct elf_image {
    paddr_t start; /* whole pages that hold every segment */
    paddr_t end;
    paddr_t entry; /* in the file's part of a segment */
    unsigned segment_count;
    struct elf_segment segments[ELF_SEGMENT_MAX];
};

/*
 * Read a file of that many bytes.
 *
 * entry_symbol  its value is the entry's physical address
 *
 * Returns NULL when the file is sound, else what is wrong with it, in words that follow its name.
 */
MUST_CHECK const char *elf_read(struct elf_image *image, const void *file, size_t bytes,
                                const char *entry_symbol);
