/* SPDX-License-Identifier: MIT */
/*
 * Commands to the device (VIRTIO 5.1.6.5): one at a time, each a chain of three descriptors: what
 * to do, its data, and room for the answer. Nobody sleeps for an answer: it is looked for.
 */
#include "drivers/virtio/virtio.h"

#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"

#define COMMAND_TIMEOUT_NS NS_PER_S
#define NO_ANSWER          0xFFu

struct virtio_command {
    uint8_t command_class, command;
    uint8_t data[COMMAND_DATA_MAX];
    uint8_t answer;
};

MEMORY_KIND(control_kind, "virtio_control");

int virtio_control_open(struct virtio_control *control, unsigned size,
                        struct virtio_notifier notifier)
{
    _Static_assert(sizeof(struct virtio_command) <= PAGE_BYTES, "in one piece");
    control->command = iommu_allocate_pages(&control_kind, 1);
    /* Looked for, so nothing need be told of it. */
    return control->command == NULL
               ? -ENOMEM
               : virtio_ring_open(&control->ring, size, false, notifier, &control_kind);
}

static bool wait_for_answer(struct virtio_ring *ring)
{
    uint64_t end_ns = platform_now_ns() + COMMAND_TIMEOUT_NS;

    for (;;) {
        /* The clock first: a core that was stopped for long still looks once more. */
        bool is_late = platform_now_ns() >= end_ns;

        if (virtio_ring_take_returned(ring) > 0) {
            return virtio_ring_take(ring).id == 0;
        }
        if (is_late || ring->is_stopped) {
            return false;
        }
        status_note_progress(); /* the wait has an end */
        if (thread_self() != NULL) {
            thread_yield();
        } else {
            __builtin_ia32_pause();
        }
    }
}

/* Those of a chain stand at its beginning, which is always the ring's. */
static void write_chain(struct virtio_control *control, size_t data_bytes)
{
    struct virtio_command *command = control->command;
    bus_addr_t bus_addr = platform_bus_addr(command);

    control->ring.descriptors[0] = (struct virtio_descriptor){
        .bus_addr = bus_addr,
        .length_bytes = offsetof(struct virtio_command, data),
        .flags = DESCRIPTOR_NEXT,
        .next = 1,
    };
    control->ring.descriptors[1] = (struct virtio_descriptor){
        .bus_addr = bus_addr + offsetof(struct virtio_command, data),
        .length_bytes = (uint32_t)data_bytes,
        .flags = DESCRIPTOR_NEXT,
        .next = 2,
    };
    control->ring.descriptors[2] = (struct virtio_descriptor){
        .bus_addr = bus_addr + offsetof(struct virtio_command, answer),
        .length_bytes = 1,
        .flags = DESCRIPTOR_WRITE,
    };
}

static int give_command(struct virtio_control *control, unsigned command_class, unsigned command,
                        const void *data, size_t data_bytes)
{
    uint8_t answer;

    ASSERT(data_bytes >= 1 && data_bytes <= COMMAND_DATA_MAX);
    if (control->ring.size == 0 || control->ring.is_stopped) {
        return -EINVAL;
    }
    control->command->command_class = (uint8_t)command_class;
    control->command->command = (uint8_t)command;
    control->command->answer = NO_ANSWER;
    memcpy(control->command->data, data, data_bytes);
    write_chain(control, data_bytes);
    virtio_ring_put(&control->ring, 0);
    virtio_ring_show(&control->ring);
    if (!wait_for_answer(&control->ring)) {
        /* It may still write there: no other command uses it. */
        control->ring.is_stopped = true;
        log_error("virtio", "no answer to command %u.%u: no others are given", command_class,
                  command);
        return -ETIMEDOUT;
    }
    answer = mmio_read8(control->command, offsetof(struct virtio_command, answer));
    if (answer != ANSWER_GOOD) {
        log_warning("virtio", "the card refuses command %u.%u: %u", command_class, command, answer);
        return -EINVAL;
    }
    return 0;
}

int virtio_command(struct virtio_control *control, unsigned command_class, unsigned command,
                   const void *data, size_t data_bytes)
{
    int result;

    while (control->is_busy && thread_self() != NULL) {
        thread_yield(); /* another thread's command has an end, too */
    }
    if (control->is_busy) {
        return -EAGAIN;
    }
    control->is_busy = true;
    result = give_command(control, command_class, command, data, data_bytes);
    control->is_busy = false;
    return result;
}
