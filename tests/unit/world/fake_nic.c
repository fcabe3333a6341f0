/* SPDX-License-Identifier: MIT */
/* sources: drivers/ixgbe/ixgbe.c drivers/ixgbe/fdir.c drivers/ixgbe/rss.c drivers/ixgbe/rx.c */
/* sources: drivers/nic/buffers.c */
/* sources: drivers/ixgbe/tx.c drivers/ixgbe/link.c drivers/ixgbe/stats.c drivers/ixgbe/devices.c */
/* sources: kernel/message/channel.c */
/* sources: kernel/message/status.c kernel/thread/thread.c kernel/thread/switch.S libc/core/timer.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * An 82599 for unit tests: see fake_nic.h.
 */
#include "tests/unit/world/fake_nic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/iommu/iommu.h"
#include "kernel/log.h"
#include "libc/core/mmio.h"

#define REGISTERS_BYTES 0x20000u
#define WRITES_MAX      100000u
#define STUCK_MAX       8
#define QUEUES          128
#define PORTS           65536

#define CTRL                 0x00000
#define CTRL_RESETS          0x04000008u
#define CTRL_MASTER_DISABLE  0x4u
#define STATUS               0x00008
#define STATUS_MASTER_ENABLE 0x80000u
#define EEC                  0x10010
#define FDIRCTRL             0x0EE00
#define FDIRPORT             0x0EE20
#define FDIRHASH             0x0EE28
#define FDIRCMD              0x0EE2C

struct stuck {
    uint32_t offset, mask, value;
};

static struct {
    uint32_t words[REGISTERS_BYTES / 4];
    struct stuck stuck[STUCK_MAX];
    unsigned stuck_count;
    struct {
        uint32_t offset, value;
    } writes[WRITES_MAX];
    unsigned write_count;
    struct fake_nic_filter filters[PORTS];
    unsigned filter_count;
    uint32_t rx_head[QUEUES], tx_head[QUEUES];
    uint64_t context_lengths[QUEUES];
    uint32_t context_command[QUEUES], context_cut[QUEUES];
    uint16_t claimed_bytes;
    char last_log[LOG_LINE_MAX_BYTES];
} nic;

/* --- A machine without an IOMMU --- */

void *iommu_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    return memory_allocate_pages(kind, page_count);
}

void iommu_watch_faults(void)
{
}

#define RDBAH(queue)        ((queue) < 64 ? 0x1004 + 0x40 * (queue) : 0xD004 + 0x40 * ((queue)-64))
#define RDH(queue)          ((queue) < 64 ? 0x1010 + 0x40 * (queue) : 0xD010 + 0x40 * ((queue)-64))
#define OTHERS_MEMORY(node) (0x80000000u | (node))

void fake_nic_put_ring(unsigned queue, node_id_t node)
{
    fake_nic_set(RDBAH(queue), OTHERS_MEMORY(node));
}

bool iommu_is_memory_of(node_id_t node, bus_addr_t address)
{
    return address >> 32 == OTHERS_MEMORY(node);
}

/* --- The card --- */

static void reset_registers(void)
{
    /* What is undefined after a reset is junk. */
    memset(nic.words, 0xA5, sizeof(nic.words));
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        fake_nic_set(queue < 64 ? 0x1028 + 0x40 * queue : 0xD028 + 0x40 * (queue - 64), 0);
        fake_nic_set(0x6028 + 0x40 * queue, 0);
        nic.rx_head[queue] = nic.tx_head[queue] = 0;
    }
    fake_nic_set(CTRL, 0);
    fake_nic_set(STATUS, STATUS_MASTER_ENABLE);
    fake_nic_set(0x00018, 0);
    fake_nic_set(0x00020, 0);
    fake_nic_set(EEC, 0x300);
    fake_nic_set(0x02F00, 0x8 | 0x00200000);
    fake_nic_set(0x03000, 0);
    fake_nic_set(0x042A0, 0x2080);
    fake_nic_set(0x042A4, 0x74000080);
    fake_nic_set(0x04900, 0x00C00000);
    fake_nic_set(0x04A80, 0x81000000);
    fake_nic_set(0x08D00, 0);
    fake_nic_set(0x08D04, 1);
    fake_nic_set(FDIRCTRL, 0);
    fake_nic_set(FDIRCMD, 0);
    fake_nic_set(0x0A200, 0x12005452);
    fake_nic_set(0x0A204, 0x80005634);
    fake_nic_set(0x00800, 0);
}

void *fake_nic_registers(void)
{
    return nic.words;
}

void fake_nic_reset(void)
{
    memset(&nic, 0, sizeof(nic));
    reset_registers();
}

uint32_t fake_nic_get(uint32_t offset)
{
    return nic.words[offset / 4];
}

void fake_nic_set(uint32_t offset, uint32_t value)
{
    nic.words[offset / 4] = value;
}

void fake_nic_stick(uint32_t offset, uint32_t mask, uint32_t value)
{
    assert_true(nic.stuck_count < STUCK_MAX);
    nic.stuck[nic.stuck_count++] = (struct stuck){offset, mask, value};
}

unsigned fake_nic_write_count(void)
{
    return nic.write_count;
}

unsigned fake_nic_writes_to(uint32_t offset)
{
    unsigned count = 0;

    for (unsigned i = 0; i < nic.write_count; i++) {
        count += nic.writes[i].offset == offset;
    }
    return count;
}

unsigned fake_nic_find_write(unsigned from, uint32_t offset, uint32_t mask, uint32_t value_wanted)
{
    for (unsigned i = from; i < nic.write_count; i++) {
        if (nic.writes[i].offset == offset && (nic.writes[i].value & mask) == value_wanted) {
            return i;
        }
    }
    return UINT32_MAX;
}

const struct fake_nic_filter *fake_nic_filter(uint16_t number)
{
    return &nic.filters[number];
}

unsigned fake_nic_filter_count(void)
{
    return nic.filter_count;
}

const char *fake_nic_last_log(void)
{
    return nic.last_log;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    va_list arguments;

    (void)level;
    (void)subsystem;
    va_start(arguments, format);
    vsnprintf(nic.last_log, sizeof(nic.last_log), format, arguments);
    va_end(arguments);
}

/* --- Registers --- */

static bool is_register(const void *base)
{
    return base == nic.words;
}

/* Missed frames of a packet buffer; frames of a set of queues: received, dropped, sent. */
static bool clears_when_read(uint32_t offset)
{
    return (offset >= 0x03FA0 && offset < 0x03FC0) ||
           (offset >= 0x01030 && offset < 0x01830 && offset % 0x40 == 0x30) ||
           (offset >= 0x06030 && offset < 0x06430 && offset % 0x40 == 0x30);
}

static uint32_t read_register(uint32_t offset)
{
    uint32_t value = fake_nic_get(offset);

    assert_true(offset % 4 == 0 && offset < REGISTERS_BYTES);
    if (offset == STATUS && (fake_nic_get(CTRL) & CTRL_MASTER_DISABLE) != 0) {
        value &= ~STATUS_MASTER_ENABLE;
    }
    if (clears_when_read(offset)) {
        fake_nic_set(offset, 0);
    }
    for (unsigned i = 0; i < nic.stuck_count; i++) {
        if (nic.stuck[i].offset == offset) {
            value = (value & ~nic.stuck[i].mask) | nic.stuck[i].value;
        }
    }
    return value;
}

static void add_filter(void)
{
    struct fake_nic_filter *filter = &nic.filters[fake_nic_get(FDIRHASH) >> 16 & 0x1FFF];

    nic.filter_count += filter->command_register == 0;
    filter->port_register = fake_nic_get(FDIRPORT);
    filter->hash_register = fake_nic_get(FDIRHASH);
    filter->command_register = fake_nic_get(FDIRCMD);
    fake_nic_set(FDIRCMD, fake_nic_get(FDIRCMD) & ~3u);
}

static void write_register(uint32_t offset, uint32_t value)
{
    assert_true(offset % 4 == 0 && offset < REGISTERS_BYTES);
    assert_true(nic.write_count < WRITES_MAX);
    nic.writes[nic.write_count].offset = offset;
    nic.writes[nic.write_count++].value = value;
    fake_nic_set(offset, value);
    if (offset == CTRL && (value & CTRL_RESETS) != 0) {
        reset_registers();
    } else if (offset == FDIRCTRL && (value & 3) != 0) {
        fake_nic_set(FDIRCTRL, value | 8);
    } else if (offset == FDIRCMD && (value & 3) == 1) {
        add_filter();
    }
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        if (offset == RDH(queue)) {
            nic.rx_head[queue] = value;
        }
    }
}

/* Descriptors lie in ordinary memory. */
#define FAKE_ACCESS(bits)                                                                          \
    uint##bits##_t mmio_read##bits(const void *base, size_t offset)                                \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        if (is_register(base)) {                                                                   \
            assert_int_equal(bits, 32);                                                            \
            return (uint##bits##_t)read_register((uint32_t)offset);                                \
        }                                                                                          \
        memcpy(&value, (const uint8_t *)base + offset, sizeof(value));                             \
        return value;                                                                              \
    }                                                                                              \
    void mmio_write##bits(void *base, size_t offset, uint##bits##_t value)                         \
    {                                                                                              \
        if (is_register(base)) {                                                                   \
            assert_int_equal(bits, 32);                                                            \
            write_register((uint32_t)offset, (uint32_t)value);                                     \
        } else {                                                                                   \
            memcpy((uint8_t *)base + offset, &value, sizeof(value));                               \
        }                                                                                          \
    }

FAKE_ACCESS(8)
FAKE_ACCESS(16)
FAKE_ACCESS(32)
FAKE_ACCESS(64)

/* --- DMA --- */

static uint8_t *ring_of(uint32_t base_register)
{
    return (uint8_t *)((uint64_t)fake_nic_get(base_register + 4) << 32 |
                       fake_nic_get(base_register));
}

static uint32_t rx_base(unsigned queue)
{
    return queue < 64 ? 0x1000 + 0x40 * queue : 0xD000 + 0x40 * (queue - 64);
}

unsigned fake_nic_receive_room(unsigned queue)
{
    uint32_t base = rx_base(queue);
    uint32_t count = fake_nic_get(base + 0x08) / 16;

    return (fake_nic_get(base + 0x18) - nic.rx_head[queue] + count) % count;
}

void fake_nic_claim_length(uint16_t length_bytes)
{
    nic.claimed_bytes = length_bytes;
}

bool fake_nic_receive(unsigned queue, const void *data, uint16_t length_bytes, uint32_t status,
                      uint32_t packet_info)
{
    uint32_t base = rx_base(queue);
    uint8_t *descriptor = ring_of(base) + 16 * nic.rx_head[queue];
    uint8_t *buffer;
    uint32_t words[4] = {packet_info, 0, status | 1,
                         nic.claimed_bytes != 0 ? nic.claimed_bytes : length_bytes};

    assert_true((fake_nic_get(base + 0x28) & 0x02000000) != 0);
    if (fake_nic_receive_room(queue) == 0) {
        return false;
    }
    memcpy(&buffer, descriptor, sizeof(buffer));
    assert_int_equal(descriptor[8] & 1, 0);
    memcpy(buffer, data, length_bytes);
    memcpy(descriptor, words, sizeof(words));
    nic.rx_head[queue] = (nic.rx_head[queue] + 1) % (fake_nic_get(base + 0x08) / 16);
    return true;
}

bool fake_nic_transmit(unsigned queue, struct fake_nic_sent *sent)
{
    uint32_t base = 0x6000 + 0x40 * queue;
    uint32_t count = fake_nic_get(base + 0x08) / 16;
    uint32_t tail = fake_nic_get(base + 0x18);

    assert_true((fake_nic_get(base + 0x28) & 0x02000000) != 0);
    memset(sent, 0, offsetof(struct fake_nic_sent, context_lengths));
    for (bool is_first = true; nic.tx_head[queue] != tail;) {
        uint8_t *descriptor = ring_of(base) + 16 * nic.tx_head[queue];
        uint32_t words[4];
        uint8_t *buffer;

        memcpy(words, descriptor, sizeof(words));
        memcpy(&buffer, descriptor, sizeof(buffer));
        nic.tx_head[queue] = (nic.tx_head[queue] + 1) % count;
        assert_true((words[2] & 0x20000000) != 0); /* advanced */
        if ((words[2] >> 20 & 0xF) == 2) {
            assert_true(is_first);
            memcpy(&nic.context_lengths[queue], words, 8);
            nic.context_command[queue] = words[2];
            nic.context_cut[queue] = words[3];
            continue;
        }
        assert_int_equal(words[2] >> 20 & 0xF, 3);
        assert_true((words[2] & 0xFFFF) != 0);
        assert_true(sent->length_bytes + (words[2] & 0xFFFF) <= sizeof(sent->data));
        memcpy(sent->data + sent->length_bytes, buffer, words[2] & 0xFFFF);
        sent->length_bytes += words[2] & 0xFFFF;
        sent->descriptor_count++;
        if (is_first) {
            sent->first_command = words[2];
            sent->first_status = words[3];
            sent->context_lengths = nic.context_lengths[queue];
            sent->context_command = nic.context_command[queue];
            sent->context_cut = nic.context_cut[queue];
            is_first = false;
        }
        if ((words[2] & 0x08000000) != 0) { /* RS */
            words[3] = 1;
            memcpy(descriptor + 12, &words[3], 4);
        }
        if ((words[2] & 0x01000000) != 0) {                /* EOP */
            if ((sent->first_command & 0x80000000) == 0) { /* TSE counts the headers apart */
                assert_int_equal(sent->length_bytes, sent->first_status >> 14);
            }
            return true;
        }
    }
    assert_int_equal(sent->descriptor_count, 0); /* a tail never stands inside a frame */
    return false;
}
