/* SPDX-License-Identifier: MIT */
/* sources: boot/uefi/elf.c */
/*
 * boot/uefi/elf.c: a sound image is read as it says, and no file, however broken, is read beyond
 * its end or sends a byte outside the memory that an image may use.
 */
#include <elf.h> /* the host's declarations of the format judge ours */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/uefi/elf.h"

#define ENTRY_SYMBOL "entry"
#define TEXT_PADDR   0x200000
#define DATA_PADDR   0x203000
#define BSS_BYTES    0x100000 /* more than the file has */

/* As the linker lays one out: headers, contents, symbols, sections, one of them without bytes. */
static struct {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    uint8_t text[64];
    uint8_t data[32];
    Elf64_Sym symbols[2];
    char names[16];
    Elf64_Shdr sections[4];
} good;

static struct elf_image image;

static int begin(void **state)
{
    (void)state;
    memset(&good, 0, sizeof(good));
    memcpy(good.header.e_ident, ELFMAG, SELFMAG);
    good.header.e_ident[EI_CLASS] = ELFCLASS64;
    good.header.e_ident[EI_DATA] = ELFDATA2LSB;
    good.header.e_type = ET_EXEC;
    good.header.e_machine = EM_X86_64;
    good.header.e_phoff = offsetof(__typeof__(good), segments);
    good.header.e_phentsize = sizeof(Elf64_Phdr);
    good.header.e_phnum = 3;
    good.header.e_shoff = offsetof(__typeof__(good), sections);
    good.header.e_shentsize = sizeof(Elf64_Shdr);
    good.header.e_shnum = 4;
    good.segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_offset = offsetof(__typeof__(good), text),
                                    .p_paddr = TEXT_PADDR,
                                    .p_filesz = sizeof(good.text),
                                    .p_memsz = sizeof(good.text)};
    good.segments[1] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = UINT64_MAX};
    good.segments[2] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_offset = offsetof(__typeof__(good), data),
                                    .p_paddr = DATA_PADDR,
                                    .p_filesz = sizeof(good.data),
                                    .p_memsz = BSS_BYTES};
    memcpy(good.names + 1, ENTRY_SYMBOL, sizeof(ENTRY_SYMBOL));
    good.symbols[1] = (Elf64_Sym){.st_name = 1, .st_value = TEXT_PADDR + 8};
    good.sections[1] = (Elf64_Shdr){
        .sh_type = SHT_NOBITS, .sh_offset = offsetof(__typeof__(good), data), .sh_size = BSS_BYTES};
    good.sections[2] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
                                    .sh_offset = offsetof(__typeof__(good), symbols),
                                    .sh_size = sizeof(good.symbols),
                                    .sh_link = 3,
                                    .sh_entsize = sizeof(Elf64_Sym)};
    good.sections[3] = (Elf64_Shdr){.sh_type = SHT_STRTAB,
                                    .sh_offset = offsetof(__typeof__(good), names),
                                    .sh_size = sizeof(good.names)};
    return 0;
}

/* From memory of exactly that size, so that the sanitizer sees a byte too many. */
static const char *read_bytes(size_t bytes)
{
    uint8_t *file = malloc(bytes + (bytes == 0));

    memcpy(file, &good, bytes);
    const char *fault = elf_read(&image, file, bytes, ENTRY_SYMBOL);

    free(file);
    return fault;
}

static const char *read_good(void)
{
    return read_bytes(sizeof(good));
}

/* What handoff.c relies on. */
static void assert_loadable(size_t bytes)
{
    assert_true(image.segment_count > 0 && image.segment_count <= ELF_SEGMENT_MAX);
    for (unsigned i = 0; i < image.segment_count; i++) {
        const struct elf_segment *segment = &image.segments[i];

        assert_true(segment->offset <= bytes && segment->file_bytes <= bytes - segment->offset);
        assert_true(segment->file_bytes <= segment->memory_bytes);
        assert_true(segment->memory_bytes <= ELF_PADDR_END);
        assert_true(segment->paddr >= ELF_PADDR_MIN && segment->paddr >= image.start);
        assert_true(segment->paddr + segment->memory_bytes <= image.end);
    }
    assert_true(image.end <= ELF_PADDR_END);
    assert_true(image.entry >= image.start && image.entry < image.end);
}

static void a_sound_image_is_read_as_it_says(void **state)
{
    (void)state;
    assert_null(read_good());
    assert_loadable(sizeof(good));
    assert_int_equal(image.segment_count, 2);
    assert_int_equal(image.start, TEXT_PADDR);
    assert_int_equal(image.end, 0x304000 - 0x1000);
    assert_int_equal(image.entry, TEXT_PADDR + 8);
    assert_int_equal(image.segments[1].file_bytes, sizeof(good.data));
    assert_int_equal(image.segments[1].memory_bytes, BSS_BYTES);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < sizeof(good); bytes++) {
        assert_non_null(read_bytes(bytes));
    }
}

static void another_kind_of_file_is_refused(void **state)
{
    (void)state;
    good.header.e_ident[EI_CLASS] = ELFCLASS32;
    assert_string_equal(read_good(), "is no 64-bit ELF file");
    begin(NULL);
    good.header.e_machine = EM_AARCH64;
    assert_string_equal(read_good(), "is no executable for x86-64");
    begin(NULL);
    good.header.e_type = ET_REL;
    assert_string_equal(read_good(), "is no executable for x86-64");
    begin(NULL);
    good.header.e_phentsize = 55;
    assert_string_equal(read_good(), "has program headers of an unknown size");
    begin(NULL);
    good.header.e_phnum = 0;
    assert_string_equal(read_good(), "has nothing to load");
}

static void a_segment_outside_its_bounds_is_refused(void **state)
{
    (void)state;
    good.segments[0].p_paddr = ELF_PADDR_MIN - 1;
    assert_string_equal(read_good(), "has a segment outside the memory it may use");
    good.segments[0].p_paddr = ELF_PADDR_END - sizeof(good.text) + 1;
    assert_string_equal(read_good(), "has a segment outside the memory it may use");
    good.segments[0].p_paddr = UINT64_MAX;
    assert_string_equal(read_good(), "has a segment outside the memory it may use");
    begin(NULL);
    good.segments[2].p_memsz = UINT64_MAX;
    assert_string_equal(read_good(), "has a segment outside the memory it may use");
    begin(NULL);
    good.segments[2].p_memsz = sizeof(good.data) - 1;
    assert_string_equal(read_good(), "has a segment that is larger in the file than in memory");
    begin(NULL);
    good.segments[2].p_offset = UINT64_MAX;
    assert_string_equal(read_good(), "is cut short");
    begin(NULL);
    good.segments[2].p_paddr = TEXT_PADDR + sizeof(good.text) - 1;
    assert_string_equal(read_good(), "has segments that overlap");
    begin(NULL);
    good.header.e_phoff = UINT64_MAX - 8;
    assert_string_equal(read_good(), "is cut short");
}

static void without_an_entry_it_is_refused(void **state)
{
    (void)state;
    good.header.e_shnum = 0;
    assert_non_null(strstr(read_good(), "no entry"));
    begin(NULL);
    good.names[1] = 'E';
    assert_non_null(strstr(read_good(), "no entry"));
    begin(NULL);
    good.sections[2].sh_link = 4;
    assert_non_null(strstr(read_good(), "no entry"));
    begin(NULL);
    good.sections[3].sh_size = sizeof(ENTRY_SYMBOL); /* the name's NUL lies outside */
    assert_non_null(strstr(read_good(), "no entry"));
    begin(NULL);
    good.symbols[1].st_name = UINT32_MAX;
    assert_non_null(strstr(read_good(), "no entry"));
    begin(NULL);
    /* Behind the bytes from the file: memory that is only zeroed. */
    good.symbols[1].st_value = DATA_PADDR + sizeof(good.data);
    assert_string_equal(read_good(), "has its entry outside what it loads");
}

/* A fixed generator: the same files each time. */
static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

static void whatever_is_accepted_can_be_loaded(void **state)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
    unsigned accepted = 0;
    uint32_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        begin(NULL);
        for (unsigned j = next_random(&random) % 4; j < 4; j++) {
            ((uint8_t *)&good)[next_random(&random) % sizeof(good)] =
                edges[next_random(&random) % sizeof(edges)];
        }
        if (read_good() == NULL) {
            accepted++;
            assert_loadable(sizeof(good));
        }
    }
    assert_true(accepted > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_sound_image_is_read_as_it_says, begin),
        cmocka_unit_test_setup(a_file_cut_anywhere_is_refused, begin),
        cmocka_unit_test_setup(another_kind_of_file_is_refused, begin),
        cmocka_unit_test_setup(a_segment_outside_its_bounds_is_refused, begin),
        cmocka_unit_test_setup(without_an_entry_it_is_refused, begin),
        cmocka_unit_test_setup(whatever_is_accepted_can_be_loaded, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
