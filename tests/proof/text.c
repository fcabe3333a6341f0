/* SPDX-License-Identifier: MIT */
/*
 * Choices, messages and states as text. A choice is one line; what it sends follows in lines that
 * are set in.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/proof/image.h"
#include "tests/proof/machine.h"

static const char *const message_names[MESSAGE_TYPE_MAX] = {
#define X(type, name, from, to) [type] = #type,
    MESSAGE_TABLE(X)
#undef X
};

static const char *const choice_names[CHOICE_KIND_COUNT] = {
    [CHOICE_DELIVER] = "deliver", [CHOICE_TIMER] = "timer", [CHOICE_LEARN] = "learn",
    [CHOICE_TURN] = "turn",       [CHOICE_SYN] = "syn",     [CHOICE_ACK] = "ack",
    [CHOICE_RESET] = "reset",     [CHOICE_DATA] = "data",   [CHOICE_LISTEN] = "listen",
    [CHOICE_ACCEPT] = "accept",   [CHOICE_CLOSE] = "close", [CHOICE_UNLISTEN] = "unlisten",
    [CHOICE_SLEEP] = "sleep",     [CHOICE_DIE] = "die",
};

const char *message_name(uint16_t type)
{
    return message_names[type];
}

const char *choice_name(enum choice_kind kind)
{
    return choice_names[kind];
}

struct text {
    char *at;
    size_t left;
};

static void print(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

static void print(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text->at, text->left, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < text->left) {
        text->at += length;
        text->left -= (size_t)length;
    }
}

static void print_acceptor(struct text *text, const struct acceptor *acceptor)
{
    if (acceptor->node == NODE_NONE) {
        print(text, " acceptor=none");
    } else {
        print(text, " acceptor=node%u request=%u list=node%u", acceptor->node,
              acceptor->request_number, acceptor->cm);
    }
    print(text, " by=node%u%s", acceptor->assigned_by,
          acceptor->grant != GRANT_NONE ? " granted" : "");
}

static void print_name(struct text *text, uint32_t index, uint32_t generation)
{
    print(text, " connection=%u.%u", index, generation);
}

static void print_message(struct text *text, const struct packed_message *packed)
{
    struct packed_message copy = *packed;
    const void *message = copy.bytes;
    uint16_t type = ((const struct message_header *)message)->type;

    print(text, "%s", message_names[type]);
    if (type == ACCEPT_CONNECTION) {
        const struct accept_connection *accept = message;

        print(text, " request=%u", accept->request_number);
        if (accept->grant_count != 0) {
            print(text, " grants=%u%s", accept->grant_count, accept->is_renewal ? " more" : "");
        }
    } else if (type == PORTS_SERVED) {
        for (unsigned i = 0; i < PORTS_SERVED_MAX; i++) {
            uint16_t port = ((const struct ports_served *)message)->ports[i];

            print(text, port != 0 ? " port=%u" : "", port);
        }
    } else if (type == SYN_ARRIVED) {
        print(text, " client=%u", ((const struct syn_arrived *)message)->flow.remote_port);
    } else if (type == ASSIGN_CONNECTION) {
        const struct assign_connection *assign = message;

        print(text, " client=%u%s", assign->flow.remote_port,
              assign->is_refused != 0 ? " refused" : "");
        print_acceptor(text, &assign->acceptor);
    } else if (type == CONNECTION_AVAILABLE) {
        const struct connection_available *available = message;

        print_name(text, available->connection_index, available->generation);
        print(text, " client=%u availability=%u%s", available->flow.remote_port,
              available->availability_number, available->send_window_bytes != 0 ? " granted" : "");
    } else if (type == CLAIM_CONNECTION) {
        const struct claim_connection *claim = message;

        print_name(text, claim->connection_index, claim->generation);
        print(text, " availability=%u", claim->availability_number);
    } else if (type == DECLINE_CONNECTION) {
        const struct decline_connection *decline = message;

        print_name(text, decline->connection_index, decline->generation);
        print(text, " availability=%u", decline->availability_number);
    } else if (type == RECALL_CONNECTION) {
        const struct recall_connection *recall = message;

        print_name(text, recall->connection_index, recall->generation);
        print(text, " availability=%u", recall->availability_number);
    } else if (type == CLAIM_CONFIRMED) {
        const struct claim_confirmed *confirmed = message;

        print_name(text, confirmed->connection_index, confirmed->generation);
    } else if (type == CLAIM_REJECTED) {
        const struct claim_rejected *rejected = message;

        print_name(text, rejected->connection_index, rejected->generation);
    } else if (type == ACCEPT_TIMEOUT) {
        const struct accept_timeout *timeout = message;

        print_name(text, timeout->connection_index, timeout->generation);
        print_acceptor(text, &timeout->acceptor);
    } else if (type == REASSIGN_CONNECTION) {
        const struct reassign_connection *reassign = message;

        print_name(text, reassign->connection_index, reassign->generation);
        print(text, "%s", reassign->is_refused != 0 ? " refused" : "");
        print_acceptor(text, &reassign->acceptor);
    } else if (type == CONNECTION_CLOSED) {
        const struct connection_closed *connections = message;

        for (unsigned i = 0; i < CLOSED_MAX && connections->closed[i].port != 0; i++) {
            print(text, " of=node%u by=node%u", connections->closed[i].node,
                  connections->closed[i].assigned_by);
        }
    } else if (type == OFFER) {
        print_acceptor(text, &((const struct offer *)message)->acceptor);
    } else if (type == CLOSE) {
        const struct close *close = message;

        print_name(text, close->connection_index, close->generation);
        print(text, " kind=%u", close->kind);
    }
}

static void print_head(struct text *text, struct choice choice)
{
    const char *name = choice_names[choice.kind];

    switch ((enum choice_kind)choice.kind) {
    case CHOICE_DELIVER:
        print(text, "%s %u>%u", name, choice.other, choice.node);
        break;
    case CHOICE_LEARN:
        print(text, "%s node%u dead%u", name, choice.node, choice.other);
        break;
    case CHOICE_SYN:
    case CHOICE_ACK:
    case CHOICE_RESET:
    case CHOICE_DATA:
    case CHOICE_CLOSE:
        print(text, "%s node%u client%u", name, choice.node, choice.other);
        break;
    default:
        print(text, "%s node%u", name, choice.node);
        break;
    }
}

void machine_print_choice(const struct machine *before, struct choice choice, char *text,
                          size_t bytes)
{
    const struct packed_message *message = machine_message(before, choice);
    struct text rest = {text, bytes};

    print_head(&rest, choice);
    if (message != NULL) {
        print(&rest, " ");
        print_message(&rest, message);
    }
    print(&rest, "\n");
    for (unsigned i = 0; i < machine_sent_count; i++) {
        print(&rest, "    %u>%u ", machine_sent[i].from, machine_sent[i].to);
        print_message(&rest, message_numbered(machine_sent[i].message));
        print(&rest, "\n");
    }
}

bool machine_parse_choice(const char *line, struct choice *choice)
{
    char name[16];
    unsigned node, other = 0;

    if (sscanf(line, "deliver %u>%u", &other, &node) == 2) {
        *choice = (struct choice){CHOICE_DELIVER, (uint8_t)node, (uint8_t)other, 0};
        return true;
    }
    if (sscanf(line, "%15s node%u client%u", name, &node, &other) < 2) {
        return false;
    }
    (void)sscanf(line, "%*s node%*u dead%u", &other);
    for (unsigned kind = 0; kind < CHOICE_KIND_COUNT; kind++) {
        if (strcmp(name, choice_names[kind]) == 0) {
            *choice = (struct choice){(uint8_t)kind, (uint8_t)node, (uint8_t)other, 0};
            return true;
        }
    }
    return false;
}

/* --- States --- */

static const char *const connection_states[] = {
    [SEEN_HALF_OPEN] = "half-open", "assigned", "announced", "waiting", "claimed", "detached"};
static const char *const stream_states[] = {"free",     "available", "claimed",
                                            "deferred", "ready",     "open"};

/* In the order of their nodes: that of a CM's lists means nothing. */
static void print_applications(const struct node_view *view, unsigned node, unsigned other)
{
    for (unsigned i = 0; i < view->application_count; i++) {
        const struct seen_application *application = &view->applications[i];

        if (application->node == other) {
            printf("  node%u: node%u listens%s, %u open", node, other,
                   application->is_accepting ? " and accepts" : "", application->outstanding);
            if (application->granted_count != 0) {
                printf(", %u granted", application->granted_count);
            }
            printf("\n");
        }
    }
}

static void print_node(const struct node_view *view, unsigned node)
{
    for (unsigned i = 0; i < view->connection_count; i++) {
        const struct seen_connection *connection = &view->connections[i];
        char acceptor[80] = "";
        struct text text = {acceptor, sizeof(acceptor)};

        print_acceptor(&text, &connection->acceptor);
        printf("  node%u: connection %u.%u of client%u is %s%s,%s\n", node, connection->index,
               connection->generation, connection->client, connection_states[connection->state],
               connection->is_blocked ? " without room" : "", acceptor);
    }
    for (unsigned other = 0; other < proof_node_count; other++) {
        print_applications(view, node, other);
    }
    for (unsigned i = 0; i < view->waiting_count; i++) {
        printf("  node%u: connection %u.%u of node%u is in the queue\n", node,
               view->waiting[i].index, view->waiting[i].generation, view->waiting[i].ts);
    }
    for (unsigned other = 0; other < PROOF_NODE_MAX; other++) {
        if ((view->offering >> other & 1) != 0) {
            printf("  node%u: node%u offers node%u\n", node, other, view->offered[other]);
        }
    }
    for (unsigned i = 0; i < view->stream_count; i++) {
        printf("  node%u: client%u's connection %u.%u of node%u is %s\n", node,
               view->streams[i].client, view->streams[i].index, view->streams[i].generation,
               view->streams[i].ts, stream_states[view->streams[i].state]);
    }
    if (view->is_waiting) {
        printf("  node%u: waits in accept()\n", node);
    }
}

void machine_print_state(const struct machine *machine)
{
    for (unsigned node = 0; node < proof_node_count; node++) {
        if (machine_lives(machine, node)) {
            print_node(machine_view(machine, node), node);
        } else {
            printf("  node%u: dead\n", node);
        }
    }
}
