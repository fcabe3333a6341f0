/* SPDX-License-Identifier: MIT */
/*
 * Commands to the device (VIRTIO 5.1.6.5): one at a time, each a chain of three descriptors: what
 * to do, its data, if it has some, and room for the answer. Nobody sleeps for an answer: it is
 * looked for.
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

/* Somebody who waits for the answer to his command. */
struct virtio_turn {
    uint8_t answer;
};

MEMORY_KIND(control_kind, "virtio_control");

int virtio_control_open(struct virtio_control *control, unsigned size,
                        struct virtio_notifier notifier)
{
    _Static_assert(sizeof(struct virtio_command) <= PAGE_BYTES, "in one piece");
    int result = 0;

    ASSERT(control->turn == NULL);
    if (control->command == NULL) {
        control->command = iommu_allocate_pages(&control_kind, 1);
    }
    if (control->command == NULL) {
        return -ENOMEM;
    }
    /* Looked for, so nothing need be told of it. */
    if (control->ring.size != 0 && control->ring.size <= size) {
        virtio_ring_restart(&control->ring, false, notifier);
    } else {
        result = virtio_ring_open(&control->ring, size, false, notifier, &control_kind);
    }
    control->is_open = result == 0;
    return result;
}

/* Also when there is no answer. */
static void end_turn(struct virtio_control *control, uint8_t answer)
{
    control->turn->answer = answer;
    control->turn = NULL;
}

void virtio_control_close(struct virtio_control *control)
{
    control->is_open = false;
    if (control->turn != NULL) {
        end_turn(control, NO_ANSWER);
    }
}

/* Whose turn it is learns of an answer that has come. */
static void look_for_answer(struct virtio_control *control)
{
    if (control->turn != NULL && virtio_ring_take_returned(&control->ring) > 0) {
        bool is_right = virtio_ring_take(&control->ring).id == 0;

        uint8_t answer = mmio_read8(control->command, offsetof(struct virtio_command, answer));

        if (!is_right || answer == NO_ANSWER) {
            virtio_control_close(control);
        } else {
            end_turn(control, answer);
        }
    }
}

/* Until it is not that one's turn any more, who may be gone then. One that is not answered may be
 * written to later: no other command uses that memory. */
static void wait_for_end(struct virtio_control *control, const struct virtio_turn *turn)
{
    uint64_t end_ns = platform_now_ns() + COMMAND_TIMEOUT_NS;

    for (;;) {
        /* The clock first: a core that was stopped for long still looks once more. */
        bool is_late = platform_now_ns() >= end_ns;

        look_for_answer(control);
        if (control->turn != turn) {
            return;
        }
        if (is_late || control->ring.is_stopped) {
            virtio_control_close(control);
            return;
        }
        status_note_progress(); /* the wait has an end */
        if (thread_self() != NULL) {
            thread_yield();
        } else {
            __builtin_ia32_pause();
        }
    }
}

/* Those of a chain stand at its beginning, which is always the ring's. None is empty (2.7.5). */
static void write_chain(struct virtio_control *control, size_t data_bytes)
{
    struct virtio_command *command = control->command;
    bus_addr_t bus_addr = platform_bus_addr(command);

    control->ring.descriptors[0] = (struct virtio_descriptor){
        .bus_addr = bus_addr,
        .length_bytes = offsetof(struct virtio_command, data),
        .flags = DESCRIPTOR_NEXT,
        .next = data_bytes != 0 ? 1 : 2,
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

int virtio_command(struct virtio_control *control, unsigned command_class, unsigned command,
                   const void *data, size_t data_bytes)
{
    struct virtio_turn turn = {.answer = NO_ANSWER};

    ASSERT(data_bytes <= COMMAND_DATA_MAX);
    /* The device has one at a time. In a thread whoever has the turn ends it; else we do. */
    while (control->is_open && control->turn != NULL) {
        wait_for_end(control, control->turn);
    }
    if (!control->is_open) {
        return -EINVAL;
    }
    /* It is taken off before this returns: wait_for_end(). */
    control->turn = &turn;
    control->command->command_class = (uint8_t)command_class;
    control->command->command = (uint8_t)command;
    control->command->answer = NO_ANSWER;
    if (data_bytes != 0) {
        memcpy(control->command->data, data, data_bytes);
    }
    write_chain(control, data_bytes);
    virtio_ring_put(&control->ring, 0);
    virtio_ring_show(&control->ring);
    wait_for_end(control, &turn);
    if (turn.answer == NO_ANSWER) {
        log_error("virtio", "no answer to command %u.%u: no others are given", command_class,
                  command);
        return -ETIMEDOUT;
    }
    if (turn.answer != ANSWER_GOOD) {
        log_warning("virtio", "the card refuses command %u.%u: %u", command_class, command,
                    turn.answer);
        return -EINVAL;
    }
    return 0;
}
