/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_pci.c drivers/pci/port.c */
/* flags: -DMMIO_FAKE */
/*
 * What drivers/pci/boot.c does while one core runs: who may go on mastering the bus, and what all
 * nodes know of the cards that somebody drives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/pci/port.h"
#include "kernel/component.h"
#include "kernel/node.h"
#include "tests/unit/world/fake_pci.h"

#define COMMAND        0x04
#define CLASS          0x0A
#define DECODES        0x0003 /* I/O and memory */
#define MASTERS        0x0004
#define CARD_BAR       0x81000000u
#define CARD_BAR_BYTES 0x20000u

static const struct pci_id ids[] = {{FAKE_VENDOR, FAKE_NIC}};

static int reset(void **state)
{
    (void)state;
    fake_pci_reset();
    node_info.command_line[0] = '\0';
    return 0;
}

/* A function as firmware leaves one that it has used. */
static int add_used(int parent, unsigned device, uint16_t class)
{
    int fake = fake_pci_add(parent, device, 0, FAKE_OTHER);

    fake_pci_put(fake, CLASS, 2, class);
    fake_pci_put(fake, COMMAND, 2, DECODES | MASTERS);
    fake_pci_let_write(fake, COMMAND, 2, 0x0407);
    return fake;
}

static void boot(void)
{
    components_run(BOOT_TABLES);
    components_run(BOOT_DEVICES);
}

static void assert_masters(int fake)
{
    assert_int_equal(fake_pci_get(fake, COMMAND, 2), DECODES | MASTERS);
}

static void assert_stopped(int fake)
{
    assert_int_equal(fake_pci_get(fake, COMMAND, 2), DECODES);
}

/* --- Mastering --- */

/* The card that a machine has booted from over the network goes on writing what comes into buffers
 * that are ours now. Its registers stay where they are. */
static void devices_that_nobody_drives_stop_mastering_and_go_on_decoding(void **state)
{
    int bridge = fake_pci_add_bridge(FAKE_ROOT(0), 1, 1, 1);
    int card = add_used(FAKE_ROOT(0), 2, 0x0200);
    int disk = add_used(bridge, 0, 0x0108);
    int sd_host = add_used(bridge, 1, 0x0805);

    (void)state;
    fake_pci_put(bridge, COMMAND, 2, DECODES | MASTERS);
    boot();
    assert_stopped(card);
    assert_stopped(disk);
    assert_stopped(sd_host);
    assert_masters(bridge);
    assert_true(fake_pci_has_logged("3 devices that firmware left writing to memory stopped"));
}

static void what_serves_others_or_the_console_goes_on(void **state)
{
    int host = add_used(FAKE_ROOT(0), 0, 0x0600);
    int screen = add_used(FAKE_ROOT(0), 1, 0x0300);
    int old_screen = add_used(FAKE_ROOT(0), 2, 0x0001);
    int ioapic = add_used(FAKE_ROOT(0), 3, 0x0800);
    int iommu = add_used(FAKE_ROOT(0), 4, 0x0806);

    (void)state;
    boot();
    assert_masters(host);
    assert_masters(screen);
    assert_masters(old_screen);
    assert_masters(ioapic);
    assert_masters(iommu);
    assert_int_equal(fake_pci_write_count(), 0);
    assert_false(fake_pci_has_logged("stopped"));
}

/* A BIOS shows a USB keyboard as an i8042, by what the controller writes to its own memory. */
static void usb_goes_on_while_a_keyboard_may_be_emulated_by_it(void **state)
{
    int usb = add_used(FAKE_ROOT(0), 0, 0x0C03);

    (void)state;
    boot();
    assert_masters(usb);
    node_info.machine.has_no_i8042 = true;
    boot();
    assert_stopped(usb);
}

/* --- Cards --- */

static int add_card(unsigned device, uint64_t paddr)
{
    int card = fake_pci_add(FAKE_ROOT(0), device, 0, FAKE_NIC);

    fake_pci_set_bar(card, 0, CARD_BAR_BYTES, FAKE_BAR_64BIT, paddr);
    if (paddr != 0) {
        fake_pci_put(card, COMMAND, 2, DECODES | MASTERS);
    }
    return card;
}

static void bars_of_cards_are_known_to_all_nodes(void **state)
{
    int moved;

    (void)state;
    add_card(1, CARD_BAR);
    moved = add_card(2, 0); /* gets one */
    assert_null(pci_card_at(ids, 1, CARD_BAR, CARD_BAR_BYTES));
    pci_prepare(ids, 1);
    assert_non_null(pci_card_at(ids, 1, CARD_BAR, CARD_BAR_BYTES));
    assert_int_not_equal(fake_pci_bar(moved, 0), 0);
    assert_non_null(pci_card_at(ids, 1, fake_pci_bar(moved, 0), CARD_BAR_BYTES));
    /* They decode, and do not master the bus until somebody starts them. */
    assert_int_equal(fake_pci_get(moved, COMMAND, 2), 0x0402);
}

static void nothing_else_is_taken_for_a_cards_bar(void **state)
{
    static const struct pci_id others[] = {{FAKE_VENDOR, FAKE_OTHER}};

    (void)state;
    add_card(1, CARD_BAR);
    ranges_add(&node_info.machine.devices, 0xFEC00000, 0x100000, 0); /* by a table */
    pci_prepare(ids, 1);
    assert_null(pci_card_at(ids, 1, CARD_BAR + 0x1000, 0x1000));
    assert_null(pci_card_at(ids, 1, CARD_BAR, CARD_BAR_BYTES + 1));
    assert_null(pci_card_at(others, 1, CARD_BAR, CARD_BAR_BYTES));
    assert_null(pci_card_at(ids, 1, 0xFEC00000, CARD_BAR_BYTES));
    assert_null(pci_card_at(ids, 1, UINT64_MAX, CARD_BAR_BYTES));
    assert_null(pci_card_at(ids, 1, 0, CARD_BAR_BYTES));
}

/* Whoever drives the card may die and be followed by another at any time, while other cores use
 * their own devices: no address begins or ends to be decoded then. */
static void a_card_goes_on_decoding_whoever_drives_it(void **state)
{
    int card = add_card(1, CARD_BAR);
    const struct pci_card *prepared;
    struct nic_port ports[NIC_PORT_MAX];
    unsigned count;

    (void)state;
    pci_prepare(ids, 1);
    count = pci_list_ports(ids, 1, ports, NIC_PORT_MAX); /* other tests' before it */
    assert_in_range(count, 1, NIC_PORT_MAX);
    prepared = pci_card_of(&ports[count - 1]);
    assert_int_equal(prepared->bars[0].paddr, CARD_BAR);
    assert_int_equal(prepared->bars[0].bytes, CARD_BAR_BYTES);
    pci_start(&prepared->device);
    assert_int_equal(fake_pci_get(card, COMMAND, 2), 0x0407);
    pci_stop(&prepared->device);
    assert_int_equal(fake_pci_get(card, COMMAND, 2), 0x0403);
    pci_start(&prepared->device);
    pci_stop_prepared(ids, 1);
    assert_int_equal(fake_pci_get(card, COMMAND, 2), 0x0403);
    pci_start(&prepared->device);
    components_run(NODE_GONE);
    assert_int_equal(fake_pci_get(card, COMMAND, 2), 0x0403);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(devices_that_nobody_drives_stop_mastering_and_go_on_decoding),
        TEST(what_serves_others_or_the_console_goes_on),
        TEST(usb_goes_on_while_a_keyboard_may_be_emulated_by_it),
        TEST(bars_of_cards_are_known_to_all_nodes),
        TEST(nothing_else_is_taken_for_a_cards_bar),
        TEST(a_card_goes_on_decoding_whoever_drives_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
