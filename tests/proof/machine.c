/* SPDX-License-Identifier: MIT */
/*
 * Channels, and what a choice does.
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
static char line[200];
unsigned proof_node_count;
unsigned proof_backlog;
enum application_kind proof_application_kind;
bool proof_are_offers_prompt;
unsigned proof_accept_max;
enum application_answer proof_answer;
bool proof_wants_data;
bool proof_is_busy;

unsigned machine_sent_count;
struct sent machine_sent[OUTBOX_MAX];

static const struct scenario *scenario;
static struct intern contents = {.bytes = sizeof(struct content)};
/* Pairs of nodes that have talked: their place in struct machine, plus 1. */
static uint8_t channel_places[PROOF_NODE_MAX][PROOF_NODE_MAX];
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

bool machine_has_message(const struct machine *machine, unsigned from, unsigned to)
{
    return channel_places[from][to] != 0 && machine->channels[place_of(from, to)] != 0;
}

unsigned machine_room(const struct machine *machine, unsigned from, unsigned to)
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
        input->room[to] = input->kind == INPUT_START
                              ? UINT8_MAX
                              : (uint8_t)machine_room(machine, input->node, to);
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

/* What its TS has; NULL: nothing, or it is dead. */
static const struct seen_connection *connection_of(const struct machine *machine, unsigned client)
{
    const struct node_view *view = machine_view(machine, machine_ts_of(client));

    for (unsigned i = 0; view != NULL && i < view->connection_count; i++) {
        if (view->connections[i].client == client) {
            return &view->connections[i];
        }
    }
    return NULL;
}

/* Of what was claimed in advance the TS may not have heard. */
static void note_taken_by(struct machine *machine, unsigned dead)
{
    uint8_t taken = machine_view(machine, dead)->taken;

    for (unsigned client = 0; client < scenario->client_count; client++) {
        const struct seen_connection *connection = connection_of(machine, client);
        uint8_t bit = (uint8_t)(taken & 1u << client);

        if (connection != NULL && connection->state == CONNECTION_ANNOUNCED &&
            connection->acceptor.node == dead) {
            machine->taken_unknown |= bit;
        } else {
            machine->taken_by_dead |= bit;
        }
    }
}

/* The message may still come. */
static void note_known(struct machine *machine)
{
    for (unsigned client = 0; client < scenario->client_count; client++) {
        const struct seen_connection *connection = connection_of(machine, client);
        uint8_t bit = (uint8_t)(1u << client);

        if ((machine->taken_unknown & bit) != 0 && connection != NULL &&
            connection->state == CONNECTION_CLAIMED &&
            !machine_lives(machine, connection->acceptor.node)) {
            machine->taken_unknown &= (uint8_t)~bit;
            machine->taken_by_dead |= bit;
        }
    }
}

static const char *die(struct machine *machine, unsigned node)
{
    bool is_application = machine_view(machine, node)->roles == ROLE_APPLICATION;

    note_taken_by(machine, node);
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

static const char *apply(struct machine *machine, struct choice choice)
{
    static const uint8_t inputs[CHOICE_KIND_COUNT] = {
        [CHOICE_TIMER] = INPUT_TIMER,   [CHOICE_TURN] = INPUT_TURN,
        [CHOICE_SYN] = INPUT_SYN,       [CHOICE_ACK] = INPUT_ACK,
        [CHOICE_RESET] = INPUT_RESET,   [CHOICE_DATA] = INPUT_DATA,
        [CHOICE_LISTEN] = INPUT_LISTEN, [CHOICE_ACCEPT] = INPUT_ACCEPT,
        [CHOICE_CLOSE] = INPUT_CLOSE,   [CHOICE_UNLISTEN] = INPUT_UNLISTEN,
        [CHOICE_SLEEP] = INPUT_SLEEP,
    };
    struct node_input input = {
        .kind = inputs[choice.kind], .node = choice.node, .argument = choice.other};

    machine_sent_count = 0;
    switch ((enum choice_kind)choice.kind) {
    case CHOICE_DELIVER:
        return deliver(machine, choice.other, choice.node);
    case CHOICE_SYN:
        machine->syns_sent[choice.other]++;
        break;
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

const char *machine_apply(struct machine *machine, struct choice choice)
{
    const char *fault = apply(machine, choice);

    if (fault == NULL && machine->taken_unknown != 0) {
        note_known(machine);
    }
    return fault;
}

const struct packed_message *machine_message(const struct machine *machine, struct choice choice)
{
    if (choice.kind != CHOICE_DELIVER || channel_places[choice.other][choice.node] == 0) {
        return NULL;
    }
    const struct content *content = content_of(machine, place_of(choice.other, choice.node));

    return content->count == 0 ? NULL : message_numbered(content->messages[0]);
}

/* --- The first state --- */

static bool find_delivery(const struct machine *machine, struct choice *delivery)
{
    struct choice choices[CHOICE_MAX];
    unsigned count = machine_all_choices(machine, choices);

    for (unsigned i = 0; i < count; i++) {
        if (choices[i].kind == CHOICE_DELIVER) {
            *delivery = choices[i];
            return true;
        }
    }
    return false;
}

static const char *deliver_all(struct machine *machine)
{
    struct choice delivery;
    const char *fault = NULL;

    while (fault == NULL && find_delivery(machine, &delivery)) {
        fault = machine_apply(machine, delivery);
    }
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
    (void)snprintf(line, sizeof(line), "%s grants=%u", scenario->configuration, scenario->grants);
    configuration_line = line;
    proof_node_count = scenario->node_count;
    proof_backlog = scenario->backlog;
    proof_application_kind = scenario->application_kind;
    proof_are_offers_prompt = !scenario->has_late_offers;
    proof_accept_max = scenario->accept_max;
    proof_answer = scenario->answer;
    proof_wants_data = scenario->wants_data;
    proof_is_busy = scenario->is_busy;
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
