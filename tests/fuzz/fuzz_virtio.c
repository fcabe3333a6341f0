/* SPDX-License-Identifier: MIT */
/* sources: drivers/virtio/driver.c drivers/virtio/queue.c drivers/virtio/capabilities.c */
/* sources: drivers/virtio/key.c drivers/virtio/pairs.c drivers/virtio/rss.c */
/* sources: drivers/virtio/device.c drivers/virtio/ring.c drivers/virtio/rx.c drivers/virtio/tx.c */
/* sources: drivers/virtio/split.c drivers/virtio/mmio.c drivers/nic/buffers.c drivers/pci/port.c */
/* sources: drivers/virtio/link.c drivers/virtio/control.c drivers/nic/nic.c drivers/nic/checksum.c libc/core/format.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/thread/thread.c */
/* sources: kernel/thread/switch.S libc/core/timer.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* flags: -DMMIO_FAKE */
/*
 * The input is a hostile virtio card, on PCI or in a slot: what its registers and capabilities say,
 * what it writes into rings and buffers and when; between that, what the link server asks of the
 * driver. Whatever it does, a frame that is handed over lies in memory of the driver's and is
 * handed over once until it is released, and owners of frames to send are told once each, in order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/acpi/ioapic.h"
#include "drivers/iommu/iommu.h"
#include "drivers/nic/nic.h"
#include "drivers/pci/pci.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "libc/core/mmio.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/world/virtio_slot.h"
#include "tests/unit/world/fake_platform.h"

#define BAR_PADDR 0xFEB00000u
#define BAR_BYTES 0x4000u
#define PAIRS_MAX 4
#define QUEUES    (2 * PAIRS_MAX + 1)
#define FRAME_MAX 64u
#define HELD_MAX  512u
#define STEPS_MAX 3000u

/* The card's own, Ethernet's, IP's and TCP's. */
#define HEADERS_BYTES (12u + 14u + 20u + 20u)

struct node_info node_info;
static struct fuzz_input input;
static bool is_honest; /* about its registers, as long as it starts */
static unsigned pair_count;
static uint8_t registers[BAR_BYTES], space[256];
static bool is_in_slot;
/* What each node has. */
static _Alignas(PAGE_BYTES) uint8_t memories[PAIRS_MAX][2 * PAGE_BYTES];
static struct node_place places[PAIRS_MAX];

/* What the driver has told it. */
static struct {
    uint8_t status;
    uint32_t feature_select;
    uint16_t selected;
    struct {
        uint16_t size, enable, vector;
        uint64_t addresses[3]; /* descriptors, available, used */
        uint16_t returned;
    } queues[QUEUES];
} card;

/* Pages that the card may write to. */
static struct {
    uint8_t *pages;
    size_t bytes;
} writable[512];
static unsigned writable_count;

void *iommu_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    uint8_t *pages = memory_allocate_pages(kind, page_count);

    if (pages != NULL && writable_count < ARRAY_COUNT(writable)) {
        writable[writable_count].pages = pages;
        writable[writable_count++].bytes = page_count * PAGE_BYTES;
    }
    return pages;
}

void iommu_watch_faults(void)
{
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

#include "tests/fuzz/world/virtio_bus.h" /* with what stands above */

static bool is_writable(const uint8_t *at, size_t bytes)
{
    for (unsigned i = 0; i < writable_count; i++) {
        uintptr_t offset = (uintptr_t)at - (uintptr_t)writable[i].pages;

        if (offset <= writable[i].bytes && bytes <= writable[i].bytes - offset) {
            return true;
        }
    }
    return false;
}

/* --- Registers --- */

static uint64_t honest_answer(uint32_t offset)
{
    switch (offset) {
    case 0x04:
        return card.feature_select == 0 ? 0x206788A3u : 0x10000101u;
    case 0x14:
        return card.status;
    case 0x18:
        return 64;
    case 0x1A:
        return card.queues[card.selected % QUEUES].vector;
    case 0x1C:
        return card.queues[card.selected % QUEUES].enable;
    case 0x1E:
        return card.selected;
    case 0x2006:
        return 3; /* and an announcement is wanted */
    case 0x2008:
        return pair_count;
    case 0x2011:
        return 40;
    case 0x2012:
        return 128;
    case 0x2014:
        return 0x1FF;
    default:
        return 0;
    }
}

static uint64_t honest_answer_in_slot(uint32_t offset)
{
    if (offset == 0x60) { /* of interrupts nothing is honest */
        return fuzz_take8(&input) % 4u;
    }
    return offset < 0x0C ? slot_identity(offset) : honest_answer(slot_place_on_pci(offset));
}

static uint64_t read_register(uint32_t offset)
{
    if (!is_honest && fuzz_take8(&input) % 8u == 0) {
        return fuzz_take32(&input);
    }
    return is_in_slot ? honest_answer_in_slot(offset) : honest_answer(offset);
}

/* Commands are answered at once, mostly. */
static void answer_command(void)
{
    unsigned queue = 2 * pair_count;
    const uint64_t *descriptors = (const uint64_t *)card.queues[queue].addresses[0];
    uint8_t *used = (uint8_t *)card.queues[queue].addresses[2];
    const uint32_t entry[2] = {is_honest ? 0 : fuzz_take8(&input) % 4u, 1};

    if (card.queues[queue].enable == 0 || (!is_honest && fuzz_take8(&input) % 8u == 0)) {
        return;
    }
    if (!is_writable((uint8_t *)descriptors[2 * 2], 1)) {
        return; /* it has written over what the driver has told it */
    }
    *(uint8_t *)descriptors[2 * 2] = is_honest ? 0 : fuzz_take8(&input) % 2u;
    memcpy(used + 4 + 8 * (card.queues[queue].returned++ % card.queues[queue].size), entry,
           sizeof(entry));
    memcpy(used + 2, &card.queues[queue].returned, 2);
}

static void write_register(uint32_t offset, uint64_t value)
{
    unsigned queue = card.selected % QUEUES;

    if (!is_in_slot && offset >= 0x3000 && value == 2 * pair_count) {
        answer_command();
        return;
    }
    if (!is_in_slot && offset == 0x3A) {
        memset(&card.queues[queue], 0, sizeof(card.queues[queue]));
        return;
    }
    offset = is_in_slot ? slot_place_on_pci(offset) : offset;
    if (offset == 0x00) {
        card.feature_select = (uint32_t)value;
    } else if (offset == 0x14) {
        card.status = (uint8_t)value;
        if (value == 0) {
            memset(card.queues, 0, sizeof(card.queues));
        }
    } else if (offset == 0x16) {
        card.selected = (uint16_t)value;
    } else if (offset == 0x18) {
        card.queues[queue].size = (uint16_t)value;
    } else if (offset == 0x1A) {
        card.queues[queue].vector = (uint16_t)value;
    } else if (offset == 0x1C) {
        card.queues[queue].enable = 1;
    } else if (offset >= 0x20 && offset < 0x38) {
        uint64_t *address = &card.queues[queue].addresses[(offset - 0x20) / 8];
        unsigned shift = offset % 8 == 0 ? 0 : 32;

        *address = (*address & ~((uint64_t)UINT32_MAX << shift)) | value << shift;
    }
}

#define FAKE_ACCESS(bits)                                                                          \
    uint##bits##_t mmio_read##bits(const void *base, size_t offset)                                \
    {                                                                                              \
        size_t place = (size_t)((const uint8_t *)base + offset - registers);                       \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        if (place < BAR_BYTES) {                                                                   \
            return (uint##bits##_t)read_register((uint32_t)place);                                 \
        }                                                                                          \
        memcpy(&value, (const uint8_t *)base + offset, sizeof(value));                             \
        return value;                                                                              \
    }                                                                                              \
    void mmio_write##bits(void *base, size_t offset, uint##bits##_t value)                         \
    {                                                                                              \
        size_t place = (size_t)((uint8_t *)base + offset - registers);                             \
                                                                                                   \
        if (place < BAR_BYTES) {                                                                   \
            write_register((uint32_t)place, value);                                                \
        } else {                                                                                   \
            memcpy((uint8_t *)base + offset, &value, sizeof(value));                               \
        }                                                                                          \
    }

FAKE_ACCESS(8)
FAKE_ACCESS(16)
FAKE_ACCESS(32)
FAKE_ACCESS(64)

static void put_capability(unsigned at, unsigned next, uint8_t type, uint32_t offset)
{
    const uint32_t words[3] = {offset, 0x1000, 4};

    space[at] = 0x09;
    space[at + 1] = (uint8_t)next;
    space[at + 3] = type;
    space[at + 4] = 4;
    memcpy(&space[at + 8], words, sizeof(words));
}

/* --- What it does --- */

/* A chain is returned: one that there is, mostly, with so many bytes. */
static void return_chain(unsigned queue, uint32_t length_bytes)
{
    uint16_t *available = (uint16_t *)card.queues[queue].addresses[1];
    uint8_t *used = (uint8_t *)card.queues[queue].addresses[2];
    unsigned mask = card.queues[queue].size - 1u;
    unsigned lie = fuzz_take8(&input);
    uint32_t entry[2] = {available[2 + (card.queues[queue].returned & mask)], length_bytes};

    if (lie < 8) {
        entry[lie % 2] = fuzz_take32(&input);
    } else if (lie < 16) {
        entry[0] = fuzz_take8(&input);
    }
    memcpy(used + 4 + 8 * (card.queues[queue].returned++ & mask), entry, sizeof(entry));
    if (lie >= 16 && lie < 20) {
        card.queues[queue].returned = fuzz_take16(&input);
    }
    memcpy(used + 2, &card.queues[queue].returned, 2);
}

/* The next buffer to be received into, if the card has not written over what the driver has told
 * it. Otherwise NULL. */
static uint8_t *next_buffer(void)
{
    const uint64_t *descriptors = (const uint64_t *)card.queues[0].addresses[0];
    const uint16_t *available = (const uint16_t *)card.queues[0].addresses[1];
    unsigned mask = card.queues[0].size - 1u;
    unsigned id = available[2 + (card.queues[0].returned & mask)] & mask;
    uint8_t *buffer = (uint8_t *)descriptors[2 * id];

    return is_writable(buffer, HEADERS_BYTES) ? buffer : NULL;
}

/* What a received frame's header says. */
static void write_header(void)
{
    size_t count;
    const uint8_t *bytes = fuzz_take_bytes(&input, 60, &count);
    uint8_t *buffer = next_buffer();

    if (buffer == NULL) {
        return;
    }
    memcpy(buffer, bytes, count);
    if (fuzz_take8(&input) % 4u != 0) {
        buffer[10] = 1;
        buffer[11] = 0;
    }
}

static void sum_ip(uint8_t *ip)
{
    uint32_t sum = 0;

    ip[10] = ip[11] = 0;
    for (unsigned i = 0; i < 20; i += 2) {
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    }
    sum = ~((sum & 0xFFFF) + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
}

/* A long TCP segment begins, in several buffers, nearly as it should. */
static void write_segment(void)
{
    static const uint8_t headers[HEADERS_BYTES] = {
        1, 1, 0, 0,    0xA8, 5, 0, 0, 0, 0,    0, 0,  2, 0, 0, 0,   0, 1, 2, 0,   0, 0, 0,
        2, 8, 0, 0x45, 0,    0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
    uint8_t *buffer = next_buffer();

    if (buffer == NULL) {
        return;
    }
    memcpy(buffer, headers, sizeof(headers));
    buffer[10] = fuzz_take8(&input) % 8u;
    buffer[28] = fuzz_take8(&input) % 64u; /* a length of up to 16 KiB */
    buffer[58] = fuzz_take8(&input);
    buffer[59] = fuzz_take8(&input);
    if (fuzz_take8(&input) % 4u == 0) {
        buffer[fuzz_take8(&input) % HEADERS_BYTES] = fuzz_take8(&input);
    }
    if (fuzz_take8(&input) % 8u != 0) {
        sum_ip(buffer + 26);
    }
}

static uint32_t take_length(void)
{
    unsigned choice = fuzz_take8(&input);

    return choice >= 128 ? 1420 : 12u + fuzz_take16(&input) % (choice < 4 ? 1600u : 1409u);
}

static void write_anywhere(void)
{
    unsigned index = fuzz_take16(&input) % writable_count;
    size_t at = fuzz_take16(&input) % writable[index].bytes;
    size_t room = writable[index].bytes - at, count;
    const uint8_t *bytes = fuzz_take_bytes(&input, 16, &count);

    memcpy(writable[index].pages + at, bytes, count < room ? count : room);
}

/* --- What the link server does --- */

static struct frame *held[HELD_MAX];
static unsigned held_count;
static uintptr_t sent_count, told_count;

static void check_frame(const struct frame *frame)
{
    FUZZ_CHECK(frame->length_bytes <= FRAME_BUFFER_BYTES);
    FUZZ_CHECK(is_writable(frame->data, frame->length_bytes));
    FUZZ_CHECK((uintptr_t)frame->data % FRAME_BUFFER_BYTES + frame->length_bytes <=
               FRAME_BUFFER_BYTES);
    for (unsigned i = 0; i < held_count; i++) {
        FUZZ_CHECK(held[i] != frame);
    }
}

static void receive(struct nic_queue *queue)
{
    struct frame *frames[FRAME_MAX];
    unsigned count = nic_queue_receive(queue, frames, 1 + fuzz_take8(&input) % FRAME_MAX);

    for (unsigned i = 0; i < count; i++) {
        check_frame(frames[i]);
        if (held_count < HELD_MAX) {
            held[held_count++] = frames[i];
        } else {
            frames[i]->release(frames[i]);
        }
    }
}

static void release(void)
{
    for (unsigned count = fuzz_take8(&input); count > 0 && held_count > 0; count--) {
        held[held_count - 1]->release(held[held_count - 1]);
        held_count--;
    }
}

static void note_done(void *context)
{
    FUZZ_CHECK((uintptr_t)context == ++told_count && told_count <= sent_count);
}

static void transmit(struct nic_queue *queue)
{
    static uint8_t bytes[2000];
    unsigned choice = fuzz_take8(&input);
    struct frame_to_send frame = {.fragment_count = (uint16_t)(1 + choice % FRAME_FRAGMENT_MAX),
                                  .done = note_done,
                                  .context = (void *)(sent_count + 1)};

    for (unsigned i = 0; i < frame.fragment_count; i++) {
        frame.fragments[i] = (struct frame_fragment){bytes, 80};
        frame.length_bytes += 80;
    }
    if (choice >= 128) {
        frame.offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
        frame.ip_header_offset = 14;
        frame.ip_header_bytes = 20;
    }
    if (choice >= 192 && queue->can_segment_tcp) {
        frame.offload |= FRAME_SEGMENT_TCP;
        frame.tcp_header_bytes = 20;
        frame.segment_bytes = 20;
    }
    sent_count += nic_queue_transmit(queue, &frame) == 0;
}

static void steer(struct nic *nic)
{
    uint8_t queues[NIC_FOLDED_COUNT];

    for (unsigned i = 0; i < nic->group_count; i++) {
        queues[i] = fuzz_take8(&input) % nic->queue_count;
    }
    if (nic->group_count != 0 &&
        nic_steer_table(nic, queues, fuzz_take8(&input) % nic->queue_count) != 0) {
        FUZZ_CHECK(nic->group_count == 0);
    }
    if (fuzz_take8(&input) % 16u == 0) {
        nic_drop_table(nic);
    }
}

/* Other nodes report what they like; what is taken lies in their memory. */
static void take_report(struct nic *nic)
{
    unsigned index = fuzz_take8(&input) % nic->queue_count;
    uint64_t memory =
        (uintptr_t)memories[index % PAIRS_MAX] + PAGE_BYTES * (fuzz_take8(&input) % 2u);
    struct nic_queue_report report = {.words = {memory | 6, memory | 6}};

    if (fuzz_take8(&input) % 2u == 0) {
        report.words[fuzz_take8(&input) % 2u] = memory ^ fuzz_take32(&input) % (64 * KIB);
    }
    if (nic_give_queue(nic, index, &report) == 0) {
        FUZZ_CHECK(report.words[0] - (uintptr_t)memories[index] < sizeof(memories[index]));
        FUZZ_CHECK(report.words[1] - (uintptr_t)memories[index] < sizeof(memories[index]));
    }
}

static int start(struct nic **nic, struct nic_queue **queue)
{
    static const node_id_t nodes[PAIRS_MAX] = {0, 1, 2, 3};
    struct nic_queue_key key;
    struct nic_port port;
    int result;

    if (nic_find(&port, 1) != 1) {
        FUZZ_CHECK(is_in_slot && !is_honest);
        *nic = NULL;
        return -ENODEV;
    }
    result = nic_start(&port, nodes, 1 + fuzz_take8(&input) % PAIRS_MAX,
                       (struct nic_grouping){7, 0, true}, nic);
    if (result != 0) {
        *nic = NULL;
        return result;
    }
    if (fuzz_take8(&input) % 2u == 0) {
        take_report(*nic); /* before this node's is opened */
    }
    nic_make_queue_key(*nic, 0, &key);
    result = nic_queue_open(&key, queue);
    return result != 0 ? result : nic_enable_receive(*nic);
}

/* Returns whether the card goes on. */
static bool step(struct nic *nic, struct nic_queue *queue)
{
    switch (fuzz_take8(&input) % 18u) {
    case 0:
    case 1:
        write_header();
        return_chain(0, take_length());
        break;
    case 2:
        return_chain(1, 0);
        break;
    case 3:
        write_anywhere();
        break;
    case 4:
    case 5:
        receive(queue);
        break;
    case 6:
        release();
        break;
    case 7:
    case 8:
        transmit(queue);
        break;
    case 9:
        nic_queue_flush(queue);
        break;
    case 10:
        (void)nic_queue_reclaim(queue);
        break;
    case 11:
        write_segment();
        return_chain(0, take_length());
        break;
    case 12: /* what follows: payload, if a segment is on its way */
        return_chain(0, take_length());
        break;
    default:
        if (nic_check_link(nic).has_given_up) {
            nic_stop(nic);
            return start(&nic, &queue) == 0; /* the same two */
        }
        nic_note_announced(nic);
        (void)nic_queue_arm(queue);
        (void)nic_queue_is_idle(queue);
        FUZZ_CHECK(nic_queue_count_buffers(queue).used <= 4096 * PAIRS_MAX);
        break;
    case 14:
        steer(nic);
        break;
    case 15:
        take_report(nic);
        break;
    case 16:
        return nic_queue_stop_other(queue, fuzz_take8(&input) % (PAIRS_MAX + 1), 1) != -ENODEV;
    }
    return true;
}

void fuzz_one(const uint8_t *bytes, size_t length)
{
    /* What a queue has is never given back: the search for leaks finds it by these. */
    static struct nic *nic;
    static struct nic_queue *queue;

    input = (struct fuzz_input){bytes, length};
    fake_platform_reset(0, PAIRS_MAX);
    fake_set_clock_step_ns(10 * NS_PER_MS);
    put_capability(0x40, 0x54, 1, 0);
    put_capability(0x54, 0x68, 4, 0x2000);
    put_capability(0x68, 0, 2, 0x3000);
    unsigned first = fuzz_take8(&input);

    is_in_slot = first >= 0x80;
    node_info.machine.virtio_slot_count = is_in_slot;
    node_info.machine.virtio_slots[0] = (struct virtio_slot){.paddr = BAR_PADDR, .bytes = 512};
    pair_count = 1 + fuzz_take8(&input) % PAIRS_MAX;
    for (unsigned i = 0; i < PAIRS_MAX; i++) {
        places[i] = (struct node_place){.range_count = 1,
                                        .ranges = {{(uintptr_t)memories[i], sizeof(memories[i])}}};
    }
    node_info.places = places;
    node_info.node_count = PAIRS_MAX;
    is_honest = first % 4u != 0;
    if (!is_honest) {
        for (unsigned i = fuzz_take8(&input) % 8u; i > 0; i--) {
            uint8_t place = fuzz_take8(&input);

            space[place] = fuzz_take8(&input);
        }
    }
    if (start(&nic, &queue) != 0) {
        return;
    }
    is_honest = fuzz_take8(&input) % 4u != 0;
    for (unsigned steps = 0; input.left > 0 && steps < STEPS_MAX; steps++) {
        if (!step(nic, queue)) {
            return; /* whoever drives it starts it anew */
        }
    }
}
