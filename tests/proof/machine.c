/* SPDX-License-Identifier: MIT */
/*
 * What can happen to a machine, and what it does then.
 */
#include "tests/proof/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/configuration.h"
#include "net/transport/state.h"
#include "tests/proof/image.h"
#include "tests/proof/intern.h"

#define CONTENT_MAX 20u

/* What lies in a channel, the oldest first. */
struct content {
    uint32_t count;
    uint32_t messages[CONTENT_MAX];
};

const char *configuration_line;
unsigned proof_node_count;
unsigned proof_backlog;
enum application_kind proof_application_kind;
bool proof_are_offers_prompt;
unsigned proof_accept_max;

bool machine_leaves_nothing_out;
unsigned machine_sent_count;
struct sent machine_sent[OUTBOX_MAX];

static const struct scenario *scenario;
static struct intern contents = {.bytes = sizeof(struct content)};
/* Pairs of nodes that have talked: their place in struct machine, plus 1. */
static uint8_t channel_places[PROOF_NODE_MAX][PROOF_NODE_MAX];
static struct {
    uint8_t from, to;
} channel_ends[CHANNEL_MAX];
static unsigned channel_count;
static uint8_t ts_nodes[PROOF_NODE_MAX];
static unsigned ts_count;

const struct scenario *machine_scenario(void)
{
    return scenario;
}

unsigned machine_ts_of(unsigned client)
{
    return ts_nodes[client % ts_count];
}

bool machine_lives(const struct machine *machine, unsigned node)
{
    return (machine->dead >> node & 1) == 0;
}

const struct node_view *machine_view(const struct machine *machine, unsigned node)
{
    return image_view(machine->images[node]);
}

static bool has_role(const struct machine *machine, unsigned node, enum role role)
{
    return (machine_view(machine, node)->roles & role) != 0;
}

/* --- Channels --- */

static unsigned place_of(unsigned from, unsigned to)
{
    if (channel_places[from][to] == 0) {
        if (channel_count == CHANNEL_MAX) {
            fprintf(stderr, "too many channels\n");
            exit(2);
        }
        channel_ends[channel_count].from = (uint8_t)from;
        channel_ends[channel_count].to = (uint8_t)to;
        channel_places[from][to] = (uint8_t)++channel_count;
    }
    return channel_places[from][to] - 1u;
}

static const struct content *content_of(const struct machine *machine, unsigned place)
{
    return interned(&contents, machine->channels[place]);
}

static void set_content(struct machine *machine, unsigned place, const struct content *content)
{
    machine->channels[place] = intern(&contents, content);
}

static void send(struct machine *machine, unsigned from, unsigned to, uint32_t message)
{
    unsigned place = place_of(from, to);
    struct content content = *content_of(machine, place);

    machine_sent[machine_sent_count].from = (uint8_t)from;
    machine_sent[machine_sent_count].to = (uint8_t)to;
    machine_sent[machine_sent_count++].message = message;
    /* What a dead node does not read matters only if it fills the channel. */
    if (!machine_lives(machine, to) && scenario->room == 0) {
        return;
    }
    if (content.count == CONTENT_MAX) {
        fprintf(stderr, "too many messages in a channel\n");
        exit(2);
    }
    content.messages[content.count++] = message;
    set_content(machine, place, &content);
}

static uint32_t receive(struct machine *machine, unsigned from, unsigned to)
{
    unsigned place = place_of(from, to);
    struct content content = *content_of(machine, place);
    uint32_t message = content.messages[0];

    content.count--;
    memmove(content.messages, content.messages + 1, sizeof(content.messages) - sizeof(uint32_t));
    content.messages[CONTENT_MAX - 1] = 0;
    set_content(machine, place, &content);
    return message;
}

static void empty(struct machine *machine, unsigned from, unsigned to)
{
    if (channel_places[from][to] != 0) {
        machine->channels[place_of(from, to)] = 0;
    }
}

static unsigned room_for(const struct machine *machine, unsigned from, unsigned to)
{
    uint32_t count;

    if (scenario->room == 0 || !has_role(machine, from, ROLE_TS)) {
        return UINT8_MAX;
    }
    count = channel_places[from][to] == 0 ? 0 : content_of(machine, place_of(from, to))->count;
    return count < scenario->room ? scenario->room - count : 0;
}

/* --- One choice --- */

static const char *act(struct machine *machine, struct node_input *input)
{
    const struct image_step *step;

    for (unsigned to = 0; to < proof_node_count; to++) {
        input->room[to] =
            input->kind == INPUT_START ? UINT8_MAX : (uint8_t)room_for(machine, input->node, to);
    }
    step = image_act(machine->images[input->node], input);
    if (step->fault != NULL) {
        return step->fault;
    }
    machine->images[input->node] = step->image;
    for (uint32_t i = 0; i < step->message_count; i++) {
        send(machine, input->node, step->messages[i].to, step->messages[i].message);
    }
    return NULL;
}

static const char *send_syn(struct machine *machine, unsigned client)
{
    unsigned ts = machine_ts_of(client);
    struct node_input input = {
        .kind = INPUT_MESSAGE,
        .node = (uint8_t)machine_view(machine, ts)->own_cm,
        .from = (uint8_t)ts,
    };
    struct syn_arrived *syn = (struct syn_arrived *)input.message.bytes;

    machine->syns_sent[client]++;
    input.message.length_bytes = sizeof(*syn) + 1;
    syn->header.type = SYN_ARRIVED;
    syn->header.length_bytes = sizeof(*syn) + 1;
    syn->flow =
        (struct flow){.remote_port = (uint16_t)client, .local_port = __builtin_bswap16(PROOF_PORT)};
    syn->ts = (node_id_t)ts;
    input.message.bytes[sizeof(*syn)] = (uint8_t)client;
    return act(machine, &input);
}

static const char *deliver(struct machine *machine, unsigned from, unsigned to)
{
    struct node_input input = {.kind = INPUT_MESSAGE, .node = (uint8_t)to, .from = (uint8_t)from};

    input.message = *message_numbered(receive(machine, from, to));
    return act(machine, &input);
}

static const char *learn(struct machine *machine, unsigned node, unsigned dead)
{
    struct node_input input = {
        .kind = INPUT_DOWN, .node = (uint8_t)node, .argument = (uint8_t)dead};

    empty(machine, dead, node);
    empty(machine, node, dead);
    return act(machine, &input);
}

/* An application never hears of another, so it makes no difference when it learns of its death. */
static const char *tell_other_applications(struct machine *machine, unsigned dead)
{
    const char *fault = NULL;

    for (unsigned node = 0; node < proof_node_count && fault == NULL; node++) {
        if (machine_lives(machine, node) &&
            machine_view(machine, node)->roles == ROLE_APPLICATION) {
            fault = learn(machine, node, dead);
        }
    }
    return fault;
}

static const char *die(struct machine *machine, unsigned node)
{
    bool is_application = machine_view(machine, node)->roles == ROLE_APPLICATION;

    machine->taken_by_dead |= machine_view(machine, node)->taken;
    machine->dead |= (uint8_t)(1u << node);
    machine->deaths_left--;
    machine->images[node] = IMAGE_FIRST; /* nobody asks it any more */
    for (unsigned from = 0; from < proof_node_count; from++) {
        if (scenario->room == 0) {
            empty(machine, from, node);
        }
    }
    return is_application ? tell_other_applications(machine, node) : NULL;
}

const char *machine_apply(struct machine *machine, struct choice choice)
{
    static const uint8_t inputs[CHOICE_KIND_COUNT] = {
        [CHOICE_TIMER] = INPUT_TIMER,       [CHOICE_TURN] = INPUT_TURN,
        [CHOICE_ACK] = INPUT_ACK,           [CHOICE_RESET] = INPUT_RESET,
        [CHOICE_DATA] = INPUT_DATA,         [CHOICE_LISTEN] = INPUT_LISTEN,
        [CHOICE_ACCEPT] = INPUT_ACCEPT,     [CHOICE_CLOSE] = INPUT_CLOSE,
        [CHOICE_UNLISTEN] = INPUT_UNLISTEN,
    };
    struct node_input input = {
        .kind = inputs[choice.kind], .node = choice.node, .argument = choice.other};

    machine_sent_count = 0;
    switch ((enum choice_kind)choice.kind) {
    case CHOICE_DELIVER:
        return deliver(machine, choice.other, choice.node);
    case CHOICE_SYN:
        return send_syn(machine, choice.other);
    case CHOICE_LEARN:
        return learn(machine, choice.node, choice.other);
    case CHOICE_DIE:
        return die(machine, choice.node);
    case CHOICE_TIMER:
        machine->timers_left -= !machine_view(machine, choice.node)->is_offer_due;
        break;
    case CHOICE_RESET:
        machine->resets_left--;
        break;
    case CHOICE_LISTEN:
        machine->listens[choice.node]++;
        break;
    case CHOICE_UNLISTEN:
        machine->unlistens[choice.node]++;
        break;
    default:
        break;
    }
    return act(machine, &input);
}

const struct packed_message *machine_message(const struct machine *machine, struct choice choice)
{
    if (choice.kind != CHOICE_DELIVER || channel_places[choice.other][choice.node] == 0) {
        return NULL;
    }
    const struct content *content = content_of(machine, place_of(choice.other, choice.node));

    return content->count == 0 ? NULL : message_numbered(content->messages[0]);
}

/* --- What can happen --- */

static void add(struct choice *choices, unsigned *count, enum choice_kind kind, unsigned node,
                unsigned other)
{
    if (*count == CHOICE_MAX) {
        fprintf(stderr, "too many choices\n");
        exit(2);
    }
    choices[(*count)++] = (struct choice){(uint8_t)kind, (uint8_t)node, (uint8_t)other, 0};
}

static void add_deliveries(const struct machine *machine, struct choice *choices, unsigned *count)
{
    for (unsigned place = 0; place < channel_count; place++) {
        if (machine->channels[place] != 0 && machine_lives(machine, channel_ends[place].to)) {
            add(choices, count, CHOICE_DELIVER, channel_ends[place].to, channel_ends[place].from);
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
            (machine_view(machine, node)->roles & scenario->mortal_roles) != 0) {
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
            room_for(machine, node, to) != 0) {
            return true;
        }
    }
    return false;
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
    /* Clients differ in nothing, so the first is the first. One that a dead CM has not answered may
     * send its SYN again. */
    if (machine->syns_sent[client] < scenario->syn_max &&
        (client == 0 || machine->syns_sent[client - 1] != 0) && state <= CLIENT_HALF_OPEN &&
        machine_lives(machine, view->own_cm)) {
        add(choices, count, CHOICE_SYN, view->own_cm, client);
    }
    if (state == CLIENT_HALF_OPEN) {
        add(choices, count, CHOICE_ACK, ts, client);
    }
    if (scenario->is_sending && state == CLIENT_OPEN && (view->sent >> client & 1) == 0) {
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
    bool is_blocked = view->is_waiting && scenario->application_kind == APPLICATION_CALLS;

    if (!view->is_listening && machine->listens[node] < 1u + scenario->unlisten_max) {
        add(choices, count, CHOICE_LISTEN, node, 0);
    }
    if (view->is_listening && !view->is_waiting && view->accepts_left != 0) {
        add(choices, count, CHOICE_ACCEPT, node, 0);
    }
    if (view->is_listening && !is_blocked && machine->unlistens[node] < scenario->unlisten_max) {
        add(choices, count, CHOICE_UNLISTEN, node, 0);
    }
    for (unsigned client = 0; client < scenario->client_count && !is_blocked; client++) {
        if (scenario->is_closing && (view->held >> client & 1) != 0) {
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
    for (unsigned i = 0; i < ts_count; i++) {
        if (machine_lives(machine, ts_nodes[i]) &&
            machine->channels[place_of(ts_nodes[i], node)] == 0) {
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

/* Without those that need not be tried in this state. A death is a choice for all nodes, and room
 * that a node makes is one for another. */
static unsigned reduce(const struct machine *machine, struct choice *choices, unsigned count)
{
    if (machine_leaves_nothing_out || machine->deaths_left != 0 || scenario->room != 0) {
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
    for (unsigned client = 0; client < scenario->client_count; client++) {
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
    for (unsigned place = 0; place < channel_count; place++) {
        if (machine->channels[place] != 0 && machine_lives(machine, channel_ends[place].to)) {
            return false;
        }
    }
    for (unsigned node = 0; node < proof_node_count; node++) {
        if (machine_lives(machine, node) &&
            (machine_view(machine, node)->known_dead != machine->dead ||
             machine_view(machine, node)->is_offer_due || may_turn(machine, node))) {
            return false;
        }
    }
    return true;
}

/* --- The first state --- */

static const char *deliver_all(struct machine *machine)
{
    struct choice choices[CHOICE_MAX];
    unsigned count;
    const char *fault = NULL;

    do {
        count = 0;
        add_deliveries(machine, choices, &count);
        machine_sent_count = 0;
        if (count != 0) {
            fault = machine_apply(machine, choices[0]);
        }
    } while (count != 0 && fault == NULL);
    return fault;
}

static const char *open_all(struct machine *machine)
{
    const char *fault = NULL;

    for (unsigned node = 0; node < proof_node_count && fault == NULL; node++) {
        if (has_role(machine, node, ROLE_APPLICATION)) {
            fault = machine_apply(machine,
                                  (struct choice){.kind = CHOICE_LISTEN, .node = (uint8_t)node});
        }
    }
    return fault != NULL ? fault : deliver_all(machine);
}

const char *machine_start(struct machine *machine, const struct scenario *wanted)
{
    static const struct content nothing;
    const char *fault = NULL;

    scenario = wanted;
    configuration_line = scenario->configuration;
    proof_node_count = scenario->node_count;
    proof_backlog = scenario->backlog;
    proof_application_kind = scenario->application_kind;
    proof_are_offers_prompt = !scenario->has_late_offers;
    proof_accept_max = scenario->accept_max;
    image_clear();
    intern_clear(&contents);
    (void)intern(&contents, &nothing); /* number 0 */
    memset(channel_places, 0, sizeof(channel_places));
    channel_count = 0;
    ts_count = 0;
    memset(machine, 0, sizeof(*machine));
    machine->timers_left = scenario->timer_max;
    machine->resets_left = scenario->reset_max;
    machine->deaths_left = scenario->death_max;
    for (unsigned node = 0; node < proof_node_count && fault == NULL; node++) {
        struct node_input input = {.kind = INPUT_START, .node = (uint8_t)node};

        machine_sent_count = 0;
        fault = act(machine, &input);
        if (fault == NULL && has_role(machine, node, ROLE_TS)) {
            ts_nodes[ts_count++] = (uint8_t)node;
        }
    }
    if (fault == NULL && !scenario->is_from_scratch) {
        fault = open_all(machine);
    }
    return fault;
}
