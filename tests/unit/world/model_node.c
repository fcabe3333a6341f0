/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/message/receive.c kernel/message/peers.c libc/core/assert.c libc/core/line_ring.c libc/core/reserve.c tests/unit/world/memory_model.c tests/unit/world/memory_explorer.c */
/*
 * See model_node.h. A node has these files' variables to itself, and there is one program: so they
 * are changed over when the other node's turn comes, for which three files are included here.
 */
#include "tests/unit/world/model_node.h"

#include <stdio.h>
#include <string.h>

#include "kernel/message/dispatch.c"
#include "kernel/message/poll.c"
#include "kernel/message/send.c"
#include "libc/core/memory.h"

#define TYPE MESSAGE_TYPE_FIRST_FREE

/* Which interrupt. */
enum { DOORBELL, ATTENTION };

struct numbered {
    struct message_header header;
    uint32_t number;
    uint32_t unused;
    uint32_t payload[]; /* the second line, if there is one, is in it */
};

/* Behind the fixed part: the words of the second line. */
#define SECOND_LINE 12

static struct variables {
    struct peer *first_due;
    struct node_set blocked_nodes;
    bool is_any_blocked;
    struct own_ring own_ring;
    struct peer *built_peer;

    struct watched_channel channels[2];
    unsigned loud_count;
    unsigned channel_count;
    unsigned next_quiet;
    unsigned rounds_to_sweep;

    struct dispatch_source *sources[SOURCE_LISTS];
    uint64_t attention_count;
    bool has_late_work;
} variables[MODEL_NODES];

static const struct model_scenario *scenario;
static unsigned turn; /* whose */
static bool is_begun;
static unsigned sent[MODEL_NODES];
static unsigned received[MODEL_NODES]; /* by each */
static uint64_t attentions[MODEL_NODES];
static struct dispatch_source node_sources[MODEL_NODES];

/* What each node sees of its own, and where the others' lies. */
static union {
    struct status_page page;
    uint8_t bytes[STATUS_PAGE_BYTES(MODEL_NODES)];
} own_pages[MODEL_NODES], other_pages[MODEL_NODES];
static struct peer model_peers[MODEL_NODES];
static struct watched_channel model_channels[MODEL_NODES + 1];
static _Alignas(
    CHANNEL_LINE_BYTES) uint8_t own_rings[MODEL_NODES][MODEL_LINES_MAX * CHANNEL_LINE_BYTES];
static _Alignas(CHANNEL_LINE_BYTES) uint8_t
    other_rings[MODEL_NODES][MODEL_LINES_MAX * CHANNEL_LINE_BYTES];

/* --- Change of nodes --- */

static void save(struct variables *to)
{
    to->first_due = first_due;
    to->blocked_nodes = blocked_nodes;
    to->is_any_blocked = is_any_blocked;
    to->own_ring = own_ring;
    to->built_peer = built.peer;
    memcpy(to->channels, channels, sizeof(to->channels));
    to->loud_count = loud_count;
    to->channel_count = channel_count;
    to->next_quiet = next_quiet;
    to->rounds_to_sweep = rounds_to_sweep;
    memcpy(to->sources, sources, sizeof(sources));
    to->attention_count = attention_count;
    to->has_late_work = has_late_work;
}

static void restore(const struct variables *from)
{
    first_due = from->first_due;
    blocked_nodes = from->blocked_nodes;
    is_any_blocked = from->is_any_blocked;
    own_ring = from->own_ring;
    built.peer = from->built_peer;
    memcpy(channels, from->channels, sizeof(from->channels));
    loud_count = from->loud_count;
    channel_count = from->channel_count;
    next_quiet = from->next_quiet;
    rounds_to_sweep = from->rounds_to_sweep;
    memcpy(sources, from->sources, sizeof(sources));
    attention_count = from->attention_count;
    has_late_work = from->has_late_work;
}

static void become(unsigned node)
{
    turn = node;
    own_ring.node = (node_id_t)node;
    status_initialise();
}

static void switch_to(unsigned node)
{
    if (is_begun) {
        save(&variables[turn]);
    }
    is_begun = true;
    become(node);
    restore(&variables[node]);
}

/* --- What the nodes do --- */

static size_t bytes_of(unsigned from, unsigned number)
{
    return scenario->lines[from][number - 1] == 2 ? 2 * CHANNEL_LINE_BYTES
                                                  : sizeof(struct numbered);
}

/* Of a second line, the word that lies where a header has its sequence. */
static uint32_t second_line_word(unsigned number)
{
    return scenario->has_stale_line && number == 1
               ? channel_sequence(scenario->first_line + 1 + scenario->line_count)
               : 100 + number;
}

static unsigned send_some(void *context)
{
    node_id_t to = (node_id_t)(1 - turn);
    unsigned count = 0;

    (void)context;
    while (sent[turn] < scenario->message_count[turn] &&
           (scenario->burst == 0 || count < scenario->burst)) {
        unsigned number = sent[turn] + 1;
        size_t bytes = bytes_of(turn, number);
        struct numbered *message =
            message_reserve_payload(to, TYPE, sizeof(*message), bytes - sizeof(*message));

        if (message == NULL) {
            break;
        }
        message->number = number;
        if (bytes > CHANNEL_LINE_BYTES) {
            message->payload[SECOND_LINE + 1] = second_line_word(number);
        }
        message_publish();
        sent[turn]++;
        count++;
    }
    return count;
}

static void handle_numbered(node_id_t from, const struct message *message,
                            struct message_payload payload)
{
    const struct numbered *numbered = (const struct numbered *)message;
    unsigned number = received[turn] + 1;

    if (number > scenario->message_count[from] || numbered->number != number) {
        memory_model_fail("a message is another one");
    }
    if (message->header.length_bytes != bytes_of(from, number)) {
        memory_model_fail("a length is another one");
    }
    if (payload.length_bytes > CHANNEL_LINE_BYTES) {
        memory_model_load_later((const uint32_t *)__builtin_assume_aligned(payload.bytes, 4) +
                                    SECOND_LINE + 1,
                                second_line_word(number));
    }
    received[turn] = number;
}

static const char *judge(void)
{
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        if (own_pages[n].page.counters[COUNTER_DROP_BAD_MESSAGE] != 0) {
            return "a message is damaged";
        }
    }
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        if (received[n] != sent[1 - n]) {
            return "a message lies beside a node that sleeps";
        }
    }
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        if (sent[n] != scenario->message_count[n]) {
            return "a node sleeps although it has room";
        }
    }
    return NULL;
}

static void run(unsigned node)
{
    (void)node;
    dispatch_run();
}

/* --- Set-up --- */

static void reset_node(unsigned node)
{
    struct peer *peer = &peers[1 - node];
    uint32_t first_line = scenario->first_line;

    *peer = (struct peer){
        .posted_end = &peer->first_posted,
        .node = (node_id_t)(1 - node),
        .is_present = true,
        .types = {[TYPE / 64] = UINT64_C(1) << TYPE % 64},
        .sender = {.ring = own_rings[node],
                   .line_count = scenario->line_count,
                   .sent_lines = first_line,
                   .acknowledged_lines = first_line,
                   .acknowledgement =
                       &other_pages[1 - node].page.for_nodes[node].acknowledged_lines},
        .receiver = {.ring = other_rings[1 - node],
                     .line_count = scenario->line_count,
                     .read_lines = first_line,
                     .acknowledged_lines = first_line,
                     .acknowledgement =
                         &own_pages[node].page.for_nodes[1 - node].acknowledged_lines},
    };
    become(node);
    memset(own_pages[node].page.counters, 0, sizeof(own_pages[node].page.counters));
    is_any_blocked = false;
    first_due = NULL;
    own_ring = (struct own_ring){own_ring_bytes, own_ring_bytes, BUILT_NOWHERE, (node_id_t)node};
    own_ring.limit += OWN_RING_BYTES;
    channels[0] = (struct watched_channel){.word = &end_word, .sequence = end_word};
    loud_count = channel_count = next_quiet = 0;
    rounds_to_sweep = QUIET_ROUNDS;
    poll_add((node_id_t)(1 - node));
    if (scenario->is_quiet_due && node == 1) {
        channels[0].has_spoken = false;
        rounds_to_sweep = 1;
    }
    memset(sources, 0, sizeof(sources));
    node_sources[node] = (struct dispatch_source){.poll = send_some};
    dispatch_register_source(&node_sources[node]);
    attention_count = 0;
    has_late_work = false;
    sent[node] = 0;
    received[node] = 0;
    attentions[node] = 0;
    save(&variables[node]);
}

static void reset(void)
{
    is_begun = false;
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        reset_node(n);
    }
}

struct memory_model_result model_explore(const struct model_scenario *of, enum memory_model model,
                                         struct memory_model_weakened weakened)
{
    static const struct memory_model_program program = {reset, switch_to, run, judge};

    scenario = of;
    peers = model_peers;
    channels = model_channels;
    memory_model_clear();
    memset(other_rings, 0, sizeof(other_rings));
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        struct status_page *own = &own_pages[n].page;
        struct status_page *other = &other_pages[n].page;

        own->state = other->state = NODE_RUNNING;
        other->for_nodes[1 - n].acknowledged_lines = of->first_line;
        memory_model_share(n, own_rings[n], other_rings[n], of->line_count * CHANNEL_LINE_BYTES);
        memory_model_share(n, &own->sleep, &other->sleep,
                           offsetof(struct status_page, quiet) + sizeof(own->quiet));
        memory_model_share(n, &own->for_nodes[1 - n].acknowledged_lines,
                           &other->for_nodes[1 - n].acknowledged_lines, sizeof(uint32_t));
    }
    become(0);
    receive_initialise();
    dispatch_register_payload_message(TYPE, sizeof(struct numbered), handle_numbered);
    return memory_model_explore(&program, model, weakened);
}

/* --- The machine --- */

node_id_t platform_node(void)
{
    return (node_id_t)turn;
}

unsigned platform_node_count(void)
{
    return MODEL_NODES;
}

struct status_page *platform_status_page(node_id_t node)
{
    return node == turn ? &own_pages[node].page : &other_pages[node].page;
}

void platform_ring_doorbell(node_id_t node)
{
    ASSERT(node == 1 - turn);
    memory_model_signal(DOORBELL);
}

void platform_send_attention(node_id_t node)
{
    ASSERT(node == 1 - turn);
    memory_model_signal(ATTENTION);
}

/* Interrupts are off except here (kernel/x86/platform.c). */
bool platform_sleep(uint64_t deadline_ns, uint64_t *now_ns)
{
    (void)now_ns;
    ASSERT(deadline_ns == UINT64_MAX);
    if ((memory_model_sleep() >> ATTENTION & 1) != 0) {
        attentions[turn]++;
    }
    return false;
}

uint64_t platform_attention_count(void)
{
    return attentions[turn];
}

uint64_t platform_now_ns(void)
{
    return 1;
}

uint64_t platform_free_memory_bytes(void)
{
    return 0;
}

const struct platform_console *platform_console;

void platform_panic(const char *file, int line, const char *format, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, format);
    memory_model_fail("a node panics");
}

/* The linker puts it in between: see tests.mk. */
void __real_status_set_sleep(enum node_sleep sleep);
void __wrap_status_set_sleep(enum node_sleep sleep);

void __wrap_status_set_sleep(enum node_sleep sleep)
{
    __real_status_set_sleep(sleep);
}

/* --- What the nodes do not have --- */

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

bool log_is_console_owner(void)
{
    return false;
}

bool log_take_unannounced(void)
{
    return false;
}

void log_flush_all(void)
{
}

void log_defer_printing(bool is_wanted)
{
    (void)is_wanted;
}

unsigned thread_run_ready(void)
{
    return 0;
}

bool thread_is_any_ready(void)
{
    return false;
}

unsigned timer_run_expired(uint64_t until_ns)
{
    (void)until_ns;
    return 0;
}

uint64_t timer_next_deadline_ns(void)
{
    return UINT64_MAX;
}

void watch_initialise(void)
{
}

bool watch_look(uint64_t when_ns)
{
    (void)when_ns;
    return true;
}

const struct watch_next *watch_next;

uint64_t watch_deadline_ns(bool is_blocked)
{
    (void)is_blocked;
    return UINT64_MAX;
}

void watch_hear(void)
{
}

void watch_forget(node_id_t node)
{
    (void)node;
}

void watch_give_up(node_id_t node, const char *reason)
{
    (void)node;
    (void)reason;
    memory_model_fail("a node is given up");
}

bool watch_take_lost(void)
{
    return false;
}

void opening_initialise(void)
{
}

bool opening_try(node_id_t to)
{
    (void)to;
    return false;
}

bool opening_has_come(node_id_t to)
{
    (void)to;
    return false;
}

bool opening_is_awaited(node_id_t to)
{
    (void)to;
    return false;
}

void opening_look_at(node_id_t from)
{
    (void)from;
}

void opening_close(node_id_t node)
{
    (void)node;
}

void *memory_allocate(const struct memory_kind *kind, size_t bytes)
{
    (void)kind;
    (void)bytes;
    return NULL;
}

void *memory_allocate_zeroed(const struct memory_kind *kind, size_t bytes)
{
    return memory_allocate(kind, bytes);
}

void memory_release(const struct memory_kind *kind, void *memory)
{
    (void)kind;
    (void)memory;
}

bool (*memory_fault)(const struct memory_kind *kind);

unsigned memory_publish_counts(struct memory_counts *counts, unsigned count_max)
{
    (void)counts;
    (void)count_max;
    return 0;
}
