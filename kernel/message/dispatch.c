/* SPDX-License-Identifier: MIT */
/*
 * The node's event loop, its sleep, and its looks at other nodes' deaths and log lines.
 */
#include "kernel/message/dispatch.h"

#include "kernel/log.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/timer.h"

/* Roles that want to know of a dead node, on a node that runs all of them; and to spare. */
#define NODE_DOWN_MAX 20

/* From one welcome of a node to the next, at least. Chosen: half of what boot leaves between two
 * starts, so that only a node's word gone wild ever waits for it. */
#define WELCOME_INTERVAL_NS (50 * NS_PER_MS)

/* While this node is busy: rounds between looks at one other node, and at log lines. Chosen: a look
 * costs a round some instructions, and all nodes have had one within milliseconds. */
#define LOOK_ROUNDS  16
#define WATCH_ROUNDS 256

/* A round does not look at sources that do nothing in it. */
enum { POLLED, FLUSHED, PREPARED, SOURCE_LISTS };
static struct dispatch_source *sources[SOURCE_LISTS];
static void (*node_down_functions[NODE_DOWN_MAX])(node_id_t node);
static void (*node_up_functions[NODE_DOWN_MAX])(node_id_t node);
static unsigned node_down_count, node_up_count;

static uint64_t attention_count; /* attention interrupts when this node last looked */
static bool has_late_work;       /* something was done on the way to sleep */
static uint64_t now_ns;          /* of this round; 0: nobody has asked in it */

void dispatch_initialise(void)
{
    status_initialise();
    log_defer_printing(false);
    peers_initialise();
    watch_initialise();
    sources[POLLED] = sources[FLUSHED] = sources[PREPARED] = NULL;
    node_down_count = node_up_count = 0;
    attention_count = platform_attention_count();
    has_late_work = false;
    now_ns = 0;
}

void dispatch_register_source(struct dispatch_source *source)
{
    const bool has[] = {source->poll != NULL, source->flush != NULL, source->prepare_sleep != NULL};

    for (unsigned list = 0; list < SOURCE_LISTS; list++) {
        struct dispatch_source **end = &sources[list];

        for (; *end != NULL; end = &(*end)->next[list]) {
            ASSERT(*end != source);
        }
        source->next[list] = NULL;
        *end = has[list] ? source : NULL;
    }
}

void dispatch_register_node_down(void (*node_down)(node_id_t node))
{
    ASSERT(node_down_count < NODE_DOWN_MAX && node_down != NULL);
    node_down_functions[node_down_count++] = node_down;
}

void dispatch_register_node_up(void (*node_up)(node_id_t node))
{
    ASSERT(node_up_count < NODE_DOWN_MAX && node_up != NULL);
    node_up_functions[node_up_count++] = node_up;
}

static __attribute__((noinline)) uint64_t look_at_clock(void)
{
    return now_ns = platform_now_ns();
}

inline uint64_t dispatch_now_ns(void)
{
    return LIKELY(now_ns != 0) ? now_ns : look_at_clock();
}

/* --- Other nodes' deaths and log lines --- */

static void take_down(node_id_t node)
{
    ASSERT(node != platform_node());
    peers_forget(node);
    status_lose(node); /* until it is welcome again */
    if (log_is_console_owner()) {
        log_warning("dispatch", "node%u is %s", node,
                    status_own_word(node) == NODE_PARKED ? "asleep" : "dead");
    }
    for (unsigned i = 0; i < node_down_count; i++) {
        node_down_functions[i](node);
    }
}

static void take_up(node_id_t node, uint32_t incarnation)
{
    peers[node].is_present = true;
    peers[node].incarnation = incarnation;
    peers[node].welcome_ns = dispatch_now_ns() + WELCOME_INTERVAL_NS;
    status_welcome(node);
    for (unsigned i = 0; i < node_up_count; i++) {
        node_up_functions[i](node);
    }
}

/* Of one that is forgotten: let go of it when it is dead; take it up when it runs again. */
static unsigned look_at_forgotten(node_id_t node)
{
    const struct peer *peer = &peers[node];
    uint32_t incarnation = status_incarnation(node);
    uint32_t word = status_own_word(node);

    if (word >= NODE_DEAD && !peer->is_held) {
        watch_forget(node);
        status_let_go(node);
    } else if (word == NODE_RUNNING && !peer->is_held && incarnation != peer->incarnation &&
               dispatch_now_ns() >= peer->welcome_ns) {
        take_up(node, incarnation);
        return 1;
    }
    return 0;
}

void dispatch_hold_node(node_id_t node)
{
    ASSERT(node != platform_node());
    peers[node].is_held = true;
}

/* Returns how many have died, or live again: it, or none. */
static unsigned look_at(node_id_t node)
{
    if (node == platform_node()) {
        return 0;
    }
    if (!peers[node].is_present && !peers[node].is_condemned) {
        return look_at_forgotten(node);
    }
    if (status_node_state(node) == NODE_DEAD ||
        status_incarnation(node) != peers[node].incarnation) {
        take_down(node);
        return 1 + look_at_forgotten(node);
    }
    opening_look_at(node);
    return 0;
}

static unsigned look_at_log(void)
{
    counter_set(COUNTER_MEMORY_FREE, platform_free_memory_bytes());
    return log_is_console_owner() ? platform_console->print() : 0;
}

static unsigned look_at_all_nodes(void)
{
    unsigned found = 0;

    watch_hear();
    for (unsigned node = 0; node < platform_node_count(); node++) {
        found += look_at((node_id_t)node);
    }
    peers_look_at_quiet();
    return found + look_at_log();
}

/* A look at every node costs more than a round otherwise does. So who dies interrupts all others,
 * and who logs the console's owner: they look at their next sleep, or now and then. */
static unsigned watch_now_and_then(void)
{
    static unsigned round;
    static node_id_t node;
    unsigned found;

    round++;
    if (LIKELY(round % LOOK_ROUNDS != 0)) {
        return 0;
    }
    node = node + 1u < platform_node_count() ? node + 1 : 0;
    if (node == 0) {
        watch_hear();
    }
    found = look_at(node);
    (void)watch_look(dispatch_now_ns());
    if (round % WATCH_ROUNDS == 0) {
        found += look_at_log();
    }
    return found;
}

static void look_if_asked(void)
{
    uint64_t count = platform_attention_count();

    if (UNLIKELY(watch_take_lost() || count != attention_count)) {
        attention_count = count;
        (void)look_at_all_nodes();
    }
}

/* Lines that this node wrote. An owner that is awake looks before it sleeps, so it is told, too. */
static void pass_on_log(void)
{
    if (UNLIKELY(log_take_unannounced())) {
        log_flush_all();
    }
}

/* --- The loop --- */

static unsigned go_round(void)
{
    unsigned work = has_late_work;
    struct dispatch_source *each;

    has_late_work = false;
    counter_increment(COUNTER_DISPATCH_ROUNDS);

    work += peers_send_posted();
    work += peers_receive_all();
    for (each = sources[POLLED]; each != NULL; each = each->next[POLLED]) {
        work += each->poll(each->context);
    }
    /* Before threads, which may wait for it, and before the flush, which acts on it. */
    work += peers_handle_own();
    if (timer_next_deadline_ns() != UINT64_MAX && timer_next_deadline_ns() <= dispatch_now_ns()) {
        work += timer_run_expired(dispatch_now_ns());
    }
    work += thread_run_ready();
    work += peers_handle_own();
    work += watch_now_and_then();
    for (each = work != 0 ? sources[FLUSHED] : NULL; each != NULL; each = each->next[FLUSHED]) {
        each->flush(each->context);
    }
    peers_ring_doorbells();
    pass_on_log();
    return work;
}

unsigned dispatch_round(void)
{
    now_ns = 0;
    return go_round();
}

/* Every source arms its wake-up, also when an earlier one has already found work. */
static bool prepare_sources(void)
{
    struct dispatch_source *each = sources[PREPARED];
    bool has_work = false;

    for (; each != NULL; each = each->next[PREPARED]) {
        has_work |= each->prepare_sleep(each->context);
    }
    return has_work;
}

/* Returns how long. */
static uint64_t halt_until(uint64_t timer_ns, bool is_blocked)
{
    uint64_t begin_ns = platform_now_ns(), end_ns = begin_ns;
    bool is_timer_alone;

    counter_set(COUNTER_MEMORY_FREE, platform_free_memory_bytes());
    counter_add(COUNTER_IDLE_NS, -begin_ns - 1); /* see counter_read() */
    do {
        uint64_t watch_ns = watch_deadline_ns(is_blocked);

        is_timer_alone = platform_sleep(timer_ns < watch_ns ? timer_ns : watch_ns, &end_ns);
    } while (watch_look(end_ns) && is_timer_alone && end_ns < timer_ns);
    counter_add(COUNTER_IDLE_NS, end_ns + 1);
    counter_increment(COUNTER_SLEEPS);
    now_ns = end_ns; /* of the next round, too */
    return end_ns - begin_ns;
}

void dispatch_sleep(void)
{
    bool is_blocked = peers_is_blocked();

    /* The flag first, then the last look at all that another node can do to us. */
    status_set_sleep(is_blocked ? NODE_SLEEPS_FOR_ROOM : NODE_SLEEPS);
    bool has_work = peers_is_any_message_waiting() || (is_blocked && peers_has_room_come());

    has_work = has_work || prepare_sources();
    /* In arming itself a source may have made a thread ready, sent, or found a channel full. */
    has_late_work =
        thread_is_any_ready() || peers_is_anything_due() || peers_is_blocked() != is_blocked;
    pass_on_log();
    uint64_t slept_ns =
        has_work || has_late_work ? 0 : halt_until(timer_next_deadline_ns(), is_blocked);

    status_set_sleep(NODE_AWAKE);
    if (watch_next != NULL) {
        watch_next->woken(slept_ns);
    }
    look_if_asked();
}

void dispatch_run(void)
{
    log_defer_printing(true);
    counter_increment(COUNTER_DISPATCH_ROUNDS); /* from now on they are expected */
    if (watch_next != NULL) {
        watch_next->woken(UINT64_MAX);
    }
    /* What happened before this node could take an interrupt. */
    (void)look_at_all_nodes();
    for (;; now_ns = 0) {
        while (go_round() == 0) {
            dispatch_sleep();
        }
    }
}
