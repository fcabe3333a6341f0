/* SPDX-License-Identifier: MIT */
/*
 * Devices by the tables' word. A table that names memory would have a node write over another
 * node's, and one that names an address which the processor has not got would have it fault (SDM 3A
 * 4.1.4): neither is believed.
 */
#include "boot/acpi/device_ranges.h"

#include "boot/acpi/table.h"
#include "kernel/limits.h"
#include "kernel/platform.h"

/* What the tables are checked against. */
struct limits {
    const struct boot_info *info;
    paddr_t end; /* of what the processor can address */
};

/* False, and noted, when the range can be no device's. */
static bool allow(struct acpi *acpi, const struct limits *limits, const char *signature,
                  paddr_t paddr, uint64_t bytes)
{
    if (paddr >= limits->end || bytes > limits->end - paddr ||
        boot_info_is_memory(limits->info, paddr, bytes)) {
        acpi_note_problem(acpi, signature, "no device can be where it says: ignored");
        return false;
    }
    ranges_add(&acpi->machine.devices, paddr, bytes, 0);
    return true;
}

static void allow_ecams(struct acpi *acpi, const struct limits *limits)
{
    struct machine *machine = &acpi->machine;
    unsigned kept = 0;

    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct ecam ecam = machine->ecams[i];

        if (allow(acpi, limits, "MCFG", ecam.paddr + ecam.first_bus * MIB,
                  (ecam.last_bus - ecam.first_bus + 1ull) * MIB)) {
            machine->ecams[kept++] = ecam;
        }
    }
    machine->ecam_count = kept;
}

static void allow_ioapics(struct acpi *acpi, const struct limits *limits)
{
    struct machine *machine = &acpi->machine;
    unsigned kept = 0;

    for (unsigned i = 0; i < machine->ioapic_count; i++) {
        const struct ioapic ioapic = machine->ioapics[i];

        if (allow(acpi, limits, "APIC", ioapic.paddr, PAGE_BYTES)) {
            machine->ioapics[kept++] = ioapic;
        }
    }
    machine->ioapic_count = kept;
}

static void allow_power_registers(struct acpi *acpi, const struct limits *limits)
{
    struct power_registers *power = &acpi->machine.power;
    const struct {
        struct power_register *reg;
        uint64_t bytes;
    } registers[] = {
        {&power->pm1a_control, sizeof(uint16_t)}, {&power->pm1b_control, sizeof(uint16_t)},
        {&power->sleep_control, sizeof(uint8_t)}, {&power->reset, sizeof(uint8_t)},
        {&power->pm1a_event, power->event_bytes}, {&power->pm1b_event, power->event_bytes},
    };

    for (unsigned i = 0; i < ARRAY_COUNT(registers); i++) {
        struct power_register *reg = registers[i].reg;

        if (reg->space == REGISTER_MEMORY &&
            !allow(acpi, limits, "FACP", reg->address, registers[i].bytes)) {
            reg->space = REGISTER_NONE;
        }
    }
}

/* One that cannot be leaves devices unconfined that the others do not know of: then none is used.
 */
static void allow_iommus(struct acpi *acpi, const struct limits *limits)
{
    struct machine *machine = &acpi->machine;

    for (unsigned i = 0; i < machine->iommu_count; i++) {
        if (!allow(acpi, limits, "DMAR", machine->iommus[i].paddr, PAGE_BYTES)) {
            machine->iommu_count = 0;
        }
    }
}

/* Memory that nodes get is no device's, whatever firmware says. */
static void refuse_usable_memory(struct acpi *acpi, const struct limits *limits)
{
    struct machine *machine = &acpi->machine;
    unsigned kept = 0;

    for (unsigned i = 0; i < machine->reserved_dma_count; i++) {
        const struct reserved_dma reserved = machine->reserved_dmas[i];

        if (reserved.range.paddr + reserved.range.bytes > limits->end ||
            boot_info_is_memory(limits->info, reserved.range.paddr, reserved.range.bytes)) {
            acpi_note_problem(acpi, "DMAR", "memory of ours reserved for a device: ignored");
        } else {
            machine->reserved_dmas[kept++] = reserved;
        }
    }
    machine->reserved_dma_count = kept;
}

void acpi_allow_devices(struct acpi *acpi, const struct boot_info *info, unsigned address_bits)
{
    struct limits limits = {.info = info, .end = UINT64_C(1) << address_bits};

    ASSERT(address_bits < 64);
    allow_ecams(acpi, &limits);
    allow_ioapics(acpi, &limits);
    allow_power_registers(acpi, &limits);
    allow_iommus(acpi, &limits);
    refuse_usable_memory(acpi, &limits);
    if (acpi->hpet_paddr != 0 && !allow(acpi, &limits, "HPET", acpi->hpet_paddr, PAGE_BYTES)) {
        acpi->hpet_paddr = 0;
    }
}
