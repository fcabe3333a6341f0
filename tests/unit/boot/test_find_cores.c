/* SPDX-License-Identifier: MIT */
/* sources: boot/find_cores.c tests/unit/world/panic.c tests/unit/world/kept_log.c */
/* flags: -DCPU_FAKE */
/*
 * boot/find_cores.c: which of the listed cores become nodes, and that each other one has its reason
 * in the log. The cores themselves are boot/start_node.c's, faked here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/find_cores.h"
#include "boot/start_node.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/cpu.h"
#include "tests/unit/world/kept_log.h"

struct node_info node_info;

static struct acpi acpi;
static struct found_core cores[NODE_MAX];
static paddr_t trampoline;
static uint32_t called_ids[START_CORE_MAX];
static bool is_wanted[START_CORE_MAX];
static unsigned called_count;
static uint32_t absent_id;
static struct tsc_range ranges[START_CORE_MAX];
static int measure_error;
static uint64_t measure_us;
static uint64_t now_us;
static uint32_t power_features;

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    return leaf == 0x80000000 ? (struct cpuid){.eax = 0x80000008}
                              : (struct cpuid){.edx = leaf == 0x80000007 ? power_features : 0};
}

paddr_t boot_memory_trampoline(void)
{
    return trampoline;
}

void start_node_prepare(void *page, paddr_t paddr, void *vectors)
{
    assert_ptr_equal(page, (uint8_t *)vectors + paddr);
    assert_int_equal(paddr, trampoline);
}

unsigned start_node_add(uint32_t apic_id, bool wanted)
{
    assert_true(called_count < START_CORE_MAX);
    called_ids[called_count] = apic_id;
    is_wanted[called_count] = wanted;
    return called_count++;
}

uint64_t reference_clock_now_us(void)
{
    return now_us;
}

void start_node_reset(void)
{
}

void start_node_call(void)
{
}

bool start_node_is_present(unsigned index)
{
    assert_true(is_wanted[index]);
    return called_ids[index] != absent_id;
}

int start_node_measure_tsc(unsigned index, struct tsc_range *range)
{
    *range = ranges[index];
    now_us += measure_us;
    return measure_error;
}

bool tsc_range_is_empty(const struct tsc_range *range)
{
    return range->low > range->high;
}

int64_t tsc_range_offset(const struct tsc_range *range)
{
    return range->low > 0 || range->high < 0 ? range->low : 0;
}

uint64_t tsc_range_doubt(const struct tsc_range *range)
{
    return (uint64_t)(range->high - range->low);
}

/* --- */

static int begin(void **state)
{
    (void)state;
    memset(&acpi, 0, sizeof(acpi));
    memset(cores, 0, sizeof(cores));
    memset(ranges, 0, sizeof(ranges));
    trampoline = 0x9F000;
    called_count = 0;
    absent_id = UINT32_MAX;
    measure_error = 0;
    measure_us = 1;
    power_features = 1u << 8;
    kept_log_clear();
    node_info.has_x2apic = true;
    node_info.clock.tsc_hz = 1000000000;
    return 0;
}

static void list(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        acpi.cores[acpi.core_count++] = (struct acpi_core){.apic_id = i, .domain = i / 2};
    }
}

static unsigned find(uint32_t own_apic_id, uint64_t node_limit)
{
    find_cores_call(&acpi, own_apic_id, node_limit);
    return find_cores_await(cores);
}

static void this_core_is_the_first_node_wherever_it_is_listed(void **state)
{
    (void)state;
    list(4);
    assert_int_equal(find(2, UINT64_MAX), 4);
    assert_int_equal(cores[0].listed.apic_id, 2);
    assert_int_equal(cores[0].listed.domain, 1);
    assert_int_equal(cores[1].listed.apic_id, 0);
    assert_int_equal(cores[3].listed.apic_id, 3);
    assert_string_equal(kept_log(), "");
}

static void without_tables_there_is_one_node(void **state)
{
    (void)state;
    assert_int_equal(find(7, UINT64_MAX), 1);
    assert_int_equal(cores[0].listed.apic_id, 7);
    assert_int_equal(called_count, 0);
}

static void a_core_that_does_not_answer_is_left_out(void **state)
{
    (void)state;
    list(4);
    absent_id = 1;
    assert_int_equal(find(0, UINT64_MAX), 3);
    assert_int_equal(cores[1].listed.apic_id, 2);
    assert_int_equal(cores[1].start_index, 1);
    assert_string_equal(kept_log(), "core with APIC id 1 does not answer, left out\n");
}

/* A machine check for all cores resets the machine where it finds one as firmware has left it. */
static void cores_without_a_node_are_called_to_park(void **state)
{
    (void)state;
    list(5);
    assert_int_equal(find(0, 2), 2);
    assert_int_equal(called_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(is_wanted[i], i == 0);
    }
    assert_string_equal(kept_log(), "3 cores left out: nodes=2\n");
}

static void more_cores_than_nodes_or_tables_can_hold_are_left_out_by_number(void **state)
{
    (void)state;
    list(ACPI_CORE_MAX);
    acpi.unlisted_core_count = 1;
    assert_int_equal(find(0, UINT64_MAX), NODE_MAX);
    assert_int_equal(called_count, ACPI_CORE_MAX - 1);
    assert_string_equal(kept_log(),
                        "768 cores left out: more than 256 nodes\n"
                        "1 cores left out: firmware lists more than 1024\n"
                        "1 cores have APIC ids above 254, which no device can interrupt: they "
                        "are the last nodes, without a queue of a NIC\n");
}

static void cores_that_cannot_be_called_are_left_out(void **state)
{
    (void)state;
    list(3);
    acpi.cores[1].apic_id = 255;
    node_info.has_x2apic = false;
    assert_int_equal(find(0, UINT64_MAX), 2);
    assert_string_equal(kept_log(), "1 cores left out: their APIC ids need an x2APIC\n");
    begin(state);
    list(3);
    trampoline = 0;
    assert_int_equal(find(0, UINT64_MAX), 1);
    assert_string_equal(kept_log(), "2 cores left out: no free page below 1 MiB\n");
}

/* Those that devices reach are the first nodes, on which servers run; the MADT's order otherwise.
 */
static void cores_that_no_device_can_interrupt_are_the_last_nodes(void **state)
{
    static const uint32_t ids[] = {300, 4, 255, 0x12345678, 254, 2};
    static const uint32_t expected[] = {2, 4, 254, 300, 255, 0x12345678};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(ids); i++) {
        acpi.cores[acpi.core_count++] = (struct acpi_core){.apic_id = ids[i], .domain = i};
    }
    assert_int_equal(find(2, UINT64_MAX), ARRAY_COUNT(ids));
    for (unsigned i = 0; i < ARRAY_COUNT(ids); i++) {
        assert_int_equal(cores[i].listed.apic_id, expected[i]);
        assert_true(i == 0 || called_ids[cores[i].start_index] == expected[i]);
    }
    assert_int_equal(cores[0].listed.domain, 5);
    assert_true(is_logged("3 cores have APIC ids above 254"));
    begin(state);
    acpi.cores[0].apic_id = 300;
    acpi.cores[1].apic_id = 7;
    acpi.core_count = 2;
    assert_int_equal(find(2, 2), 2);
    assert_int_equal(cores[1].listed.apic_id, 7);
    assert_false(is_logged("APIC ids"));
}

static void one_node_has_the_nmi_line(void **state)
{
    (void)state;
    list(4);
    for (unsigned i = 1; i < 4; i++) {
        acpi.cores[i].has_nmi_line = true;
        acpi.cores[i].nmi_lint = (uint8_t)(i == 1 ? 0 : 1);
        acpi.cores[i].is_nmi_active_low = i == 1;
    }
    unsigned count = find(0, UINT64_MAX);

    for (unsigned i = 0; i < 4; i++) {
        struct nmi_line line = find_nmi_line(cores, count, i);

        assert_int_equal(line.is_ours, i == 1);
        assert_int_equal(line.lint, 0);
        assert_true(line.is_active_low);
    }
}

static void where_firmware_says_nothing_node_0_has_the_nmi_line_as_in_pcs(void **state)
{
    (void)state;
    list(2);
    unsigned count = find(0, UINT64_MAX);

    assert_true(find_nmi_line(cores, count, 0).is_ours);
    assert_int_equal(find_nmi_line(cores, count, 0).lint, 1);
    assert_false(find_nmi_line(cores, count, 1).is_ours);
}

static void what_is_known_of_the_tscs_is_one_line(void **state)
{
    (void)state;
    list(3);
    unsigned count = find(0, UINT64_MAX);

    ranges[0] = (struct tsc_range){-20, 10};
    find_cores_compare_tscs(cores, count);
    assert_string_equal(kept_log(), "TSC: invariant, cores agree to within 30 ns\n");
    kept_log_clear();
    power_features = 0;
    find_cores_compare_tscs(cores, count);
    assert_string_equal(kept_log(),
                        "TSC: not said to be invariant, so clocks of nodes may drift apart, "
                        "cores agree to within 30 ns\n");
}

static void a_tsc_that_is_apart_is_corrected_and_told(void **state)
{
    (void)state;
    list(4);
    unsigned count = find(0, UINT64_MAX);

    ranges[0] = (struct tsc_range){500, 540};
    ranges[1] = (struct tsc_range){-540, -500};
    ranges[2] = (struct tsc_range){10, -10}; /* at another rate */
    find_cores_compare_tscs(cores, count);
    assert_int_equal(cores[1].tsc_offset, 500);
    assert_int_equal(cores[2].tsc_offset, -540);
    assert_int_equal(cores[3].tsc_offset, 0);
    assert_true(is_logged("of 4 cores 2 were apart and are corrected, 1 cannot be"));
}

/* As on an emulator whose host is busy: the boot goes on. */
static void comparing_the_tscs_of_many_cores_ends_in_time(void **state)
{
    (void)state;
    list(NODE_MAX);
    unsigned count = find(0, UINT64_MAX);
    uint64_t start_us = now_us;

    measure_us = 300000;
    find_cores_compare_tscs(cores, count);
    assert_in_range(now_us - start_us, 900000, 1200000);
    assert_true(is_logged("251 cannot be compared"));
    kept_log_clear();
    measure_error = -ETIMEDOUT;
    measure_us = 1;
    find_cores_compare_tscs(cores, 2);
    assert_true(is_logged("1 cannot be compared"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(this_core_is_the_first_node_wherever_it_is_listed, begin),
        cmocka_unit_test_setup(without_tables_there_is_one_node, begin),
        cmocka_unit_test_setup(a_core_that_does_not_answer_is_left_out, begin),
        cmocka_unit_test_setup(cores_without_a_node_are_called_to_park, begin),
        cmocka_unit_test_setup(more_cores_than_nodes_or_tables_can_hold_are_left_out_by_number,
                               begin),
        cmocka_unit_test_setup(cores_that_cannot_be_called_are_left_out, begin),
        cmocka_unit_test_setup(cores_that_no_device_can_interrupt_are_the_last_nodes, begin),
        cmocka_unit_test_setup(one_node_has_the_nmi_line, begin),
        cmocka_unit_test_setup(where_firmware_says_nothing_node_0_has_the_nmi_line_as_in_pcs,
                               begin),
        cmocka_unit_test_setup(what_is_known_of_the_tscs_is_one_line, begin),
        cmocka_unit_test_setup(comparing_the_tscs_of_many_cores_ends_in_time, begin),
        cmocka_unit_test_setup(a_tsc_that_is_apart_is_corrected_and_told, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
