/* SPDX-License-Identifier: MIT */
/*
 * What every loader's way in hands over to boot_main(). The loader's data is input from outside: a
 * way in copies it here, by the calls below, which bound and check it. Holds no pointers, so that
 * a loader that is a program of its own (boot/uefi/) can fill one in, too.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "kernel/node.h"
#include "kernel/x86/layout.h"

/* Firmware of large machines lists some hundred ranges, most of which touch and become one. */
#define BOOT_RANGE_MAX         256
#define BOOT_LOADER_NAME_BYTES 48
#define BOOT_SEED_BYTES        64

/* The name of a module that holds words of the command line. */
#define BOOT_CONFIGURATION_NAME "talus.cfg"

struct boot_range {
    struct memory_range range;
    bool is_usable; /* else: reserved, ACPI, or unknown to us */
};

struct boot_module {
    paddr_t paddr;
    uint64_t bytes;
    char name[MODULE_NAME_BYTES];
};

struct boot_info {
    uint32_t magic; /* BOOT_INFO_MAGIC and the size of this structure: whether both */
    uint32_t bytes; /* sides of boot_entry_efi() were built from the same header */
    char loader[BOOT_LOADER_NAME_BYTES];
    unsigned range_count;
    struct boot_range ranges[BOOT_RANGE_MAX];
    unsigned dropped_range_count;  /* more than fit, or impossible */
    paddr_t rsdp;                  /* 0: search for it */
    uint8_t seed[BOOT_SEED_BYTES]; /* random numbers of firmware's; zeros where it has none */
    uint64_t epoch_s; /* firmware's date, in seconds since 1970 (UTC); 0: it has none */
    struct framebuffer_info framebuffer;
    unsigned module_count;
    struct boot_module modules[MODULE_MAX - 1]; /* the built-in one is the last */
    unsigned dropped_module_count;
    char command_line[COMMAND_LINE_MAX_BYTES];
    bool is_command_line_cut;
};

#define BOOT_INFO_MAGIC 0x554C4154 /* "TALU" */

/* Start again from nothing. */
void boot_info_initialise(struct boot_info *info, const char *loader);
/* The loader's name for the log: at most name_bytes, or up to a NUL. Cut to size. */
void boot_info_set_loader(struct boot_info *info, const char *name, size_t name_bytes);

/*
 * Add a range of the memory map. Ranges may come in any order and overlap; those of one kind that
 * touch become one, and where two kinds contradict each other, reserved wins. One of no bytes is
 * nothing; a usable one that wraps around is dropped and counted, a reserved one ends at the end of
 * the address space, and is counted, too. When the list is full, a usable range is dropped, and a
 * reserved one cuts the usable ranges that it overlaps.
 */
void boot_info_add_range(struct boot_info *info, paddr_t paddr, uint64_t bytes, bool is_usable);

/* Add a module; one that is empty, wraps around or is one too many is dropped and counted. The
 * name, at most name_bytes or up to a NUL, is cut to size; without a name the first module is the
 * web root, root.tar. */
void boot_info_add_module(struct boot_info *info, paddr_t paddr, uint64_t bytes, const char *name,
                          size_t name_bytes);

/* The screen. Left out when it cannot be what it says: nothing in it, lines that overlap, a depth
 * other than 15 to 32 bits, colours outside the pixel or above 8 bits. */
void boot_info_set_framebuffer(struct boot_info *info, const struct framebuffer_info *framebuffer);

/* Whether a part of it lies in usable memory, by the page, as it would be mapped. */
bool boot_info_is_memory(const struct boot_info *info, paddr_t paddr, uint64_t bytes);
/* Leave the screen out if that lies in usable memory: once all ranges are known. False when it was
 * left out. */
MUST_CHECK bool boot_info_check_framebuffer(struct boot_info *info);

/* The command line: at most text_bytes, or up to a NUL. Cut to size, and marked so. */
void boot_info_set_command_line(struct boot_info *info, const char *text, size_t text_bytes);

/* Put the words of a configuration file (one or more a line, # starts a comment) before those of
 * the command line, whose words therefore win. What does not fit is left out of the file. */
void boot_info_add_configuration(struct boot_info *info, const char *text, size_t text_bytes);

/* The bytes at a physical address that a loader named; NULL when they are not all mapped. */
static inline const void *boot_info_data(paddr_t paddr, uint64_t bytes)
{
    if (paddr == 0 || paddr >= BOOT_MAPPED_BYTES || bytes > BOOT_MAPPED_BYTES - paddr) {
        return NULL;
    }
    return (const void *)(DIRECT_MAP_BASE + paddr);
}

/*
 * The way in from a UEFI application (entry.S). It expects, and does not check:
 *
 *   the image loaded at its physical addresses (ELF program headers), bss zeroed;
 *   boot services left, interrupts off, long mode, this code and its stack identity-mapped;
 *   rdi the physical address of a struct boot_info below 4 GiB: zeroed, then filled in by
 *   boot_info_initialise() and the calls above.
 *
 * In ranges, what the image, the modules and the structure itself lie in may be usable: it is
 * reserved or copied here. rsdp is a physical address of the firmware's own table. The symbol
 * boot_entry_efi_paddr is its physical address. Works with four and five levels of page tables.
 */
_Noreturn void boot_entry_efi(const struct boot_info *info);

/* Start the machine's nodes; this core becomes node 0. */
_Noreturn void boot_main(struct boot_info *info);
