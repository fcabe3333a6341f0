/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/acpi_world.c */
/*
 * boot/acpi/ against tables built by acpi_world.h: sound ones, and every way of being broken that
 * a length, a checksum or an address allows.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world/acpi_world.h"

/* --- Sound tables --- */

static void cores_are_the_enabled_ones_each_once_with_gaps(void **state)
{
    (void)state;
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 3);
    assert_int_equal(acpi.cores[0].apic_id, 0);
    assert_int_equal(acpi.cores[1].apic_id, 4);
    assert_int_equal(acpi.cores[2].apic_id, 300);
    assert_int_equal(acpi.problem_count, 0);
}

static void machine_is_what_the_tables_say(void **state)
{
    const struct machine *machine = &acpi.machine;

    (void)state;
    assert_int_equal(parse(), 0);
    assert_int_equal(machine->ioapic_count, 1);
    assert_int_equal(machine->ioapics[0].first_gsi, 24);
    assert_int_equal(machine->isa_irqs[4].gsi, 28);
    assert_true(machine->isa_irqs[4].is_active_low);
    assert_true(machine->isa_irqs[4].is_level);
    assert_int_equal(machine->ecam_count, 1);
    assert_int_equal(machine->ecams[0].paddr, 0xB0000000);
    assert_int_equal(machine->ecams[0].last_bus, 255);
    assert_int_equal(machine->power.pm1a_control.space, REGISTER_PORT);
    assert_int_equal(machine->power.pm1a_control.address, 0x604);
    assert_int_equal(machine->power.pm1b_control.space, REGISTER_NONE);
    assert_int_equal(machine->power.sleep_control.space, REGISTER_NONE);
    assert_true(machine->power.has_s5);
    assert_int_equal(machine->power.s5_type_a, 5);
    assert_int_equal(machine->power.s5_type_b, 6);
    assert_int_equal(machine->power.reset.space, REGISTER_PORT);
    assert_int_equal(machine->power.reset.address, 0xCF9);
    assert_int_equal(machine->power.reset_value, 0x0F);
    assert_int_equal(acpi.pm_timer_port, 0x608);
    assert_int_equal(acpi.rtc_century, 0x32);
    assert_int_equal(acpi.hpet_paddr, 0xFED00000);
}

static void a_console_that_cannot_be_used_is_reported(void **state)
{
    static const struct {
        uint8_t type;
        uint8_t space;
        uint64_t port;
    } cases[] = {{3, 1, 0x2F8}, {0, 0, 0xFE030000}, {0, 1, 0}, {0, 1, 0xFFF9}, {0, 1, 0x1000002F8}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        begin_table(HPET_PADDR, "SPCR", 80);
        memory[HPET_PADDR + 36] = cases[i].type;
        memory[HPET_PADDR + 40] = cases[i].space;
        put(HPET_PADDR + 44, cases[i].port, 8);
        seal(HPET_PADDR);
        assert_int_equal(parse(), 0);
        assert_int_equal(acpi.machine.firmware_console.port, 0);
        assert_int_equal(acpi.problem_count, 1);
        assert_string_equal(acpi.problems[0].signature, "SPCR");
    }
}

/* Revision 1 has no such flags, and such machines have the controller. */
static void a_missing_keyboard_controller_is_known_from_revision_3_on(void **state)
{
    (void)state;
    memory[FADT_PADDR + 8] = 1;
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_false(acpi.machine.has_no_i8042);
    memory[FADT_PADDR + 8] = 3;
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_true(acpi.machine.has_no_i8042);
    put(FADT_PADDR + 109, 1u << 1, 2);
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_false(acpi.machine.has_no_i8042);
}

/* The table takes the HPET's place; the reset register lies in memory. */
static void firmware_console_and_a_reset_register_in_memory_are_found(void **state)
{
    (void)state;
    begin_table(HPET_PADDR, "SPCR", 80);
    memory[HPET_PADDR + 40] = 1; /* a port */
    put(HPET_PADDR + 44, 0x2F8, 8);
    memory[HPET_PADDR + 52] = 1; /* ISA interrupt */
    memory[HPET_PADDR + 53] = 3;
    memory[HPET_PADDR + 58] = 6; /* 57600 baud */
    seal(HPET_PADDR);
    memory[FADT_PADDR + 116] = 0;
    put(FADT_PADDR + 120, 0xFED40000, 8);
    seal(FADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.machine.firmware_console.port, 0x2F8);
    assert_int_equal(acpi.machine.firmware_console.isa_irq, 3);
    assert_int_equal(acpi.machine.firmware_console.baud, 57600);
    assert_int_equal(acpi.machine.power.reset.space, REGISTER_MEMORY);
    assert_int_equal(acpi.machine.power.reset.address, 0xFED40000);

    memory[HPET_PADDR + 58] = 255;
    memory[HPET_PADDR + 53] = 16;
    seal(HPET_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.machine.firmware_console.baud, 0);
    assert_int_equal(acpi.machine.firmware_console.isa_irq, 0);

    memory[HPET_PADDR + 36] = 3; /* an ARM port */
    seal(HPET_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.machine.firmware_console.port, 0);
}

static void affinity_is_found_whatever_the_order_of_tables(void **state)
{
    (void)state;
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.cores[0].domain, 0);
    assert_int_equal(acpi.cores[1].domain, 0x00030201);
    assert_int_equal(acpi.cores[2].domain, 7);
    assert_int_equal(acpi.memory_affinity_count, 1);
    assert_int_equal(acpi.memory_affinities[0].domain, 7);
    assert_int_equal(acpi.memory_affinities[0].range.paddr, 0x100000000);
    assert_int_equal(acpi.memory_affinities[0].range.bytes, 0x40000000);
}

static void version_1_uses_the_rsdt(void **state)
{
    (void)state;
    memory[RSDP_PADDR + 15] = 0;
    memset(memory + RSDP_PADDR + 20, 0xFF, 16); /* not there in version 1 */
    seal_bytes(RSDP_PADDR, 20, RSDP_PADDR + 8);
    memset(memory + XSDT_PADDR, 0, HEADER_BYTES);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 3);
}

static void rsdp_is_found_in_low_memory(void **state)
{
    (void)state;
    put(0x40E, 0x20, 2); /* the EBDA: segment 0x20, address 0x200 */
    memmove(memory + 0x210, memory + RSDP_PADDR, 36);
    assert_int_equal(acpi_find_rsdp(read_memory, NULL), 0x210);
    memory[0x210 + 8]++;
    assert_int_equal(acpi_find_rsdp(read_memory, NULL), 0);
}

/* --- Broken tables --- */

static void without_an_rsdp_there_are_defaults(void **state)
{
    (void)state;
    memory[RSDP_PADDR + 8]++;
    assert_int_equal(parse(), -EINVAL);
    assert_int_equal(acpi.core_count, 0);
    assert_int_equal(acpi.machine.isa_irqs[4].gsi, 4);
    assert_string_equal(acpi.problems[0].signature, "RSDP");
    assert_int_equal(acpi_parse(&acpi, 0, read_memory, NULL), -EINVAL);
    assert_int_equal(acpi_parse(&acpi, UINT64_MAX - 3, read_memory, NULL), -EINVAL);
}

static void a_broken_xsdt_gives_way_to_the_rsdt(void **state)
{
    (void)state;
    memory[XSDT_PADDR + 9]++;
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 3);
    assert_string_equal(acpi.problems[0].signature, "XSDT");
}

static void a_table_with_a_wrong_checksum_leaves_the_others(void **state)
{
    (void)state;
    memory[MADT_PADDR + 9]++;
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 0);
    assert_int_equal(acpi.machine.ecam_count, 1);
    assert_true(acpi.machine.power.has_s5);
    assert_int_equal(acpi.problem_count, 1);
    assert_string_equal(acpi.problems[0].signature, "APIC");
}

static void impossible_lengths_are_refused(void **state)
{
    static const uint32_t lengths[] = {0,          1,         HEADER_BYTES - 1, MEMORY_BYTES,
                                       0x7FFFFFFF, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        build_sound_tables(NULL);
        put(MADT_PADDR + 4, lengths[i], 4);
        assert_int_equal(parse(), 0);
        assert_int_equal(acpi.core_count, 0);
        assert_int_equal(acpi.machine.ecam_count, 1);
        assert_int_equal(acpi.problem_count, 1);
    }
}

/* An entry of length 0 must not hold the parser for ever, one that is too long not lead it out. */
static void an_entry_of_impossible_length_ends_the_list(void **state)
{
    static const uint8_t lengths[] = {0, 1, 255};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        build_sound_tables(NULL);
        memory[MADT_PADDR + 44 + 8 + 1] = lengths[i]; /* the second core's */
        seal(MADT_PADDR);
        assert_int_equal(parse(), 0);
        assert_int_equal(acpi.core_count, 1);
        assert_int_equal(acpi.problem_count, 1);
    }
}

static void an_entry_too_short_for_its_type_is_passed_over(void **state)
{
    (void)state;
    begin_table(MADT_PADDR, "APIC", 44);
    add_entry(MADT_PADDR, 0, 7);
    add_entry(MADT_PADDR, 9, 15);
    add_entry(MADT_PADDR, 1, 2);
    add_lapic(9, 1);
    seal(MADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 1);
    assert_int_equal(acpi.cores[0].apic_id, 9);
    assert_int_equal(acpi.machine.ioapic_count, 0);
}

static void a_core_listed_many_times_counts_once(void **state)
{
    (void)state;
    begin_table(DSDT_PADDR, "APIC", 44); /* where there is room */
    for (uint32_t i = 0; i < ACPI_CORE_MAX - 1; i++) {
        uint32_t entry = DSDT_PADDR + 44 + i * 8;

        memory[entry + 1] = 8;
        memory[entry + 3] = (uint8_t)i;
        put(entry + 4, 1, 4);
    }
    put(DSDT_PADDR + 4, 44 + (ACPI_CORE_MAX - 1) * 8, 4);
    seal(DSDT_PADDR);
    put(XSDT_PADDR + HEADER_BYTES + 16, DSDT_PADDR, 8);
    seal(XSDT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 255); /* ids of eight bits, each once, and 255 is none */
}

static void cores_beyond_the_limit_are_counted_and_the_rest_is_read(void **state)
{
    (void)state;
    begin_table(DSDT_PADDR, "APIC", 44); /* where there is room */
    for (uint32_t i = 0; i < ACPI_CORE_MAX + 1; i++) {
        uint32_t entry = DSDT_PADDR + 44 + i * 16;

        memory[entry] = 9;
        memory[entry + 1] = 16;
        put(entry + 4, 1000 + i, 4);
        put(entry + 8, 1, 4);
    }
    uint32_t ioapic = DSDT_PADDR + 44 + (ACPI_CORE_MAX + 1) * 16;

    memory[ioapic] = 1;
    memory[ioapic + 1] = 12;
    put(DSDT_PADDR + 4, ioapic + 12 - DSDT_PADDR, 4);
    seal(DSDT_PADDR);
    put(XSDT_PADDR + HEADER_BYTES + 16, DSDT_PADDR, 8);
    seal(XSDT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, ACPI_CORE_MAX);
    assert_int_equal(acpi.cores[ACPI_CORE_MAX - 1].apic_id, 1000 + ACPI_CORE_MAX - 1);
    assert_int_equal(acpi.unlisted_core_count, 1);
    assert_int_equal(acpi.machine.ioapic_count, 1);
    assert_int_equal(acpi.problem_count, 0);
}

/* --- The chipset's NMI line --- */

static void add_nmi(uint8_t uid, uint16_t flags, uint8_t lint)
{
    uint32_t entry = add_entry(MADT_PADDR, 4, 6);

    memory[entry + 2] = uid;
    put(entry + 3, flags, 2);
    memory[entry + 5] = lint;
}

static void add_x2apic_nmi(uint32_t uid, uint16_t flags, uint8_t lint)
{
    uint32_t entry = add_entry(MADT_PADDR, 10, 12);

    put(entry + 2, flags, 2);
    put(entry + 4, uid, 4);
    memory[entry + 8] = lint;
}

/* Cores of UIDs 0 to 2, the last one with an x2APIC entry. */
static void begin_madt(void)
{
    begin_table(MADT_PADDR, "APIC", 44);
    for (uint8_t i = 0; i < 2; i++) {
        add_lapic(i, 1);
        memory[MADT_PADDR + get_length(MADT_PADDR) - 8 + 2] = i;
    }
    add_x2apic(300, 1);
    put(MADT_PADDR + get_length(MADT_PADDR) - 4, 2, 4);
}

static void without_an_nmi_entry_no_core_has_the_line(void **state)
{
    (void)state;
    assert_int_equal(parse(), 0);
    for (unsigned i = 0; i < acpi.core_count; i++) {
        assert_false(acpi.cores[i].has_nmi_line);
    }
}

static void an_nmi_entry_may_name_all_cores(void **state)
{
    (void)state;
    for (unsigned is_x2apic = 0; is_x2apic < 2; is_x2apic++) {
        begin_madt();
        if (is_x2apic) {
            add_x2apic_nmi(0xFFFFFFFF, 0xF, 1);
        } else {
            add_nmi(0xFF, 0xF, 1);
        }
        seal(MADT_PADDR);
        assert_int_equal(parse(), 0);
        assert_int_equal(acpi.core_count, 3);
        for (unsigned i = 0; i < 3; i++) {
            assert_true(acpi.cores[i].has_nmi_line);
            assert_int_equal(acpi.cores[i].nmi_lint, 1);
            assert_true(acpi.cores[i].is_nmi_active_low);
        }
    }
}

/* By the processor's UID, which is not its APIC id; also before the core itself is listed. */
static void an_nmi_entry_may_name_one_core(void **state)
{
    (void)state;
    begin_table(MADT_PADDR, "APIC", 44);
    add_x2apic_nmi(2, 0, 0);
    add_nmi(1, 5, 1);
    for (uint8_t i = 0; i < 2; i++) {
        add_lapic((uint8_t)(i + 1), 1);
        memory[MADT_PADDR + get_length(MADT_PADDR) - 8 + 2] = i;
    }
    add_x2apic(300, 1);
    put(MADT_PADDR + get_length(MADT_PADDR) - 4, 2, 4);
    seal(MADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_false(acpi.cores[0].has_nmi_line);
    assert_true(acpi.cores[1].has_nmi_line);
    assert_int_equal(acpi.cores[1].nmi_lint, 1);
    assert_false(acpi.cores[1].is_nmi_active_low);
    assert_true(acpi.cores[2].has_nmi_line);
    assert_int_equal(acpi.cores[2].nmi_lint, 0);
}

static void a_pin_that_no_local_apic_has_is_ignored(void **state)
{
    (void)state;
    begin_madt();
    add_nmi(0xFF, 0, 2);
    seal(MADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_false(acpi.cores[0].has_nmi_line);
}

/* An INIT for one of these ids would reset every core, the caller included. */
static void the_ids_of_all_cores_are_nobodys(void **state)
{
    (void)state;
    begin_table(MADT_PADDR, "APIC", 44);
    add_lapic(0xFF, 1);
    add_x2apic(0xFFFFFFFF, 1);
    add_x2apic(0xFF, 1); /* with an x2APIC that is an id as any other */
    seal(MADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 1);
    assert_int_equal(acpi.cores[0].apic_id, 0xFF);
}

static void a_core_that_could_be_plugged_in_is_not_there(void **state)
{
    (void)state;
    begin_table(MADT_PADDR, "APIC", 44);
    add_lapic(0, 1);
    add_lapic(1, 2);
    add_x2apic(2, 2);
    add_x2apic(3, 3);
    seal(MADT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 2);
    assert_int_equal(acpi.cores[1].apic_id, 3);
}

static void impossible_ecam_windows_are_refused(void **state)
{
    (void)state;
    memory[MCFG_PADDR + 54] = 9; /* first bus above the last */
    memory[MCFG_PADDR + 55] = 8;
    seal(MCFG_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.machine.ecam_count, 0);
    assert_string_equal(acpi.problems[0].signature, "MCFG");
}

/* --- Everything broken: whatever comes out, nothing is read or written out of bounds --- */

static const uint32_t all_tables[] = {RSDT_PADDR, XSDT_PADDR, MADT_PADDR, SRAT_PADDR,
                                      MCFG_PADDR, FADT_PADDR, HPET_PADDR, DSDT_PADDR};

static void every_byte_may_have_any_value(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};

    (void)state;
    for (size_t table = 0; table < ARRAY_COUNT(all_tables); table++) {
        for (uint32_t i = 4; i < get_length(all_tables[table]); i++) {
            for (size_t value = 0; value < ARRAY_COUNT(values); value++) {
                build_sound_tables(NULL);
                memory[all_tables[table] + i] = values[value];
                if (get_length(all_tables[table]) < MEMORY_BYTES - all_tables[table]) {
                    seal(all_tables[table]);
                }
                (void)parse();
                assert_in_range(acpi.core_count, 0, ACPI_CORE_MAX);
            }
            build_sound_tables(NULL);
        }
    }
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    for (memory_bytes = 0; memory_bytes < DSDT_PADDR + 0x100; memory_bytes++) {
        (void)parse();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cores_are_the_enabled_ones_each_once_with_gaps, build_sound_tables),
        cmocka_unit_test_setup(machine_is_what_the_tables_say, build_sound_tables),
        cmocka_unit_test_setup(firmware_console_and_a_reset_register_in_memory_are_found,
                               build_sound_tables),
        cmocka_unit_test_setup(a_console_that_cannot_be_used_is_reported, build_sound_tables),
        cmocka_unit_test_setup(a_missing_keyboard_controller_is_known_from_revision_3_on,
                               build_sound_tables),
        cmocka_unit_test_setup(affinity_is_found_whatever_the_order_of_tables, build_sound_tables),
        cmocka_unit_test_setup(version_1_uses_the_rsdt, build_sound_tables),
        cmocka_unit_test_setup(rsdp_is_found_in_low_memory, build_sound_tables),
        cmocka_unit_test_setup(without_an_rsdp_there_are_defaults, build_sound_tables),
        cmocka_unit_test_setup(a_broken_xsdt_gives_way_to_the_rsdt, build_sound_tables),
        cmocka_unit_test_setup(a_table_with_a_wrong_checksum_leaves_the_others, build_sound_tables),
        cmocka_unit_test_setup(impossible_lengths_are_refused, build_sound_tables),
        cmocka_unit_test_setup(an_entry_of_impossible_length_ends_the_list, build_sound_tables),
        cmocka_unit_test_setup(an_entry_too_short_for_its_type_is_passed_over, build_sound_tables),
        cmocka_unit_test_setup(a_core_listed_many_times_counts_once, build_sound_tables),
        cmocka_unit_test_setup(cores_beyond_the_limit_are_counted_and_the_rest_is_read,
                               build_sound_tables),
        cmocka_unit_test_setup(without_an_nmi_entry_no_core_has_the_line, build_sound_tables),
        cmocka_unit_test_setup(an_nmi_entry_may_name_all_cores, build_sound_tables),
        cmocka_unit_test_setup(an_nmi_entry_may_name_one_core, build_sound_tables),
        cmocka_unit_test_setup(a_pin_that_no_local_apic_has_is_ignored, build_sound_tables),
        cmocka_unit_test_setup(the_ids_of_all_cores_are_nobodys, build_sound_tables),
        cmocka_unit_test_setup(a_core_that_could_be_plugged_in_is_not_there, build_sound_tables),
        cmocka_unit_test_setup(impossible_ecam_windows_are_refused, build_sound_tables),
        cmocka_unit_test_setup(every_byte_may_have_any_value, build_sound_tables),
        cmocka_unit_test_setup(memory_may_end_anywhere, build_sound_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
