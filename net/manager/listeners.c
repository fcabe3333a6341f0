/* SPDX-License-Identifier: MIT */
/*
 * The CM's tables. Ports are found through a small hash; applications on a port, and its
 * acceptors, are lists.
 */
#include "net/manager/listeners.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform.h"

_Static_assert(IS_POWER_OF_TWO(LISTENER_HASH_SIZE), "ports are masked into it");

static unsigned application_max_of(unsigned node_count)
{
    return 2 * node_count > LISTENING_APPLICATION_LEAST ? 2 * node_count
                                                        : LISTENING_APPLICATION_LEAST;
}

size_t listener_table_bytes(unsigned node_count)
{
    unsigned application_max = application_max_of(node_count);

    return application_max *
               (sizeof(struct listening_application) + node_count * sizeof(uint32_t)) +
           LISTENER_MAX * node_count * sizeof(struct acceptor);
}

void listener_table_initialise(struct listener_table *table, unsigned node_count, void *memory)
{
    *table = (struct listener_table){.node_count = node_count,
                                     .application_max = application_max_of(node_count),
                                     .applications = memory};
    uint32_t *outstanding = (uint32_t *)(table->applications + table->application_max);
    struct acceptor *offers =
        (struct acceptor *)(outstanding + table->application_max * node_count);

    for (unsigned i = 0; i < table->application_max; i++) {
        table->applications[i].outstanding_by_ts = outstanding + i * node_count;
    }
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        table->listeners[i].offers = offers + i * node_count;
    }
}

static unsigned hash_of(uint16_t port)
{
    return port & (LISTENER_HASH_SIZE - 1);
}

struct listener *listener_find(const struct listener_table *table, uint16_t port)
{
    struct listener *listener = table->hash[hash_of(port)];

    while (listener != NULL && listener->port != port) {
        listener = listener->next;
    }
    return listener;
}

struct listener *listener_obtain(struct listener_table *table, uint16_t port)
{
    struct listener **bucket = &table->hash[hash_of(port)];
    struct listener *listener = listener_find(table, port);

    ASSERT(port != 0); /* 0 marks a free entry */
    if (listener != NULL) {
        return listener;
    }
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (table->listeners[i].port == 0) {
            listener = &table->listeners[i];
            *listener = (struct listener){.next = *bucket,
                                          .port = port,
                                          .offers = listener->offers,
                                          .published = {.node = NODE_NONE}};
            *bucket = listener;
            return listener;
        }
    }
    return NULL;
}

bool listener_release_unused(struct listener_table *table, struct listener *listener)
{
    struct listener **link = &table->hash[hash_of(listener->port)];

    ASSERT(listener->port != 0);
    if (listener->applications != NULL || !node_set_is_empty(&listener->offering)) {
        return false;
    }
    ASSERT(listener->waiting.count == 0); /* else their entries of the pool are lost */
    ASSERT(listener->first_acceptor == NULL);
    ASSERT(listener->published.node == NODE_NONE); /* else other CMs go on sending to us */
    ASSERT(listener->backlog == 0);
    while (*link != listener) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = listener->next;
    listener->port = 0;
    return true;
}

struct listener *listener_after(struct listener_table *table, const struct listener *previous)
{
    size_t i = previous == NULL ? 0 : (size_t)(previous - table->listeners) + 1;

    ASSERT(i <= LISTENER_MAX);
    while (i < LISTENER_MAX && table->listeners[i].port == 0) {
        i++;
    }
    return i < LISTENER_MAX ? &table->listeners[i] : NULL;
}

struct listening_application *listener_find_application(const struct listener *listener,
                                                        node_id_t node, uint16_t listener_index)
{
    struct listening_application *application = listener->applications;

    while (application != NULL &&
           (application->node != node || application->listener_index != listener_index)) {
        application = application->next;
    }
    return application;
}

static struct listening_application *allocate_application(struct listener_table *table)
{
    struct listening_application *application = table->free_applications;

    if (application != NULL) {
        table->free_applications = application->next;
        uint32_t *outstanding_by_ts = application->outstanding_by_ts;

        memset(outstanding_by_ts, 0, table->node_count * sizeof(*outstanding_by_ts));
        *application = (struct listening_application){.outstanding_by_ts = outstanding_by_ts};
        return application;
    }
    if (table->fresh_application < table->application_max) {
        return &table->applications[table->fresh_application++];
    }
    return NULL;
}

int listener_add_application(struct listener_table *table, struct listener *listener,
                             node_id_t node, uint16_t listener_index, uint32_t backlog)
{
    struct listening_application *application =
        listener_find_application(listener, node, listener_index);

    ASSERT(backlog != 0);
    ASSERT(backlog <= WAITING_MAX); /* so that their sum fits 32 bits */
    if (application == NULL) {
        application = allocate_application(table);
        if (application == NULL) {
            return -ENOMEM;
        }
        ASSERT(!application->is_accepting);
        ASSERT(application->outstanding == 0);
        application->node = node;
        application->listener_index = listener_index;
        application->next = listener->applications;
        listener->applications = application;
    }
    ASSERT(listener->backlog >= application->backlog);
    listener->backlog += backlog - application->backlog;
    application->backlog = backlog;
    return 0;
}

void listener_remove_application(struct listener_table *table, struct listener *listener,
                                 struct listening_application *application)
{
    struct listening_application **link = &listener->applications;

    listener_remove_acceptor(listener, application);
    while (*link != application) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = application->next;
    ASSERT(listener->backlog >= application->backlog);
    listener->backlog -= application->backlog;
    application->next = table->free_applications;
    table->free_applications = application;
}

void listener_add_acceptor(struct listener *listener, struct listening_application *application)
{
    struct listening_application *last = listener->last_acceptor;

    if (application->is_accepting) {
        return;
    }
    application->is_accepting = true;
    application->next_acceptor = NULL;
    application->previous_acceptor = last;
    if (last == NULL) {
        ASSERT_SLOW(listener->first_acceptor == NULL);
        listener->first_acceptor = application;
    } else {
        ASSERT_SLOW(last->is_accepting);
        ASSERT_SLOW(last->next_acceptor == NULL);
        last->next_acceptor = application;
    }
    listener->last_acceptor = application;
}

void listener_remove_acceptor(struct listener *listener, struct listening_application *application)
{
    struct listening_application *next = application->next_acceptor;
    struct listening_application *previous = application->previous_acceptor;

    if (!application->is_accepting) {
        return;
    }
    application->is_accepting = false;
    if (previous == NULL) {
        ASSERT_SLOW(listener->first_acceptor == application);
        listener->first_acceptor = next;
    } else {
        ASSERT_SLOW(previous->next_acceptor == application);
        previous->next_acceptor = next;
    }
    if (next == NULL) {
        ASSERT_SLOW(listener->last_acceptor == application);
        listener->last_acceptor = previous;
    } else {
        ASSERT_SLOW(next->previous_acceptor == application);
        next->previous_acceptor = previous;
    }
}

void listener_set_offer(struct listener *listener, node_id_t cm, const struct acceptor *acceptor)
{
    if (acceptor->node == NODE_NONE) {
        node_set_remove(&listener->offering, cm);
        return;
    }
    listener->offers[cm] = *acceptor;
    node_set_add(&listener->offering, cm);
}
