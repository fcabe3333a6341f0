/* SPDX-License-Identifier: MIT */
/* sources: drivers/acpi/power.c drivers/acpi/pm1.c */
/* flags: -DCPU_FAKE -DMMIO_FAKE */
/*
 * drivers/acpi/power.c: the registers are written that the tables name, wherever they lie, and one
 * after the other until the machine ends. Every write is noted; the machine ends where a test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/acpi/power.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/command_line.h"
#include "libc/core/cpu.h"
#include "libc/core/mmio.h"
#include "libc/core/port.h"

#define DEVICE_PADDR 0xFEA00200u
#define WRITE_MAX    16

struct node_info node_info;

struct write {
    uint32_t port; /* or DEVICE_PADDR */
    unsigned bits;
    uint32_t value;
};

static struct write writes[WRITE_MAX];
static unsigned write_count;
static uint64_t now_ns;
static uint16_t pm1_control; /* what the register holds */
static bool enables_acpi;
static uint32_t last_port; /* the write at which the machine ends */
static jmp_buf machine_end;

static void note_write(uint32_t port, unsigned bits, uint32_t value)
{
    assert_true(write_count < WRITE_MAX);
    writes[write_count++] = (struct write){port, bits, value};
    if (port == last_port) {
        longjmp(machine_end, 1);
    }
}

void (*panic_before_death)(void);
const struct platform_console *platform_console;

/* What the tests do not come to. */
node_id_t platform_node(void)
{
    return 0;
}

node_id_t log_console_owner(void)
{
    return 0;
}

void log_flush_all(void)
{
}

uint32_t status_log_printed(node_id_t owner, node_id_t node)
{
    return owner + node;
}

uint32_t status_log_written(node_id_t node)
{
    return node;
}

void port_write8(uint16_t port, uint8_t value)
{
    if (port == 0xB2 && enables_acpi) {
        pm1_control |= 1;
    }
    note_write(port, 8, value);
}

void port_write16(uint16_t port, uint16_t value)
{
    note_write(port, 16, value);
}

void port_write32(uint16_t port, uint32_t value)
{
    note_write(port, 32, value);
}

uint16_t port_read16(uint16_t port)
{
    (void)port;
    return pm1_control;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    static uint8_t device[8];

    (void)bytes;
    return paddr == DEVICE_PADDR ? device : NULL;
}

void mmio_write8(void *base, size_t offset, uint8_t value)
{
    (void)base;
    assert_int_equal(offset, 0);
    note_write(DEVICE_PADDR, 8, value);
}

void mmio_write16(void *base, size_t offset, uint16_t value)
{
    (void)base;
    assert_int_equal(offset, 0);
    note_write(DEVICE_PADDR, 16, value);
}

uint16_t mmio_read16(const void *base, size_t offset)
{
    (void)base;
    (void)offset;
    return pm1_control;
}

uint64_t platform_now_ns(void)
{
    return now_ns += NS_PER_S / 10;
}

const char *platform_command_line(void)
{
    return "";
}

int command_line_find(const char *line, const char *key, const char **value)
{
    (void)line;
    (void)key;
    *value = NULL;
    return -1;
}

/* --- */

static int begin(void **state)
{
    (void)state;
    memset(&node_info, 0, sizeof(node_info));
    node_info.machine.power.has_s5 = true;
    node_info.machine.power.s5_type_a = 5;
    node_info.machine.power.s5_type_b = 6;
    node_info.machine.power.reset_value = 0x0F;
    write_count = 0;
    pm1_control = 0;
    enables_acpi = true;
    last_port = UINT32_MAX;
    return 0;
}

static struct power_register at_port(uint16_t port)
{
    return (struct power_register){REGISTER_PORT, port};
}

static void reset_until(uint32_t port)
{
    last_port = port;
    if (setjmp(machine_end) == 0) {
        power_reset();
    }
}

static void assert_write(unsigned index, uint32_t port, unsigned bits, uint32_t value)
{
    assert_true(index < write_count);
    assert_int_equal(writes[index].port, port);
    assert_int_equal(writes[index].bits, bits);
    assert_int_equal(writes[index].value, value);
}

static void power_off_takes_acpi_over_and_writes_both_registers(void **state)
{
    struct power_registers *power = &node_info.machine.power;

    (void)state;
    power->smi_command = 0xB2;
    power->acpi_enable = 0xF1;
    power->pm1a_control = at_port(0x604);
    power->pm1b_control = at_port(0x704);
    pm1_control = 0x0200;
    power_off();
    assert_int_equal(write_count, 3);
    assert_write(0, 0xB2, 8, 0xF1);
    assert_write(1, 0x604, 16, 0x0201 | 5 << 10 | 1 << 13);
    assert_write(2, 0x704, 16, 0x0201 | 6 << 10 | 1 << 13);
}

/* Firmware that never answers must not keep the machine from being switched off. */
static void firmware_that_does_not_hand_acpi_over_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    enables_acpi = false;
    node_info.machine.power.smi_command = 0xB2;
    node_info.machine.power.pm1a_control = at_port(0x604);
    power_off();
    assert_write(1, 0x604, 16, 5 << 10 | 1 << 13);
}

static void a_control_register_in_memory_is_written_there(void **state)
{
    (void)state;
    node_info.machine.power.pm1a_control = (struct power_register){REGISTER_MEMORY, DEVICE_PADDR};
    power_off();
    assert_int_equal(write_count, 1);
    assert_write(0, DEVICE_PADDR, 16, 5 << 10 | 1 << 13);
}

static void a_hardware_reduced_machine_gets_one_byte(void **state)
{
    (void)state;
    node_info.machine.power.sleep_control = (struct power_register){REGISTER_MEMORY, DEVICE_PADDR};
    power_off();
    assert_int_equal(write_count, 1);
    assert_write(0, DEVICE_PADDR, 8, 5 << 2 | 1 << 5);
}

static void without_registers_or_sleep_type_nothing_is_written(void **state)
{
    (void)state;
    power_off();
    node_info.machine.power.pm1a_control = at_port(0x604);
    node_info.machine.power.has_s5 = false;
    power_off();
    assert_int_equal(write_count, 0);
}

static void reset_is_by_the_port_that_firmware_names(void **state)
{
    (void)state;
    node_info.machine.power.reset = at_port(0x92);
    reset_until(0x92);
    assert_int_equal(write_count, 1);
    assert_write(0, 0x92, 8, 0x0F);
}

static void reset_is_by_the_memory_that_firmware_names(void **state)
{
    (void)state;
    node_info.machine.power.reset = (struct power_register){REGISTER_MEMORY, DEVICE_PADDR};
    reset_until(DEVICE_PADDR);
    assert_int_equal(write_count, 1);
    assert_write(0, DEVICE_PADDR, 8, 0x0F);
}

/* Device 31, function 3, offset 0x42. */
static void reset_is_by_the_configuration_space_that_firmware_names(void **state)
{
    (void)state;
    node_info.machine.power.reset = (struct power_register){REGISTER_PCI, 0x0000001F00030042};
    reset_until(0xCFE);
    assert_int_equal(write_count, 2);
    assert_write(0, 0xCF8, 32, 0x80000000 | 31 << 11 | 3 << 8 | 0x40);
    assert_write(1, 0xCFE, 8, 0x0F);
}

static void a_reset_that_does_nothing_gives_way_to_the_next(void **state)
{
    (void)state;
    node_info.machine.power.reset = at_port(0x92);
    reset_until(0x64);
    assert_int_equal(write_count, 4);
    assert_write(1, 0xCF9, 8, 0x02);
    assert_write(2, 0xCF9, 8, 0x06);
    assert_write(3, 0x64, 8, 0xFE);
}

static void a_register_that_cannot_be_mapped_is_passed_over(void **state)
{
    (void)state;
    node_info.machine.power.reset = (struct power_register){REGISTER_MEMORY, 0x1000};
    reset_until(0xCF9);
    assert_int_equal(write_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(power_off_takes_acpi_over_and_writes_both_registers, begin),
        cmocka_unit_test_setup(firmware_that_does_not_hand_acpi_over_is_not_waited_for_for_ever,
                               begin),
        cmocka_unit_test_setup(a_control_register_in_memory_is_written_there, begin),
        cmocka_unit_test_setup(a_hardware_reduced_machine_gets_one_byte, begin),
        cmocka_unit_test_setup(without_registers_or_sleep_type_nothing_is_written, begin),
        cmocka_unit_test_setup(reset_is_by_the_port_that_firmware_names, begin),
        cmocka_unit_test_setup(reset_is_by_the_memory_that_firmware_names, begin),
        cmocka_unit_test_setup(reset_is_by_the_configuration_space_that_firmware_names, begin),
        cmocka_unit_test_setup(a_reset_that_does_nothing_gives_way_to_the_next, begin),
        cmocka_unit_test_setup(a_register_that_cannot_be_mapped_is_passed_over, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
