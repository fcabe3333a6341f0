/* SPDX-License-Identifier: MIT */
/*
 * ACPI's static tables: RSDP, XSDT or RSDT, MADT, SRAT, MCFG, FADT, HPET, SPCR, DMAR, and of the
 * DSDT what is written down as data (dsdt.c). They are input from outside: every length is checked
 * against what holds it, every table against its checksum, every list is bounded. A table that is
 * wrong is left out and noted, and never makes another one unreadable.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/node.h"

#define ACPI_CORE_MAX            1024 /* listed in the MADT; NODE_MAX of them become nodes */
#define ACPI_MEMORY_AFFINITY_MAX 64
#define ACPI_PROBLEM_MAX         8

struct acpi_core {
    uint32_t apic_id;
    uint32_t processor_uid; /* ACPI's own number of it */
    uint32_t domain;        /* proximity domain; 0 when SRAT says nothing */
    bool has_nmi_line;      /* of the chipset, at this pin of its local APIC */
    uint8_t nmi_lint;
    bool is_nmi_active_low;
};

struct acpi_memory_affinity {
    struct memory_range range;
    uint32_t domain;
};

/* What was wrong, for the log. */
struct acpi_problem {
    char signature[5];
    const char *text;
};

struct acpi {
    /* Cores that firmware enabled, in the MADT's order, no id twice. */
    unsigned core_count;
    struct acpi_core cores[ACPI_CORE_MAX];
    unsigned unlisted_core_count; /* beyond that */
    unsigned memory_affinity_count;
    struct acpi_memory_affinity memory_affinities[ACPI_MEMORY_AFFINITY_MAX];
    uint16_t pm_timer_port; /* 0: none */
    bool pm_timer_is_32bit;
    uint8_t rtc_century;     /* its index in the battery-backed clock; 0: none */
    paddr_t hpet_paddr;      /* 0: none */
    paddr_t dsdt_ecam_paddr; /* configuration space that the DSDT seems to name; 0: none */
    uint16_t isa_irq_flags[ISA_IRQ_COUNT]; /* of their overrides in the MADT; 0 without one */
    struct machine machine;
    unsigned problem_count;
    struct acpi_problem problems[ACPI_PROBLEM_MAX];
};

/* Copy physical memory into `buffer`; false when that memory cannot be read. */
typedef bool (*acpi_read)(void *context, paddr_t paddr, void *buffer, size_t bytes);

/*
 * Read everything that the RSDP at `rsdp` leads to.
 *
 * Returns 0, or -EINVAL when there is no valid RSDP or root table. In both cases *acpi holds what
 * could be learnt, with the defaults of a PC for the rest: no cores, ISA interrupts unrouted.
 */
MUST_CHECK int acpi_parse(struct acpi *acpi, paddr_t rsdp, acpi_read read, void *context);

/* The RSDP that a BIOS leaves in low memory (ACPI 5.2.5.1), or 0. */
paddr_t acpi_find_rsdp(acpi_read read, void *context);
