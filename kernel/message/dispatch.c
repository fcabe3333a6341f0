/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: the node's event loop, its sleep, and its looks at other nodes' deaths and log
 * lines. Messages are sent and received in peers.c.
 */
#include "kernel/message/dispatch.h"

#include "kernel/log.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"

/* Roles that want to know of a dead node, on a node that runs all of them; and to spare. */
#define NODE_DOWN_MAX 8

/* How long a node sleeps at most when a send found no room: nobody rings when there is room
 * again. Chosen: long against a receiver's round, short against a network round trip. */
#define BLOCKED_SLEEP_NS (50 * NS_PER_US)

/* Rounds between two looks at other nodes' states and log lines, while this one is busy. Chosen: at
 * some microseconds a round, far less than a connection waits for a dead peer. */
#define WATCH_ROUNDS 256

static node_id_t self;
static unsigned node_count;

static struct dispatch_source *sources;
static struct dispatch_source **sources_end;
static void (*node_down_functions[NODE_DOWN_MAX])(node_id_t node);
static unsigned node_down_count;

static uint64_t attention_count; /* attention interrupts when this node last looked */
static uint64_t now_ns;

/* --- Set-up --- */

void dispatch_initialise(void)
{
    status_initialise();
    log_defer_printing(false);
    peers_initialise();
    self = platform_node();
    node_count = platform_node_count();
    sources = NULL;
    sources_end = &sources;
    node_down_count = 0;
    attention_count = platform_attention_count();
    now_ns = platform_now_ns();
}

void dispatch_register_source(struct dispatch_source *source)
{
    for (const struct dispatch_source *other = sources; other != NULL; other = other->next) {
        ASSERT(other != source);
    }
    source->next = NULL;
    *sources_end = source;
    sources_end = &source->next;
}

void dispatch_register_node_down(void (*node_down)(node_id_t node))
{
    ASSERT(node_down_count < NODE_DOWN_MAX && node_down != NULL);
    node_down_functions[node_down_count++] = node_down;
}

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

/* --- Other nodes' deaths and log lines --- */

static void take_down(node_id_t node)
{
    ASSERT(node != self);
    peers_forget(node);
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
        if (peers_is_present((node_id_t)node) && status_node_state((node_id_t)node) == NODE_DEAD) {
            take_down((node_id_t)node);
            found++;
        }
    }
    return found;
}

static unsigned look_at_all_nodes(void)
{
    unsigned found = find_deaths();

    return found + (log_is_console_owner() ? platform_console->print() : 0);
}

/*
 * A look at every node costs more than a round or a sleep otherwise does. So a node that dies
 * interrupts all others, and a node that logs interrupts the console's owner: they look when they
 * next sleep. A node that is too busy to sleep looks now and then.
 */
static unsigned watch_now_and_then(void)
{
    static unsigned round;

    round++;
    return UNLIKELY(round % WATCH_ROUNDS == 0) ? look_at_all_nodes() : 0;
}

static void look_if_asked(void)
{
    uint64_t count = platform_attention_count();

    if (UNLIKELY(count != attention_count)) {
        attention_count = count;
        (void)look_at_all_nodes();
    }
}

/* Lines that this node wrote. An owner that is awake looks for them before it sleeps and not
 * sooner, so it is told in any case. */
static void pass_on_log(void)
{
    if (UNLIKELY(log_take_unannounced())) {
        log_flush_all();
    }
}

/* --- The loop --- */

unsigned dispatch_round(void)
{
    unsigned work;

    now_ns = platform_now_ns();
    peers_begin_round();
    counter_increment(COUNTER_DISPATCH_ROUNDS);

    work = peers_send_posted();
    work += peers_receive_all();
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
    peers_ring_doorbells();
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
    bool has_work = peers_is_any_message_waiting();

    has_work |= prepare_sources();
    if (!has_work) {
        uint64_t start_ns = platform_now_ns();
        uint64_t deadline_ns = timer_next_deadline_ns();

        if (peers_is_blocked() && deadline_ns > start_ns + BLOCKED_SLEEP_NS) {
            deadline_ns = start_ns + BLOCKED_SLEEP_NS;
        }
        status_begin_idle(start_ns);
        platform_sleep(deadline_ns);
        status_end_idle(platform_now_ns());
        counter_increment(COUNTER_SLEEPS);
    }
    status_set_sleeping(false);
    look_if_asked();
}

void dispatch_run(void)
{
    log_defer_printing(true);
    /* What happened before this node could take an interrupt. */
    (void)look_at_all_nodes();
    for (;;) {
        if (dispatch_round() == 0) {
            dispatch_sleep();
        }
    }
}
