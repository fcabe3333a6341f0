/* SPDX-License-Identifier: MIT */
/*
 * The DSDT, without an AML interpreter: one search for byte patterns, of what is written down as
 * data. Three things are looked for:
 *
 *   Name(_S5_, Package...)     the sleep types that switch the machine off (ACPI 7.4.2)
 *   _CBA                       configuration space (PCI firmware specification 4.1.3)
 *   address space descriptors  what host bridges seem to forward (ACPI 6.4.3.5)
 *
 * Any bytes can look like one of them. The first is checked by its form; the others are candidates,
 * which holes.c and drivers/pci/ compare with the memory map before they use them.
 */
#include "boot/acpi/table.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"

#define CHUNK_BYTES   512u
/* The longest pattern: chunks overlap by so much that none is cut. */
#define PATTERN_BYTES sizeof(struct aml_qword_space)

#define NAME_S5  "_S5_"
#define NAME_CBA "_CBA"

/* What of the table is left in this chunk. */
struct bytes {
    const uint8_t *at;
    size_t left;
};

static void skip(struct bytes *bytes, size_t count)
{
    ASSERT(count <= bytes->left);
    bytes->at += count;
    bytes->left -= count;
}

static bool starts_with_name(const struct bytes *bytes, const char *name)
{
    return bytes->left >= AML_NAME_BYTES && memcmp(bytes->at, name, AML_NAME_BYTES) == 0;
}

/* --- \_S5 --- */

/* Take one small integer of a package; false when it is something else. */
static bool take_small_integer(struct bytes *bytes, uint8_t *value)
{
    if (bytes->left >= 1 && (bytes->at[0] == AML_ZERO || bytes->at[0] == AML_ONE)) {
        *value = bytes->at[0];
        skip(bytes, 1);
        return true;
    }
    if (bytes->left >= 2 && bytes->at[0] == AML_BYTE) {
        *value = bytes->at[1];
        skip(bytes, 2);
        return true;
    }
    return false;
}

/* Behind the name: a package whose first two integers are the sleep types for PM1a and PM1b (ACPI
 * 7.4.2, 20.2.5.4). */
static void read_s5(struct power_registers *power, struct bytes bytes)
{
    uint8_t type_a, type_b;
    size_t header_bytes;

    if (power->has_s5 || bytes.left < 2 || bytes.at[0] != AML_PACKAGE) {
        return;
    }
    /* The package's tag, its length, which takes one to four bytes, and the count of its elements.
     */
    header_bytes = 1 + 1 + FIELD_GET(AML_PACKAGE_MORE, bytes.at[1]) + 1;
    if (header_bytes > bytes.left) {
        return;
    }
    skip(&bytes, header_bytes);
    if (take_small_integer(&bytes, &type_a) && take_small_integer(&bytes, &type_b)) {
        power->s5_type_a = type_a;
        power->s5_type_b = type_b;
        power->has_s5 = true;
    }
}

/* --- Configuration space --- */

/* Behind the name _CBA, or behind the flags and the return of a method of that name: the address.
 * The first that can be one counts. */
static void read_cba(struct acpi *acpi, struct bytes bytes, bool is_method)
{
    paddr_t paddr = 0;

    if (is_method) {
        if (bytes.left < 2 || (bytes.at[0] & AML_METHOD_ARGUMENTS) != 0 ||
            bytes.at[1] != AML_RETURN) {
            return;
        }
        skip(&bytes, 2);
    }
    if (bytes.left >= 1 + sizeof(uint32_t) && bytes.at[0] == AML_DWORD) {
        paddr = load_le32(bytes.at + 1);
    } else if (bytes.left >= 1 + sizeof(uint64_t) && bytes.at[0] == AML_QWORD) {
        paddr = load_le64(bytes.at + 1);
    }
    if (paddr >= MIB && paddr % MIB == 0 && acpi->dsdt_ecam_paddr == 0) {
        acpi->dsdt_ecam_paddr = paddr;
    }
}

/* --- What host bridges forward --- */

static void add_bridge_range(struct machine *machine, paddr_t first, paddr_t last)
{
    struct memory_range range = {first, last - first + 1};

    for (unsigned i = 0; i < machine->bridge_range_count; i++) {
        const struct memory_range *other = &machine->bridge_ranges[i];

        if (first >= other->paddr && last - other->paddr < other->bytes) {
            return;
        }
    }
    if (machine->bridge_range_count < BRIDGE_RANGE_MAX) {
        machine->bridge_ranges[machine->bridge_range_count++] = range;
    }
}

/* Both widths as the wider one; false when it is cut off, or says itself that it is shorter. */
static bool copy_descriptor(const struct bytes *bytes, struct aml_qword_space *descriptor)
{
    struct aml_dword_space narrow;
    size_t whole_bytes =
        bytes->at[0] == QWORD_SPACE_TAG ? sizeof(*descriptor) : sizeof(struct aml_dword_space);

    if (bytes->left < whole_bytes) {
        return false;
    }
    memcpy(descriptor, bytes->at, whole_bytes);
    if (descriptor->space.bytes <
        whole_bytes - offsetof(struct aml_space, bytes) - sizeof(descriptor->space.bytes)) {
        return false;
    }
    if (descriptor->space.tag == DWORD_SPACE_TAG) {
        memcpy(&narrow, bytes->at, sizeof(narrow));
        *descriptor = (struct aml_qword_space){
            .space = narrow.space,
            .granularity = narrow.granularity,
            .first = narrow.first,
            .last = narrow.last,
            .translation = narrow.translation,
            .length = narrow.length,
        };
    }
    return true;
}

/* A complete descriptor of memory that something passes on and does not use itself. Old video
 * memory below 1 MiB is left out. */
static void read_descriptor(struct machine *machine, const struct bytes *bytes)
{
    struct aml_qword_space descriptor;
    const uint64_t wanted_flags = SPACE_FLAGS_FIXED;

    if (copy_descriptor(bytes, &descriptor) && descriptor.space.type == SPACE_TYPE_MEMORY &&
        (descriptor.space.flags & (SPACE_FLAG_CONSUMER | SPACE_FLAGS_FIXED)) == wanted_flags &&
        descriptor.granularity == 0 && descriptor.translation == 0 && descriptor.first >= MIB &&
        descriptor.last > descriptor.first && descriptor.last != UINT64_MAX &&
        descriptor.length == descriptor.last - descriptor.first + 1) {
        add_bridge_range(machine, descriptor.first, descriptor.last);
    }
}

/* --- The search --- */

/* What starts with this byte, if anything. */
static void read_pattern(struct acpi *acpi, struct bytes bytes, bool follows_name_tag)
{
    switch (bytes.at[0]) {
    case DWORD_SPACE_TAG:
    case QWORD_SPACE_TAG:
        read_descriptor(&acpi->machine, &bytes);
        return;
    case AML_NAME:
        skip(&bytes, 1);
        if (bytes.left > 0 && bytes.at[0] == AML_ROOT) {
            skip(&bytes, 1);
        }
        if (starts_with_name(&bytes, NAME_S5)) {
            skip(&bytes, AML_NAME_BYTES);
            read_s5(&acpi->machine.power, bytes);
        } else if (starts_with_name(&bytes, NAME_CBA)) {
            skip(&bytes, AML_NAME_BYTES);
            read_cba(acpi, bytes, false);
        }
        return;
    default:
        if (!follows_name_tag && starts_with_name(&bytes, NAME_CBA)) {
            skip(&bytes, AML_NAME_BYTES);
            read_cba(acpi, bytes, true);
        }
    }
}

void acpi_scan_dsdt(const struct acpi_table *table)
{
    uint8_t chunk[CHUNK_BYTES];

    for (uint32_t offset = sizeof(struct acpi_header); offset < table->bytes;
         offset += CHUNK_BYTES - PATTERN_BYTES) {
        uint32_t left = table->bytes - offset;
        uint32_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;

        if (!acpi_read_table(table, offset, chunk, bytes)) {
            return;
        }
        for (uint32_t i = 0; i < bytes; i++) {
            /* A chunk's first byte was seen, with what is before it, in the chunk before. */
            read_pattern(table->reader->acpi, (struct bytes){&chunk[i], bytes - i},
                         i == 0 || chunk[i - 1] == AML_NAME);
        }
        if (bytes == left) {
            return;
        }
    }
}
