/* SPDX-License-Identifier: MIT */
/*
 * No program here has memory that snapshots can be taken of (libc/core/snapshot.h).
 */
#include "kernel/platform.h"
#include "libc/core/snapshot.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/send_buffer.h"

uintptr_t snapshot_window_start;
size_t snapshot_window_bytes;

void snapshot_enable(void)
{
}

struct snapshot *snapshot_take(const void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    return NULL;
}

struct snapshot *snapshot_find(uint32_t index)
{
    (void)index;
    return NULL;
}

void snapshot_release(struct snapshot *snapshot)
{
    (void)snapshot;
    PANIC("there is none");
}

struct send_buffer *send_buffer_of_snapshot(struct snapshot *snapshot)
{
    (void)snapshot;
    PANIC("there is none");
}

void send_buffer_give_back(struct send_buffer *buffer)
{
    (void)buffer;
    PANIC("there is none");
}

bool queue_append_snapshot(struct tcb *tcb, struct send_buffer *buffer)
{
    (void)tcb;
    (void)buffer;
    PANIC("there is none");
}
