/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_pci.c */
/* flags: -DMMIO_FAKE */
/*
 * Finding devices, numbers for buses, and BARs (drivers/pci/pci.c, find.c, number.c), over
 * a fake tree of functions, in part one that no sane machine has.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/pci/bus.h"
#include "tests/unit/world/fake_pci.h"

static const struct pci_id ids[] = {{FAKE_VENDOR, FAKE_NIC}};

static int reset(void **state)
{
    (void)state;
    fake_pci_reset();
    return 0;
}

static unsigned find(enum pci_reach reach, struct pci_device devices[8])
{
    return pci_find(ids, ARRAY_COUNT(ids), reach, devices, 8);
}

static void assert_at(const struct pci_device *device, unsigned bus, unsigned number,
                      unsigned function)
{
    assert_int_equal(device->address.bus, bus);
    assert_int_equal(device->address.device, number);
    assert_int_equal(device->address.function, function);
}

static struct pci_device find_nic(void)
{
    struct pci_device devices[8];

    assert_int_equal(find(PCI_REACH_NUMBERED, devices), 1);
    return devices[0];
}

/* --- Finding --- */

static void devices_are_found_by_ascending_bus_device_and_function(void **state)
{
    struct pci_device devices[8];
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 2, 2);
    int first = fake_pci_add(FAKE_ROOT(0), 3, 0, FAKE_OTHER);

    (void)state;
    fake_pci_put(first, 0x0E, 1, 0x80);
    fake_pci_add(FAKE_ROOT(0), 3, 7, FAKE_NIC);
    fake_pci_add(bridge, 0, 0, FAKE_NIC);
    fake_pci_add(fake_pci_add_bridge(FAKE_ROOT(0), 2, 1, 1), 31, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_NUMBERED, devices), 3);
    assert_at(&devices[0], 0, 3, 7);
    assert_at(&devices[1], 1, 31, 0);
    assert_at(&devices[2], 2, 0, 0);
    assert_int_equal(pci_find(ids, 1, PCI_REACH_NUMBERED, devices, 1), 3);
}

static void further_functions_are_not_looked_for_where_there_is_only_one(void **state)
{
    struct pci_device devices[8];

    (void)state;
    fake_pci_add(FAKE_ROOT(0), 3, 0, FAKE_OTHER);
    fake_pci_add(FAKE_ROOT(0), 3, 1, FAKE_NIC); /* a device may answer for all its functions */
    assert_int_equal(find(PCI_REACH_NUMBERED, devices), 0);
}

static void bridges_that_lead_in_circles_are_followed_once(void **state)
{
    struct pci_device devices[8];
    int down = fake_pci_add_bridge(FAKE_ROOT(0), 1, 5, 9);
    int back = fake_pci_add_bridge(down, 0, 0, 255);

    (void)state;
    fake_pci_add_bridge(down, 1, 5, 5);
    fake_pci_put(back, 0x18, 4, 0x00050500);
    fake_pci_add_bridge(FAKE_ROOT(0), 2, 0, 0);
    fake_pci_add_bridge(FAKE_ROOT(0), 3, 5, 5);
    fake_pci_add(down, 2, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_NUMBERED, devices), 1);
    assert_int_equal(find(PCI_REACH_ALL, devices), 1);
}

static void a_root_that_no_table_names_is_found_when_all_is_looked_at(void **state)
{
    struct pci_device devices[8];
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0x80), 0, 0x81, 0x81);
    struct pci_bar bars[PCI_BAR_COUNT];

    (void)state;
    fake_pci_add(FAKE_ROOT(0), 0, 0, FAKE_OTHER);
    fake_pci_add(bridge, 0, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_NUMBERED, devices), 0);
    assert_int_equal(find(PCI_REACH_ALL, devices), 1);
    assert_at(&devices[0], 0x81, 0, 0);
    assert_int_equal(pci_root_of(0, 0x81), 0x80);
    assert_int_equal(pci_root_of(0, 0x7F), 0);
    assert_int_equal(pci_assign(&devices[0], bars), 0);
    assert_int_equal(fake_pci_get(bridge, 0x04, 2), 0x0006);
}

static void a_machine_that_answers_everywhere_ends_the_search(void **state)
{
    struct pci_device devices[8];

    (void)state;
    for (int bus = 0; bus < 100; bus++) {
        fake_pci_add(FAKE_ROOT(bus), 0, 0, FAKE_NIC);
    }
    assert_true(find(PCI_REACH_ALL, devices) >= 8);
}

static void what_answers_with_zeros_is_no_device(void **state)
{
    struct pci_device devices[8];
    int nothing = fake_pci_add(FAKE_ROOT(0x40), 0, 0, 0);

    (void)state;
    fake_pci_put(nothing, 0x00, 4, 0);
    fake_pci_add(FAKE_ROOT(0), 0, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_ALL, devices), 1);
    assert_int_equal(pci_root_of(0, 0x40), 0);
}

static void looking_at_all_costs_little_more_than_a_read_for_each_device_number(void **state)
{
    struct pci_device devices[8];

    (void)state;
    fake_pci_add(FAKE_ROOT(0), 0, 0, FAKE_OTHER);
    assert_int_equal(find(PCI_REACH_ALL, devices), 0);
    assert_true(fake_pci_access_count() < 256 * 32 + 10 * 32);
}

static void a_list_of_capabilities_that_leads_in_a_circle_ends(void **state)
{
    int nic = fake_pci_add(FAKE_ROOT(0), 0, 0, FAKE_NIC);

    (void)state;
    fake_pci_put(nic, 0x06, 2, 0x10);
    fake_pci_put(nic, 0x34, 1, 0x50);
    fake_pci_put(nic, 0x50, 2, 0x6005);
    fake_pci_put(nic, 0x60, 2, 0x5011);

    struct pci_device device = find_nic();

    assert_int_equal(pci_find_capability(&device, 0x11), 0x60);
    assert_int_equal(pci_find_capability(&device, 0x01), 0);
}

/* --- Bus numbers --- */

static void buses_without_numbers_get_some_in_the_order_of_the_tree(void **state)
{
    struct pci_device devices[8];
    int first = fake_pci_add_bridge(FAKE_ROOT(0), 1, 0, 0);
    int below = fake_pci_add_bridge(first, 0, 0, 0);
    int second = fake_pci_add_bridge(FAKE_ROOT(0), 2, 0, 0);

    (void)state;
    fake_pci_add(below, 0, 0, FAKE_NIC);
    fake_pci_add(second, 0, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_NUMBERED, devices), 0);
    assert_int_equal(find(PCI_REACH_ALL, devices), 2);
    assert_at(&devices[0], 2, 0, 0);
    assert_at(&devices[1], 3, 0, 0);
    assert_int_equal(fake_pci_get(first, 0x18, 4), 0x00020100);
    assert_int_equal(fake_pci_get(below, 0x18, 4), 0x00020201);
    assert_int_equal(fake_pci_get(second, 0x18, 4), 0x00030300);
}

static void numbers_that_firmware_gave_stay_and_the_last_range_grows(void **state)
{
    struct pci_device devices[8];
    int first = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int last = fake_pci_add_bridge(FAKE_ROOT(0), 2, 4, 4);
    int cut_off = fake_pci_add_bridge(first, 0, 0, 0);
    int below = fake_pci_add_bridge(last, 0, 0, 0);

    (void)state;
    fake_pci_add(cut_off, 0, 0, FAKE_NIC);
    fake_pci_add(below, 0, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_ALL, devices), 1);
    assert_at(&devices[0], 5, 0, 0);
    assert_int_equal(fake_pci_get(first, 0x19, 2), 0x0101);
    assert_int_equal(fake_pci_get(last, 0x19, 2), 0x0504);
    assert_int_equal(fake_pci_get(cut_off, 0x19, 2), 0); /* bus 2 would be behind `last`, if any */
}

static void numbers_end_before_those_of_the_next_root(void **state)
{
    struct pci_device devices[8];
    int full = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 0x7F);
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 2, 0, 0);

    (void)state;
    fake_pci_add(FAKE_ROOT(0x80), 0, 0, FAKE_OTHER);
    fake_pci_add(bridge, 0, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_ALL, devices), 0);
    assert_int_equal(fake_pci_get(full, 0x19, 2), 0x7F01);
    assert_int_equal(fake_pci_get(bridge, 0x19, 2), 0);
}

static void bridges_that_take_no_number_and_endless_chains_end(void **state)
{
    struct pci_device devices[8];
    int parent = FAKE_ROOT(0);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        parent = fake_pci_add_bridge(parent, 0, 0, 0);
    }
    for (unsigned i = 1; i < 20; i++) {
        fake_pci_let_write(fake_pci_add_bridge(FAKE_ROOT(0), i, 0, 0), 0x18, 4, 0);
    }
    fake_pci_add(parent, 0, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_ALL, devices), 0);
}

static void unnumbered_buses_stay_so_while_the_device_is_found_without_them(void **state)
{
    struct pci_device devices[8];
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 0, 0);

    (void)state;
    fake_pci_add(FAKE_ROOT(0), 2, 0, FAKE_NIC);
    fake_pci_add(bridge, 0, 0, FAKE_NIC);
    assert_int_equal(find(PCI_REACH_ALL, devices), 1);
    assert_int_equal(fake_pci_write_count(), 0);
    assert_true(fake_pci_has_logged("stay as they are without pci=assign"));

    fake_pci_command_line = "pci=assign";
    assert_int_equal(find(PCI_REACH_NUMBERED, devices), 2);
    assert_at(&devices[0], 0, 2, 0);
    assert_at(&devices[1], 1, 0, 0);
    assert_true(fake_pci_has_logged("pci=assign: bridges without a bus number are given one"));
}

static void where_all_buses_have_numbers_none_is_written(void **state)
{
    struct pci_device devices[8];

    (void)state;
    fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    fake_pci_command_line = "pci=assign";
    assert_int_equal(find(PCI_REACH_ALL, devices), 0);
    assert_int_equal(fake_pci_write_count(), 0);
    assert_false(fake_pci_has_logged("bus number"));
}

/* A sleeping bridge leads nowhere, and may wake without its number. */
static void a_device_behind_a_sleeping_bridge_is_found(void **state)
{
    struct pci_device devices[8];
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);

    (void)state;
    fake_pci_sleep(bridge);
    assert_int_equal(find(PCI_REACH_ALL, devices), 0);
    assert_int_equal(fake_pci_get(bridge, 0x44, 2), 0);
    assert_true(fake_pci_has_logged("no such device so far"));
}

/* --- BARs --- */

static void bars_are_read_with_their_sizes(void **state)
{
    int nic = fake_pci_add(FAKE_ROOT(0), 0, 0, FAKE_NIC);
    struct pci_device device = find_nic();
    struct pci_bar bar;

    (void)state;
    fake_pci_set_bar(nic, 0, 0x80000, FAKE_BAR_64BIT | FAKE_BAR_PREFETCHABLE, 0x4200080000);
    fake_pci_set_bar(nic, 2, 0x10, 0, 0xFEB00010);
    assert_int_equal(pci_read_bar(&device, 0, &bar), 0);
    assert_int_equal(bar.paddr, 0x4200080000);
    assert_int_equal(bar.bytes, 0x80000);
    assert_true(bar.is_64bit && bar.is_prefetchable);
    assert_int_equal(pci_read_bar(&device, 2, &bar), 0);
    assert_int_equal(bar.paddr, 0xFEB00010);
    assert_int_equal(bar.bytes, 0x10);
    assert_false(bar.is_64bit || bar.is_prefetchable);
    assert_int_equal(fake_pci_bar(nic, 0), 0x4200080000);
}

static void what_is_no_memory_bar_is_refused(void **state)
{
    int nic = fake_pci_add(FAKE_ROOT(0), 0, 0, FAKE_NIC);
    struct pci_device device = find_nic();
    struct pci_bar bar;

    (void)state;
    assert_int_equal(pci_read_bar(&device, 0, &bar), -ENODEV); /* empty */
    fake_pci_put(nic, 0x10, 4, 0xE001);
    assert_int_equal(pci_read_bar(&device, 0, &bar), -ENODEV); /* I/O */
    fake_pci_put(nic, 0x10, 4, UINT32_MAX);
    assert_int_equal(pci_read_bar(&device, 0, &bar), -ENODEV); /* gone */
    fake_pci_put(nic, 0x24, 4, 0xFEB00004);
    assert_int_equal(pci_read_bar(&device, 5, &bar), -ENODEV); /* its upper half lies outside */
    assert_int_equal(pci_read_bar(&device, 6, &bar), -ENODEV);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(devices_are_found_by_ascending_bus_device_and_function),
        TEST(further_functions_are_not_looked_for_where_there_is_only_one),
        TEST(bridges_that_lead_in_circles_are_followed_once),
        TEST(a_root_that_no_table_names_is_found_when_all_is_looked_at),
        TEST(a_machine_that_answers_everywhere_ends_the_search),
        TEST(what_answers_with_zeros_is_no_device),
        TEST(looking_at_all_costs_little_more_than_a_read_for_each_device_number),
        TEST(a_list_of_capabilities_that_leads_in_a_circle_ends),
        TEST(buses_without_numbers_get_some_in_the_order_of_the_tree),
        TEST(numbers_that_firmware_gave_stay_and_the_last_range_grows),
        TEST(numbers_end_before_those_of_the_next_root),
        TEST(bridges_that_take_no_number_and_endless_chains_end),
        TEST(unnumbered_buses_stay_so_while_the_device_is_found_without_them),
        TEST(where_all_buses_have_numbers_none_is_written),
        TEST(a_device_behind_a_sleeping_bridge_is_found),
        TEST(bars_are_read_with_their_sizes),
        TEST(what_is_no_memory_bar_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
