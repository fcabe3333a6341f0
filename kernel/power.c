/* SPDX-License-Identifier: MIT */
/*
 * Power-off and reset by the registers that the FADT names (ACPI 4.8.3, 4.8.4.6).
 */
#include "kernel/power.h"

#include "kernel/command_line.h"
#include "kernel/cpu.h"
#include "kernel/mmio.h"
#include "kernel/node.h"
#include "kernel/paging.h"
#include "kernel/pci.h"
#include "kernel/platform.h"

#define PM1_SCI_ENABLE       BIT(0)
#define PM1_SLEEP_TYPE       BITS(12, 10)
#define PM1_SLEEP_ENABLE     BIT(13)
#define SLEEP_CONTROL_TYPE   BITS(4, 2) /* ACPI 4.8.3.7 */
#define SLEEP_CONTROL_ENABLE BIT(5)
/* Chosen: port reads of about a microsecond until firmware has handed ACPI over; it takes a few
 * milliseconds where it takes any time. */
#define ACPI_ENABLE_POLL_MAX 100000u

/* The chipset's own reset register: Intel's have it at this port, whether or not the tables say. */
#define CHIPSET_RESET      0xCF9
#define CHIPSET_RESET_HARD 0x02
#define CHIPSET_RESET_NOW  0x06

#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET   0xFE

/* Chosen: far above what the hardware takes to stop, short for the person who waits. */
#define END_WAIT_NS NS_PER_S

/* A port number in hexadecimal with 0x, or 0. */
static uint16_t parse_port(const char *text, int length)
{
    uint32_t port = 0;

    if (length < 3 || length > 6 || text[0] != '0' || text[1] != 'x') {
        return 0;
    }
    for (int i = 2; i < length; i++) {
        char digit = text[i];

        if (digit >= '0' && digit <= '9') {
            port = port << 4 | (uint32_t)(digit - '0');
        } else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f') {
            port = port << 4 | (uint32_t)((digit | 0x20) - 'a' + 10);
        } else {
            return 0;
        }
    }
    return (uint16_t)port;
}

void power_exit(enum power_exit_code code)
{
    const char *text;
    int length = command_line_find(platform_command_line(), "debug_exit", &text);
    uint16_t port = length > 0 ? parse_port(text, length) : 0;

    if (port != 0) {
        port_write32(port, code);
    }
}

static void enable_acpi(const struct power_registers *power)
{
    if (power->smi_command == 0 || (port_read16(power->pm1a_control) & PM1_SCI_ENABLE)) {
        return;
    }
    port_write8(power->smi_command, power->acpi_enable);
    for (unsigned i = 0; i < ACPI_ENABLE_POLL_MAX; i++) {
        if (port_read16(power->pm1a_control) & PM1_SCI_ENABLE) {
            return;
        }
    }
}

static void write_sleep(uint16_t port, uint8_t type)
{
    uint64_t value = port_read16(port) & ~(PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE);

    value |= FIELD_PREP(PM1_SLEEP_TYPE, type) | PM1_SLEEP_ENABLE;
    port_write16(port, (uint16_t)value);
}

/* The machine goes on for a moment after the last write. */
static void wait_for_the_end(void)
{
    uint64_t end_ns = platform_now_ns() + END_WAIT_NS;

    while (platform_now_ns() < end_ns) {
        cpu_pause();
    }
}

/* The rest of the double word keeps what it reads as. */
static void write_pci_byte(const struct pci_device *device, uint16_t offset, uint8_t value)
{
    unsigned shift = offset % 4u * 8;
    uint32_t others = pci_read32(device, offset & 0xFFCu) & ~(0xFFu << shift);

    pci_write32(device, offset & 0xFFCu, others | (uint32_t)value << shift);
}

/* False when there is no such register. */
static bool write_register(const struct power_register *reg, uint8_t value)
{
    struct pci_device device = {.address = {.device = (uint8_t)(reg->address >> 32),
                                            .function = (uint8_t)(reg->address >> 16)}};
    void *mapped;

    if (reg->address == 0) {
        return false;
    }
    switch (reg->space) {
    case POWER_SPACE_MEMORY:
        mapped = paging_map_device(reg->address, 1);
        if (mapped == NULL) {
            return false;
        }
        mmio_write8(mapped, 0, value);
        return true;
    case POWER_SPACE_PORT:
        port_write8((uint16_t)reg->address, value);
        return true;
    case POWER_SPACE_PCI:
        write_pci_byte(&device, (uint16_t)reg->address, value);
        return true;
    }
    return false;
}

void power_off(void)
{
    const struct power_registers *power = &node_info.machine.power;

    if (!power->has_s5) {
        return;
    }
    if (power->pm1a_control != 0) {
        enable_acpi(power);
        write_sleep(power->pm1a_control, power->s5_type_a);
        if (power->pm1b_control != 0) {
            write_sleep(power->pm1b_control, power->s5_type_b);
        }
        wait_for_the_end();
    } else if (write_register(&power->sleep_control,
                              (uint8_t)(FIELD_PREP(SLEEP_CONTROL_TYPE, power->s5_type_a) |
                                        SLEEP_CONTROL_ENABLE))) {
        wait_for_the_end();
    }
}

void power_reset(void)
{
    const struct power_registers *power = &node_info.machine.power;

    if (write_register(&power->reset, power->reset_value)) {
        wait_for_the_end();
    }
    /* It acts on the change of a bit. */
    port_write8(CHIPSET_RESET, CHIPSET_RESET_HARD);
    port_write8(CHIPSET_RESET, CHIPSET_RESET_NOW);
    wait_for_the_end();
    port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    wait_for_the_end();
}
