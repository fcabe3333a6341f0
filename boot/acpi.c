/* SPDX-License-Identifier: MIT */
/*
 * Reads ACPI's static tables (ACPI 6.5, chapter 5). All access to memory goes through the caller's
 * read function and, inside a table, through read_table(), which refuses what lies past its length.
 */
#include "boot/acpi.h"

#include <errno.h>
#include <string.h>

#define RSDP_V1_BYTES   20
#define RSDP_V2_BYTES   36
#define HEADER_BYTES    36
/* Chosen: the largest DSDTs of servers have about half a megabyte. */
#define TABLE_MAX_BYTES (4 * MIB)
#define TABLE_MAX       256
#define CHUNK_BYTES     256

struct reader {
    struct acpi *acpi;
    acpi_read read;
    void *context;
};

/* A table whose checksum is right. */
struct table {
    const struct reader *reader;
    char signature[5];
    paddr_t paddr;
    uint32_t bytes;
};

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static uint64_t get64(const uint8_t *bytes)
{
    return get32(bytes) | (uint64_t)get32(bytes + 4) << 32;
}

static void note_problem(struct acpi *acpi, const char *signature, const char *text)
{
    if (acpi->problem_count < ACPI_PROBLEM_MAX) {
        struct acpi_problem *problem = &acpi->problems[acpi->problem_count++];

        for (unsigned i = 0; i < 4; i++) {
            problem->signature[i] = signature[i] >= ' ' && signature[i] <= '~' ? signature[i] : '?';
        }
        problem->signature[4] = '\0';
        problem->text = text;
    }
}

static bool read_table(const struct table *table, uint32_t offset, void *buffer, size_t bytes)
{
    return offset <= table->bytes && bytes <= table->bytes - offset &&
           table->reader->read(table->reader->context, table->paddr + offset, buffer, bytes);
}

/* The sum of so many bytes, which is 0 in a valid table; false when they cannot be read. */
static bool sum_bytes(const struct reader *reader, paddr_t paddr, uint32_t bytes, uint8_t *sum)
{
    uint8_t chunk[CHUNK_BYTES];

    *sum = 0;
    while (bytes > 0) {
        uint32_t chunk_bytes = bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES;

        if (!reader->read(reader->context, paddr, chunk, chunk_bytes)) {
            return false;
        }
        for (uint32_t i = 0; i < chunk_bytes; i++) {
            *sum = (uint8_t)(*sum + chunk[i]);
        }
        paddr += chunk_bytes;
        bytes -= chunk_bytes;
    }
    return true;
}

static bool open_table(const struct reader *reader, paddr_t paddr, struct table *table)
{
    uint8_t header[HEADER_BYTES];
    uint8_t sum;

    if (paddr == 0 || !reader->read(reader->context, paddr, header, sizeof(header))) {
        note_problem(reader->acpi, "????", "a table lies in memory that cannot be read");
        return false;
    }
    memcpy(table->signature, header, 4);
    table->signature[4] = '\0';
    table->reader = reader;
    table->paddr = paddr;
    table->bytes = get32(header + 4);
    if (table->bytes < HEADER_BYTES || table->bytes > TABLE_MAX_BYTES) {
        note_problem(reader->acpi, table->signature, "impossible length");
        return false;
    }
    if (!sum_bytes(reader, paddr, table->bytes, &sum)) {
        note_problem(reader->acpi, table->signature, "reaches into memory that cannot be read");
        return false;
    }
    if (sum != 0) {
        note_problem(reader->acpi, table->signature, "wrong checksum");
        return false;
    }
    return true;
}

/* --- Lists of entries that start with type and length: MADT and SRAT --- */

#define ENTRY_MAX_BYTES 255

typedef void (*entry_handler)(struct acpi *acpi, uint8_t type, const uint8_t *entry, uint8_t bytes);

static void for_each_entry(const struct table *table, uint32_t offset, entry_handler handle)
{
    uint8_t entry[ENTRY_MAX_BYTES];

    while (offset < table->bytes) {
        if (!read_table(table, offset, entry, 2) || entry[1] < 2 ||
            !read_table(table, offset, entry, entry[1])) {
            note_problem(table->reader->acpi, table->signature,
                         "an entry has an impossible length");
            return;
        }
        handle(table->reader->acpi, entry[0], entry, entry[1]);
        offset += entry[1];
    }
}

/* --- MADT (ACPI 5.2.12) --- */

enum {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_INTERRUPT_OVERRIDE = 2,
    MADT_LAPIC_ADDRESS_OVERRIDE = 5,
    MADT_X2APIC = 9,
};

#define MADT_FIRST_ENTRY  44
#define MADT_CORE_ENABLED 1u

static void add_core(struct acpi *acpi, uint32_t apic_id, uint32_t flags)
{
    if ((flags & MADT_CORE_ENABLED) == 0) {
        return;
    }
    for (unsigned i = 0; i < acpi->core_count; i++) {
        if (acpi->cores[i].apic_id == apic_id) {
            return; /* listed as local APIC and as x2APIC */
        }
    }
    if (acpi->core_count == ACPI_CORE_MAX) {
        note_problem(acpi, "APIC", "more cores than can be listed");
        return;
    }
    acpi->cores[acpi->core_count++] = (struct acpi_core){.apic_id = apic_id};
}

static void add_ioapic(struct acpi *acpi, paddr_t paddr, uint32_t first_gsi)
{
    struct machine *machine = &acpi->machine;

    if (machine->ioapic_count < IOAPIC_MAX) {
        machine->ioapics[machine->ioapic_count++] =
            (struct ioapic){.paddr = paddr, .first_gsi = first_gsi};
    }
}

static void handle_madt_entry(struct acpi *acpi, uint8_t type, const uint8_t *entry, uint8_t bytes)
{
    if (type == MADT_LAPIC && bytes >= 8) {
        add_core(acpi, entry[3], get32(entry + 4));
    } else if (type == MADT_X2APIC && bytes >= 16) {
        add_core(acpi, get32(entry + 4), get32(entry + 8));
    } else if (type == MADT_IOAPIC && bytes >= 12) {
        add_ioapic(acpi, get32(entry + 4), get32(entry + 8));
    } else if (type == MADT_LAPIC_ADDRESS_OVERRIDE && bytes >= 12) {
        acpi->machine.lapic_paddr = get64(entry + 4);
    } else if (type == MADT_INTERRUPT_OVERRIDE && bytes >= 10 && entry[2] == 0 &&
               entry[3] < ISA_IRQ_COUNT) {
        uint16_t flags = get16(entry + 8);

        /* Polarity in bits 1:0, trigger in bits 3:2; 3 is low or level, else as ISA has it. */
        acpi->machine.isa_irqs[entry[3]] = (struct irq_route){
            .gsi = get32(entry + 4),
            .is_active_low = (flags & 3) == 3,
            .is_level = (flags >> 2 & 3) == 3,
        };
    }
}

static void parse_madt(const struct table *table)
{
    uint8_t lapic[4];

    if (!read_table(table, HEADER_BYTES, lapic, sizeof(lapic))) {
        note_problem(table->reader->acpi, table->signature, "too short");
        return;
    }
    table->reader->acpi->machine.lapic_paddr = get32(lapic);
    for_each_entry(table, MADT_FIRST_ENTRY, handle_madt_entry);
}

/* --- SRAT (ACPI 5.2.16) --- */

enum {
    SRAT_LAPIC = 0,
    SRAT_MEMORY = 1,
    SRAT_X2APIC = 2,
};

#define SRAT_FIRST_ENTRY 48
#define SRAT_ENABLED     1u

static void set_domain(struct acpi *acpi, uint32_t apic_id, uint32_t domain)
{
    for (unsigned i = 0; i < acpi->core_count; i++) {
        if (acpi->cores[i].apic_id == apic_id) {
            acpi->cores[i].domain = domain;
        }
    }
}

static void add_memory_affinity(struct acpi *acpi, const uint8_t *entry)
{
    struct memory_range range = {.paddr = get64(entry + 8), .bytes = get64(entry + 16)};

    if (range.bytes == 0 || range.paddr + range.bytes < range.paddr) {
        return;
    }
    if (acpi->memory_affinity_count == ACPI_MEMORY_AFFINITY_MAX) {
        note_problem(acpi, "SRAT", "more memory ranges than can be listed");
        return;
    }
    acpi->memory_affinities[acpi->memory_affinity_count++] =
        (struct acpi_memory_affinity){.range = range, .domain = get32(entry + 2)};
}

static void handle_srat_entry(struct acpi *acpi, uint8_t type, const uint8_t *entry, uint8_t bytes)
{
    if (type == SRAT_LAPIC && bytes >= 16 && (get32(entry + 4) & SRAT_ENABLED)) {
        /* The domain's bytes stand apart: 7:0 at 2, 31:8 at 9. */
        uint32_t domain = entry[2] | (uint32_t)entry[9] << 8 | (uint32_t)get16(entry + 10) << 16;

        set_domain(acpi, entry[3], domain);
    } else if (type == SRAT_X2APIC && bytes >= 24 && (get32(entry + 12) & SRAT_ENABLED)) {
        set_domain(acpi, get32(entry + 8), get32(entry + 4));
    } else if (type == SRAT_MEMORY && bytes >= 40 && (get32(entry + 28) & SRAT_ENABLED)) {
        add_memory_affinity(acpi, entry);
    }
}

static void parse_srat(const struct table *table)
{
    for_each_entry(table, SRAT_FIRST_ENTRY, handle_srat_entry);
}

/* --- MCFG (PCI firmware specification 4.1.2) --- */

#define MCFG_FIRST_ENTRY 44
#define MCFG_ENTRY_BYTES 16

static void parse_mcfg(const struct table *table)
{
    struct machine *machine = &table->reader->acpi->machine;
    uint8_t entry[MCFG_ENTRY_BYTES];

    for (uint32_t offset = MCFG_FIRST_ENTRY; read_table(table, offset, entry, sizeof(entry));
         offset += MCFG_ENTRY_BYTES) {
        struct ecam ecam = {
            .paddr = get64(entry),
            .segment = get16(entry + 8),
            .first_bus = entry[10],
            .last_bus = entry[11],
        };

        if (ecam.paddr == 0 || ecam.paddr % MIB != 0 || ecam.first_bus > ecam.last_bus) {
            note_problem(table->reader->acpi, table->signature, "an impossible window");
        } else if (machine->ecam_count < ECAM_MAX) {
            machine->ecams[machine->ecam_count++] = ecam;
        }
    }
}

/* --- HPET (IA-PC HPET specification 3.2.4) --- */

#define GENERIC_ADDRESS_MEMORY 0
#define GENERIC_ADDRESS_PORT   1

static void parse_hpet(const struct table *table)
{
    uint8_t address[12]; /* generic address (ACPI 5.2.3.2) */

    if (!read_table(table, 40, address, sizeof(address))) {
        note_problem(table->reader->acpi, table->signature, "too short");
    } else if (address[0] == GENERIC_ADDRESS_MEMORY) {
        table->reader->acpi->hpet_paddr = get64(address + 4);
    }
}

/* --- SPCR (Serial Port Console Redirection Table, revision 2) --- */

#define SPCR_BYTES          59 /* up to and with the speed */
#define SPCR_TYPE_16550     0
#define SPCR_TYPE_16450     1
#define SPCR_TYPE_16550_GAS 0x12
#define SPCR_INTERRUPT_ISA  0x01

static uint32_t spcr_baud(uint8_t code)
{
    static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};

    return code < ARRAY_COUNT(bauds) ? bauds[code] : 0;
}

/* Eight registers follow the first. */
#define SPCR_PORT_MAX (UINT16_MAX - 7)

/* A port in memory, and what is no 16550, is no console of ours. */
static void parse_spcr(const struct table *table)
{
    uint8_t spcr[SPCR_BYTES];
    bool is_16550;

    if (!read_table(table, 0, spcr, sizeof(spcr))) {
        note_problem(table->reader->acpi, table->signature, "too short");
        return;
    }
    is_16550 = spcr[36] == SPCR_TYPE_16550 || spcr[36] == SPCR_TYPE_16450 ||
               spcr[36] == SPCR_TYPE_16550_GAS;
    if (!is_16550 || spcr[40] != GENERIC_ADDRESS_PORT) {
        note_problem(table->reader->acpi, table->signature, "no 16550 at an I/O port: not used");
    } else if (get64(spcr + 44) == 0 || get64(spcr + 44) > SPCR_PORT_MAX) {
        note_problem(table->reader->acpi, table->signature, "an impossible port");
    } else {
        table->reader->acpi->machine.firmware_console = (struct serial_port){
            .port = (uint16_t)get64(spcr + 44),
            .isa_irq = (spcr[52] & SPCR_INTERRUPT_ISA) && spcr[53] < ISA_IRQ_COUNT ? spcr[53] : 0,
            .baud = spcr_baud(spcr[58]),
        };
    }
}

/* --- FADT (ACPI 5.2.9), and \_S5 in the DSDT --- */

#define FADT_V1_BYTES         116 /* up to and with the flags */
#define FADT_RESET_BYTES      129
#define FADT_BYTES            256 /* up to and with the sleep control register */
#define FADT_FLAG_TIMER_32BIT (1u << 8)
#define FADT_FLAG_RESET       (1u << 10)
#define FADT_FLAG_REDUCED     (1u << 20) /* no PM1, no SMI command (ACPI 4.1) */
/* From revision 3 on there are flags for what old PCs always have. */
#define FADT_REVISION_FLAGS   3
#define FADT_BOOT_FLAG_I8042  (1u << 1)

#define AML_ZERO    0x00
#define AML_ONE     0x01
#define AML_NAME    0x08
#define AML_BYTE    0x0A
#define AML_PACKAGE 0x12

/* One small integer of a package; false when it is something else. Moves *position past it. */
static bool get_small_integer(const uint8_t *bytes, size_t length, size_t *position, uint8_t *value)
{
    if (*position < length && (bytes[*position] == AML_ZERO || bytes[*position] == AML_ONE)) {
        *value = bytes[(*position)++];
        return true;
    }
    if (*position + 1 < length && bytes[*position] == AML_BYTE) {
        *value = bytes[*position + 1];
        *position += 2;
        return true;
    }
    return false;
}

/* `bytes` follow the name _S5_: a package whose first two integers are the sleep types for PM1a
 * and PM1b (ACPI 7.4.2, 20.2.5.4). */
static bool parse_s5_package(const uint8_t *bytes, size_t length, struct power_registers *power)
{
    size_t position;

    if (length < 2 || bytes[0] != AML_PACKAGE) {
        return false;
    }
    /* The package's length takes one to four bytes, bits 7:6 of the first say how many more; then
     * comes the number of elements. */
    position = 2 + (bytes[1] >> 6) + 1;
    return get_small_integer(bytes, length, &position, &power->s5_type_a) &&
           get_small_integer(bytes, length, &position, &power->s5_type_b);
}

/* Without an AML interpreter: look for the bytes of Name(_S5_, Package...). */
static void scan_for_s5(const struct table *table)
{
    struct power_registers *power = &table->reader->acpi->machine.power;
    uint8_t window[CHUNK_BYTES];
    const size_t name_bytes = 4;
    const size_t package_bytes = 12;

    for (uint32_t offset = HEADER_BYTES; offset < table->bytes;) {
        uint32_t left = table->bytes - offset;
        uint32_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;

        if (!read_table(table, offset, window, bytes)) {
            return;
        }
        for (size_t i = 1; i + name_bytes <= bytes; i++) {
            bool is_named = window[i - 1] == AML_NAME ||
                            (window[i - 1] == '\\' && i >= 2 && window[i - 2] == AML_NAME);

            if (is_named && memcmp(&window[i], "_S5_", name_bytes) == 0 &&
                parse_s5_package(&window[i + name_bytes], bytes - i - name_bytes, power)) {
                power->has_s5 = true;
                return;
            }
        }
        if (bytes == left) {
            return;
        }
        /* The next window begins early enough to hold whole what this one cut. */
        offset += CHUNK_BYTES - (uint32_t)(name_bytes + package_bytes + 2);
    }
}

/* None where it lies in a space that is not known. */
static struct power_register get_register(const uint8_t *address)
{
    if (address[0] > POWER_SPACE_PCI) {
        return (struct power_register){0};
    }
    return (struct power_register){.space = address[0], .address = get64(address + 4)};
}

static void parse_fadt(const struct table *table)
{
    struct acpi *acpi = table->reader->acpi;
    struct power_registers *power = &acpi->machine.power;
    uint8_t fadt[FADT_BYTES] = {0};
    uint32_t bytes = table->bytes < sizeof(fadt) ? table->bytes : (uint32_t)sizeof(fadt);
    struct table dsdt;
    paddr_t dsdt_paddr;
    uint32_t flags;

    if (bytes < FADT_V1_BYTES || !read_table(table, 0, fadt, bytes)) {
        note_problem(acpi, table->signature, "too short");
        return;
    }
    flags = get32(fadt + 112);
    acpi->machine.has_no_i8042 =
        fadt[8] >= FADT_REVISION_FLAGS && (get16(fadt + 109) & FADT_BOOT_FLAG_I8042) == 0;
    if (flags & FADT_FLAG_REDUCED) {
        power->sleep_control = get_register(fadt + 244);
    } else {
        power->smi_command = (uint16_t)get32(fadt + 48);
        power->acpi_enable = fadt[52];
        power->pm1a_control = (uint16_t)get32(fadt + 64);
        power->pm1b_control = (uint16_t)get32(fadt + 68);
    }
    acpi->pm_timer_port = (uint16_t)get32(fadt + 76);
    acpi->pm_timer_is_32bit = (flags & FADT_FLAG_TIMER_32BIT) != 0;
    if (bytes >= FADT_RESET_BYTES && (flags & FADT_FLAG_RESET)) {
        power->reset = get_register(fadt + 116);
        power->reset_value = fadt[128];
    }

    /* Versions above 1 name the DSDT again, with 64 bits; zero there leaves the old field valid. */
    dsdt_paddr = get64(fadt + 140) != 0 ? get64(fadt + 140) : get32(fadt + 40);
    if (open_table(table->reader, dsdt_paddr, &dsdt) && memcmp(dsdt.signature, "DSDT", 4) == 0) {
        acpi->dsdt = (struct memory_range){dsdt.paddr, dsdt.bytes};
        scan_for_s5(&dsdt);
    }
}

/* --- The root --- */

static const struct {
    char signature[5];
    void (*parse)(const struct table *table);
} parsers[] = {
    /* In this order whatever the root table's is: SRAT names cores that the MADT listed. */
    {"APIC", parse_madt}, {"SRAT", parse_srat}, {"MCFG", parse_mcfg},
    {"FACP", parse_fadt}, {"HPET", parse_hpet}, {"SPCR", parse_spcr},
};

/* The first valid table of that signature. */
static bool find_table(const struct table *root, uint32_t pointer_bytes, const char *signature,
                       struct table *table)
{
    const struct reader *reader = root->reader;
    uint8_t pointer[8] = {0};
    uint8_t found[4];

    for (unsigned i = 0; i < TABLE_MAX; i++) {
        paddr_t paddr;

        if (!read_table(root, HEADER_BYTES + i * pointer_bytes, pointer, pointer_bytes)) {
            return false;
        }
        paddr = get64(pointer);
        if (reader->read(reader->context, paddr, found, sizeof(found)) &&
            memcmp(found, signature, sizeof(found)) == 0 && open_table(reader, paddr, table)) {
            return true;
        }
    }
    return false;
}

/* The root table that this RSDP names: XSDT if it has one that is sound, else RSDT. */
static bool open_root(const struct reader *reader, paddr_t rsdp, struct table *root,
                      uint32_t *pointer_bytes)
{
    uint8_t bytes[RSDP_V2_BYTES] = {0};
    uint8_t sum;

    if (!reader->read(reader->context, rsdp, bytes, RSDP_V1_BYTES) ||
        memcmp(bytes, "RSD PTR ", 8) != 0 || !sum_bytes(reader, rsdp, RSDP_V1_BYTES, &sum) ||
        sum != 0) {
        note_problem(reader->acpi, "RSDP", "not found or wrong checksum");
        return false;
    }
    if (bytes[15] >= 2 && reader->read(reader->context, rsdp, bytes, RSDP_V2_BYTES) &&
        sum_bytes(reader, rsdp, RSDP_V2_BYTES, &sum) && sum == 0 && get64(bytes + 24) != 0 &&
        open_table(reader, get64(bytes + 24), root) && memcmp(root->signature, "XSDT", 4) == 0) {
        *pointer_bytes = 8;
        return true;
    }
    *pointer_bytes = 4;
    return open_table(reader, get32(bytes + 16), root) && memcmp(root->signature, "RSDT", 4) == 0;
}

int acpi_parse(struct acpi *acpi, paddr_t rsdp, acpi_read read, void *context)
{
    struct reader reader = {.acpi = acpi, .read = read, .context = context};
    struct table root;
    struct table table;
    uint32_t pointer_bytes;

    memset(acpi, 0, sizeof(*acpi));
    for (uint32_t irq = 0; irq < ISA_IRQ_COUNT; irq++) {
        acpi->machine.isa_irqs[irq].gsi = irq;
    }
    if (!open_root(&reader, rsdp, &root, &pointer_bytes)) {
        return -EINVAL;
    }
    for (size_t i = 0; i < ARRAY_COUNT(parsers); i++) {
        if (find_table(&root, pointer_bytes, parsers[i].signature, &table)) {
            parsers[i].parse(&table);
        }
    }
    return 0;
}

/* --- The RSDP of a BIOS --- */

#define EBDA_SEGMENT_PADDR 0x40E
#define EBDA_SEARCH_BYTES  1024
#define BIOS_PADDR         0xE0000
#define BIOS_BYTES         0x20000
#define RSDP_ALIGNMENT     16

static paddr_t search_rsdp(const struct reader *reader, paddr_t start, uint64_t bytes)
{
    uint8_t signature[8];
    uint8_t sum;

    for (paddr_t paddr = start; paddr < start + bytes; paddr += RSDP_ALIGNMENT) {
        if (reader->read(reader->context, paddr, signature, sizeof(signature)) &&
            memcmp(signature, "RSD PTR ", sizeof(signature)) == 0 &&
            sum_bytes(reader, paddr, RSDP_V1_BYTES, &sum) && sum == 0) {
            return paddr;
        }
    }
    return 0;
}

paddr_t acpi_find_rsdp(acpi_read read, void *context)
{
    struct reader reader = {.read = read, .context = context};
    uint8_t segment[2];
    paddr_t rsdp = 0;

    if (read(context, EBDA_SEGMENT_PADDR, segment, sizeof(segment)) && get16(segment) != 0) {
        rsdp = search_rsdp(&reader, (paddr_t)get16(segment) << 4, EBDA_SEARCH_BYTES);
    }
    return rsdp != 0 ? rsdp : search_rsdp(&reader, BIOS_PADDR, BIOS_BYTES);
}
