/* SPDX-License-Identifier: MIT */
/*
 * ACPI's tables as they lie in memory (ACPI 6.5, and the specifications that it refers to for MCFG,
 * HPET, SPCR and DMAR): one structure a section, only the fields that are used, the others
 * reserved. Little-endian, at any address: a part is copied into one of these after a look at how
 * long the table is, and never read in place.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/bits.h"

#define PACKED __attribute__((packed))
/* Where the specification prints this field. */
#define LIES_AT(type, field, offset)                                                               \
    _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define HAS_BYTES(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type)

/* --- Root System Description Pointer (ACPI 5.2.5.3) --- */

#define RSDP_SIGNATURE       "RSD PTR "
#define RSDP_SIGNATURE_BYTES 8
#define RSDP_ALIGNMENT       16
#define RSDP_V1_BYTES        20 /* the first checksum covers so many */
#define RSDP_REVISION_XSDT   2  /* from here on the rest is there */

struct acpi_rsdp {
    char signature[RSDP_SIGNATURE_BYTES];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt_paddr;
    uint32_t bytes;
    uint64_t xsdt_paddr;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} PACKED;

HAS_BYTES(acpi_rsdp, 36);
LIES_AT(acpi_rsdp, revision, 15);
LIES_AT(acpi_rsdp, bytes, RSDP_V1_BYTES);
LIES_AT(acpi_rsdp, xsdt_paddr, 24);

/* --- The header of every other table (ACPI 5.2.6) --- */

#define ACPI_SIGNATURE_BYTES 4

struct acpi_header {
    char signature[ACPI_SIGNATURE_BYTES];
    uint32_t bytes; /* of the whole table */
    uint8_t revision;
    uint8_t checksum; /* makes the sum of all bytes 0 */
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    uint32_t creator_id;
    uint32_t creator_revision;
} PACKED;

HAS_BYTES(acpi_header, 36);
LIES_AT(acpi_header, checksum, 9);

/* --- Generic address structure (ACPI 5.2.3.2) --- */

enum acpi_address_space {
    ACPI_ADDRESS_MEMORY = 0,
    ACPI_ADDRESS_PORT = 1,
    ACPI_ADDRESS_PCI = 2,
};

struct acpi_address {
    uint8_t space; /* enum acpi_address_space, or one that holds no registers of ours */
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t access_size;
    uint64_t address; /* 0: there is none */
} PACKED;

HAS_BYTES(acpi_address, 12);

/* --- Multiple APIC Description Table (ACPI 5.2.12) --- */

struct acpi_madt {
    struct acpi_header header;
    uint32_t lapic_paddr; /* not used: each core's own MSR says it */
    uint32_t flags;
    /* Entries follow. */
} PACKED;

HAS_BYTES(acpi_madt, 44);

/* How an entry of the MADT or the SRAT starts. */
struct acpi_entry {
    uint8_t type;
    uint8_t bytes; /* of all of it */
} PACKED;

enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_INTERRUPT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};

#define MADT_CORE_ENABLED BIT(0)
/* Firmware's marks for a core that is not there. An INIT sent to one of them would reset all. */
#define LAPIC_ALL_CORES   0xFFu
#define X2APIC_ALL_CORES  0xFFFFFFFFu

struct madt_lapic { /* ACPI 5.2.12.2 */
    struct acpi_entry entry;
    uint8_t processor_uid;
    uint8_t apic_id;
    uint32_t flags;
} PACKED;

struct madt_ioapic { /* ACPI 5.2.12.3 */
    struct acpi_entry entry;
    uint8_t ioapic_id;
    uint8_t reserved;
    uint32_t paddr;
    uint32_t first_gsi;
} PACKED;

#define MADT_BUS_ISA  0
#define MADT_POLARITY BITS(1, 0)
#define POLARITY_HIGH 1
#define POLARITY_LOW  3
#define MADT_TRIGGER  BITS(3, 2)
#define TRIGGER_EDGE  1
#define TRIGGER_LEVEL 3

struct madt_interrupt_override { /* ACPI 5.2.12.5 */
    struct acpi_entry entry;
    uint8_t bus;
    uint8_t isa_irq;
    uint32_t gsi;
    uint16_t flags;
} PACKED;

struct madt_x2apic { /* ACPI 5.2.12.12 */
    struct acpi_entry entry;
    uint16_t reserved;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t processor_uid;
} PACKED;

/* Which pin of which local APIC takes NMIs. With x2APIC entries come NMI entries of their own. */
#define LAPIC_NMI_ALL_CORES  0xFFu
#define X2APIC_NMI_ALL_CORES 0xFFFFFFFFu

struct madt_lapic_nmi { /* ACPI 5.2.12.7 */
    struct acpi_entry entry;
    uint8_t processor_uid;
    uint16_t flags; /* MADT_POLARITY; an NMI is an edge whatever the trigger mode says */
    uint8_t lint;
} PACKED;

struct madt_x2apic_nmi { /* ACPI 5.2.12.13 */
    struct acpi_entry entry;
    uint16_t flags;
    uint32_t processor_uid;
    uint8_t lint;
    uint8_t reserved[3];
} PACKED;

HAS_BYTES(madt_lapic_nmi, 6);
HAS_BYTES(madt_x2apic_nmi, 12);
HAS_BYTES(madt_lapic, 8);
HAS_BYTES(madt_ioapic, 12);
HAS_BYTES(madt_interrupt_override, 10);
HAS_BYTES(madt_x2apic, 16);

/* --- System Resource Affinity Table (ACPI 5.2.16) --- */

struct acpi_srat {
    struct acpi_header header;
    uint8_t reserved[12];
    /* Entries follow. */
} PACKED;

HAS_BYTES(acpi_srat, 48);

enum srat_type {
    SRAT_LAPIC = 0,
    SRAT_MEMORY = 1,
    SRAT_X2APIC = 2,
};

#define SRAT_ENABLED BIT(0)

struct srat_lapic { /* ACPI 5.2.16.1 */
    struct acpi_entry entry;
    uint8_t domain_low; /* bits 7:0 */
    uint8_t apic_id;
    uint32_t flags;
    uint8_t sapic_eid;
    uint8_t domain_middle; /* bits 15:8 */
    uint16_t domain_high;  /* bits 31:16 */
    uint32_t clock_domain;
} PACKED;

struct srat_memory { /* ACPI 5.2.16.2 */
    struct acpi_entry entry;
    uint32_t domain;
    uint16_t reserved;
    uint64_t paddr;
    uint64_t bytes;
    uint32_t reserved_too;
    uint32_t flags;
    uint64_t reserved_last;
} PACKED;

struct srat_x2apic { /* ACPI 5.2.16.3 */
    struct acpi_entry entry;
    uint16_t reserved;
    uint32_t domain;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t clock_domain;
    uint32_t reserved_last;
} PACKED;

HAS_BYTES(srat_lapic, 16);
LIES_AT(srat_lapic, domain_middle, 9);
HAS_BYTES(srat_memory, 40);
LIES_AT(srat_memory, paddr, 8);
LIES_AT(srat_memory, flags, 28);
HAS_BYTES(srat_x2apic, 24);

/* --- Memory mapped configuration space (PCI firmware specification 3.3, 4.1.2) --- */

struct acpi_mcfg {
    struct acpi_header header;
    uint8_t reserved[8];
    /* Windows follow. */
} PACKED;

struct mcfg_window {
    uint64_t paddr; /* of bus 0, whether or not the window holds it */
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
    uint32_t reserved;
} PACKED;

HAS_BYTES(acpi_mcfg, 44);
HAS_BYTES(mcfg_window, 16);

/* --- HPET (IA-PC HPET specification 1.0a, 3.2.4) --- */

struct acpi_hpet {
    struct acpi_header header;
    uint32_t block_id;
    struct acpi_address registers;
    /* The rest is not used. */
} PACKED;

LIES_AT(acpi_hpet, registers, 40);

/* --- Serial Port Console Redirection (SPCR, revision 2) --- */

enum spcr_type {
    SPCR_TYPE_16550 = 0,
    SPCR_TYPE_16450 = 1,
    SPCR_TYPE_16550_GAS = 0x12,
};

#define SPCR_INTERRUPT_ISA BIT(0)

struct acpi_spcr {
    struct acpi_header header;
    uint8_t type; /* enum spcr_type */
    uint8_t reserved[3];
    struct acpi_address registers;
    uint8_t interrupt_type;
    uint8_t isa_irq;
    uint32_t gsi;
    uint8_t baud; /* a code */
    /* The rest is not used. */
} PACKED;

LIES_AT(acpi_spcr, registers, 40);
LIES_AT(acpi_spcr, isa_irq, 53);
LIES_AT(acpi_spcr, baud, 58);

/* --- DMA Remapping Reporting (VT-d specification 8.1 to 8.4) --- */

struct acpi_dmar {
    struct acpi_header header;
    uint8_t address_width; /* less one: the units' own registers say what they take */
    uint8_t flags;
    uint8_t reserved[10];
    /* Entries follow. */
} PACKED;

HAS_BYTES(acpi_dmar, 48);

enum dmar_type {
    DMAR_UNIT = 0,
    DMAR_RESERVED_MEMORY = 1,
};

struct dmar_entry {
    uint16_t type; /* enum dmar_type, or one that is not used */
    uint16_t bytes;
} PACKED;

struct dmar_unit { /* 8.3; scopes follow */
    struct dmar_entry entry;
    uint8_t flags;
    uint8_t reserved;
    uint16_t segment;
    uint64_t paddr;
} PACKED;

struct dmar_reserved_memory { /* 8.4; scopes follow */
    struct dmar_entry entry;
    uint16_t reserved;
    uint16_t segment;
    uint64_t first;
    uint64_t last;
} PACKED;

enum dmar_scope_type {
    DMAR_SCOPE_ENDPOINT = 1,
};

struct dmar_scope { /* 8.3.1 */
    uint8_t type;   /* enum dmar_scope_type, or one that no device's memory is reserved for */
    uint8_t bytes;
    uint8_t reserved[2];
    uint8_t enumeration_id;
    uint8_t start_bus;
    /* A path follows: two bytes a step. */
} PACKED;

HAS_BYTES(dmar_unit, 16);
HAS_BYTES(dmar_reserved_memory, 24);
HAS_BYTES(dmar_scope, 6);

/* --- Fixed ACPI Description Table (ACPI 5.2.9) --- */

/* From revision 3 on there are flags for what old PCs always have. */
#define FADT_REVISION_FLAGS   3
#define FADT_BOOT_I8042       BIT(1)
#define FADT_NO_POWER_BUTTON  BIT(4) /* no fixed one: a device of the DSDT, or none */
#define FADT_TIMER_32BIT      BIT(8)
#define FADT_RESET_REGISTER   BIT(10)
#define FADT_HARDWARE_REDUCED BIT(20)

struct acpi_fadt {
    struct acpi_header header;
    uint32_t facs_paddr;
    uint32_t dsdt_paddr;
    uint8_t reserved_44[2];
    uint16_t sci_irq;
    uint32_t smi_command; /* a port; 0: ACPI is on */
    uint8_t acpi_enable;
    uint8_t reserved_53[3];
    /* Ports; 0: none, or named further below. */
    uint32_t pm1a_event_port;
    uint32_t pm1b_event_port;
    uint32_t pm1a_control_port;
    uint32_t pm1b_control_port;
    uint32_t pm2_control_port;
    uint32_t timer_port;
    uint8_t reserved_80[8];
    uint8_t pm1_event_bytes; /* of each: as many for status as for enable */
    uint8_t reserved_89[19];
    uint8_t century;     /* where in the battery-backed clock it is; 0: nowhere */
    uint16_t boot_flags; /* FADT_BOOT_ */
    uint8_t reserved_111;
    uint32_t flags; /* FADT_ */
    /* Version 1 ends here. */
    struct acpi_address reset;
    uint8_t reset_value;
    uint8_t reserved_129[11];
    uint64_t dsdt_paddr_64bit; /* 0: the old field holds */
    struct acpi_address pm1a_event;
    struct acpi_address pm1b_event;
    struct acpi_address pm1a_control;
    struct acpi_address pm1b_control;
    struct acpi_address pm2_control;
    struct acpi_address timer;
    uint8_t reserved_220[24];
    struct acpi_address sleep_control;
    /* The rest is not used. */
} PACKED;

#define FADT_V1_BYTES 116

LIES_AT(acpi_fadt, dsdt_paddr, 40);
LIES_AT(acpi_fadt, sci_irq, 46);
LIES_AT(acpi_fadt, smi_command, 48);
LIES_AT(acpi_fadt, pm1a_event_port, 56);
LIES_AT(acpi_fadt, pm1a_control_port, 64);
LIES_AT(acpi_fadt, timer_port, 76);
LIES_AT(acpi_fadt, pm1_event_bytes, 88);
LIES_AT(acpi_fadt, century, 108);
LIES_AT(acpi_fadt, boot_flags, 109);
LIES_AT(acpi_fadt, flags, 112);
LIES_AT(acpi_fadt, reset, FADT_V1_BYTES);
LIES_AT(acpi_fadt, reset_value, 128);
LIES_AT(acpi_fadt, dsdt_paddr_64bit, 140);
LIES_AT(acpi_fadt, pm1a_event, 148);
LIES_AT(acpi_fadt, pm1a_control, 172);
LIES_AT(acpi_fadt, timer, 208);
LIES_AT(acpi_fadt, sleep_control, 244);
HAS_BYTES(acpi_fadt, 256);

/* --- AML, as far as it is written down as data (ACPI 20.2) --- */

enum aml_byte {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0A,
    AML_DWORD = 0x0C,
    AML_QWORD = 0x0E,
    AML_PACKAGE = 0x12,
    AML_ROOT = 0x5C, /* a backslash before a name */
    AML_RETURN = 0xA4,
};

#define AML_NAME_BYTES       4
#define AML_PACKAGE_MORE     BITS(7, 6) /* bytes of the package's length after the first (20.2.4) */
#define AML_METHOD_ARGUMENTS BITS(2, 0) /* of a method's flags: how many it takes (20.2.5.2) */

/*
 * Address space descriptors of a resource template (ACPI 6.4.3.5.1, 6.4.3.5.2): this, then
 * granularity, minimum, maximum, translation and length, each of four or eight bytes.
 */
enum aml_space_tag {
    DWORD_SPACE_TAG = 0x87,
    QWORD_SPACE_TAG = 0x8A,
};

#define SPACE_TYPE_MEMORY   0
#define SPACE_FLAG_CONSUMER BIT(0)     /* else it passes these addresses on */
#define SPACE_FLAGS_FIXED   BITS(3, 2) /* both ends are fixed */

struct aml_space {
    uint8_t tag;
    uint16_t bytes; /* behind this field */
    uint8_t type;
    uint8_t flags;
    uint8_t type_flags;
} PACKED;

HAS_BYTES(aml_space, 6);

struct aml_dword_space {
    struct aml_space space;
    uint32_t granularity;
    uint32_t first;
    uint32_t last;
    uint32_t translation;
    uint32_t length;
} PACKED;

struct aml_qword_space {
    struct aml_space space;
    uint64_t granularity;
    uint64_t first;
    uint64_t last;
    uint64_t translation;
    uint64_t length;
} PACKED;

HAS_BYTES(aml_dword_space, 26);
HAS_BYTES(aml_qword_space, 46);

/*
 * Descriptors of a range of 32-bit memory that is where it is (ACPI 6.4.3.4), and of one interrupt
 * (ACPI 6.4.3.6).
 */
enum aml_device_tag {
    FIXED_MEMORY_TAG = 0x86,
    INTERRUPT_TAG = 0x89,
};

struct aml_fixed_memory {
    uint8_t tag;
    uint16_t bytes; /* behind this field */
    uint8_t flags;
    uint32_t paddr;
    uint32_t range_bytes;
} PACKED;

HAS_BYTES(aml_fixed_memory, 12);

#define INTERRUPT_EDGE       BIT(1) /* else a level */
#define INTERRUPT_ACTIVE_LOW BIT(2)

struct aml_interrupt {
    uint8_t tag;
    uint16_t bytes; /* behind this field */
    uint8_t flags;
    uint8_t count;
    uint32_t gsi;
} PACKED;

HAS_BYTES(aml_interrupt, 9);

#undef LIES_AT
#undef HAS_BYTES
