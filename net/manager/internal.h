/* SPDX-License-Identifier: MIT */
/*
 * What the files of a manager ask of its environment, in few words; for them alone.
 */
#pragma once

#include "net/manager/manager.h"

static inline void manager_count(struct manager *manager, unsigned counter)
{
    manager->environment->count(counter, manager->context);
}

static inline void manager_count_many(struct manager *manager, unsigned counter, uint64_t amount)
{
    manager->environment->add(counter, amount, manager->context);
}

static inline void manager_set_gauge(struct manager *manager, unsigned counter, uint64_t value)
{
    manager->environment->set(counter, value, manager->context);
}

static inline void *manager_reserve_posted(struct manager *manager, node_id_t to, uint16_t type,
                                           size_t fixed_bytes)
{
    return manager->environment->reserve_posted(to, type, fixed_bytes, manager->context);
}

static inline void manager_publish(struct manager *manager)
{
    manager->environment->publish(manager->context);
}

static inline uint64_t manager_now_ns(const struct manager *manager)
{
    return manager->environment->now_ns(manager->context);
}

static inline uint64_t manager_exact_now_ns(const struct manager *manager)
{
    return manager->environment->exact_now_ns(manager->context);
}

/* What stands for an acceptor when there is none. */
static inline struct acceptor manager_nobody(const struct manager *manager)
{
    return (struct acceptor){.node = NODE_NONE, .cm = manager->node, .assigned_by = manager->node};
}

static inline struct acceptor manager_acceptor_of(const struct manager *manager,
                                                  const struct listening_application *application)
{
    return (struct acceptor){
        .node = application->node,
        .listener_index = (uint8_t)application->listener_index,
        .cm = manager->node,
        .assigned_by = manager->node,
        .request_number = application->request_number,
    };
}
