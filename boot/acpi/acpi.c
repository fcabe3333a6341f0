/* SPDX-License-Identifier: MIT */
/*
 * From the RSDP to the tables (ACPI 6.5, 5.2.5), and where a BIOS hides the RSDP.
 */
#include "boot/acpi/acpi.h"

#include <errno.h>
#include <string.h>

#include "boot/acpi/table.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"

/* Chosen: several times what the largest servers have. */
#define TABLE_MAX 256

static const struct {
    char signature[5];
    void (*parse)(const struct acpi_table *table);
} parsers[] = {
    /* In this order whatever the root table's is: SRAT names cores that the MADT listed. */
    {"APIC", acpi_parse_madt}, {"SRAT", acpi_parse_srat}, {"MCFG", acpi_parse_mcfg},
    {"FACP", acpi_parse_fadt}, {"HPET", acpi_parse_hpet}, {"SPCR", acpi_parse_spcr},
    {"DMAR", acpi_parse_dmar},
};

/* The first valid table of that signature whose number in the root table is *next or above; *next
 * becomes the one behind it. */
static bool find_table(const struct acpi_table *root, uint32_t pointer_bytes, const char *signature,
                       unsigned *next, struct acpi_table *table)
{
    const struct acpi_reader *reader = root->reader;
    uint8_t pointer[sizeof(uint64_t)] = {0};
    char found[ACPI_SIGNATURE_BYTES];

    ASSERT(pointer_bytes == sizeof(uint32_t) || pointer_bytes == sizeof(uint64_t));
    while (*next < TABLE_MAX) {
        uint32_t offset = (uint32_t)sizeof(struct acpi_header) + *next * pointer_bytes;
        paddr_t paddr;

        (*next)++;
        if (!acpi_read_table(root, offset, pointer, pointer_bytes)) {
            return false;
        }
        paddr = load_le64(pointer); /* the upper half stays zero when there is none */
        if (reader->read(reader->context, paddr, found, sizeof(found)) &&
            memcmp(found, signature, sizeof(found)) == 0 && acpi_open_table(reader, paddr, table)) {
            return true;
        }
    }
    return false;
}

/* The root table that this RSDP names: XSDT if it has one that is sound, else RSDT. */
static bool open_root(const struct acpi_reader *reader, paddr_t rsdp, struct acpi_table *root,
                      uint32_t *pointer_bytes)
{
    struct acpi_rsdp pointers = {.revision = 0};
    uint8_t sum;

    if (!reader->read(reader->context, rsdp, &pointers, RSDP_V1_BYTES) ||
        memcmp(pointers.signature, RSDP_SIGNATURE, RSDP_SIGNATURE_BYTES) != 0 ||
        !acpi_sum_bytes(reader, rsdp, RSDP_V1_BYTES, &sum) || sum != 0) {
        acpi_note_problem(reader->acpi, "RSDP", "not found or wrong checksum");
        return false;
    }
    if (pointers.revision >= RSDP_REVISION_XSDT &&
        reader->read(reader->context, rsdp, &pointers, sizeof(pointers)) &&
        acpi_sum_bytes(reader, rsdp, sizeof(pointers), &sum) && sum == 0 &&
        pointers.xsdt_paddr != 0 && acpi_open_table(reader, pointers.xsdt_paddr, root) &&
        acpi_has_signature(root, "XSDT")) {
        *pointer_bytes = sizeof(uint64_t);
        return true;
    }
    *pointer_bytes = sizeof(uint32_t);
    return acpi_open_table(reader, pointers.rsdt_paddr, root) && acpi_has_signature(root, "RSDT");
}

int acpi_parse(struct acpi *acpi, paddr_t rsdp, acpi_read read, void *context)
{
    struct acpi_reader reader = {.acpi = acpi, .read = read, .context = context};
    struct acpi_table root;
    struct acpi_table table;
    uint32_t pointer_bytes;
    unsigned next;

    memset(acpi, 0, sizeof(*acpi));
    for (uint32_t irq = 0; irq < ISA_IRQ_COUNT; irq++) {
        acpi->machine.isa_irqs[irq].gsi = irq;
    }
    if (!open_root(&reader, rsdp, &root, &pointer_bytes)) {
        return -EINVAL;
    }
    for (size_t i = 0; i < ARRAY_COUNT(parsers); i++) {
        next = 0;
        if (find_table(&root, pointer_bytes, parsers[i].signature, &next, &table)) {
            parsers[i].parse(&table);
        }
    }
    next = 0;
    while (find_table(&root, pointer_bytes, "SSDT", &next, &table)) {
        acpi_scan_virtio(&table);
    }
    ASSERT(acpi->core_count <= ACPI_CORE_MAX && acpi->machine.ecam_count <= ECAM_MAX);
    ASSERT(acpi->machine.ioapic_count <= IOAPIC_MAX && acpi->machine.iommu_count <= IOMMU_MAX);
    ASSERT(acpi->machine.virtio_slot_count <= VIRTIO_SLOT_MAX);
    return 0;
}

/* --- The RSDP of a BIOS --- */

#define EBDA_SEGMENT_PADDR 0x40E
#define SEGMENT_BYTES      16 /* a segment of real mode counts these */
#define EBDA_SEARCH_BYTES  1024
#define BIOS_PADDR         0xE0000
#define BIOS_BYTES         0x20000

static paddr_t search_rsdp(const struct acpi_reader *reader, paddr_t start, uint64_t bytes)
{
    char signature[RSDP_SIGNATURE_BYTES];
    uint8_t sum;

    for (paddr_t paddr = start; paddr < start + bytes; paddr += RSDP_ALIGNMENT) {
        if (reader->read(reader->context, paddr, signature, sizeof(signature)) &&
            memcmp(signature, RSDP_SIGNATURE, sizeof(signature)) == 0 &&
            acpi_sum_bytes(reader, paddr, RSDP_V1_BYTES, &sum) && sum == 0) {
            return paddr;
        }
    }
    return 0;
}

paddr_t acpi_find_rsdp(acpi_read read, void *context)
{
    struct acpi_reader reader = {.read = read, .context = context};
    uint8_t segment[2];
    paddr_t rsdp = 0;

    if (read(context, EBDA_SEGMENT_PADDR, segment, sizeof(segment)) && load_le16(segment) != 0) {
        rsdp = search_rsdp(&reader, (paddr_t)load_le16(segment) * SEGMENT_BYTES, EBDA_SEARCH_BYTES);
    }
    return rsdp != 0 ? rsdp : search_rsdp(&reader, BIOS_PADDR, BIOS_BYTES);
}
