/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: the node's event loop and its sends. Messages to this node are direct calls;
 * messages to others go through channels, and those that are posted may wait here for room.
 */
#include "kernel/dispatch.h"

#include <errno.h>
#include <string.h>

#include "kernel/channel.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/platform.h"
#include "kernel/status.h"
#include "kernel/thread.h"
#include "kernel/timer.h"

/* Messages taken from one channel in a round, so that a busy sender does not keep the others and
 * the NIC waiting. Chosen: half a ring of the smallest size holds four times as many. */
#define RECEIVE_BATCH 32

/* Roles that want to know of a dead node, on a node that runs all of them; and to spare. */
#define NODE_DOWN_MAX 8

/* Handlers that send to their own node are called from inside the send: how deep that may go.
 * The protocols of net/messages.h reach four. */
#define SELF_DEPTH_MAX 8

/* How long a node sleeps at most when a send found no room: nobody rings when there is room
 * again. Chosen: long against a receiver's round, short against a network round trip. */
#define BLOCKED_SLEEP_NS (50 * NS_PER_US)

/* Rounds between two looks at other nodes' states and log lines, while this one is busy. Chosen: at
 * some microseconds a round, far less than a connection waits for a dead peer. */
#define WATCH_ROUNDS 256

struct posted {
    struct posted *next;
    struct message message; /* the whole message follows */
};

/* Another node, as this one sees it. */
struct peer {
    struct channel_receiver receiver;
    struct channel_sender sender;
    struct posted *first_posted; /* oldest first */
    struct posted **posted_end;
    bool is_present; /* exists, is not us, and has not died */
    bool is_doorbell_due;
};

struct handler {
    message_handler function;
    size_t minimum_bytes;
};

static node_id_t self;
static unsigned node_count;
static struct peer peers[NODE_MAX];
static struct handler handlers[MESSAGE_TYPE_MAX];

/* What says that a living node has sent something: the word to look at and what it will be then.
 * Beside each other, because every round and every sleep looks at all of them. */
static struct watched_channel {
    const uint32_t *word;
    uint32_t sequence;
    node_id_t node;
} channels[NODE_MAX];
static unsigned channel_count;

static struct dispatch_source *sources;
static struct dispatch_source **sources_end;
static void (*node_down_functions[NODE_DOWN_MAX])(node_id_t node);
static unsigned node_down_count;

static node_id_t doorbells_due[NODE_MAX]; /* nodes sent to since the last look at their flags */
static unsigned doorbell_count;
static unsigned posted_count; /* of all peers */
static bool is_blocked;       /* a send of this round found no room */

static uint64_t news_count; /* how often this node had been told of news when it last looked */
static uint64_t now_ns;

static unsigned self_depth;
static _Alignas(16) uint8_t self_messages[SELF_DEPTH_MAX][MESSAGE_MAX_BYTES];

/* --- Set-up --- */

static void watch_channel(struct watched_channel *channel, node_id_t node)
{
    const struct channel_receiver *receiver = &peers[node].receiver;

    channel->word = channel_next_word(receiver);
    channel->sequence = channel_sequence(receiver->read_lines);
    channel->node = node;
}

static void watch_living_nodes(void)
{
    channel_count = 0;
    for (unsigned node = 0; node < node_count; node++) {
        if (peers[node].is_present) {
            watch_channel(&channels[channel_count++], (node_id_t)node);
        }
    }
}

void dispatch_initialise(void)
{
    size_t ring_bytes = platform_channel_ring_bytes();

    status_initialise();
    log_find_console();
    self = platform_node();
    node_count = platform_node_count();
    memset(handlers, 0, sizeof(handlers));
    sources = NULL;
    sources_end = &sources;
    node_down_count = 0;
    doorbell_count = 0;
    posted_count = 0;
    is_blocked = false;
    self_depth = 0;
    news_count = platform_news_count();
    now_ns = platform_now_ns();

    for (unsigned i = 0; i < NODE_MAX; i++) {
        struct peer *peer = &peers[i];
        node_id_t node = (node_id_t)i;

        *peer = (struct peer){.posted_end = &peer->first_posted};
        if (i >= node_count || node == self) {
            continue;
        }
        peer->is_present = true;
        channel_sender_initialise(&peer->sender, platform_channel_ring(self, node), ring_bytes,
                                  &platform_status_page(node)->acknowledged_lines[self], 0);
        channel_receiver_initialise(&peer->receiver, platform_channel_ring(node, self), ring_bytes,
                                    &status_own_page->acknowledged_lines[node], 0);
    }
    watch_living_nodes();
}

void dispatch_register_message(uint16_t type, size_t minimum_bytes, message_handler handler)
{
    ASSERT(type > MESSAGE_PADDING && type < MESSAGE_TYPE_MAX);
    ASSERT(handlers[type].function == NULL);
    handlers[type] = (struct handler){.function = handler, .minimum_bytes = minimum_bytes};
}

void dispatch_register_source(struct dispatch_source *source)
{
    source->next = NULL;
    *sources_end = source;
    sources_end = &source->next;
}

void dispatch_register_node_down(void (*node_down)(node_id_t node))
{
    ASSERT(node_down_count < NODE_DOWN_MAX);
    node_down_functions[node_down_count++] = node_down;
}

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

/* --- Receiving --- */

static void handle(node_id_t from, const struct message *message)
{
    uint16_t type = message->header.type;
    const struct handler *handler = type < MESSAGE_TYPE_MAX ? &handlers[type] : NULL;

    if (UNLIKELY(handler == NULL || handler->function == NULL ||
                 message->header.length_bytes < handler->minimum_bytes)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        log_debug("dispatch", "message of type %u, %u bytes from node%u refused", type,
                  message->header.length_bytes, from);
        return;
    }
    handler->function(from, message);
}

static inline bool has_message(const struct watched_channel *channel)
{
    return mailbox_load(channel->word) == channel->sequence;
}

static unsigned receive_from(node_id_t node)
{
    struct peer *peer = &peers[node];
    unsigned count = 0;

    for (; count < RECEIVE_BATCH; count++) {
        const struct message *message = channel_receive(&peer->receiver);

        if (message == NULL) {
            break;
        }
        handle(node, message);
        channel_release(&peer->receiver);
    }
    return count;
}

static unsigned receive_all(void)
{
    struct watched_channel *end = channels + channel_count;
    unsigned count = 0;

    for (struct watched_channel *channel = channels; channel < end; channel++) {
        if (UNLIKELY(has_message(channel))) {
            count += receive_from(channel->node);
            watch_channel(channel, channel->node);
        }
    }
    return count;
}

static bool is_any_message_waiting(void)
{
    const struct watched_channel *end = channels + channel_count;

    for (const struct watched_channel *channel = channels; channel < end; channel++) {
        if (has_message(channel)) {
            return true;
        }
    }
    return false;
}

/* --- Sending --- */

/* Why nothing can be sent to this node now, or 0. */
static int check_destination(node_id_t to)
{
    if (UNLIKELY(to >= node_count || !peers[to].is_present)) {
        return -ENODEV;
    }
    if (UNLIKELY(peers[to].first_posted != NULL)) {
        is_blocked = true;
        return -EAGAIN;
    }
    return 0;
}

static void note_sent(node_id_t to)
{
    counter_increment(COUNTER_CHANNEL_SENT);
    if (!peers[to].is_doorbell_due) {
        peers[to].is_doorbell_due = true;
        doorbells_due[doorbell_count++] = to;
    }
}

static int note_full(void)
{
    counter_increment(COUNTER_CHANNEL_FULL);
    is_blocked = true;
    return -EAGAIN;
}

/* The handler runs inside the send, on the stack of whoever sends. */
static void handle_own(const struct message *message)
{
    ASSERT(self_depth < SELF_DEPTH_MAX);
    self_depth++;
    handle(self, message);
    self_depth--;
}

int message_send(node_id_t to, const struct message_header *header)
{
    const struct message *message = CONTAINER_OF(header, const struct message, header);

    if (to == self) {
        handle_own(message);
        return 0;
    }
    int error = check_destination(to);

    if (error == 0) {
        error = channel_send(&peers[to].sender, message) == 0 ? 0 : note_full();
    }
    if (error == 0) {
        note_sent(to);
    }
    return error;
}

int message_send_payload(node_id_t to, struct message_header *header, size_t header_bytes,
                         const void *payload, size_t payload_bytes)
{
    size_t length_bytes = header_bytes + payload_bytes;
    struct message *message;

    ASSERT(header_bytes >= sizeof(*header) && length_bytes <= MESSAGE_MAX_BYTES);
    header->length_bytes = (uint16_t)length_bytes;
    if (to == self) {
        ASSERT(self_depth < SELF_DEPTH_MAX);
        message = (struct message *)self_messages[self_depth];
    } else {
        int error = check_destination(to);

        if (error != 0) {
            return error;
        }
        message = channel_reserve(&peers[to].sender, length_bytes);
        if (message == NULL) {
            return note_full();
        }
    }
    /* All but the sequence, at which the receiver may be looking. */
    size_t rest_bytes = header_bytes - sizeof(*header);

    message->header.type = header->type;
    message->header.length_bytes = header->length_bytes;
    memcpy(message->payload, header + 1, rest_bytes);
    memcpy(message->payload + rest_bytes, payload, payload_bytes);
    if (to == self) {
        handle_own(message);
    } else {
        channel_publish(&peers[to].sender);
        note_sent(to);
    }
    return 0;
}

void message_post(node_id_t to, const struct message_header *header)
{
    if (message_send(to, header) != -EAGAIN) {
        return;
    }
    struct posted *posted =
        memory_allocate(offsetof(struct posted, message) + header->length_bytes);

    /* A node that cannot keep its word must not go on: others recover from its death. */
    if (posted == NULL) {
        PANIC("no memory for a message of type %u posted to node%u", header->type, to);
    }
    posted->next = NULL;
    memcpy(&posted->message, header, header->length_bytes);
    *peers[to].posted_end = posted;
    peers[to].posted_end = &posted->next;
    posted_count++;
}

bool message_has_room(node_id_t to, size_t length_bytes)
{
    if (to == self) {
        return true;
    }
    if (check_destination(to) != 0) {
        return false;
    }
    if (!channel_has_room(&peers[to].sender, length_bytes)) {
        is_blocked = true;
        return false;
    }
    return true;
}

static struct posted *take_posted(struct peer *peer)
{
    struct posted *posted = peer->first_posted;

    peer->first_posted = posted->next;
    if (peer->first_posted == NULL) {
        peer->posted_end = &peer->first_posted;
    }
    posted_count--;
    return posted;
}

static unsigned send_posted_to(node_id_t node)
{
    struct peer *peer = &peers[node];
    unsigned count = 0;

    while (peer->first_posted != NULL) {
        if (channel_send(&peer->sender, &peer->first_posted->message) != 0) {
            is_blocked = true;
            break;
        }
        note_sent(node);
        memory_release(take_posted(peer));
        count++;
    }
    return count;
}

static unsigned send_posted(void)
{
    unsigned count = 0;

    if (LIKELY(posted_count == 0)) {
        return 0;
    }
    for (unsigned node = 0; node < node_count; node++) {
        count += send_posted_to((node_id_t)node);
    }
    return count;
}

static void ring_doorbell(node_id_t node)
{
    if (status_is_sleeping(node)) {
        platform_ring_doorbell(node);
        counter_increment(COUNTER_DOORBELLS);
    }
}

/* Once a round for each node that was sent something, however much it was. */
static void ring_doorbells(void)
{
    if (doorbell_count == 0) {
        return;
    }
    /* What was published before the look at the sleep flags: status_set_sleeping() has the other
     * half of this. */
    mailbox_fence();
    for (unsigned i = 0; i < doorbell_count; i++) {
        peers[doorbells_due[i]].is_doorbell_due = false;
        ring_doorbell(doorbells_due[i]);
    }
    doorbell_count = 0;
}

/* --- Other nodes' deaths and log lines --- */

/* What it sent before its death and we have not read goes with it. */
static void take_down(node_id_t node)
{
    struct peer *peer = &peers[node];

    peer->is_present = false;
    watch_living_nodes();
    while (peer->first_posted != NULL) {
        memory_release(take_posted(peer));
    }
    if (log_is_console_owner()) {
        log_warning("dispatch", "node%u is dead", node);
    }
    for (unsigned i = 0; i < node_down_count; i++) {
        node_down_functions[i](node);
    }
}

static unsigned find_deaths(void)
{
    unsigned found = 0;

    for (unsigned node = 0; node < node_count; node++) {
        if (peers[node].is_present && status_node_state((node_id_t)node) == NODE_DEAD) {
            take_down((node_id_t)node);
            found++;
        }
    }
    return found;
}

/* The lines of all nodes, if this one prints them. */
static unsigned print_logs(void)
{
    unsigned found = 0;

    if (!log_is_console_owner()) {
        return 0;
    }
    for (unsigned node = 0; node < node_count; node++) {
        found += log_print_node((node_id_t)node);
    }
    return found;
}

static unsigned look_at_all_nodes(void)
{
    return find_deaths() + print_logs();
}

/*
 * A look at every node costs more than a round or a sleep otherwise does. So a node that dies tells
 * all others, and one that logs the console's owner, who take that interrupt in their next sleep;
 * whoever is too busy to sleep looks now and then.
 */
static unsigned watch_now_and_then(void)
{
    static unsigned round;

    round++;
    return UNLIKELY(round % WATCH_ROUNDS == 0) ? look_at_all_nodes() : 0;
}

static void look_if_told(void)
{
    uint64_t count = platform_news_count();

    if (UNLIKELY(count != news_count)) {
        news_count = count;
        (void)look_at_all_nodes();
    }
}

/* Lines that this node wrote: printed, or the console's owner told. */
static void pass_on_log(void)
{
    if (LIKELY(!log_take_news())) {
        return;
    }
    node_id_t owner = log_console_owner();

    if (owner == self) {
        (void)log_print_node(self);
    } else if (owner != NODE_NONE) {
        /* Also if it is awake: it looks for news at no other time before it sleeps. */
        platform_tell_news(owner);
    }
}

/* --- The loop --- */

unsigned dispatch_round(void)
{
    unsigned work;

    now_ns = platform_now_ns();
    is_blocked = false;
    counter_increment(COUNTER_DISPATCH_ROUNDS);

    work = send_posted();
    work += receive_all();
    for (struct dispatch_source *source = sources; source != NULL; source = source->next) {
        if (source->poll != NULL) {
            work += source->poll(source->context);
        }
    }
    work += timer_run_expired(now_ns);
    work += thread_run_ready();
    work += watch_now_and_then();
    if (work != 0) {
        for (struct dispatch_source *source = sources; source != NULL; source = source->next) {
            if (source->flush != NULL) {
                source->flush(source->context);
            }
        }
    }
    ring_doorbells();
    pass_on_log();
    return work;
}

/* Every source arms its wake-up, also when an earlier one has already found work. */
static bool prepare_sources(void)
{
    bool has_work = false;

    for (struct dispatch_source *source = sources; source != NULL; source = source->next) {
        if (source->prepare_sleep != NULL && source->prepare_sleep(source->context)) {
            has_work = true;
        }
    }
    return has_work;
}

void dispatch_sleep(void)
{
    /* The flag first, then the last look at all that another node can do to us. */
    status_set_sleeping(true);
    bool has_work = is_any_message_waiting();

    has_work |= prepare_sources();
    if (!has_work) {
        uint64_t start_ns = platform_now_ns();
        uint64_t deadline_ns = timer_next_deadline_ns();

        if (is_blocked && deadline_ns > start_ns + BLOCKED_SLEEP_NS) {
            deadline_ns = start_ns + BLOCKED_SLEEP_NS;
        }
        status_begin_idle(start_ns);
        platform_sleep(deadline_ns);
        status_end_idle(platform_now_ns());
        counter_increment(COUNTER_SLEEPS);
    }
    status_set_sleeping(false);
    look_if_told();
}

void dispatch_run(void)
{
    log_defer_printing();
    /* What became news before this node ran, and so could be told. */
    (void)look_at_all_nodes();
    for (;;) {
        if (dispatch_round() == 0) {
            dispatch_sleep();
        }
    }
}
