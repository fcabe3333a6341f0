/* SPDX-License-Identifier: MIT */
/* sources: boot/acpi/acpi.c boot/acpi/table.c boot/acpi/cores.c boot/acpi/devices.c boot/acpi/power.c boot/acpi/dsdt.c boot/acpi/dmar.c */
/* sources: boot/acpi/virtio.c boot/acpi/mp_table.c boot/virtio_slots.c libc/core/command_line.c libc/core/numbers.c */
/* sources: boot/acpi/device_ranges.c boot/acpi/holes.c boot/boot_info.c boot/physical.c libc/core/format.c */
/*
 * The input is the low memory of a machine, with ACPI's tables in it: sound ones, in which bytes
 * are changed, or any bytes behind a sound root. What becomes of them keeps the promises of
 * boot/acpi/acpi.h, and nothing that the memory map calls memory becomes a device.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/acpi/acpi.h"
#include "boot/acpi/device_ranges.h"
#include "boot/acpi/holes.h"
#include "boot/acpi/mp_table.h"
#include "boot/boot_info.h"
#include "boot/virtio_slots.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "tests/fuzz/fuzzer.h"

#define MEMORY_BYTES 0x3000u
#define HEADER_BYTES 36u
#define RSDP         0x100u
#define XSDT         0x200u
#define TABLE_FIRST  0x400u
#define TABLE_MAX    12u
#define ADDRESS_BITS 40u
#define MEMORY_END   0x40000000u

static uint8_t *memory; /* of its exact size */
static struct acpi acpi;
static struct boot_info info;

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)format;
    fprintf(stderr, "%s:%d: assertion failed\n", file, line);
    abort();
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    char text[256];
    va_list arguments;

    (void)level;
    (void)subsystem;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
}

static bool read_memory(void *context, paddr_t paddr, void *buffer, size_t bytes)
{
    (void)context;
    if (paddr > MEMORY_BYTES || bytes > MEMORY_BYTES - paddr) {
        return false;
    }
    memcpy(buffer, memory + paddr, bytes);
    return true;
}

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        memory[at + i] = (uint8_t)(value >> 8 * i);
    }
}

static void seal(uint32_t start, uint32_t bytes, uint32_t checksum)
{
    uint8_t sum = 0;

    memory[checksum] = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + memory[start + i]);
    }
    memory[checksum] = (uint8_t)-sum;
}

/* Tables of the input: a byte for which, two for how long, then their bodies, whose checksums are
 * right in most. The FADT names the table behind it as its DSDT. */
static void build_tables(struct fuzz_input *input)
{
    static const char signatures[][5] = {"APIC", "SRAT", "MCFG", "FACP", "HPET",
                                         "SPCR", "DSDT", "DMAR", "SSDT"};
    uint32_t at = TABLE_FIRST, count = 0;

    while (input->left > 0 && count < TABLE_MAX) {
        uint8_t which = fuzz_take8(input);
        size_t wanted = fuzz_take16(input) % 0x800u;
        size_t bytes;
        const uint8_t *body;

        if (wanted > MEMORY_BYTES - HEADER_BYTES - at) {
            break;
        }
        body = fuzz_take_bytes(input, wanted, &bytes);
        memset(memory + at, 0, HEADER_BYTES + wanted);
        memcpy(memory + at, signatures[which % ARRAY_COUNT(signatures)], 4);
        put(at + 4, HEADER_BYTES + wanted, 4);
        memory[at + 8] = which >> 4;
        memcpy(memory + at + HEADER_BYTES, body, bytes);
        if (which % ARRAY_COUNT(signatures) == 3 && wanted >= 8 && (which & 0x80) == 0) {
            put(at + 40, ALIGN_UP(at + HEADER_BYTES + wanted, 16u), 4);
        }
        seal(at, (uint32_t)(HEADER_BYTES + wanted), at + 9);
        put(XSDT + HEADER_BYTES + 8 * count++, at, 8);
        at = (uint32_t)ALIGN_UP(at + HEADER_BYTES + wanted, 16u);
    }
    memcpy(memory + XSDT, "XSDT", 4);
    put(XSDT + 4, HEADER_BYTES + 8 * count, 4);
    seal(XSDT, HEADER_BYTES + 8 * count, XSDT + 9);
    memcpy(memory + RSDP, "RSD PTR ", 8);
    memory[RSDP + 15] = 2;
    put(RSDP + 20, 36, 4);
    put(RSDP + 24, XSDT, 8);
    seal(RSDP, 20, RSDP + 8);
    seal(RSDP, 36, RSDP + 32);
}

static void check_cores(void)
{
    FUZZ_CHECK(acpi.core_count <= ACPI_CORE_MAX);
    FUZZ_CHECK(acpi.memory_affinity_count <= ACPI_MEMORY_AFFINITY_MAX);
    FUZZ_CHECK(acpi.problem_count <= ACPI_PROBLEM_MAX);
    for (unsigned i = 0; i < acpi.core_count; i++) {
        for (unsigned other = 0; other < i; other++) {
            FUZZ_CHECK(acpi.cores[i].apic_id != acpi.cores[other].apic_id);
        }
    }
}

/* Units are devices, and what firmware reserves for its own is none of ours. */
static void check_iommus(void)
{
    const struct machine *machine = &acpi.machine;

    FUZZ_CHECK(machine->iommu_count <= IOMMU_MAX);
    FUZZ_CHECK(machine->reserved_dma_count <= RESERVED_DMA_MAX);
    for (unsigned i = 0; i < machine->iommu_count; i++) {
        FUZZ_CHECK(machine->iommus[i].paddr % 4096 == 0);
        FUZZ_CHECK(!boot_info_is_memory(&info, machine->iommus[i].paddr, 4096));
    }
    for (unsigned i = 0; i < machine->reserved_dma_count; i++) {
        const struct reserved_dma *reserved = &machine->reserved_dmas[i];

        FUZZ_CHECK(reserved->step_count >= 1 && reserved->step_count <= PCI_SCOPE_MAX);
        FUZZ_CHECK((reserved->range.paddr | reserved->range.bytes) % 4096 == 0);
        FUZZ_CHECK(!boot_info_is_memory(&info, reserved->range.paddr, reserved->range.bytes));
    }
}

/* Of one page each, none in another's way, and all may be mapped. */
static void check_slots(void)
{
    const struct machine *machine = &acpi.machine;

    FUZZ_CHECK(machine->virtio_slot_count <= VIRTIO_SLOT_MAX);
    for (unsigned i = 0; i < machine->virtio_slot_count; i++) {
        const struct virtio_slot *slot = &machine->virtio_slots[i];

        FUZZ_CHECK(slot->bytes >= 0x110 && slot->paddr % 4096 <= 4096 - 0x110);
        FUZZ_CHECK(machine->devices.count == RANGES_MAX ||
                   ranges_find(&machine->devices, slot->paddr, 0x110) != NULL);
        for (unsigned other = 0; other < i; other++) {
            FUZZ_CHECK(slot->paddr >= machine->virtio_slots[other].paddr +
                                          machine->virtio_slots[other].bytes ||
                       machine->virtio_slots[other].paddr >= slot->paddr + slot->bytes);
        }
    }
}

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};
    uint8_t how = fuzz_take8(&input);

    memory = calloc(1, MEMORY_BYTES);
    FUZZ_CHECK(memory != NULL);
    if ((how & 1) != 0) {
        memcpy(memory, input.at, input.left < MEMORY_BYTES ? input.left : MEMORY_BYTES);
    } else {
        build_tables(&input);
    }
    int result = acpi_parse(&acpi, RSDP, read_memory, NULL);

    FUZZ_CHECK(result == 0 || (result == -EINVAL && (how & 1) != 0));
    check_cores();
    if (acpi.core_count == 0) {
        FUZZ_CHECK((mp_table_parse(&acpi, read_memory, NULL) == 0) == (acpi.core_count > 0));
        check_cores();
    }
    (void)acpi_find_rsdp(read_memory, NULL);

    boot_info_initialise(&info, "fuzz");
    boot_info_add_range(&info, 0, MEMORY_END, true);
    boot_info_add_range(&info, 0x100000000, 0x40000000, true);
    acpi_find_holes(&acpi.machine, &acpi, &info, ADDRESS_BITS);
    acpi_allow_devices(&acpi, &info, ADDRESS_BITS);
    /* What is left over of the input is a command line, too. */
    boot_info_set_command_line(&info, (const char *)input.at, input.left);
    virtio_slots_read(&acpi.machine, &info, ADDRESS_BITS);
    check_slots();
    FUZZ_CHECK(acpi.machine.devices.count <= RANGES_MAX);
    for (unsigned i = 0; i < acpi.machine.devices.count; i++) {
        const struct owned_range *range = &acpi.machine.devices.list[i];

        FUZZ_CHECK(!boot_info_is_memory(&info, range->start, range->bytes));
    }
    check_iommus();
    free(memory);
    FUZZ_CHECK(fuzz_block_count() == 0);
}
