/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/acpi_world.c */
/*
 * boot/acpi/power.c and dsdt.c: the FADT of every length and age, and \_S5 wherever it stands in
 * the DSDT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world/acpi_world.h"

/* Both the name and the package may be cut by the end of a window of the scan. */
static void s5_is_found_at_every_offset(void **state)
{
    (void)state;
    for (uint32_t offset = HEADER_BYTES + 1; offset < 1100; offset++) {
        build_dsdt(offset);
        assert_int_equal(parse(), 0);
        assert_true(acpi.machine.power.has_s5);
        assert_int_equal(acpi.machine.power.s5_type_b, 6);
    }
}

static void put_address(uint32_t offset, uint8_t space, uint64_t address)
{
    memory[FADT_PADDR + offset] = space;
    put(FADT_PADDR + offset + 4, address, 8);
}

/* A FADT of today's length, whose registers are named by generic addresses. */
static void begin_long_fadt(uint32_t flags)
{
    begin_table(FADT_PADDR, "FACP", 276);
    put(FADT_PADDR + 40, DSDT_PADDR, 4);
    put(FADT_PADDR + 112, flags, 4);
}

static void generic_addresses_count_before_ports_unless_empty(void **state)
{
    const struct power_registers *power = &acpi.machine.power;

    (void)state;
    memmove(memory + HPET_PADDR + 0x200, memory + HPET_PADDR,
            56); /* out of the longer table's way */
    put(XSDT_PADDR + HEADER_BYTES + 24, HPET_PADDR + 0x200, 8);
    seal(XSDT_PADDR);
    begin_long_fadt(0);
    put(FADT_PADDR + 64, 0x604, 4);
    put(FADT_PADDR + 68, 0x704, 4);
    put(FADT_PADDR + 76, 0x608, 4);
    put_address(172, 1, 0x1804);
    put_address(208, 1, 0x1808);
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(power->pm1a_control.address, 0x1804);
    assert_int_equal(power->pm1b_control.address, 0x704);
    assert_int_equal(acpi.pm_timer_port, 0x1808);

    put_address(172, 0, 0xFED00000); /* in memory */
    put_address(184, 1, 0x10000);    /* no port */
    put_address(208, 10, 4);         /* a space of something else */
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(power->pm1a_control.space, REGISTER_MEMORY);
    assert_int_equal(power->pm1a_control.address, 0xFED00000);
    assert_int_equal(power->pm1b_control.address, 0x704);
    assert_int_equal(acpi.pm_timer_port, 0x608);
}

static void a_hardware_reduced_machine_sleeps_by_its_own_register(void **state)
{
    const struct power_registers *power = &acpi.machine.power;

    (void)state;
    begin_long_fadt(1u << 20);
    put(FADT_PADDR + 64, 0x604, 4); /* to be ignored */
    put_address(244, 0, 0xFEA00200);
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(power->pm1a_control.space, REGISTER_NONE);
    assert_int_equal(power->sleep_control.space, REGISTER_MEMORY);
    assert_int_equal(power->sleep_control.address, 0xFEA00200);
    assert_true(power->has_s5);
}

static void the_reset_register_may_lie_in_configuration_space(void **state)
{
    const struct power_registers *power = &acpi.machine.power;

    (void)state;
    put_address(116, 2, 0x0000001F00000040);
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(power->reset.space, REGISTER_PCI);
    assert_int_equal(power->reset.address, 0x0000001F00000040);

    put(FADT_PADDR + 112, 0, 4); /* the register is said not to be there */
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(power->reset.space, REGISTER_NONE);
}

/* The oldest tables end before the reset register. */
static void a_fadt_of_any_length_gives_what_it_holds(void **state)
{
    (void)state;
    for (uint32_t bytes = HEADER_BYTES; bytes <= 148; bytes++) {
        build_sound_tables(NULL);
        put(FADT_PADDR + 4, bytes, 4);
        seal(FADT_PADDR);
        assert_int_equal(parse(), 0);
        assert_int_equal(acpi.problem_count, bytes < 116);
        assert_int_equal(acpi.machine.power.pm1a_control.address, bytes < 116 ? 0 : 0x604);
        assert_int_equal(acpi.machine.power.reset_value, bytes < 129 ? 0 : 0x0F);
    }
}

static void a_cut_s5_package_is_no_power_off(void **state)
{
    (void)state;
    /* The table ends after each byte of the package but the last that matters. */
    for (uint32_t bytes = 104; bytes < 111; bytes++) {
        build_sound_tables(NULL);
        put(DSDT_PADDR + 4, bytes, 4);
        seal(DSDT_PADDR);
        assert_int_equal(parse(), 0);
        assert_false(acpi.machine.power.has_s5);
        assert_int_equal(acpi.machine.power.s5_type_a, 0);
    }
}

/* As a root's own name has it, and the first of several that are whole. */
static void s5_may_be_named_from_the_root_and_the_first_counts(void **state)
{
    static const uint8_t names[] = {
        0x08, '_',  'S',  '5',  '_', 0x12, 0x08, 0x04, 0x5B,       /* no integer: passed over */
        0x08, '\\', '_',  'S',  '5', '_',  0x12, 0x40, 0x08, 0x04, /* a length of two bytes */
        0x01, 0x0A, 0x02, 0x08, '_', 'S',  '5',  '_',  0x12, 0x06, 0x02, 0x00, 0x00,
    };

    (void)state;
    begin_table(DSDT_PADDR, "DSDT", HEADER_BYTES + (uint32_t)sizeof(names));
    memcpy(memory + DSDT_PADDR + HEADER_BYTES, names, sizeof(names));
    seal(DSDT_PADDR);
    assert_int_equal(parse(), 0);
    assert_true(acpi.machine.power.has_s5);
    assert_int_equal(acpi.machine.power.s5_type_a, 1);
    assert_int_equal(acpi.machine.power.s5_type_b, 2);
}

/* Its ports stand in the oldest tables, too; its interrupt is a level, active low, whatever else is
 * so on ISA. */
static void the_power_button_is_where_the_fadt_says(void **state)
{
    const struct power_registers *power = &acpi.machine.power;

    (void)state;
    put(FADT_PADDR + 46, 9, 2);
    put(FADT_PADDR + 56, 0x600, 4);
    memory[FADT_PADDR + 88] = 4;
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(power->pm1a_event.space, REGISTER_PORT);
    assert_int_equal(power->pm1a_event.address, 0x600);
    assert_int_equal(power->pm1b_event.space, REGISTER_NONE);
    assert_int_equal(power->event_bytes, 4);
    assert_int_equal(power->sci.gsi, 9);
    assert_true(power->sci.is_active_low && power->sci.is_level);

    put(FADT_PADDR + 46, 30, 2); /* no interrupt of ISA */
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(power->sci.gsi, 30);
    assert_true(power->sci.is_active_low && power->sci.is_level);
}

static void an_override_says_how_the_power_button_interrupts(void **state)
{
    const struct power_registers *power = &acpi.machine.power;
    static const struct {
        uint16_t flags;
        bool is_active_low, is_level;
    } cases[] = {{0x0, true, true}, {0xD, false, true}, {0xF, true, true}, {0x5, false, false}};
    uint32_t entry = add_entry(MADT_PADDR, 2, 10);

    (void)state;
    memory[entry + 3] = 9;
    put(entry + 4, 20, 4);
    put(FADT_PADDR + 46, 9, 2);
    put(FADT_PADDR + 56, 0x600, 4);
    memory[FADT_PADDR + 88] = 4;
    seal(FADT_PADDR);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        put(entry + 8, cases[i].flags, 2);
        seal(MADT_PADDR);
        assert_int_equal(parse(), 0);
        assert_int_equal(power->sci.gsi, 20);
        assert_int_equal(power->sci.is_active_low, cases[i].is_active_low);
        assert_int_equal(power->sci.is_level, cases[i].is_level);
    }
}

static void a_machine_whose_button_is_another_device_has_no_fixed_one(void **state)
{
    static const uint32_t flags[] = {1u << 4, 1u << 20};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(flags); i++) {
        put(FADT_PADDR + 56, 0x600, 4);
        memory[FADT_PADDR + 88] = 4;
        put(FADT_PADDR + 112, flags[i], 4);
        seal(FADT_PADDR);
        assert_int_equal(parse(), 0);
        assert_int_equal(acpi.machine.power.pm1a_event.space, REGISTER_NONE);
    }
    put(FADT_PADDR + 112, 0, 4);
    memory[FADT_PADDR + 88] = 2; /* too short for both registers */
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.machine.power.pm1a_event.space, REGISTER_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(s5_is_found_at_every_offset, build_sound_tables),
        cmocka_unit_test_setup(generic_addresses_count_before_ports_unless_empty,
                               build_sound_tables),
        cmocka_unit_test_setup(a_hardware_reduced_machine_sleeps_by_its_own_register,
                               build_sound_tables),
        cmocka_unit_test_setup(the_reset_register_may_lie_in_configuration_space,
                               build_sound_tables),
        cmocka_unit_test_setup(a_fadt_of_any_length_gives_what_it_holds, build_sound_tables),
        cmocka_unit_test_setup(a_cut_s5_package_is_no_power_off, build_sound_tables),
        cmocka_unit_test_setup(s5_may_be_named_from_the_root_and_the_first_counts,
                               build_sound_tables),
        cmocka_unit_test_setup(the_power_button_is_where_the_fadt_says, build_sound_tables),
        cmocka_unit_test_setup(an_override_says_how_the_power_button_interrupts,
                               build_sound_tables),
        cmocka_unit_test_setup(a_machine_whose_button_is_another_device_has_no_fixed_one,
                               build_sound_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
