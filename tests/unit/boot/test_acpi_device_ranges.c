/* SPDX-License-Identifier: MIT */
/* sources: boot/acpi/device_ranges.c boot/acpi/table.c boot/boot_info.c tests/unit/world/panic.c */
/*
 * boot/acpi/device_ranges.c: what tables name is a device only where the memory map has no memory
 * and the processor has addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/acpi/device_ranges.h"
#include "kernel/platform.h"

#define ADDRESS_BITS 40u
#define MEMORY_END   0x40000000u
#define ECAM         0xE0000000u

static struct acpi acpi;
static struct boot_info info;

static void add_range(paddr_t paddr, uint64_t bytes, bool is_usable)
{
    info.ranges[info.range_count++] =
        (struct boot_range){.range = {paddr, bytes}, .is_usable = is_usable};
}

/* Tables of a sound machine. */
static int reset(void **state)
{
    struct machine *machine = &acpi.machine;

    (void)state;
    memset(&acpi, 0, sizeof(acpi));
    memset(&info, 0, sizeof(info));
    add_range(0, MEMORY_END, true);
    add_range(ECAM, 0x10000000, false); /* as many memory maps do */
    add_range(0x100000000, 0x40000000, true);
    machine->ecam_count = 1;
    machine->ecams[0] = (struct ecam){.paddr = ECAM, .first_bus = 0x10, .last_bus = 0x1F};
    machine->ioapic_count = 2;
    machine->ioapics[0] = (struct ioapic){.paddr = 0xFEC00000};
    machine->ioapics[1] = (struct ioapic){.paddr = 0xFEC01000, .first_gsi = 24};
    machine->power.reset = (struct power_register){REGISTER_MEMORY, 0xFED80001};
    machine->power.pm1a_control = (struct power_register){REGISTER_PORT, 0x604};
    acpi.hpet_paddr = 0xFED00000;
    return 0;
}

static bool is_device(paddr_t paddr, uint64_t bytes)
{
    return ranges_find(&acpi.machine.devices, paddr, bytes) != NULL;
}

static void what_tables_name_is_a_device(void **state)
{
    (void)state;
    acpi_allow_devices(&acpi, &info, ADDRESS_BITS);
    assert_int_equal(acpi.problem_count, 0);
    assert_true(is_device(ECAM + 0x1000000, 0x1000000));
    assert_true(is_device(0xFEC00000, 4096));
    assert_true(is_device(0xFEC01000, 4096));
    assert_true(is_device(0xFED80001, 1));
    assert_true(is_device(0xFED00000, 1024));
}

static void nothing_else_is_a_device(void **state)
{
    (void)state;
    acpi_allow_devices(&acpi, &info, ADDRESS_BITS);
    assert_false(is_device(ECAM, 4096)); /* a bus before the window's first */
    assert_false(is_device(ECAM + 0x1FFF000, 4097));
    assert_false(is_device(0x604, 2)); /* that is a port */
    assert_false(is_device(0xFEC00800, 4096));
    assert_false(is_device(UINT64_MAX, 2));
    assert_false(is_device(0, 1));
}

static void memory_is_no_device_whatever_tables_say(void **state)
{
    struct machine *machine = &acpi.machine;

    (void)state;
    machine->ecams[0].paddr = 0x100000000 - 0x10 * MIB - MIB; /* reaches into memory */
    machine->ioapics[0].paddr = MEMORY_END - 1;
    machine->power.reset.address = MEMORY_END - 4096;
    machine->power.sleep_control = (struct power_register){REGISTER_MEMORY, 0x100000800};
    acpi.hpet_paddr = 0x1000;
    acpi_allow_devices(&acpi, &info, ADDRESS_BITS);
    assert_int_equal(acpi.problem_count, 4); /* the FACP's two are one */
    assert_int_equal(machine->devices.count, 1);
    assert_int_equal(machine->ecam_count, 0);
    assert_int_equal(machine->ioapic_count, 1);
    assert_int_equal(machine->ioapics[0].first_gsi, 24); /* the sound one is kept */
    assert_int_equal(machine->power.reset.space, REGISTER_NONE);
    assert_int_equal(machine->power.sleep_control.space, REGISTER_NONE);
    assert_int_equal(acpi.hpet_paddr, 0);
    for (paddr_t paddr = 0; paddr < MEMORY_END; paddr += MIB) {
        assert_false(is_device(paddr, 1));
    }
}

/* A page table entry that names such an address faults. */
static void an_address_beyond_the_processors_is_no_device(void **state)
{
    (void)state;
    acpi.hpet_paddr = 1ull << ADDRESS_BITS;
    acpi.machine.ioapics[0].paddr = (1ull << ADDRESS_BITS) - 1;
    acpi.machine.ioapics[1].paddr = UINT64_MAX;
    acpi_allow_devices(&acpi, &info, ADDRESS_BITS);
    assert_int_equal(acpi.problem_count, 2); /* the APIC's two are one */
    assert_int_equal(acpi.machine.ioapic_count, 0);
    assert_int_equal(acpi.hpet_paddr, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_tables_name_is_a_device),
        TEST(nothing_else_is_a_device),
        TEST(memory_is_no_device_whatever_tables_say),
        TEST(an_address_beyond_the_processors_is_no_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
