/* SPDX-License-Identifier: MIT */
/*
 * See shared_queue.h. Connections wait, or web servers do, never both.
 */
#include "tests/sim/shared_queue.h"

#include "kernel/platform.h"
#include "tests/sim/simulation.h"

void shared_queue_put(struct simulation *simulation, uint32_t connection)
{
    struct shared_queue *queue = &simulation->shared_queue;

    if (fifo_count(&queue->idle) > 0) {
        application_serve(simulation, fifo_take(&queue->idle).index, connection);
    } else {
        fifo_put(&queue->connections, (struct fifo_entry){.index = connection});
    }
}

void shared_queue_accept(struct simulation *simulation, unsigned application)
{
    struct shared_queue *queue = &simulation->shared_queue;

    if (fifo_count(&queue->connections) > 0) {
        application_serve(simulation, application, fifo_take(&queue->connections).index);
    } else {
        fifo_put(&queue->idle, (struct fifo_entry){.index = application});
    }
}
