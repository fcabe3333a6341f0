/* SPDX-License-Identifier: MIT */
/*
 * UDP ports of this application. A port is asked for from the speaker, which decides; when it has
 * agreed, the other transport servers are told, and when all of these have answered it is bound:
 * none refuses a datagram from then on. Who has died owes nothing any more; who comes back is told
 * of all that are bound, and the question goes to whoever speaks then.
 */
#include "net/datagrams/port.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/messages.h"

#define BUCKET_COUNT 256u

/* Chosen at random, and in use: so often. Half of all in use, the last try fails once in 2^32. */
#define CHOICE_MAX 32u

_Static_assert(IS_POWER_OF_TWO(BUCKET_COUNT), "a port is masked");

enum port_state {
    PORT_ASKING,  /* -> TELLING, BOUND, or it is refused; awaits the speaker */
    PORT_TELLING, /* -> BOUND; awaits the others */
    PORT_BOUND_BY_ALL,
};

struct datagram_port {
    struct datagram_port *next; /* of its bucket */
    const struct datagram_functions *functions;
    void *owner;
    uint16_t number;
    uint8_t state;        /* enum port_state */
    uint8_t choices_left; /* of a port that is chosen */
    uint32_t request_number;
    struct node_set awaited; /* who owes an answer to that request */
};

MEMORY_KIND(port_kind, "datagram_port");

static struct datagram_port *buckets[BUCKET_COUNT];
static uint32_t last_request_number;

static struct datagram_port **find_link(uint16_t number)
{
    struct datagram_port **link = &buckets[number % BUCKET_COUNT];

    while (*link != NULL && (*link)->number != number) {
        link = &(*link)->next;
    }
    return link;
}

static void insert(struct datagram_port *port)
{
    port->next = buckets[port->number % BUCKET_COUNT];
    buckets[port->number % BUCKET_COUNT] = port;
}

static void take_out(struct datagram_port *port)
{
    struct datagram_port **link = find_link(port->number);

    ASSERT(*link == port);
    *link = port->next;
}

static void for_each_port(void (*visit)(struct datagram_port *port, node_id_t node), node_id_t node)
{
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        struct datagram_port *next;

        for (struct datagram_port *port = buckets[i]; port != NULL; port = next) {
            next = port->next;
            visit(port, node);
        }
    }
}

/* --- What transport servers are told --- */

static void say(const struct datagram_port *port, node_id_t ts, enum bind_port_kind kind)
{
    struct bind_port *message = message_reserve_posted(ts, BIND_PORT, sizeof(*message));

    message->port = port->number;
    message->kind = kind;
    message->request_number = port->request_number;
    message_publish();
}

static void await(struct datagram_port *port, node_id_t ts, enum bind_port_kind kind)
{
    node_set_add(&port->awaited, ts);
    say(port, ts, kind);
}

static void ask(struct datagram_port *port)
{
    port->state = PORT_ASKING;
    port->request_number = ++last_request_number;
    port->awaited = (struct node_set){{0}};
    await(port, configuration_current()->speaker, BIND_PORT_ASK);
}

static void give_back(const struct datagram_port *port)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        if (!configuration_is_dead(configuration, configuration->ts[i])) {
            say(port, configuration->ts[i], BIND_PORT_FREE);
        }
    }
}

/* --- To be bound --- */

static bool choose_number(struct datagram_port *port)
{
    while (port->choices_left > 0) {
        port->choices_left--;
        port->number =
            (uint16_t)(DATAGRAM_CHOSEN_PORT_FIRST + platform_random() % DATAGRAM_CHOSEN_PORT_COUNT);
        if (*find_link(port->number) == NULL) {
            return true;
        }
    }
    return false;
}

/* The port is gone behind this. */
static void fail(struct datagram_port *port, int error)
{
    const struct datagram_functions *functions = port->functions;
    void *owner = port->owner;

    memory_release(&port_kind, port);
    functions->settled(owner, error);
}

static void conclude(struct datagram_port *port)
{
    if (port->state == PORT_TELLING && node_set_is_empty(&port->awaited)) {
        port->state = PORT_BOUND_BY_ALL;
        port->functions->settled(port->owner, 0);
    }
}

static void tell_others(struct datagram_port *port, node_id_t speaker)
{
    const struct configuration *configuration = configuration_current();

    port->state = PORT_TELLING;
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        node_id_t ts = configuration->ts[i];

        if (ts != speaker && !configuration_is_dead(configuration, ts)) {
            await(port, ts, BIND_PORT_TELL);
        }
    }
    conclude(port);
}

static void take_refusal(struct datagram_port *port, int error)
{
    give_back(port); /* of those that have agreed, if any */
    take_out(port);
    if (error == -EADDRINUSE && choose_number(port)) {
        insert(port);
        ask(port);
    } else {
        fail(port, error);
    }
}

static struct datagram_port *find_request(uint32_t request_number)
{
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        for (struct datagram_port *port = buckets[i]; port != NULL; port = port->next) {
            if (port->request_number == request_number) {
                return port;
            }
        }
    }
    return NULL;
}

static void handle_port_bound(node_id_t from, const struct message *message)
{
    const struct port_bound *answer = (const struct port_bound *)message;
    struct datagram_port *port = find_request(answer->request_number);

    if (answer->error_number != 0 && answer->error_number != EADDRINUSE &&
        answer->error_number != ENOMEM) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (port == NULL || !node_set_has(&port->awaited, from)) {
        return; /* it is closed, asks another, or this is who came back and was told */
    }
    node_set_remove(&port->awaited, from);
    if (answer->error_number != 0) {
        take_refusal(port, -(int)answer->error_number);
    } else if (port->state == PORT_ASKING) {
        tell_others(port, from);
    } else {
        conclude(port);
    }
}

struct datagram_port *datagram_port_open(uint16_t number,
                                         const struct datagram_functions *functions, void *owner,
                                         int *error)
{
    struct datagram_port *port;

    *error = -EADDRINUSE;
    if (number != 0 && *find_link(number) != NULL) {
        return NULL;
    }
    port = memory_allocate(&port_kind, sizeof(*port));
    if (port == NULL) {
        *error = -ENOMEM;
        return NULL;
    }
    *port = (struct datagram_port){.functions = functions,
                                   .owner = owner,
                                   .number = number,
                                   .choices_left = number == 0 ? CHOICE_MAX : 0};
    if (number == 0 && !choose_number(port)) {
        memory_release(&port_kind, port);
        return NULL;
    }
    *error = 0;
    insert(port);
    ask(port);
    return port;
}

void datagram_port_close(struct datagram_port *port)
{
    give_back(port);
    take_out(port);
    memory_release(&port_kind, port);
}

uint16_t datagram_port_number(const struct datagram_port *port)
{
    return port->number;
}

bool datagram_port_is_bound(const struct datagram_port *port)
{
    return port->state == PORT_BOUND_BY_ALL;
}

/* --- Deaths and returns --- */

static void lose_server(struct datagram_port *port, node_id_t node)
{
    if (!node_set_has(&port->awaited, node)) {
        return;
    }
    node_set_remove(&port->awaited, node);
    if (port->state == PORT_ASKING) {
        ask(port);
    } else {
        conclude(port);
    }
}

static void note_node_down(node_id_t node)
{
    for_each_port(lose_server, node);
}

/* A question that went to a dead node, since nobody lived who could speak, is asked again. */
static void greet_server(struct datagram_port *port, node_id_t node)
{
    if (port->state == PORT_ASKING) {
        ask(port);
    } else {
        say(port, node, BIND_PORT_TELL);
    }
}

static void note_node_up(node_id_t node)
{
    if (configuration_has_role(configuration_current(), node, ROLE_TS)) {
        for_each_port(greet_server, node);
    }
}

/* --- Datagrams --- */

static void handle_arrived(node_id_t from, const struct message *message,
                           struct message_payload payload)
{
    const struct datagram_arrived *datagram = (const struct datagram_arrived *)message;
    struct datagram_port *port = *find_link(datagram->local_port);

    (void)from;
    if (payload.length_bytes > DATAGRAM_MAX_BYTES) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    } else if (port != NULL) { /* else it was closed meanwhile */
        port->functions->arrived(port->owner, datagram, payload);
    }
}

static void handle_refused(node_id_t from, const struct message *message)
{
    const struct datagram_refused *refused = (const struct datagram_refused *)message;
    struct datagram_port *port = *find_link(refused->local_port);

    (void)from;
    if (port != NULL) {
        port->functions->refused(port->owner, refused->remote_address, refused->remote_port);
    }
}

/* This node's own if it is one, else in turn by the node's number. */
static node_id_t choose_server(void)
{
    const struct configuration *configuration = configuration_current();
    node_id_t self = platform_node();

    if (configuration_has_role(configuration, self, ROLE_TS)) {
        return self;
    }
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        node_id_t ts = configuration->ts[(self + i) % configuration->ts_count];

        if (!configuration_is_dead(configuration, ts)) {
            return ts;
        }
    }
    return NODE_NONE;
}

int datagram_send(const struct datagram_port *port, const struct datagram_way *way,
                  const struct datagram_piece *pieces, size_t bytes)
{
    node_id_t ts = choose_server();
    struct send_datagram *message;
    uint8_t *at;

    ASSERT(bytes <= DATAGRAM_MAX_BYTES && way->remote_address != 0 && way->remote_port != 0);
    if (ts == NODE_NONE) {
        return -ENETDOWN;
    }
    message = message_reserve_payload(ts, SEND_DATAGRAM, sizeof(*message), bytes);
    if (message == NULL) {
        return message_refusal(ts) == -EAGAIN ? -EAGAIN : -ENETDOWN;
    }
    message->remote_address = way->remote_address;
    message->remote_port = way->remote_port;
    message->local_port = port->number;
    message->group_ttl = way->group_ttl;
    message->is_looped = way->is_looped;
    at = (uint8_t *)(message + 1);
    for (size_t part; bytes > 0; bytes -= part, at += part, pieces++) {
        part = pieces->bytes < bytes ? pieces->bytes : bytes;
        if (part > 0) { /* an empty piece may have no place */
            memcpy(at, pieces->data, part);
        }
    }
    message_publish();
    return 0;
}

void datagrams_start(void)
{
    net_register_message(PORT_BOUND, handle_port_bound);
    net_register_payload_message(DATAGRAM_ARRIVED, handle_arrived);
    net_register_message(DATAGRAM_REFUSED, handle_refused);
    dispatch_register_node_down(note_node_down);
    dispatch_register_node_up(note_node_up);
}
