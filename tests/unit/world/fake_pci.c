/* SPDX-License-Identifier: MIT */
/* sources: drivers/pci/pci.c drivers/pci/find.c drivers/pci/number.c drivers/pci/survey.c */
/* sources: drivers/pci/place.c drivers/pci/assign.c drivers/pci/windows.c drivers/pci/option.c */
/* sources: drivers/pci/boot.c drivers/pci/requester.c */
/* sources: libc/core/command_line.c libc/core/format.c */
#include "tests/unit/world/fake_pci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/pci/configuration.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"

#define FAKE_MAX     256
#define SPACE_BYTES  256u
#define ROUTE_MAX    300 /* a chain of bridges is no longer than there are buses */
#define POWER        0x40u
#define LOGGED_BYTES 4096u

struct fake {
    int parent;
    unsigned device;
    unsigned function;
    bool is_bridge;
    bool forgets; /* its BARs, when it wakes */
    uint8_t space[SPACE_BYTES];
    uint8_t writable[SPACE_BYTES];
};

struct node_info node_info;
const char *fake_pci_command_line;
void *(*fake_pci_map_device)(paddr_t paddr, size_t bytes);

static struct fake fakes[FAKE_MAX];
static unsigned fake_count;
static unsigned access_count;
static unsigned write_count;
static uint64_t now_ns;
static char logged[LOGGED_BYTES]; /* its end, if there was more */

void fake_pci_reset(void)
{
    memset(fakes, 0, sizeof(fakes));
    fake_count = 0;
    access_count = 0;
    write_count = 0;
    fake_pci_command_line = "";
    logged[0] = '\0';
    node_info.machine = (struct machine){
        .ecam_count = 1,
        .ecams = {{.paddr = FAKE_ECAM_PADDR, .last_bus = 255}},
        .hole_count = 1,
        .holes = {{0x80000000, 0x10000000}},
        .low_memory_end = 0x40000000,
        .high_memory_end = 0x100000000,
    };
}

/* --- Functions --- */

int fake_pci_add(int parent, unsigned device, unsigned function, uint16_t device_id)
{
    struct fake *fake = &fakes[fake_count];

    assert_true(fake_count < FAKE_MAX);
    fake->parent = parent;
    fake->device = device;
    fake->function = function;
    fake_pci_put((int)fake_count, 0x00, 2, FAKE_VENDOR);
    fake_pci_put((int)fake_count, 0x02, 2, device_id);
    fake_pci_put((int)fake_count, 0x0A, 2, 0x0200);
    fake_pci_let_write((int)fake_count, 0x04, 2, 0x0407);
    return (int)fake_count++;
}

int fake_pci_add_bridge(int parent, unsigned device, unsigned secondary, unsigned subordinate)
{
    int fake = fake_pci_add(parent, device, 0, FAKE_OTHER);

    fakes[fake].is_bridge = true;
    fake_pci_put(fake, 0x0A, 2, 0x0604);
    fake_pci_put(fake, 0x0E, 1, 1);
    fake_pci_put(fake, 0x18, 4, secondary << 8 | subordinate << 16);
    fake_pci_let_write(fake, 0x18, 4, UINT32_MAX);
    fake_pci_let_write(fake, 0x20, 4, 0xFFF0FFF0);
    fake_pci_let_write(fake, 0x24, 4, 0xFFF0FFF0);
    fake_pci_let_write(fake, 0x28, 4, UINT32_MAX);
    fake_pci_let_write(fake, 0x2C, 4, UINT32_MAX);
    fake_pci_put(fake, 0x24, 4, 0x00010001);
    return fake;
}

void fake_pci_set_bar(int fake, unsigned index, uint64_t bytes, uint32_t flags, uint64_t paddr)
{
    unsigned offset = 0x10 + 4 * index;

    fake_pci_put(fake, offset, 4, (uint32_t)paddr | flags);
    fake_pci_let_write(fake, offset, 4, (uint32_t)-bytes & 0xFFFFFFF0);
    if (flags & FAKE_BAR_64BIT) {
        fake_pci_put(fake, offset + 4, 4, (uint32_t)(paddr >> 32));
        fake_pci_let_write(fake, offset + 4, 4, (uint32_t)(-bytes >> 32));
    }
}

uint64_t fake_pci_bar(int fake, unsigned index)
{
    uint32_t low = fake_pci_get(fake, 0x10 + 4 * index, 4);
    uint64_t high = (low & FAKE_BAR_64BIT) ? fake_pci_get(fake, 0x14 + 4 * index, 4) : 0;

    return high << 32 | (low & 0xFFFFFFF0);
}

void fake_pci_set_window(int fake, uint64_t start, uint64_t end)
{
    fake_pci_put(fake, 0x20, 4, (uint32_t)(start >> 16 | ((end - 1) & 0xFFF00000)));
}

void fake_pci_set_prefetch_window(int fake, uint64_t start, uint64_t end)
{
    fake_pci_put(fake, 0x24, 4,
                 (uint32_t)((start & 0xFFF00000) >> 16 | ((end - 1) & 0xFFF00000) | 0x10001));
    fake_pci_put(fake, 0x28, 4, (uint32_t)(start >> 32));
    fake_pci_put(fake, 0x2C, 4, (uint32_t)((end - 1) >> 32));
}

uint32_t fake_pci_get(int fake, unsigned offset, unsigned bytes)
{
    uint32_t value = 0;

    memcpy(&value, &fakes[fake].space[offset], bytes);
    return value;
}

void fake_pci_put(int fake, unsigned offset, unsigned bytes, uint32_t value)
{
    memcpy(&fakes[fake].space[offset], &value, bytes);
}

void fake_pci_let_write(int fake, unsigned offset, unsigned bytes, uint32_t mask)
{
    memcpy(&fakes[fake].writable[offset], &mask, bytes);
}

void fake_pci_sleep(int fake)
{
    fake_pci_put(fake, 0x06, 2, 0x10);
    fake_pci_put(fake, 0x34, 1, POWER);
    fake_pci_put(fake, POWER, 1, 0x01);
    fake_pci_put(fake, POWER + 4, 2, 3);
    fake_pci_let_write(fake, POWER + 4, 2, 3);
    fakes[fake].forgets = true;
}

unsigned fake_pci_access_count(void)
{
    return access_count;
}

unsigned fake_pci_write_count(void)
{
    return write_count;
}

/* --- The way to them --- */

/* The number of the nearest root that is not above this bus, or -1. */
static int root_of(int bus)
{
    int nearest = -1;

    for (unsigned i = 0; i < fake_count; i++) {
        int root = -1 - fakes[i].parent;

        if (fakes[i].parent < 0 && root <= bus && root > nearest) {
            nearest = root;
        }
    }
    return nearest;
}

/* What is the parent of the functions on this bus, going down from its root; false: unreachable. */
static bool find_bus(unsigned bus, int *parent)
{
    int root = root_of((int)bus);
    unsigned number;

    if (root < 0) {
        return false;
    }
    *parent = FAKE_ROOT(root);
    number = (unsigned)root;
    for (unsigned step = 0; number != bus && step < ROUTE_MAX; step++) {
        int next = *parent;

        for (unsigned i = 0; i < fake_count; i++) {
            unsigned secondary = fakes[i].space[0x19];

            if (fakes[i].parent == *parent && fakes[i].is_bridge && secondary != 0 &&
                secondary <= bus && bus <= fakes[i].space[0x1A]) {
                next = (int)i;
                number = secondary;
                break;
            }
        }
        if (next == *parent) {
            return false;
        }
        *parent = next;
    }
    return number == bus;
}

static struct fake *find_function(const void *base)
{
    uint32_t offset = (uint32_t)((uintptr_t)base - FAKE_ECAM_PADDR);
    int parent;

    access_count++;
    assert_true(offset < 256u << 20);
    if (!find_bus(offset >> 20, &parent)) {
        return NULL;
    }
    for (unsigned i = 0; i < fake_count; i++) {
        if (fakes[i].parent == parent && fakes[i].device == (offset >> 15 & 31) &&
            fakes[i].function == (offset >> 12 & 7)) {
            return &fakes[i];
        }
    }
    return NULL;
}

static uint64_t read_function(const void *base, size_t offset, size_t bytes)
{
    const struct fake *fake = find_function(base);
    uint64_t value = UINT64_MAX;

    assert_true(offset % bytes == 0);
    if (fake != NULL) {
        value = 0;
        memcpy(&value, &fake->space[offset % SPACE_BYTES], bytes);
    }
    return value;
}

static void write_function(const void *base, size_t offset, uint64_t value, size_t bytes)
{
    struct fake *fake = find_function(base);

    write_count++;
    assert_true(offset % bytes == 0);
    if (fake == NULL) {
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        size_t at = (offset + i) % SPACE_BYTES;
        uint8_t mask = fake->writable[at];

        fake->space[at] = (uint8_t)((fake->space[at] & ~mask) | (value >> (8 * i) & mask));
    }
    if (fake->forgets && (fake->space[POWER + 4] & 3) == 0) {
        fake->forgets = false;
        for (unsigned at = 0x10; at < 0x28; at++) {
            fake->space[at] &= (uint8_t)~fake->writable[at];
        }
    }
}

#define MMIO_FAKES(bits)                                                                           \
    uint##bits##_t configuration_read##bits(const void *base, size_t offset)                       \
    {                                                                                              \
        return (uint##bits##_t)read_function(base, offset, bits / 8);                              \
    }                                                                                              \
    void configuration_write##bits(void *base, size_t offset, uint##bits##_t value)                \
    {                                                                                              \
        write_function(base, offset, value, bits / 8);                                             \
    }

MMIO_FAKES(8)
MMIO_FAKES(16)
MMIO_FAKES(32)

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    if (paddr != FAKE_ECAM_PADDR && fake_pci_map_device != NULL) {
        return fake_pci_map_device(paddr, bytes);
    }
    assert_int_equal(paddr, FAKE_ECAM_PADDR);
    assert_int_equal(bytes, 256u << 20);
    return (void *)(uintptr_t)paddr;
}

/* --- The rest of the node --- */

uint64_t platform_now_ns(void)
{
    return now_ns += NS_PER_MS;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    char line[LOG_LINE_MAX_BYTES];
    va_list arguments;

    (void)level;
    (void)subsystem;
    va_start(arguments, format);
    /* As the sanitizers see whether the arguments fit. */
    assert_true(vsnprintf(line, sizeof(line), format, arguments) > 0);
    va_end(arguments);
    if (strlen(logged) + strlen(line) + 1 >= sizeof(logged)) {
        logged[0] = '\0';
    }
    strcat(strcat(logged, line), "\n");
}

bool fake_pci_has_logged(const char *text)
{
    return strstr(logged, text) != NULL;
}

const char *platform_command_line(void)
{
    return fake_pci_command_line;
}

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)format;
    print_error("%s:%d\n", file, line);
    abort();
}
