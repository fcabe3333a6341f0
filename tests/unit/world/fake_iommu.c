/* SPDX-License-Identifier: MIT */
#include "tests/unit/world/fake_iommu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/guarded_space.h"
#include "libc/core/mmio.h"
#include "libc/core/pages.h"

#define PAGE         4096u
#define TABLES_MAX   2048u
#define FAULTS_AT    0x220u
#define IOTLB_AT     0x108u
#define STATUS_ON    0x80000000u
#define STATUS_ROOT  0x40000000u
#define STATUS_QUEUE 0x04000000u

struct fake_iommu fake_iommus[FAKE_IOMMU_MAX];

static uint8_t registers[FAKE_IOMMU_MAX][PAGE]; /* for their addresses alone */
static _Alignas(PAGE) uint8_t tables[TABLES_MAX][PAGE];
static unsigned table_count, table_limit;

void fake_iommu_reset(void)
{
    memset(fake_iommus, 0, sizeof(fake_iommus));
    for (unsigned i = 0; i < FAKE_IOMMU_MAX; i++) {
        fake_iommus[i].capability = FAKE_CAP_USUAL;
        fake_iommus[i].extended = FAKE_ECAP_COHERENT;
        fake_iommus[i].fault_control = 0x80000000;
    }
    table_count = 0;
    table_limit = TABLES_MAX;
}

void *fake_iommu_map(paddr_t paddr, size_t bytes)
{
    unsigned index = (unsigned)(paddr - FAKE_IOMMU_PADDR(0)) / PAGE;

    assert_true(index < FAKE_IOMMU_MAX && paddr % PAGE == 0 && bytes == PAGE);
    fake_iommus[index].is_mapped = true;
    return registers[index];
}

struct address_space *paging_own_space(void)
{
    return NULL;
}

void guarded_space_unmap(struct address_space *space, uintptr_t vaddr, uint64_t bytes)
{
    size_t index = (vaddr - (uintptr_t)registers) / PAGE;

    (void)space;
    assert_true(index < FAKE_IOMMU_MAX && fake_iommus[index].is_mapped && bytes == PAGE);
    fake_iommus[index].is_mapped = false;
}

/* --- Memory --- */

void *pages_allocate(size_t page_count)
{
    assert_int_equal(page_count, 1);
    if (table_count == table_limit) {
        return NULL;
    }
    memset(tables[table_count], 0, PAGE);
    return tables[table_count++];
}

void fake_iommu_limit_tables(unsigned count)
{
    table_limit = table_count + count;
}

bus_addr_t platform_bus_addr(const void *vaddr)
{
    return (uintptr_t)vaddr;
}

/* --- Registers --- */

static struct fake_iommu *unit_of(const void *base)
{
    size_t index = (size_t)((const uint8_t *)base - registers[0]) / PAGE;

    assert_true(index < FAKE_IOMMU_MAX && fake_iommus[index].is_mapped);
    return &fake_iommus[index];
}

static uint32_t status_of(const struct fake_iommu *unit)
{
    return (unit->is_on ? STATUS_ON : 0) | (unit->root != 0 ? STATUS_ROOT : 0) |
           (unit->has_queue ? STATUS_QUEUE : 0);
}

uint32_t mmio_read32(const void *base, size_t offset)
{
    const struct fake_iommu *unit = unit_of(base);

    switch (offset) {
    case 0x00:
        return 0x10;
    case 0x1C:
        return status_of(unit);
    case 0x34:
        return unit->has_lost_faults;
    case 0x38:
        return unit->fault_control;
    case 0x64:
        return unit->has_regions ? 0x80000001 : 0;
    default:
        fail_msg("read of register %#zx", offset);
        return 0;
    }
}

uint64_t mmio_read64(const void *base, size_t offset)
{
    const struct fake_iommu *unit = unit_of(base);

    if (offset >= FAULTS_AT && offset < FAULTS_AT + 16 * FAKE_FAULTS) {
        return unit->faults[(offset - FAULTS_AT) / 16][offset / 8 % 2];
    }
    switch (offset) {
    case 0x08:
        return unit->capability | (uint64_t)(FAULTS_AT / 16) << 24 |
               (uint64_t)(FAKE_FAULTS - 1) << 40;
    case 0x10:
        return unit->extended | (IOTLB_AT - 8) / 16 << 8;
    case 0x28:
    case IOTLB_AT:
        return unit->is_stuck ? UINT64_C(1) << 63 : 0;
    default:
        fail_msg("read of register %#zx", offset);
        return 0;
    }
}

/* Of those that stay as they are set, a command changes one at most. */
static void take_command(struct fake_iommu *unit, uint32_t value)
{
    uint32_t changed = (value ^ status_of(unit)) & (STATUS_ON | STATUS_QUEUE);
    bool is_once = (value & STATUS_ROOT) != 0;

    assert_true((changed & (changed - 1)) == 0 && !(is_once && changed != 0));
    if (unit->is_stuck) {
        return;
    }
    if (is_once) {
        unit->root = unit->new_root;
    }
    unit->is_on = (value & STATUS_ON) != 0;
    unit->has_queue = (value & STATUS_QUEUE) != 0;
}

void mmio_write32(void *base, size_t offset, uint32_t value)
{
    struct fake_iommu *unit = unit_of(base);

    switch (offset) {
    case 0x18:
        take_command(unit, value);
        break;
    case 0x34:
        unit->has_lost_faults &= (value & 1) == 0;
        break;
    case 0x38:
        unit->fault_control = value;
        break;
    case 0x3C:
        unit->fault_data = value;
        break;
    case 0x40:
        unit->fault_address = value;
        break;
    case 0x44:
        assert_int_equal(value, 0);
        break;
    case 0x64:
        unit->has_regions = (value & 0x80000000) != 0;
        break;
    default:
        fail_msg("write to register %#zx", offset);
    }
}

void mmio_write64(void *base, size_t offset, uint64_t value)
{
    struct fake_iommu *unit = unit_of(base);

    if (offset >= FAULTS_AT && offset < FAULTS_AT + 16 * FAKE_FAULTS) {
        assert_int_equal(offset % 16, 8);
        unit->faults[(offset - FAULTS_AT) / 16][1] &= ~(value & UINT64_C(1) << 63);
        return;
    }
    switch (offset) {
    case 0x20:
        unit->new_root = value;
        break;
    case 0x28:
        assert_int_equal(value >> 61, 5); /* all of them, and go */
        assert_false(unit->has_queue);
        unit->context_flushes++;
        break;
    case IOTLB_AT:
        assert_int_equal(value >> 60, 9);
        assert_false(unit->has_queue);
        unit->iotlb_flushes++;
        break;
    default:
        fail_msg("write to register %#zx", offset);
    }
}

/* --- The walk --- */

static const uint64_t *table_at(uint64_t paddr)
{
    assert_in_range(paddr, (uintptr_t)tables, (uintptr_t)(tables + table_count) - 1);
    assert_int_equal(paddr % PAGE, 0);
    return (const uint64_t *)(uintptr_t)paddr;
}

unsigned fake_iommu_walk(const void *table, unsigned levels, uint64_t address)
{
    const uint64_t *words = table;
    unsigned rights = 3;

    if (address >> (12 + 9 * levels) != 0) {
        return 0;
    }
    for (unsigned level = levels;; level--) {
        uint64_t word = words[address >> (12 + 9 * (level - 1)) & 511];
        bool is_large = level > 1 && (word & 0x80) != 0;

        rights &= word & 3;
        if (rights == 0) {
            return 0;
        }
        assert_int_equal(word & ~(UINT64_C(0xFFFFFFFFFF000) | 3 | (level > 1 ? 0x80 : 0)), 0);
        if (level == 1 || is_large) {
            uint64_t bytes = UINT64_C(1) << (12 + 9 * (level - 1));

            /* As in memory: nothing is moved. */
            assert_int_equal(word & 0xFFFFFFFFFF000 & (bytes - 1), 0);
            assert_int_equal(word & 0xFFFFFFFFFF000, address & ~(bytes - 1));
            return rights;
        }
        words = table_at(word & 0xFFFFFFFFFF000);
    }
}

unsigned fake_iommu_rights(unsigned unit, unsigned bus, unsigned device, unsigned function,
                           uint64_t address)
{
    const struct fake_iommu *iommu = &fake_iommus[unit];
    const uint64_t *entry;

    if (!iommu->is_on) {
        return 3;
    }
    entry = table_at(iommu->root) + (size_t)2 * bus;
    if ((entry[0] & 1) == 0) {
        return 0;
    }
    entry = table_at(entry[0] & ~UINT64_C(0xFFF)) + (size_t)2 * (device * 8 + function);
    if ((entry[0] & 1) == 0) {
        return 0;
    }
    assert_int_equal(entry[0] & 0xFFE, 0); /* multi-level, faults are recorded */
    assert_in_range(entry[1] >> 8, 1, 15); /* the domain */
    return fake_iommu_walk(table_at(entry[0] & ~UINT64_C(0xFFF)), (unsigned)(entry[1] & 7) + 2,
                           address);
}
