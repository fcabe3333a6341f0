/* SPDX-License-Identifier: MIT */
/* sources: boot/virtio_slots.c boot/acpi/holes.c boot/boot_info.c libc/core/command_line.c */
/* sources: libc/core/numbers.c tests/unit/world/panic.c */
/*
 * boot/virtio_slots.c: words and tables name virtio devices only where there can be one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "boot/virtio_slots.h"
#include "kernel/log.h"
#include "kernel/platform.h"

#define ADDRESS_BITS 40u

static struct machine machine;
static struct boot_info info;
static unsigned log_count;
static char last_log[256];

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    va_list arguments;

    (void)level;
    (void)subsystem;
    log_count++;
    va_start(arguments, format);
    vsnprintf(last_log, sizeof(last_log), format, arguments);
    va_end(arguments);
}

static int reset(void **state)
{
    (void)state;
    memset(&machine, 0, sizeof(machine));
    memset(&info, 0, sizeof(info));
    log_count = 0;
    boot_info_initialise(&info, "test");
    boot_info_add_range(&info, 0, 0x20000000, true);
    boot_info_add_range(&info, 0xC0000000, 0x100000, false); /* a reserved one may hold devices */
    for (unsigned i = 0; i < ISA_IRQ_COUNT; i++) {
        machine.isa_irqs[i].gsi = i;
    }
    ranges_add(&machine.devices, 0xFEC00000, 4096, 0);
    machine.hole_count = 1;
    machine.holes[0] = (struct memory_range){0x20000000, 0xFEC00000 - 0x20000000};
    return 0;
}

static void read(const char *line)
{
    boot_info_set_command_line(&info, line, strlen(line));
    virtio_slots_read(&machine, &info, ADDRESS_BITS);
}

static bool is_slot(unsigned index, uint64_t paddr, uint32_t bytes, uint32_t gsi)
{
    const struct virtio_slot *slot = &machine.virtio_slots[index];

    return index < machine.virtio_slot_count && slot->paddr == paddr && slot->bytes == bytes &&
           slot->line.gsi == gsi;
}

/* QEMU's, Firecracker's, and what Linux takes, too. */
static void words_name_devices(void **state)
{
    (void)state;
    machine.isa_irqs[5] = (struct irq_route){.gsi = 2, .is_active_low = true};
    read("virtio_mmio.device=512@0xfeb00e00:12 pika=TS1 virtio_mmio.device=4K@0xc0001000:5 "
         "virtio_mmio.device=0x200@3221233664:20:7 virtio_mmio.device=1m@0XD0000000:4095 -- "
         "virtio_mmio.device=512@0xfeb00000:4");
    assert_int_equal(log_count, 0);
    assert_int_equal(machine.virtio_slot_count, 4);
    assert_true(is_slot(0, 0xFEB00E00, 512, 12));
    assert_true(is_slot(1, 0xC0001000, 4096, 2));
    assert_true(machine.virtio_slots[1].line.is_active_low);
    assert_true(is_slot(2, 0xC0002000, 512, 20));
    assert_true(is_slot(3, 0xD0000000, 0x100000, 4095));
    assert_non_null(ranges_find(&machine.devices, 0xFEB00E00, 512));
    assert_null(ranges_find(&machine.devices, 0xFEB01000, 1));
    for (unsigned i = 0; i < machine.hole_count; i++) { /* no card is put there */
        assert_false(memory_ranges_touch(&machine.holes[i], 1, 0xFEB00E00, 0xFEB01000));
        assert_false(memory_ranges_touch(&machine.holes[i], 1, 0xD0000000, 0xD0100000));
    }
}

static void what_is_no_word_is_refused_by_name(void **state)
{
    static const char *const words[] = {
        "",
        "x",
        "512",
        "512@",
        "512@0xfeb00000",
        "512@:5",
        "@0xfeb00000:5",
        "512@0xfeb00000:",
        "512@0xfeb00000:x",
        "512@0xfeb00000:5:",
        "512@0xfeb00000:5:x",
        "512@0xfeb00000:5 ,",
        "512@0xfeb00000:5k",
        "512@0xfeb00000:4096",
        "512@0xfeb00000:-1",
        "512G@0xfeb00000:5",
        "4096M@0xfeb00000:5",
        "512@0x:5",
        "0x@0xfeb00000:5",
        "512@0x1ffffffffffffffff:5",
        "18446744073709551615K@0xfeb00000:5",
        " 512@0xfeb00000:5",
    };
    char line[128];

    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        reset(state);
        snprintf(line, sizeof(line), "virtio_mmio.device=%s", words[i]);
        read(line);
        if (strchr(words[i], ' ') != NULL && words[i][0] != ' ') {
            assert_int_equal(machine.virtio_slot_count, 1); /* two words: the first is right */
            continue;
        }
        assert_int_equal(machine.virtio_slot_count, 0);
        assert_int_equal(log_count, 1);
        assert_non_null(strstr(last_log, "SIZE@BASE:IRQ"));
    }
}

static void no_device_is_where_something_else_is(void **state)
{
    static const struct {
        const char *word, *reason;
    } wrong[] = {
        {"512@0x10000000:5", "memory"},
        {"512@0x1ffffe00:5", "memory"},
        {"512@0xb8000:5", "memory"},
        {"64K@0x1ffff000:5", "memory"},
        {"512@0xfec00200:5", "another device"},
        {"8K@0xfebff000:5", "another device"},
        {"512@0xfee00000:5", "another device"},
        {"512@0xffffffff00000000:5", "no such address"},
        {"512@0x10000000000:5", "no such address"},
        {"8K@0xfffffff000:5", "no such address"},
        {"256@0xfeb00000:5", "too short"},
        {"512@0xfeb00002:5", "no registers"},
        {"512@0xfeb00f00:5", "no registers"},
    };
    char line[128];

    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        reset(state);
        snprintf(line, sizeof(line), "virtio_mmio.device=%s", wrong[i].word);
        read(line);
        assert_int_equal(machine.virtio_slot_count, 0);
        assert_int_equal(log_count, 1);
        assert_non_null(strstr(last_log, wrong[i].reason));
        assert_int_equal(machine.devices.count, 1);
    }
}

static void no_device_is_on_the_screen(void **state)
{
    (void)state;
    info.framebuffer =
        (struct framebuffer_info){.paddr = 0xFD000000, .pitch_bytes = 4096, .height = 1000};
    read("virtio_mmio.device=512@0xfd3e7e00:5 virtio_mmio.device=512@0xfd3e8000:5");
    assert_int_equal(machine.virtio_slot_count, 1);
    assert_true(is_slot(0, 0xFD3E8000, 512, 5));
}

static void devices_do_not_overlap(void **state)
{
    (void)state;
    read("virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=512@0xfeb00100:6 "
         "virtio_mmio.device=512@0xfeb00200:7");
    assert_int_equal(machine.virtio_slot_count, 2);
    assert_int_equal(log_count, 1);
    assert_true(is_slot(1, 0xFEB00200, 512, 7));
}

/* Tables say how its line speaks. */
static void a_word_for_a_device_of_the_tables_adds_nothing(void **state)
{
    (void)state;
    machine.virtio_slot_count = 1;
    machine.virtio_slots[0] = (struct virtio_slot){
        .paddr = 0xFEB00000, .bytes = 512, .line = {.gsi = 24, .is_level = true}};
    read("virtio_mmio.device=512@0xfeb00000:5");
    assert_int_equal(machine.virtio_slot_count, 1);
    assert_true(is_slot(0, 0xFEB00000, 512, 24));
    assert_int_equal(log_count, 0);
}

static void devices_of_tables_are_checked_alike(void **state)
{
    static const struct virtio_slot slots[] = {
        {.paddr = 0x1000000, .bytes = 512},  {.paddr = 0xFEB00000, .bytes = 512},
        {.paddr = 0xFEB00100, .bytes = 512}, {.paddr = 0xFEB00200, .bytes = 16},
        {.paddr = 0xFEB00400, .bytes = 512},
    };

    (void)state;
    machine.virtio_slot_count = ARRAY_COUNT(slots);
    memcpy(machine.virtio_slots, slots, sizeof(slots));
    read("");
    assert_int_equal(log_count, 3);
    assert_int_equal(machine.virtio_slot_count, 2);
    assert_int_equal(machine.virtio_slots[0].paddr, 0xFEB00000);
    assert_int_equal(machine.virtio_slots[1].paddr, 0xFEB00400);
}

static void too_many_are_refused(void **state)
{
    char line[COMMAND_LINE_MAX_BYTES] = "";
    size_t length = 0;

    (void)state;
    for (unsigned i = 0; i <= VIRTIO_SLOT_MAX; i++) {
        length += (size_t)snprintf(line + length, sizeof(line) - length,
                                   "virtio_mmio.device=512@0x%x:5 ", 0xFEB00000 + 512 * i);
    }
    read(line);
    assert_int_equal(machine.virtio_slot_count, VIRTIO_SLOT_MAX);
    assert_int_equal(log_count, 1);
    assert_non_null(strstr(last_log, "too many"));
    assert_int_equal(machine.devices.count, 1 + VIRTIO_SLOT_MAX * 512 / 4096);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_name_devices),
        TEST(what_is_no_word_is_refused_by_name),
        TEST(no_device_is_where_something_else_is),
        TEST(no_device_is_on_the_screen),
        TEST(devices_do_not_overlap),
        TEST(a_word_for_a_device_of_the_tables_adds_nothing),
        TEST(devices_of_tables_are_checked_alike),
        TEST(too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
