/* SPDX-License-Identifier: MIT */
/*
 * See managers.h. A message to or from a CM is the real one of net/messages.h; it waits in a table
 * until its event delivers it.
 */
#include "tests/sim/managers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/platform.h"
#include "net/counters.h"
#include "net/manager/counters.h"
#include "net/manager/manager.h"
#include "net/manager/options.h"
#include "tests/sim/simulation.h"

/* A composite server, as its CM sees it: the context of its environment. */
struct server {
    struct manager manager;
    struct simulation *simulation;
    uint64_t wake_ns; /* when it wants to be woken; UINT64_MAX: not */
};

struct managers_message {
    node_id_t from, to;
    uint32_t next_free;
    union {
        struct message_header header;
        struct listen listen;
        struct accept_connection accept;
        struct syn_arrived syn;
        struct accept_timeout timeout;
        struct connection_closed closed;
        struct offer offer;
        struct assign_connection assign;
        struct reassign_connection reassign;
        struct ports_served ports;
    };
};

#define MESSAGE_NONE UINT32_MAX

/* --- Messages on their way --- */

static uint32_t take_message(struct managers *managers)
{
    uint32_t index = managers->first_free;

    if (index != MESSAGE_NONE) {
        managers->first_free = managers->messages[index].next_free;
        return index;
    }
    if (managers->message_count == managers->capacity) {
        managers->capacity = managers->capacity == 0 ? 1024 : 2 * managers->capacity;
        managers->messages =
            realloc(managers->messages, managers->capacity * sizeof(*managers->messages));
        ASSERT(managers->messages != NULL);
    }
    return managers->message_count++;
}

static void free_message(struct managers *managers, uint32_t index)
{
    managers->messages[index].next_free = managers->first_free;
    managers->first_free = index;
}

static struct managers_message *prepare(struct managers *managers, uint32_t index, node_id_t from,
                                        node_id_t to, uint16_t type, size_t bytes)
{
    struct managers_message *message = &managers->messages[index];

    ASSERT(bytes <= sizeof(*message) - offsetof(struct managers_message, header));
    memset(message, 0, sizeof(*message));
    message->from = from;
    message->to = to;
    message->header.type = type;
    message->header.length_bytes = (uint16_t)bytes;
    return message;
}

/* --- To CMs --- */

/* As net/manager/server.c has it. */
static void handle_syn_arrived(struct manager *manager, node_id_t from,
                               const struct message *message)
{
    const struct manager_environment *environment = manager->environment;
    struct assign_connection *answer =
        environment->reserve_posted(from, ASSIGN_CONNECTION, sizeof(*answer), manager->context);

    manager_answer_syn(manager, from, message, answer);
    environment->publish(manager->context);
}

static void deliver_to_cm(struct manager *manager, const struct managers_message *message)
{
    const struct message *whole = (const struct message *)&message->header;

    switch (message->header.type) {
    case LISTEN:
        manager_handle_listen(manager, message->from, whole);
        return;
    case ACCEPT_CONNECTION:
        manager_handle_accept_connection(manager, message->from, whole);
        return;
    case SYN_ARRIVED:
        handle_syn_arrived(manager, message->from, whole);
        return;
    case ACCEPT_TIMEOUT:
        manager_handle_accept_timeout(manager, message->from, whole);
        return;
    case CONNECTION_CLOSED:
        manager_handle_connection_closed(manager, message->from, whole);
        return;
    case OFFER:
        manager_handle_offer(manager, message->from, whole);
        return;
    }
    PANIC("a CM was sent a message of type %u", message->header.type);
}

static void deliver(void *context, uint32_t index, uint64_t unused)
{
    struct simulation *simulation = context;
    struct managers *managers = &simulation->managers;
    const struct managers_message message = managers->messages[index];

    (void)unused;
    free_message(managers, index);
    switch (message.header.type) {
    case PORTS_SERVED:
        return; /* clients come when their port is served */
    case ASSIGN_CONNECTION:
        connection_assign(simulation, message.assign.flow.remote_address, &message.assign.acceptor,
                          message.assign.is_refused);
        return;
    case REASSIGN_CONNECTION:
        connection_reassign(simulation, message.reassign.connection_index,
                            message.reassign.generation, &message.reassign.acceptor,
                            message.reassign.is_refused);
        return;
    default:
        ASSERT(message.to < simulation->options.server_count);
        deliver_to_cm(&managers->servers[message.to].manager, &message);
    }
}

void managers_send(struct simulation *simulation, node_id_t from, node_id_t cm, uint16_t type,
                   void *message, size_t bytes)
{
    struct managers *managers = &simulation->managers;
    uint32_t index = take_message(managers);
    struct managers_message *copy = prepare(managers, index, from, cm, type, bytes);

    memcpy(&copy->header + 1, (const struct message_header *)message + 1,
           bytes - sizeof(copy->header));
    network_send(simulation, from, cm, deliver, index, 0);
}

/* --- What a CM asks of its node --- */

static void *reserve_posted(node_id_t to, uint16_t type, size_t fixed_bytes, void *context)
{
    struct server *server = context;
    struct managers *managers = &server->simulation->managers;

    ASSERT(managers->built == MESSAGE_NONE); /* one at a time */
    managers->built = take_message(managers);
    return &prepare(managers, managers->built, server->manager.node, to, type, fixed_bytes)->header;
}

static void publish(void *context)
{
    struct server *server = context;
    struct managers *managers = &server->simulation->managers;
    uint32_t index = managers->built;
    const struct managers_message *message = &managers->messages[index];

    ASSERT(index != MESSAGE_NONE);
    managers->built = MESSAGE_NONE;
    if (message->header.type == OFFER) {
        network_post(server->simulation, message->from, message->to, deliver, index);
    } else {
        network_send(server->simulation, message->from, message->to, deliver, index, 0);
    }
}

static void add(unsigned counter, uint64_t amount, void *context)
{
    struct server *server = context;
    struct managers *managers = &server->simulation->managers;

    /* No message is wrong here, and no table too small. */
    ASSERT(counter != COUNTER_DROP_BAD_MESSAGE);
    ASSERT(counter != COUNTER_DROP_NO_MEMORY);
    if (counter == COUNTER_OFFERS_RECEIVED) {
        managers->offers_received += amount;
    }
}

static void count(unsigned counter, void *context)
{
    add(counter, 1, context);
}

static void set(unsigned counter, uint64_t value, void *context)
{
    (void)counter;
    (void)value;
    (void)context;
}

/* Virtual time, which begins at 0, as CMs' must not. */
static uint64_t now_ns(void *context)
{
    const struct server *server = context;

    return simulation_now_ns(server->simulation) + 1;
}

/* For what a CM measures of itself: as much work as reading a node's clock is. Nothing that it
 * does follows from it. */
static uint64_t exact_now_ns(void *context)
{
    (void)context;
    return __builtin_ia32_rdtsc();
}

static void wake(void *context, uint32_t node, uint64_t wish_ns)
{
    struct simulation *simulation = context;
    struct server *server = &simulation->managers.servers[node];

    if (server->wake_ns == wish_ns) { /* else it has changed its mind */
        server->wake_ns = UINT64_MAX;
        manager_send_offers(&server->manager);
    }
}

static void wake_at(uint64_t time_ns, void *context)
{
    struct server *server = context;
    uint64_t at_ns = time_ns - 1; /* as now_ns() has it */
    uint64_t now = simulation_now_ns(server->simulation);

    server->wake_ns = time_ns;
    events_schedule(&server->simulation->events, at_ns > now ? at_ns : now, wake,
                    server->simulation, server->manager.node, time_ns);
}

static const struct manager_environment environment = {
    .reserve_posted = reserve_posted,
    .publish = publish,
    .count = count,
    .add = add,
    .set = set,
    .now_ns = now_ns,
    .exact_now_ns = exact_now_ns,
    .wake_at = wake_at,
};

/* --- All of them --- */

void managers_start(struct simulation *simulation)
{
    struct managers *managers = &simulation->managers;
    unsigned count = simulation->options.server_count;
    size_t table_bytes = ALIGN_UP(listener_table_bytes(simulation->configuration.node_count), 64);

    managers->first_free = MESSAGE_NONE;
    managers->built = MESSAGE_NONE;
    managers->servers = calloc(count, sizeof(*managers->servers));
    /* Zeroed; and most of it is never touched, with many nodes more than there is memory. */
    managers->memory_bytes = count * table_bytes;
    managers->memory = mmap(NULL, managers->memory_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(managers->servers != NULL);
    ASSERT(managers->memory != MAP_FAILED);
    for (unsigned i = 0; i < count; i++) {
        struct server *server = &managers->servers[i];
        struct manager_options options;
        char reason[128];

        server->simulation = simulation;
        server->wake_ns = UINT64_MAX;
        if (manager_options_parse(&options, simulation->options.balance,
                                  random_next(&simulation->servers), reason, sizeof(reason)) != 0) {
            PANIC("%s", reason);
        }
        manager_initialise(&server->manager, (node_id_t)i, &simulation->configuration, &options,
                           &environment, server, (char *)managers->memory + i * table_bytes);
    }
}

void managers_release(struct managers *managers)
{
    free(managers->messages);
    free(managers->servers);
    if (managers->memory != NULL) {
        (void)munmap(managers->memory, managers->memory_bytes);
    }
}

struct manager *managers_cm(struct simulation *simulation, unsigned server)
{
    ASSERT(server < simulation->options.server_count);
    return &simulation->managers.servers[server].manager;
}

uint64_t managers_estimate_ns(const struct simulation *simulation, unsigned application)
{
    const struct manager *manager =
        &simulation->managers.servers[simulation->applications[application].cm].manager;
    const struct listener *listener = listener_find(&manager->listeners, SIMULATION_PORT);
    const struct listening_application *known =
        listener_find_application(listener, application_node(simulation, application), 0);

    return known->history->count == 0 && !known->is_overdue ? 0 : known->service_ns;
}
