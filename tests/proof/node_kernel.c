/* SPDX-License-Identifier: MIT */
/*
 * The node's kernel, played: dispatcher, channels, clock, deaths. Messages go to the
 * outbox; the explorer carries them. A round is as in kernel/message/dispatch.c, with one message
 * or other event in it. Time stands still but for timers, and for a moment at each client's ACK, so
 * that claims of two clients do not expire together.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/manager/server.h"
#include "net/streams/stream.h"
#include "net/transport/server.h"
#include "tests/proof/node.h"

#define START_NS   (1000 * NS_PER_S)
#define ROUND_MAX  32u /* of a node that acts on one input */
#define DOWN_MAX   8u
#define SOURCE_MAX 8u

static node_id_t self;
static uint64_t now_ns;
static uint8_t known_dead;
static uint8_t room[PROOF_NODE_MAX]; /* zeroed between inputs */

/* --- Sending --- */

struct own_ring own_ring; /* always full: own messages go by the outbox, too */

static struct outgoing *built;
static struct message_loan loan;
static struct outgoing nowhere; /* a message to a dead node */

static bool is_known_dead(node_id_t node)
{
    return (known_dead >> node & 1) != 0;
}

static struct message *begin(node_id_t to, size_t length_bytes)
{
    ASSERT(to < proof_node_count && built == NULL);
    ASSERT(length_bytes <= sizeof(built->message.bytes));
    ASSERT(outbox_count < OUTBOX_MAX);
    built = to != self && is_known_dead(to) ? &nowhere : &outbox[outbox_count];
    *built = (struct outgoing){.to = to, .message.length_bytes = (uint16_t)length_bytes};
    own_ring.building = BUILT_IN_CHANNEL;
    loan = (struct message_loan){.done = NULL};
    return (struct message *)built->message.bytes;
}

int message_refusal(node_id_t to)
{
    return to == self || (to < proof_node_count && !is_known_dead(to)) ? -EAGAIN : -ENODEV;
}

/* What is lent goes by the outbox, as a copy. */
bool message_keep_loan(const struct message *message, struct message_loan *kept)
{
    (void)message;
    (void)kept;
    return false;
}

bool message_keep_lines(node_id_t from, struct message_payload payload, struct message_loan *kept)
{
    (void)from;
    (void)payload;
    (void)kept;
    return false;
}

bool message_ask_for_room(node_id_t to, size_t length_bytes)
{
    (void)length_bytes;
    return to == self || (message_refusal(to) == -EAGAIN && room[to] != 0);
}

struct message *send_reserve(node_id_t to, size_t length_bytes)
{
    if (to == self) {
        return begin(to, length_bytes);
    }
    if (!message_ask_for_room(to, length_bytes)) {
        return NULL;
    }
    return begin(to, length_bytes);
}

struct message *send_reserve_loan(node_id_t to, size_t fixed_bytes, const struct message_loan *lent)
{
    struct message *message = send_reserve(to, fixed_bytes + lent->length_bytes);

    if (message != NULL) {
        memcpy((uint8_t *)message + fixed_bytes, lent->bytes, lent->length_bytes);
        loan = *lent;
    }
    return message;
}

struct message *send_reserve_posted(node_id_t to, size_t length_bytes)
{
    return begin(to, length_bytes);
}

void send_publish(void)
{
    struct message_header *header = (struct message_header *)built->message.bytes;

    ASSERT(built != NULL);
    header->sequence = 0;
    grants_note_sent((const struct message *)header);
    if (built != &nowhere) {
        if (built->to != self && room[built->to] != 0 && room[built->to] != UINT8_MAX) {
            room[built->to]--;
        }
        outbox_count++;
    }
    built = NULL;
    own_ring.building = BUILT_NOWHERE;
    if (loan.done != NULL) {
        loan.done(loan.context);
    }
}

/* --- The dispatcher --- */

static struct {
    size_t fixed_bytes; /* 0: no handler */
    message_handler handle;
    message_payload_handler handle_payload;
    struct node_set senders;
} handlers[MESSAGE_TYPE_MAX];
static void (*down_functions[DOWN_MAX])(node_id_t node);
static unsigned down_count;
static struct dispatch_source *sources[SOURCE_MAX];
static unsigned source_count;

void dispatch_register_message(uint16_t type, size_t bytes, message_handler handler)
{
    handlers[type].fixed_bytes = bytes;
    handlers[type].handle = handler;
}

void dispatch_register_payload_message(uint16_t type, size_t fixed_bytes,
                                       message_payload_handler handler)
{
    handlers[type].fixed_bytes = fixed_bytes;
    handlers[type].handle_payload = handler;
}

void dispatch_limit_senders(uint16_t type, struct node_set nodes)
{
    handlers[type].senders = nodes;
}

void dispatch_register_source(struct dispatch_source *source)
{
    ASSERT(source_count < SOURCE_MAX);
    sources[source_count++] = source;
}

void dispatch_register_node_down(void (*node_down)(node_id_t node))
{
    ASSERT(down_count < DOWN_MAX);
    down_functions[down_count++] = node_down;
}

/* Nobody comes back. */
void dispatch_register_node_up(void (*node_up)(node_id_t node))
{
    (void)node_up;
}

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

static void handle(node_id_t from, const struct packed_message *packed)
{
    struct packed_message copy = *packed;
    const struct message *message = (const struct message *)copy.bytes;
    uint16_t type = message->header.type;
    size_t fixed_bytes = handlers[type].fixed_bytes;

    if (fixed_bytes == 0 || copy.length_bytes < fixed_bytes ||
        !node_set_has(&handlers[type].senders, from)) {
        node_fail("node %u: takes no message of type %u from node %u", self, type, from);
        return;
    }
    grants_note_received(message);
    if (handlers[type].handle != NULL) {
        handlers[type].handle(from, message);
    } else {
        handlers[type].handle_payload(
            from, message,
            (struct message_payload){copy.bytes + fixed_bytes, copy.length_bytes - fixed_bytes});
    }
}

/* Whether there was one. It may send others. */
static bool handle_own(void)
{
    for (unsigned i = 0; i < outbox_count; i++) {
        if (outbox[i].to == self) {
            struct packed_message message = outbox[i].message;

            outbox_count--;
            memmove(&outbox[i], &outbox[i + 1], (outbox_count - i) * sizeof(outbox[i]));
            handle(self, &message);
            return true;
        }
    }
    return false;
}

static void run_round(void)
{
    for (unsigned i = 0; i < source_count; i++) {
        if (sources[i]->poll != NULL) {
            (void)sources[i]->poll(sources[i]->context);
        }
    }
    while (handle_own()) {
    }
    (void)timer_run_expired(now_ns);
    application_run();
    while (handle_own()) {
    }
    for (unsigned i = 0; i < source_count; i++) {
        if (sources[i]->flush != NULL) {
            sources[i]->flush(sources[i]->context);
        }
    }
}

static void prepare_sleep(void)
{
    for (unsigned i = 0; i < source_count; i++) {
        if (sources[i]->prepare_sleep != NULL) {
            (void)sources[i]->prepare_sleep(sources[i]->context);
        }
    }
}

static bool is_own_waiting(void)
{
    for (unsigned i = 0; i < outbox_count; i++) {
        if (outbox[i].to == self) {
            return true;
        }
    }
    return false;
}

/* --- Status --- */

static union {
    struct status_page page;
    uint8_t bytes[STATUS_PAGE_BYTES(PROOF_NODE_MAX)];
} status __attribute__((section("outside_node")));

struct status_page *status_own_page = &status.page;

/* All have this one: nobody's is read. */
struct status_page *platform_status_page(node_id_t node)
{
    (void)node;
    return &status.page;
}

uint64_t status_memory_bytes(node_id_t node)
{
    (void)node;
    return 64 * MIB;
}

/* None comes back here. */
uint32_t status_incarnation(node_id_t node)
{
    (void)node;
    return 1;
}

uint32_t status_start_order(node_id_t node)
{
    (void)node;
    return 0;
}

enum node_state status_node_state(node_id_t node)
{
    return is_known_dead(node) ? NODE_DEAD : NODE_RUNNING;
}

void status_set_text(unsigned index, const char *text)
{
    (void)index;
    (void)text;
}

void status_set_word(enum status_word word, uint64_t value)
{
    (void)word;
    (void)value;
}

/* --- The platform --- */

/* No node goes here. */
bool platform_can_park(void)
{
    return false;
}

void platform_park(void)
{
    PANIC("a node parks");
}

void log_flush_all(void)
{
}

node_id_t platform_node(void)
{
    return self;
}

unsigned platform_node_count(void)
{
    return proof_node_count;
}

const char *platform_command_line(void)
{
    return configuration_line;
}

uint64_t platform_now_ns(void)
{
    return now_ns;
}

uint64_t platform_random(void)
{
    return 4; /* the same in each run */
}

const void *platform_archive_start(void)
{
    return NULL;
}

size_t platform_archive_bytes(void)
{
    return 0;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

static jmp_buf end_of_node __attribute__((section("outside_node")));

void platform_panic(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    char text[100];

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    node_fail("node %u: %s:%d: %s", self, file, line, text);
    longjmp(end_of_node, 1);
}

/* --- One input --- */

void kernel_set_time_of(unsigned client)
{
    uint64_t time_ns = START_NS + client * NS_PER_MS;

    now_ns = time_ns > now_ns ? time_ns : now_ns;
}

static void start(void)
{
    static struct configuration configuration;
    char reason[100];

    if (configuration_parse(&configuration, configuration_line, proof_node_count, reason,
                            sizeof(reason)) != 0) {
        node_fail("%s: %s", configuration_line, reason);
        return;
    }
    now_ns = START_NS;
    own_ring.node = self;
    configuration_set_current(&configuration);
    if (configuration_has_role(&configuration, self, ROLE_CM)) {
        connection_manager_start(&configuration);
    }
    if (configuration_has_role(&configuration, self, ROLE_TS)) {
        transport_server_start(&configuration);
    }
    if (configuration_has_role(&configuration, self, ROLE_APPLICATION)) {
        streams_start();
    }
}

static void begin_act(const struct node_input *input)
{
    switch ((enum input_kind)input->kind) {
    case INPUT_START:
        self = input->node;
        start();
        break;
    case INPUT_MESSAGE:
        handle(input->from, &input->message);
        break;
    case INPUT_TIMER:
        now_ns = timer_next_deadline_ns();
        break;
    case INPUT_DOWN:
        known_dead |= (uint8_t)(1u << input->argument);
        for (unsigned i = 0; i < down_count; i++) {
            down_functions[i](input->argument);
        }
        break;
    case INPUT_TURN:
    case INPUT_SLEEP:
        break;
    case INPUT_SYN:
    case INPUT_ACK:
    case INPUT_RESET:
    case INPUT_DATA:
        tcp_act(input);
        break;
    case INPUT_LISTEN:
    case INPUT_ACCEPT:
    case INPUT_CLOSE:
    case INPUT_UNLISTEN:
        application_act(input);
        break;
    }
}

/* Whether time has passed until an offer may be sent. */
static bool pass_offer_period(void)
{
    if (!proof_are_offers_prompt || !manager_is_offer_due()) {
        return false;
    }
    now_ns = timer_next_deadline_ns();
    return true;
}

static void act(const struct node_input *input)
{
    unsigned rounds = 0;

    begin_act(input);
    do {
        run_round();
        if (!proof_is_busy || input->kind == INPUT_SLEEP) {
            prepare_sleep();
        }
        ASSERT(++rounds < ROUND_MAX);
    } while (is_own_waiting() || tcp_finish() || pass_offer_period());
}

/* What a struct has between its fields is copied along with it, from the stack, into the image. */
static __attribute__((noinline)) void clear_stack(void)
{
    volatile uint8_t stack[16 * KIB];

    memset((void *)(uintptr_t)stack, 0, sizeof(stack));
    (void)stack[0];
}

void node_act(const struct node_input *input)
{
    clear_stack();
    outbox_count = 0;
    memset(status.page.counters, 0, sizeof(status.page.counters));
    memcpy(room, input->room, sizeof(room));
    if (setjmp(end_of_node) == 0) {
        act(input);
    }
    memset(room, 0, sizeof(room));
    memset(&nowhere, 0, sizeof(nowhere));
    if (status.page.counters[COUNTER_DROP_BAD_MESSAGE] != 0) {
        node_fail("node %u counts a bad message", self);
    }
}

void node_look(struct node_view *view)
{
    const struct configuration *configuration = configuration_current();

    memset(view, 0, sizeof(*view));
    view->roles = configuration->roles[self];
    view->has_timer = timer_next_deadline_ns() != UINT64_MAX;
    view->known_dead = known_dead;
    view->own_cm = configuration_own_cm(configuration, self);
    view->published = NODE_NONE;
    if (configuration_has_role(configuration, self, ROLE_CM)) {
        manager_look(view);
    }
    if (configuration_has_role(configuration, self, ROLE_TS)) {
        tcp_look(view);
    }
    if (configuration_has_role(configuration, self, ROLE_APPLICATION)) {
        application_look(view);
    }
}
