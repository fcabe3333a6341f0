/* SPDX-License-Identifier: MIT */
/*
 * What a machine is made of beside its cores: words in which what reads its firmware tells what
 * drives its devices. No code, and nothing of a node; a `paddr` is a physical address.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "libc/core/node_set.h"
#include "libc/core/ranges.h"

#define IOAPIC_MAX       8
#define ECAM_MAX         8
#define MEMORY_HOLE_MAX  16
#define BRIDGE_RANGE_MAX 16
#define ISA_IRQ_COUNT    16
#define IOMMU_MAX        16
#define RESERVED_DMA_MAX 12
#define PCI_SCOPE_MAX    4
#define VIRTIO_SLOT_MAX  32

struct memory_range {
    uint64_t paddr;
    uint64_t bytes;
};

/* Whether all of these bytes lie in one of the ranges; and whether any lies in one. */
static inline bool memory_ranges_hold(const struct memory_range *ranges, unsigned count,
                                      uint64_t paddr, uint64_t bytes)
{
    for (unsigned i = 0; i < count; i++) {
        if (paddr >= ranges[i].paddr && bytes <= ranges[i].bytes &&
            paddr - ranges[i].paddr <= ranges[i].bytes - bytes) {
            return true;
        }
    }
    return false;
}

static inline bool memory_ranges_touch(const struct memory_range *ranges, unsigned count,
                                       uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < count; i++) {
        if (start < ranges[i].paddr + ranges[i].bytes && ranges[i].paddr < end) {
            return true;
        }
    }
    return false;
}

/* A window of PCIe configuration space: 1 MiB a bus, the first bus at paddr (ACPI MCFG). */
struct ecam {
    uint64_t paddr; /* of bus 0, whether or not the window holds it */
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
};

struct ioapic {
    uint64_t paddr;
    uint32_t first_gsi;
};

/* Where a legacy interrupt arrives (ACPI 5.2.12.5). */
struct irq_route {
    uint32_t gsi;
    bool is_active_low;
    bool is_level;
};

/* A 16550; a port of 0 means there is none. */
struct serial_port {
    uint16_t port;
    uint8_t isa_irq; /* 0: it has none */
    uint32_t baud;   /* 0: as it is set */
};

/* Where a register lies that ACPI names by a generic address (ACPI 5.2.3.2). */
enum register_space {
    REGISTER_NONE,
    REGISTER_MEMORY,
    REGISTER_PORT,
    REGISTER_PCI, /* on bus 0: device in bits 47:32, function in 31:16, offset in 15:0 */
};

struct power_register {
    enum register_space space;
    uint64_t address;
};

/* Power-off and reset (ACPI 4.8.3, 4.8.4.6). */
struct power_registers {
    struct power_register pm1a_control;
    struct power_register pm1b_control;
    struct power_register sleep_control; /* in place of both on hardware-reduced machines */
    uint16_t smi_command;                /* a port; 0: ACPI is on */
    uint8_t acpi_enable;
    bool has_s5;
    uint8_t s5_type_a;
    uint8_t s5_type_b;
    struct power_register reset;
    uint8_t reset_value;
    /* Status, and event_bytes / 2 behind it enable (ACPI 4.8.4.1). None: no power button. */
    struct power_register pm1a_event;
    struct power_register pm1b_event;
    uint8_t event_bytes;
    struct irq_route sci;
};

/* The counter of known rate by which boot has measured the TSC, to be gone on with. */
enum reference_kind {
    REFERENCE_NONE,
    REFERENCE_HPET,     /* at a physical address */
    REFERENCE_PM_TIMER, /* at a port */
    REFERENCE_PIT,
};

/* What it showed when the TSC showed `tsc`, give or take half of `tsc_width`. */
struct reference_sample {
    uint64_t count;
    uint64_t tsc;
    uint64_t tsc_width;
};

struct reference {
    enum reference_kind kind;
    uint64_t address;
    uint64_t hz;
    uint64_t mask;
    struct reference_sample first; /* when the measurement began */
    uint64_t doubt_ppb;            /* so far off the rate of the TSC may be */
};

/* One colour's bits within a pixel. */
struct framebuffer_channel {
    uint8_t position; /* of the lowest bit */
    uint8_t bits;
};

/* The screen as the loader has left it; a paddr of 0 means there is none. */
struct framebuffer_info {
    uint64_t paddr;
    uint32_t width; /* pixels; characters in text mode */
    uint32_t height;
    uint32_t pitch_bytes; /* from one line to the next */
    uint8_t bits_per_pixel;
    bool is_text; /* EGA text: a character and its attribute, two bytes each */
    struct framebuffer_channel red;
    struct framebuffer_channel green;
    struct framebuffer_channel blue;
};

/* A unit that translates devices' DMA (ACPI DMAR): a page of registers, for devices of a segment.
 */
struct iommu {
    uint64_t paddr;
    uint16_t segment;
};

/* Memory that firmware has a device read and write by itself. The device is found from a bus down,
 * through a bridge a step but for the last. */
struct reserved_dma {
    struct memory_range range;
    uint16_t segment;
    uint8_t start_bus;
    uint8_t step_count;
    struct pci_step {
        uint8_t device;
        uint8_t function;
    } steps[PCI_SCOPE_MAX];
};

/* Where a virtio device may be that is on no bus (VIRTIO 4.2), and its line. */
struct virtio_slot {
    uint64_t paddr;
    uint32_t bytes;
    struct irq_route line;
};

/* Owner of a range of devices that is a PCI function's; of others, which tables name, it is 0. */
#define DEVICE_OF_PCI 1u

struct machine {
    struct ranges devices; /* what may be mapped as a device */
    unsigned ioapic_count;
    struct ioapic ioapics[IOAPIC_MAX];
    struct irq_route isa_irqs[ISA_IRQ_COUNT];
    struct serial_port firmware_console; /* what firmware uses for its own (SPCR) */
    bool has_no_i8042;                   /* firmware says so: no keyboard to look for (FADT) */
    unsigned ecam_count;
    struct ecam ecams[ECAM_MAX];
    /* Where the memory map and the tables have nothing, by whole MiB. */
    unsigned hole_count;
    struct memory_range holes[MEMORY_HOLE_MAX];
    /* What looks in the DSDT as if a host bridge forwarded it: to be checked against the holes. */
    unsigned bridge_range_count;
    struct memory_range bridge_ranges[BRIDGE_RANGE_MAX];
    uint64_t low_memory_end;  /* of what lies below 4 GiB */
    uint64_t high_memory_end; /* 4 GiB when there is none above */
    struct power_registers power;
    struct reference reference;
    unsigned iommu_count;
    struct iommu iommus[IOMMU_MAX];
    unsigned reserved_dma_count;
    struct reserved_dma reserved_dmas[RESERVED_DMA_MAX];
    unsigned virtio_slot_count;
    struct virtio_slot virtio_slots[VIRTIO_SLOT_MAX];
    unsigned node_count; /* that boot has shared memory out to; from BOOT_SHARED on */
    /* Most of a node's memory that devices may write to, and whose; 0: nothing keeps them from any.
     */
    uint64_t dma_bytes;
    struct node_set dma_nodes;
};
