/* SPDX-License-Identifier: MIT */
/*
 * The CM's tables. Ports are found through a small hash; applications on a port, and its
 * acceptors, are lists.
 */
#include "net/manager/listeners.h"

#include <errno.h>
#include <string.h>

#define HASH_SIZE 64u

static struct listener listeners[LISTENER_MAX];
static struct listener *hash[HASH_SIZE];
static struct listening_application applications[LISTENING_APPLICATION_MAX];
static struct listening_application *free_applications; /* those that were used before */
static unsigned fresh_application;                      /* from here on never used */

_Static_assert(IS_POWER_OF_TWO(HASH_SIZE), "ports are masked into it");

static struct listener **hash_slot(uint16_t port)
{
    return &hash[port & (HASH_SIZE - 1)];
}

struct listener *listener_find(uint16_t port)
{
    struct listener *listener = *hash_slot(port);

    while (listener != NULL && listener->port != port) {
        listener = listener->next;
    }
    return listener;
}

struct listener *listener_obtain(uint16_t port)
{
    struct listener *listener = listener_find(port);

    if (listener != NULL) {
        return listener;
    }
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (listeners[i].port == 0) {
            listener = &listeners[i];
            memset(listener, 0, sizeof(*listener));
            listener->port = port;
            listener->published.node = NODE_NONE;
            listener->next = *hash_slot(port);
            *hash_slot(port) = listener;
            return listener;
        }
    }
    return NULL;
}

bool listener_release_unused(struct listener *listener)
{
    struct listener **link = hash_slot(listener->port);

    if (listener->applications != NULL || listener->offering != 0) {
        return false;
    }
    while (*link != listener) {
        link = &(*link)->next;
    }
    *link = listener->next;
    listener->port = 0;
    return true;
}

struct listener *listener_after(const struct listener *previous)
{
    size_t i = previous == NULL ? 0 : (size_t)(previous - listeners) + 1;

    while (i < LISTENER_MAX && listeners[i].port == 0) {
        i++;
    }
    return i < LISTENER_MAX ? &listeners[i] : NULL;
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

static struct listening_application *allocate_application(void)
{
    struct listening_application *application = free_applications;

    if (application != NULL) {
        free_applications = application->next;
        memset(application, 0, sizeof(*application));
        return application;
    }
    if (fresh_application < LISTENING_APPLICATION_MAX) {
        return &applications[fresh_application++];
    }
    return NULL;
}

int listener_add_application(struct listener *listener, node_id_t node, uint16_t listener_index,
                             uint32_t backlog)
{
    struct listening_application *application =
        listener_find_application(listener, node, listener_index);

    if (application == NULL) {
        application = allocate_application();
        if (application == NULL) {
            return -ENOMEM;
        }
        application->node = node;
        application->listener_index = listener_index;
        application->next = listener->applications;
        listener->applications = application;
    }
    listener->backlog += backlog - application->backlog;
    application->backlog = backlog;
    return 0;
}

void listener_remove_application(struct listener *listener,
                                 struct listening_application *application)
{
    struct listening_application **link = &listener->applications;

    listener_remove_acceptor(listener, application);
    while (*link != application) {
        link = &(*link)->next;
    }
    *link = application->next;
    listener->backlog -= application->backlog;
    application->next = free_applications;
    free_applications = application;
}

void listener_add_acceptor(struct listener *listener, struct listening_application *application)
{
    if (application->is_accepting) {
        return;
    }
    application->is_accepting = true;
    application->next_acceptor = NULL;
    application->previous_acceptor = listener->last_acceptor;
    if (listener->last_acceptor == NULL) {
        listener->first_acceptor = application;
    } else {
        listener->last_acceptor->next_acceptor = application;
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
        listener->first_acceptor = next;
    } else {
        previous->next_acceptor = next;
    }
    if (next == NULL) {
        listener->last_acceptor = previous;
    } else {
        next->previous_acceptor = previous;
    }
}

void listener_set_offer(struct listener *listener, node_id_t cm, const struct acceptor *acceptor)
{
    uint64_t bit = 1ull << cm;

    if (acceptor->node == NODE_NONE) {
        listener->offering &= ~bit;
        return;
    }
    listener->offers[cm] = *acceptor;
    listener->offering |= bit;
}
