/* SPDX-License-Identifier: MIT */
/*
 * What can happen to a machine next, and which of it need not be tried in every order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "net/configuration.h"
#include "tests/proof/machine.h"

bool machine_leaves_nothing_out;

static bool has_role(const struct machine *machine, unsigned node, enum role role)
{
    return (machine_view(machine, node)->roles & role) != 0;
}

static void add(struct choice *choices, unsigned *count, enum choice_kind kind, unsigned node,
                unsigned other)
{
    if (*count == CHOICE_MAX) {
        fprintf(stderr, "too many choices\n");
        exit(2);
    }
    choices[(*count)++] = (struct choice){(uint8_t)kind, (uint8_t)node, (uint8_t)other, 0};
}

/* Whether that channel has a message for a node that lives. */
static bool is_unread(const struct machine *machine, unsigned from, unsigned to)
{
    return machine_lives(machine, to) && machine_has_message(machine, from, to);
}

static void add_deliveries(const struct machine *machine, struct choice *choices, unsigned *count)
{
    for (unsigned from = 0; from < proof_node_count; from++) {
        for (unsigned to = 0; to < proof_node_count; to++) {
            if (is_unread(machine, from, to)) {
                add(choices, count, CHOICE_DELIVER, to, from);
            }
        }
    }
}

static void add_deaths(const struct machine *machine, struct choice *choices, unsigned *count)
{
    for (unsigned node = 0; node < proof_node_count; node++) {
        if (!machine_lives(machine, node)) {
            continue;
        }
        for (unsigned dead = 0; dead < proof_node_count; dead++) {
            if (!machine_lives(machine, dead) &&
                (machine_view(machine, node)->known_dead >> dead & 1) == 0) {
                add(choices, count, CHOICE_LEARN, node, dead);
            }
        }
        if (machine->deaths_left != 0 &&
            (machine_view(machine, node)->roles & machine_scenario()->mortal_roles) != 0) {
            add(choices, count, CHOICE_DIE, node, 0);
        }
    }
}

static bool may_turn(const struct machine *machine, unsigned node)
{
    const struct node_view *view = machine_view(machine, node);

    for (unsigned i = 0; i < view->connection_count; i++) {
        unsigned to = view->connections[i].acceptor.node;

        if (view->connections[i].is_blocked && to < proof_node_count &&
            machine_room(machine, node, to) != 0) {
            return true;
        }
    }
    return false;
}

/* Whether closed connections that it has gathered wait for its sleep. */
static bool may_sleep(const struct machine *machine, unsigned node)
{
    return machine_scenario()->is_busy && machine_view(machine, node)->is_gathering;
}

/* An offer's timer is always let expire: it is part of no count. */
static bool may_expire(const struct machine *machine, unsigned node)
{
    const struct node_view *view = machine_view(machine, node);

    return view->is_offer_due || (machine->timers_left != 0 && view->has_timer);
}

static void add_client(const struct machine *machine, unsigned client, struct choice *choices,
                       unsigned *count)
{
    unsigned ts = machine_ts_of(client);
    const struct node_view *view;
    enum client_state state;

    if (!machine_lives(machine, ts)) {
        return;
    }
    view = machine_view(machine, ts);
    state = (enum client_state)view->clients[client];
    /* Clients differ in nothing, so the first is the first. */
    if (machine->syns_sent[client] < machine_scenario()->syn_max &&
        (client == 0 || machine->syns_sent[client - 1] != 0) && state <= CLIENT_HALF_OPEN) {
        add(choices, count, CHOICE_SYN, ts, client);
    }
    if (state == CLIENT_HALF_OPEN) {
        add(choices, count, CHOICE_ACK, ts, client);
    }
    if (machine_scenario()->is_sending && state == CLIENT_OPEN && (view->sent >> client & 1) == 0) {
        add(choices, count, CHOICE_DATA, ts, client);
    }
    if (machine->resets_left != 0 && (state == CLIENT_HALF_OPEN || state == CLIENT_OPEN)) {
        add(choices, count, CHOICE_RESET, ts, client);
    }
}

static void add_application(const struct machine *machine, unsigned node, struct choice *choices,
                            unsigned *count)
{
    const struct node_view *view = machine_view(machine, node);
    bool is_blocked = view->is_waiting && machine_scenario()->application_kind == APPLICATION_CALLS;

    if (!view->is_listening && machine->listens[node] < 1u + machine_scenario()->unlisten_max) {
        add(choices, count, CHOICE_LISTEN, node, 0);
    }
    if (view->is_listening && !view->is_waiting && view->accepts_left != 0) {
        add(choices, count, CHOICE_ACCEPT, node, 0);
    }
    if (view->is_listening && !is_blocked &&
        machine->unlistens[node] < machine_scenario()->unlisten_max) {
        add(choices, count, CHOICE_UNLISTEN, node, 0);
    }
    for (unsigned client = 0; client < machine_scenario()->client_count && !is_blocked; client++) {
        if (machine_scenario()->is_closing && (view->held >> client & 1) != 0) {
            add(choices, count, CHOICE_CLOSE, node, client);
        }
    }
}

/*
 * Whether all that this node will do next is among its choices now, whatever the others do first:
 * it has an application alone, each TS that lives has sent it something it has not read, and what
 * others still send comes behind that. None of its choices makes a difference to another node's
 * choices either. So it may go first: of each run to a quiet state, in which it has read all, there
 * is one with the same end in which it does.
 */
static bool may_go_first(const struct machine *machine, unsigned node)
{
    if (!machine_lives(machine, node) || machine_view(machine, node)->roles != ROLE_APPLICATION) {
        return false;
    }
    for (unsigned ts = 0; ts < proof_node_count; ts++) {
        if (machine_lives(machine, ts) && has_role(machine, ts, ROLE_TS) &&
            !machine_has_message(machine, ts, node)) {
            return false;
        }
    }
    return true;
}

static unsigned keep_node(struct choice *choices, unsigned count, unsigned node)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        if (choices[i].node == node) {
            choices[kept++] = choices[i];
        }
    }
    return kept;
}

/* Without those that need not be tried in this state. A death is a choice for all nodes, room that
 * a node makes is one for another, and a listener that wants data has a timer, which counts. */
static unsigned reduce(const struct machine *machine, struct choice *choices, unsigned count)
{
    if (machine_leaves_nothing_out || machine->deaths_left != 0 || machine_scenario()->room != 0 ||
        machine_scenario()->wants_data) {
        return count;
    }
    for (unsigned node = 0; node < proof_node_count; node++) {
        if (may_go_first(machine, node)) {
            unsigned kept = keep_node(choices, count, node);

            if (kept != 0) {
                return kept;
            }
        }
    }
    return count;
}

unsigned machine_all_choices(const struct machine *machine, struct choice *choices)
{
    unsigned count = 0;

    add_deliveries(machine, choices, &count);
    for (unsigned client = 0; client < machine_scenario()->client_count; client++) {
        add_client(machine, client, choices, &count);
    }
    for (unsigned node = 0; node < proof_node_count; node++) {
        if (!machine_lives(machine, node)) {
            continue;
        }
        if (has_role(machine, node, ROLE_APPLICATION)) {
            add_application(machine, node, choices, &count);
        }
        if (may_expire(machine, node)) {
            add(choices, &count, CHOICE_TIMER, node, 0);
        }
        if (may_turn(machine, node)) {
            add(choices, &count, CHOICE_TURN, node, 0);
        }
        if (may_sleep(machine, node)) {
            add(choices, &count, CHOICE_SLEEP, node, 0);
        }
    }
    add_deaths(machine, choices, &count);
    return count;
}

unsigned machine_choices(const struct machine *machine, struct choice *choices)
{
    return reduce(machine, choices, machine_all_choices(machine, choices));
}

bool machine_is_quiet(const struct machine *machine)
{
    for (unsigned from = 0; from < proof_node_count; from++) {
        for (unsigned to = 0; to < proof_node_count; to++) {
            if (is_unread(machine, from, to)) {
                return false;
            }
        }
    }
    for (unsigned node = 0; node < proof_node_count; node++) {
        if (machine_lives(machine, node) &&
            (machine_view(machine, node)->known_dead != machine->dead ||
             machine_view(machine, node)->is_offer_due || may_turn(machine, node) ||
             may_sleep(machine, node))) {
            return false;
        }
    }
    return true;
}
