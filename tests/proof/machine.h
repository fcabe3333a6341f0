/* SPDX-License-Identifier: MIT */
/*
 * The machine: its nodes' images, what lies in the channels, and what the world may still do to it.
 * A choice is one thing that can happen next.
 */
#pragma once

#include "tests/proof/node.h"

#define CHANNEL_MAX 26u
#define CHOICE_MAX  96u

struct scenario {
    const char *name;
    const char *what;          /* for people */
    const char *configuration; /* as on the command line */
    uint8_t node_count;
    uint8_t client_count;
    uint8_t backlog;
    enum application_kind application_kind;
    enum application_answer answer;
    uint8_t accept_max; /* calls of accept() by each application */
    uint8_t grants;     /* connections that each may claim in advance at a time */
    /* How often all together: */
    uint8_t timer_max;
    uint8_t reset_max;
    uint8_t death_max;
    uint8_t syn_max;      /* by each client */
    uint8_t unlisten_max; /* by each application; it may listen again as often */
    /* Messages from a TS to an application before the channel is full; 0: never. */
    uint8_t room;
    uint8_t mortal_roles; /* enum role, OR-ed: who may die, if one of its roles is among them */
    bool has_late_offers; /* a CM's period may last longer than anything else */
    bool is_from_scratch; /* nobody listens at first */
    bool is_sending;      /* clients send a byte each, at any time */
    bool is_closing;      /* applications close their connections, at any time */
    bool wants_data;      /* applications want their connections with data */
    bool is_busy;         /* nodes sleep late: what they gather until then waits */
    bool is_long;         /* for `make prove` alone */
};

struct machine {
    uint32_t images[PROOF_NODE_MAX];
    uint32_t channels[CHANNEL_MAX]; /* numbers of what lies in them; 0: nothing */
    uint8_t dead;                   /* nodes, a bit each */
    uint8_t timers_left, resets_left, deaths_left;
    uint8_t syns_sent[PROOF_CLIENT_MAX];
    uint8_t unlistens[PROOF_NODE_MAX], listens[PROOF_NODE_MAX]; /* made */
    /* Clients, a bit each: handed out on nodes that are dead, and whether their TS knows it. Of one
     * that was claimed in advance nobody may ever know: then it may be another's. */
    uint8_t taken_by_dead, taken_unknown;
    uint8_t reserved[3]; /* all bytes of it are compared */
};

_Static_assert(sizeof(struct machine) == (PROOF_NODE_MAX + CHANNEL_MAX) * sizeof(uint32_t) +
                                             PROOF_CLIENT_MAX + 2 * PROOF_NODE_MAX + 9,
               "no bytes between its fields");

enum choice_kind {
    CHOICE_DELIVER, /* the first message in the channel `other` > `node` */
    CHOICE_TIMER,   /* time passes on `node` until its next timer expires */
    CHOICE_LEARN,   /* `node` sees that `other` is dead */
    CHOICE_TURN,    /* `node` finds room in a channel that was full */
    CHOICE_SYN,     /* client `other`'s SYN comes to its CM */
    CHOICE_ACK,     /* its ACK comes to its TS, `node` */
    CHOICE_RESET,   /* its reset */
    CHOICE_DATA,    /* its byte */
    CHOICE_LISTEN,
    CHOICE_ACCEPT,
    CHOICE_CLOSE, /* of client `other`'s connection */
    CHOICE_UNLISTEN,
    CHOICE_SLEEP, /* `node` has nothing to do */
    CHOICE_DIE,
    CHOICE_KIND_COUNT
};

struct choice {
    uint8_t kind, node, other, reserved;
};

/* Make it the scenario of what follows, and the machine its first state. A fault, or NULL. */
const char *machine_start(struct machine *machine, const struct scenario *scenario);
/* Whether something lies in that channel, and for how many messages more a sender finds room. */
bool machine_has_message(const struct machine *machine, unsigned from, unsigned to);
unsigned machine_room(const struct machine *machine, unsigned from, unsigned to);
/* NULL of a node that is dead. */
const struct node_view *machine_view(const struct machine *machine, unsigned node);
bool machine_lives(const struct machine *machine, unsigned node);
unsigned machine_ts_of(unsigned client);
const struct scenario *machine_scenario(void);
/* Let it happen. What went wrong inside a node, or NULL. */
const char *machine_apply(struct machine *machine, struct choice choice);
/* The message that the choice delivers; NULL if it delivers none. */
const struct packed_message *machine_message(const struct machine *machine, struct choice choice);
/* What the last choice has sent, in order; for traces. */
extern unsigned machine_sent_count;
extern struct sent {
    uint8_t from, to;
    uint32_t message;
} machine_sent[OUTBOX_MAX];

/* --- choices.c --- */

/* What can happen next; returns how many. And without what makes no difference to any quiet state,
 * because it can as well happen later. */
unsigned machine_all_choices(const struct machine *machine, struct choice *choices);
unsigned machine_choices(const struct machine *machine, struct choice *choices);
extern bool machine_leaves_nothing_out; /* then the two are the same */
/* Whether no message is under way, and all that live know who is dead. */
bool machine_is_quiet(const struct machine *machine);

/* --- properties.c --- */

/* The property that does not hold in this state, or NULL. */
const char *machine_judge(const struct machine *machine);

/* --- grants.c --- */

/* The same for one CM and what is claimed in advance, in a quiet state. */
const char *machine_judge_grants(const struct machine *machine, unsigned cm);

/* --- text.c --- */

const char *message_name(uint16_t type);
const char *choice_name(enum choice_kind kind);
/* The choice, made in that state, and what it sends, as lines of text. */
void machine_print_choice(const struct machine *before, struct choice choice, char *text,
                          size_t bytes);
/* The choice that a line begins with; false if there is none. */
bool machine_parse_choice(const char *line, struct choice *choice);
void machine_print_state(const struct machine *machine);
