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

/* What lies in the memory of a table: `count` objects of each kind, those that need it most
 * strictly aligned first. */
struct layout {
    size_t histories, sums, offers, outstanding, bytes; /* from its start */
};

static struct layout layout_of(unsigned node_count)
{
    unsigned application_max = application_max_of(node_count);
    struct layout layout = {.histories = application_max * sizeof(struct listening_application)};

    layout.sums = layout.histories + application_max * sizeof(struct service_history);
    layout.offers = layout.sums + LISTENER_MAX * weight_tree_bytes(node_count);
    layout.outstanding = layout.offers + LISTENER_MAX * node_count * sizeof(struct known_offer);
    layout.bytes = layout.outstanding + (size_t)application_max * node_count * sizeof(uint32_t);
    return layout;
}

size_t listener_table_bytes(unsigned node_count)
{
    return layout_of(node_count).bytes;
}

void listener_table_initialise(struct listener_table *table, unsigned node_count, void *memory)
{
    const struct layout layout = layout_of(node_count);
    uint8_t *bytes = memory;
    struct known_offer *offers = (struct known_offer *)(bytes + layout.offers);

    *table =
        (struct listener_table){.node_count = node_count,
                                .application_max = application_max_of(node_count),
                                .applications = memory,
                                .histories = (struct service_history *)(bytes + layout.histories),
                                .outstanding = (uint32_t *)(bytes + layout.outstanding)};
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        table->listeners[i].offers = (struct offers){
            .known = offers + i * node_count,
            .weights = {.sums =
                            (uint64_t *)(bytes + layout.sums + i * weight_tree_bytes(node_count)),
                        .leaf_count = weight_tree_leaves(node_count)},
        };
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
            offers_initialise(&listener->offers);
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
    if (listener->applications != NULL || !node_set_is_empty(&listener->offers.offering)) {
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

struct listener *listener_after(const struct listener_table *table, const struct listener *previous)
{
    size_t i = previous == NULL ? 0 : (size_t)(previous - table->listeners) + 1;

    ASSERT(i <= LISTENER_MAX);
    while (i < LISTENER_MAX && table->listeners[i].port == 0) {
        i++;
    }
    return i < LISTENER_MAX ? (struct listener *)&table->listeners[i] : NULL;
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
    } else if (table->fresh_application < table->application_max) {
        application = &table->applications[table->fresh_application++];
    } else {
        return NULL;
    }
    *application = (struct listening_application){.table = table};
    return application;
}

/* Our own ones stand first. */
static void insert_application(struct listener *listener, struct listening_application *application)
{
    struct listening_application **link = &listener->applications;

    if (!application->is_own) {
        while (*link != NULL && (*link)->is_own) {
            link = &(*link)->next;
        }
    }
    application->next = *link;
    *link = application;
}

static void unlink_application(struct listener *listener, struct listening_application *application)
{
    struct listening_application **link = &listener->applications;

    while (*link != application) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = application->next;
}

/* It asks this CM for connections for the first time: from now on they are counted. */
static void make_own(struct listener *listener, struct listening_application *application)
{
    const struct listener_table *table = application->table;
    size_t index = (size_t)(application - table->applications);

    unlink_application(listener, application);
    application->is_own = true;
    insert_application(listener, application);
    listener->own_count++;
    application->history = &table->histories[index];
    memset(application->history, 0, sizeof(*application->history));
    application->outstanding_by_ts = &table->outstanding[index * table->node_count];
    memset(application->outstanding_by_ts, 0, table->node_count * sizeof(uint32_t));
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
        insert_application(listener, application);
    }
    ASSERT(listener->backlog >= application->backlog);
    listener->backlog += backlog - application->backlog;
    application->backlog = backlog;
    return 0;
}

void listener_remove_application(struct listener_table *table, struct listener *listener,
                                 struct listening_application *application)
{
    listener_remove_acceptor(listener, application);
    unlink_application(listener, application);
    ASSERT(listener->backlog >= application->backlog);
    listener->backlog -= application->backlog;
    if (application->is_own) {
        listener->own_count--;
    }
    if (listener->offered == application) {
        listener->offered = NULL;
    }
    application->next = table->free_applications;
    table->free_applications = application;
}

static void find_fastest(struct listener *listener)
{
    listener->fastest = listener->first_acceptor;
    for (struct listening_application *application = listener->first_acceptor; application != NULL;
         application = application->next_acceptor) {
        if (application->service_ns < listener->fastest->service_ns) {
            listener->fastest = application;
        }
    }
}

void listener_set_service(struct listener *listener, struct listening_application *application,
                          uint64_t service_ns)
{
    bool is_slower = service_ns > application->service_ns;
    uint64_t weight = weight_of(service_ns);

    ASSERT(service_ns != 0 && service_ns <= SERVICE_MAX_NS);
    if (application->is_accepting) {
        listener->own_weight += weight - application->weight;
    }
    application->service_ns = service_ns;
    application->weight = weight;
    if (!application->is_accepting) {
        return;
    }
    if (application == listener->fastest) {
        if (is_slower) {
            find_fastest(listener);
        }
    } else if (service_ns < listener->fastest->service_ns) {
        listener->fastest = application;
    }
}

void listener_add_acceptor(struct listener *listener, struct listening_application *application)
{
    struct listening_application *last = listener->last_acceptor;

    if (application->is_accepting) {
        return;
    }
    ASSERT(application->service_ns != 0);
    if (!application->is_own) {
        make_own(listener, application);
    }
    application->is_accepting = true;
    listener->acceptor_count++;
    listener->own_weight += application->weight;
    if (listener->fastest == NULL || application->service_ns < listener->fastest->service_ns) {
        listener->fastest = application;
    }
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
    ASSERT_SLOW(listener->acceptor_count != 0 && listener->own_weight >= application->weight);
    listener->acceptor_count--;
    listener->own_weight -= application->weight;
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
    if (listener->fastest == application) {
        find_fastest(listener);
    }
}
