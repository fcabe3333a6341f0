/* SPDX-License-Identifier: MIT */
/*
 * The MP table: a pointer in low memory, a header, and entries of fixed lengths by their kind. It
 * is input from outside, like ACPI's tables, and treated like them.
 */
#include "boot/acpi/mp_table.h"

#include <errno.h>

#include "boot/acpi/table.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"

#define HAS_BYTES(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type)

/* --- The table as it lies in memory --- */

/* The pointer to it (MP 4.1), at a multiple of 16 bytes. */
#define POINTER_SIGNATURE "_MP_"
#define POINTER_ALIGNMENT 16u

struct mp_pointer {
    char signature[4];
    uint32_t table_paddr; /* 0: none, but a standard one that is named by a number */
    uint8_t paragraphs;   /* of 16 bytes, of this structure: 1 */
    uint8_t revision;
    uint8_t checksum; /* makes the sum of all bytes 0 */
    uint8_t features[5];
} PACKED;

HAS_BYTES(mp_pointer, 16);

/* The header (MP 4.2). */
#define TABLE_SIGNATURE "PCMP"

struct mp_header {
    char signature[4];
    uint16_t bytes; /* of the table, with this */
    uint8_t revision;
    uint8_t checksum;
    char oem_id[8];
    char product_id[12];
    uint32_t oem_table_paddr;
    uint16_t oem_table_bytes;
    uint16_t reserved_count;
    uint32_t lapic_paddr;
    uint16_t extended_bytes;
    uint8_t extended_checksum;
    uint8_t reserved;
} PACKED;

HAS_BYTES(mp_header, 44);

/* Entries (MP 4.3): of 20 bytes for a core, of 8 otherwise. */
enum mp_entry_type {
    MP_CORE = 0,
    MP_BUS = 1,
    MP_IOAPIC = 2,
    MP_LINE = 3,
    MP_LOCAL_LINE = 4,
    MP_ENTRY_TYPES
};

#define CORE_ENABLED     BIT(0)
#define IOAPIC_ENABLED   BIT(0)
#define BUS_ISA          "ISA   "
#define LINE_INTERRUPT   0 /* vectored: no NMI, no SMI, no 8259A's */
#define LINE_NMI         1
#define POLARITY         BITS(1, 0)
#define POLARITY_IS_LOW  3
#define TRIGGER          BITS(3, 2)
#define TRIGGER_IS_LEVEL 3
#define ALL_APICS        0xFF

struct mp_core {
    uint8_t type;
    uint8_t apic_id;
    uint8_t apic_version;
    uint8_t flags;
    uint32_t signature, features, reserved[2];
} PACKED;

HAS_BYTES(mp_core, 20);

struct mp_bus {
    uint8_t type;
    uint8_t bus;
    char name[6];
} PACKED;

struct mp_ioapic {
    uint8_t type;
    uint8_t id;
    uint8_t version;
    uint8_t flags;
    uint32_t paddr;
} PACKED;

struct mp_line {
    uint8_t type;
    uint8_t kind;
    uint16_t flags;
    uint8_t bus;
    uint8_t bus_irq;
    uint8_t apic_id; /* an I/O APIC's, or for a local line a core's */
    uint8_t pin;
} PACKED;

HAS_BYTES(mp_bus, 8);
HAS_BYTES(mp_ioapic, 8);
HAS_BYTES(mp_line, 8);

#define ENTRY_MAX_BYTES sizeof(struct mp_core)

/* --- Its entries --- */

/* Numbers of I/O APICs and buses are a byte each. */
struct parse {
    struct acpi *acpi;
    uint8_t ioapic_ids[IOAPIC_MAX];
    uint8_t isa_bus;
    bool has_isa_bus;
};

static void add_core(struct acpi *acpi, const struct mp_core *core)
{
    if ((core->flags & CORE_ENABLED) == 0 || core->apic_id == ALL_APICS) {
        return;
    }
    for (unsigned i = 0; i < acpi->core_count; i++) {
        if (acpi->cores[i].apic_id == core->apic_id) {
            return;
        }
    }
    ASSERT(acpi->core_count < ACPI_CORE_MAX); /* ids are a byte */
    acpi->cores[acpi->core_count++] =
        (struct acpi_core){.apic_id = core->apic_id, .processor_uid = core->apic_id};
}

/* Lines are counted through all of them, in the order in which they are listed; each is taken for
 * one of 24 lines, as the first has them on machines of that time. */
#define IOAPIC_LINES 24u

static void add_ioapic(struct parse *parse, const struct mp_ioapic *ioapic)
{
    struct machine *machine = &parse->acpi->machine;

    if ((ioapic->flags & IOAPIC_ENABLED) == 0 || machine->ioapic_count == IOAPIC_MAX) {
        return;
    }
    parse->ioapic_ids[machine->ioapic_count] = ioapic->id;
    machine->ioapics[machine->ioapic_count] =
        (struct ioapic){.paddr = ioapic->paddr, .first_gsi = machine->ioapic_count * IOAPIC_LINES};
    machine->ioapic_count++;
}

static void route_line(struct parse *parse, const struct mp_line *line)
{
    struct machine *machine = &parse->acpi->machine;

    if (line->kind != LINE_INTERRUPT || !parse->has_isa_bus || line->bus != parse->isa_bus ||
        line->bus_irq >= ISA_IRQ_COUNT || line->pin >= IOAPIC_LINES) {
        return;
    }
    for (unsigned i = 0; i < machine->ioapic_count; i++) {
        if (parse->ioapic_ids[i] == line->apic_id || line->apic_id == ALL_APICS) {
            /* Bits that say "as the bus has it" are ISA's: an edge, active high. */
            machine->isa_irqs[line->bus_irq] = (struct irq_route){
                .gsi = machine->ioapics[i].first_gsi + line->pin,
                .is_active_low = FIELD_GET(POLARITY, line->flags) == POLARITY_IS_LOW,
                .is_level = FIELD_GET(TRIGGER, line->flags) == TRIGGER_IS_LEVEL,
            };
            return;
        }
    }
}

static void set_nmi_line(struct acpi *acpi, const struct mp_line *line)
{
    for (unsigned i = 0; i < acpi->core_count && line->pin <= 1; i++) {
        struct acpi_core *core = &acpi->cores[i];

        if (!core->has_nmi_line && (line->apic_id == ALL_APICS || line->apic_id == core->apic_id)) {
            core->has_nmi_line = true;
            core->nmi_lint = line->pin;
            core->is_nmi_active_low = FIELD_GET(POLARITY, line->flags) == POLARITY_IS_LOW;
        }
    }
}

/* In the order in which MP 4.3 has the kinds stand: each refers to those before. */
static void visit(struct parse *parse, const uint8_t *entry)
{
    struct mp_core core;
    struct mp_bus bus;
    struct mp_ioapic ioapic;
    struct mp_line line;

    switch (entry[0]) {
    case MP_CORE:
        memcpy(&core, entry, sizeof(core));
        add_core(parse->acpi, &core);
        break;
    case MP_BUS:
        memcpy(&bus, entry, sizeof(bus));
        if (!parse->has_isa_bus && memcmp(bus.name, BUS_ISA, sizeof(bus.name)) == 0) {
            parse->has_isa_bus = true;
            parse->isa_bus = bus.bus;
        }
        break;
    case MP_IOAPIC:
        memcpy(&ioapic, entry, sizeof(ioapic));
        add_ioapic(parse, &ioapic);
        break;
    case MP_LINE:
        memcpy(&line, entry, sizeof(line));
        route_line(parse, &line);
        break;
    default:
        memcpy(&line, entry, sizeof(line));
        if (line.kind == LINE_NMI) {
            set_nmi_line(parse->acpi, &line);
        }
        break;
    }
}

/* --- The table --- */

static int parse_table(const struct acpi_reader *reader, paddr_t paddr)
{
    struct parse parse = {.acpi = reader->acpi};
    uint8_t entry[ENTRY_MAX_BYTES];
    struct mp_header header;
    uint32_t offset = sizeof(header);
    uint8_t sum;

    if (!reader->read(reader->context, paddr, &header, sizeof(header)) ||
        memcmp(header.signature, TABLE_SIGNATURE, sizeof(header.signature)) != 0 ||
        header.bytes < sizeof(header) || !acpi_sum_bytes(reader, paddr, header.bytes, &sum) ||
        sum != 0) {
        acpi_note_problem(reader->acpi, "PCMP", "not found or wrong checksum");
        return -ENOENT;
    }
    /* By its length: some leave the count of entries 0. */
    while (offset < header.bytes) {
        uint32_t bytes;

        if (!reader->read(reader->context, paddr + offset, entry, 1)) {
            break;
        }
        bytes = entry[0] == MP_CORE ? sizeof(struct mp_core) : sizeof(struct mp_line);
        if (entry[0] >= MP_ENTRY_TYPES || bytes > header.bytes - offset ||
            !reader->read(reader->context, paddr + offset, entry, bytes)) {
            acpi_note_problem(reader->acpi, "PCMP", "an entry that cannot be");
            break;
        }
        visit(&parse, entry);
        offset += bytes;
    }
    return reader->acpi->core_count > 0 ? 0 : -ENOENT;
}

/* The table that is pointed to from there, or 0. */
static paddr_t search(const struct acpi_reader *reader, paddr_t start, uint64_t bytes)
{
    struct mp_pointer pointer;
    uint8_t sum;

    for (paddr_t paddr = start; paddr < start + bytes; paddr += POINTER_ALIGNMENT) {
        if (reader->read(reader->context, paddr, &pointer, sizeof(pointer)) &&
            memcmp(pointer.signature, POINTER_SIGNATURE, sizeof(pointer.signature)) == 0 &&
            pointer.paragraphs == 1 && acpi_sum_bytes(reader, paddr, sizeof(pointer), &sum) &&
            sum == 0 && pointer.table_paddr != 0) {
            return pointer.table_paddr;
        }
    }
    return 0;
}

/* Where it may lie (MP 4): the extended BIOS data area, the last KiB of base memory, the BIOS. */
#define EBDA_SEGMENT_PADDR 0x40E
#define SEGMENT_BYTES      16
#define BASE_KIB_PADDR     0x413
#define BASE_KIB_MAX       640u
#define BIOS_PADDR         0xF0000
#define BIOS_BYTES         0x10000

static paddr_t find_table(const struct acpi_reader *reader)
{
    uint8_t word[2];
    paddr_t paddr = 0;

    if (reader->read(reader->context, EBDA_SEGMENT_PADDR, word, sizeof(word)) &&
        load_le16(word) != 0) {
        paddr = search(reader, (paddr_t)load_le16(word) * SEGMENT_BYTES, KIB);
    }
    if (paddr == 0 && reader->read(reader->context, BASE_KIB_PADDR, word, sizeof(word)) &&
        load_le16(word) > 0 && load_le16(word) <= BASE_KIB_MAX) {
        paddr = search(reader, (load_le16(word) - 1u) * KIB, KIB);
    }
    /* Without a BIOS these words are nobody's; 640 KiB are what there is at most. */
    if (paddr == 0) {
        paddr = search(reader, (BASE_KIB_MAX - 1) * KIB, KIB);
    }
    return paddr != 0 ? paddr : search(reader, BIOS_PADDR, BIOS_BYTES);
}

int mp_table_parse(struct acpi *acpi, acpi_read read, void *context)
{
    const struct acpi_reader reader = {.acpi = acpi, .read = read, .context = context};
    paddr_t paddr = find_table(&reader);

    ASSERT(acpi->core_count == 0);
    return paddr == 0 ? -ENOENT : parse_table(&reader, paddr);
}
