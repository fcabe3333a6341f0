/* SPDX-License-Identifier: MIT */
/*
 * The table of connections, and the bytes each has received. Entries are kept for reuse, the
 * last one freed first, while its lines are still in the cache.
 */
#include "libc/posix/socket_table.h"

#include <errno.h>
#include <string.h>

#include "kernel/memory/memory.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"

#define PLACE_BITS             16
#define PLACE(socket_index)    ((socket_index) & ((1u << PLACE_BITS) - 1))
#define NEXT_USE(socket_index) ((socket_index) + (1u << PLACE_BITS))
#define TABLE_START_COUNT      64u

/* Small enough for memory's small classes, large enough for a common request's head. Chosen. */
#define CHUNK_MIN_BYTES (256 - sizeof(struct chunk))

_Static_assert(SOCKET_MAX <= 1 << PLACE_BITS, "a place fits its part of socket_index");

static struct socket **table;
static uint32_t table_count;      /* places in `table` */
static uint32_t connection_count; /* entries that exist, free ones included */
static struct socket *first_free;

void socket_queue_append(struct socket_queue *queue, struct socket *connection)
{
    connection->queue = queue;
    connection->next = NULL;
    connection->previous = queue->tail;
    if (queue->tail != NULL) {
        queue->tail->next = connection;
    } else {
        queue->head = connection;
    }
    queue->tail = connection;
    queue->count++;
}

void socket_queue_remove(struct socket *connection)
{
    struct socket_queue *queue = connection->queue;

    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        queue->head = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    } else {
        queue->tail = connection->previous;
    }
    queue->count--;
    connection->queue = NULL;
}

/* One entry more; its socket_index is set once and then only counts its uses. */
static struct socket *add_entry(void)
{
    if (connection_count == SOCKET_MAX) {
        return NULL;
    }
    if (connection_count == table_count) {
        uint32_t count = table_count == 0 ? TABLE_START_COUNT : 2 * table_count;
        struct socket **grown = memory_resize(table, count * sizeof(*table));
        if (grown == NULL) {
            return NULL;
        }
        table = grown;
        table_count = count;
    }
    struct socket *connection = memory_allocate(sizeof(*connection));
    if (connection != NULL) {
        connection->socket_index = connection_count;
        connection->state = SOCKET_FREE;
        table[connection_count] = connection;
        connection_count++;
    }
    return connection;
}

struct socket *socket_create(node_id_t ts, const struct connection_available *offer)
{
    struct socket *connection = first_free;

    if (connection != NULL) {
        first_free = connection->next;
    } else {
        connection = add_entry();
        if (connection == NULL) {
            return NULL;
        }
    }
    *connection = (struct socket){
        .descriptor = {.fd = -1},
        .socket_index = connection->socket_index,
        .connection_index = offer->connection_index,
        .generation = offer->generation,
        .ts = ts,
        .offer_number = offer->availability_number,
        .state = SOCKET_OFFERED,
        .flow = offer->flow,
    };
    return connection;
}

void socket_destroy(struct socket *connection)
{
    if (connection->queue != NULL) {
        socket_queue_remove(connection);
    }
    while (connection->receive_head != NULL) {
        struct chunk *chunk = connection->receive_head;
        connection->receive_head = chunk->next;
        memory_release(chunk);
    }
    connection->state = SOCKET_FREE;
    connection->socket_index = NEXT_USE(connection->socket_index);
    connection->next = first_free;
    first_free = connection;
}

struct socket *socket_find(node_id_t from, uint32_t socket_index, uint32_t generation)
{
    uint32_t place = PLACE(socket_index);

    if (place >= connection_count) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return NULL;
    }
    struct socket *connection = table[place];
    bool is_meant = connection->socket_index == socket_index && connection->state != SOCKET_FREE &&
                    connection->ts == from && connection->generation == generation;
    return is_meant ? connection : NULL;
}

void socket_for_each(void (*visit)(struct socket *connection, void *context), void *context)
{
    for (uint32_t place = 0; place < connection_count; place++) {
        if (table[place]->state != SOCKET_FREE) {
            visit(table[place], context);
        }
    }
}

int socket_append(struct socket *connection, const void *bytes, size_t length_bytes)
{
    struct chunk *tail = connection->receive_tail;

    if (length_bytes == 0) {
        return 0;
    }
    if (length_bytes > SOCKET_RECEIVED_MAX_BYTES - connection->received_bytes) {
        return -EMSGSIZE;
    }
    if (connection->receive_head == NULL ||
        tail->capacity_bytes - tail->length_bytes < length_bytes) {
        size_t capacity_bytes = length_bytes > CHUNK_MIN_BYTES ? length_bytes : CHUNK_MIN_BYTES;
        struct chunk *chunk = memory_allocate(sizeof(*chunk) + capacity_bytes);
        if (chunk == NULL) {
            return -ENOMEM;
        }
        *chunk = (struct chunk){.capacity_bytes = (uint32_t)capacity_bytes};
        if (connection->receive_head == NULL) {
            connection->receive_head = chunk;
        } else {
            tail->next = chunk;
        }
        connection->receive_tail = chunk;
        tail = chunk;
    }
    memcpy(tail->bytes + tail->length_bytes, bytes, length_bytes);
    tail->length_bytes += (uint32_t)length_bytes;
    connection->received_bytes += (uint32_t)length_bytes;
    return 0;
}

size_t socket_take(struct socket *connection, void *buffer, size_t length_bytes, bool is_peek)
{
    uint8_t *to = buffer;
    size_t taken = 0;

    for (struct chunk *chunk = connection->receive_head; chunk != NULL && taken < length_bytes;) {
        struct chunk *next = chunk->next;
        size_t part = chunk->length_bytes - chunk->read_bytes;
        if (part > length_bytes - taken) {
            part = length_bytes - taken;
        }
        memcpy(to + taken, chunk->bytes + chunk->read_bytes, part);
        taken += part;
        if (!is_peek) {
            chunk->read_bytes += (uint32_t)part;
            if (chunk->read_bytes == chunk->length_bytes) {
                connection->receive_head = next;
                memory_release(chunk);
            }
        }
        chunk = next;
    }
    if (!is_peek) {
        connection->received_bytes -= (uint32_t)taken;
    }
    return taken;
}

void socket_post_close(struct socket *connection, uint32_t kind)
{
    if (connection->is_gone) {
        return;
    }
    struct close message = {
        .header = {.type = CLOSE, .length_bytes = sizeof(message)},
        .connection_index = connection->connection_index,
        .generation = connection->generation,
        .consumed_bytes = connection->unreported_bytes,
        .kind = kind,
    };
    connection->unreported_bytes = 0;
    /* Before it is posted: a TS on this node may answer from inside the call. */
    connection->is_gone = kind != CLOSE_SEND_ONLY;
    message_post(connection->ts, &message.header);
}

void socket_fail(struct socket *connection, int error)
{
    connection->is_gone = true;
    connection->error = error;
    connection->send_credit_bytes = 0;
    descriptor_notify(&connection->descriptor, READY_IN | READY_OUT | READY_ALWAYS);
}
