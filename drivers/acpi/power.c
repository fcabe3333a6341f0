/* SPDX-License-Identifier: MIT */
/*
 * Power-off and reset by ACPI's fixed registers (ACPI 4.8.3, 4.8.4.6); an emulator's exit.
 */
#include "drivers/acpi/power.h"

#include <string.h>

#include "drivers/acpi/pm1.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/command_line.h"
#include "libc/core/cpu.h"
#include "libc/core/mmio.h"
#include "libc/core/numbers.h"
#include "libc/core/port.h"

#define PM1_SCI_ENABLE       BIT(0)
#define PM1_SLEEP_TYPE       BITS(12, 10)
#define PM1_SLEEP_ENABLE     BIT(13)
#define SLEEP_TYPE           BITS(4, 2) /* of a hardware-reduced machine (ACPI 4.8.3.7) */
#define SLEEP_ENABLE         BIT(5)
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
static uint16_t parse_port(const char *text, size_t length)
{
    uint64_t port;

    if (length < 2 || memcmp(text, "0x", 2) != 0 ||
        number_parse(text + 2, length - 2, 16, UINT16_MAX, &port) != 0) {
        return 0;
    }
    return (uint16_t)port;
}

void power_exit(enum power_exit_code code)
{
    const char *text;
    int length = command_line_find(platform_command_line(), "debug_exit", &text);
    uint16_t port = length > 0 ? parse_port(text, (size_t)length) : 0;

    if (port != 0) {
        port_write32(port, code);
    }
}

/* Registers of PCI's first mechanism (PCI 3.0, 3.2.2.3.2); every PC has it for bus 0. Not by
 * drivers/pci/pci.h: a machine is reset also when nothing is left of what found its devices. */
#define PCI_ADDRESS        0xCF8
#define PCI_ADDRESS_ENABLE BIT(31)
#define PCI_DATA           0xCFC

/* Where a byte of configuration space appears, having said which. */
static uint16_t select_pci(uint64_t address)
{
    uint32_t device = (uint32_t)FIELD_GET(BITS(36, 32), address);
    uint32_t function = (uint32_t)FIELD_GET(BITS(18, 16), address);
    uint32_t offset = (uint32_t)FIELD_GET(BITS(7, 0), address);

    port_write32(PCI_ADDRESS,
                 (uint32_t)PCI_ADDRESS_ENABLE | device << 11 | function << 8 | (offset & ~3u));
    return (uint16_t)(PCI_DATA + (offset & 3));
}

/* False when it cannot be reached. */
static bool write_byte(const struct power_register *target, uint8_t value)
{
    void *mapped;

    switch (target->space) {
    case REGISTER_PORT:
        port_write8((uint16_t)target->address, value);
        return true;
    case REGISTER_PCI:
        port_write8(select_pci(target->address), value);
        return true;
    case REGISTER_MEMORY:
        mapped = paging_map_device(target->address, sizeof(value));
        if (mapped != NULL) {
            mmio_write8(mapped, 0, value);
        }
        return mapped != NULL;
    default:
        return false;
    }
}

void power_enable_acpi(void)
{
    const struct power_registers *power = &node_info.machine.power;

    if (power->smi_command == 0 || (pm1_read(&power->pm1a_control, 0) & PM1_SCI_ENABLE)) {
        return;
    }
    port_write8(power->smi_command, power->acpi_enable);
    for (unsigned i = 0; i < ACPI_ENABLE_POLL_MAX; i++) {
        if (pm1_read(&power->pm1a_control, 0) & PM1_SCI_ENABLE) {
            return;
        }
    }
}

static void write_sleep(const struct power_register *control, uint8_t type)
{
    uint64_t value = pm1_read(control, 0) & ~(PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE);

    value |= FIELD_PREP(PM1_SLEEP_TYPE, type) | PM1_SLEEP_ENABLE;
    pm1_write(control, 0, (uint16_t)value);
}

/* The machine goes on for a moment after the last write. */
static void wait_for_the_end(void)
{
    uint64_t end_ns = platform_now_ns() + END_WAIT_NS;

    while (platform_now_ns() < end_ns) {
        cpu_pause();
    }
}

void power_off(void)
{
    const struct power_registers *power = &node_info.machine.power;

    if (!power->has_s5) {
        return;
    }
    if (power->sleep_control.space != REGISTER_NONE) {
        uint64_t value = FIELD_PREP(SLEEP_TYPE, power->s5_type_a) | SLEEP_ENABLE;

        if (write_byte(&power->sleep_control, (uint8_t)value)) {
            wait_for_the_end();
        }
        return;
    }
    if (!pm1_is_there(&power->pm1a_control)) {
        return;
    }
    power_enable_acpi();
    write_sleep(&power->pm1a_control, power->s5_type_a);
    if (pm1_is_there(&power->pm1b_control)) {
        write_sleep(&power->pm1b_control, power->s5_type_b);
    }
    wait_for_the_end();
}

/* An exception without a descriptor for it, nor for what follows it, shuts the core down, and
 * boards answer that with a reset (SDM 3A 6.15, interrupt 8). */
static void fault_three_times(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing;

    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

void power_reset(void)
{
    const struct power_registers *power = &node_info.machine.power;

    if (write_byte(&power->reset, power->reset_value)) {
        wait_for_the_end();
    }
    /* It acts on the change of a bit. */
    port_write8(CHIPSET_RESET, CHIPSET_RESET_HARD);
    port_write8(CHIPSET_RESET, CHIPSET_RESET_NOW);
    wait_for_the_end();
    if (!node_info.machine.has_no_i8042) {
        port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
        wait_for_the_end();
    }
    fault_three_times();
}

/* Another node may own the console: wait until it has printed our last line, or seems not to. Some
 * thirty lines at 115200 baud take a quarter of the time. */
static void wait_until_printed(void)
{
    node_id_t self = platform_node();
    node_id_t owner = log_console_owner();
    uint64_t end_ns = platform_now_ns() + END_WAIT_NS;

    while (owner != NODE_NONE && owner != self && platform_now_ns() < end_ns &&
           status_log_printed(owner, self) != status_log_written(self)) {
        cpu_pause();
    }
}

/* `panic=exit`: the failure of one node is that of the machine. */
static void exit_after_failure(void)
{
    const char *action;

    if (command_line_find(platform_command_line(), "panic", &action) == 4 &&
        memcmp(action, "exit", 4) == 0) {
        platform_console->write_through();
        log_flush_all();
        platform_console->flush();
        wait_until_printed();
        power_exit(POWER_EXIT_PANIC);
    }
}

static void register_exit(void)
{
    panic_before_death = exit_after_failure;
}

static const struct component power_component = {
    .steps = {[BOOT_FIRST] = register_exit, [NODE_FIRST] = register_exit},
};
COMPONENT(power_component);
