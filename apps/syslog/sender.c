/* SPDX-License-Identifier: MIT */
/*
 * A timer looks at the logs' rings, often while there is something to send, rarely otherwise: no
 * node that logs does anything for it. What is read waits in a queue until the collector can be
 * reached; what has been sent the other transport servers are told, after it: so a line may come
 * twice when a speaker dies, and none is left out for it.
 *
 * Nothing is logged for a line that is not sent. That lines wait, and that they go again, is, at
 * most once in TROUBLE_INTERVAL_NS each.
 */
#include "apps/syslog/sender.h"

#include <errno.h>
#include <string.h>

#include "apps/syslog/collector.h"
#include "apps/syslog/line.h"
#include "apps/syslog/message.h"
#include "apps/syslog/queue.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/address.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/timer.h"
#include "net/address.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/messages.h"
#include "net/transport/own_datagram.h"
#include "net/wall_clock.h"
#include "net/watching_counters.h"

/* Chosen: a ring holds some hundred lines. */
#define LOOK_INTERVAL_NS    (100 * NS_PER_MS)
/* While more waits: for the card, not for us. */
#define SEND_INTERVAL_NS    (5 * NS_PER_MS)
/* Datagrams at a time: well below what a card's queue takes. */
#define SEND_MAX            32u
/* How long lines may wait before the log says so, and how often it does. Chosen. */
#define PATIENCE_NS         (5 * NS_PER_S)
#define TROUBLE_INTERVAL_NS (60 * NS_PER_S)

#define NAME "syslog" /* of this part, in the log and at the collector */

static struct {
    struct syslog_collector collector;
    bool is_speaking;
    struct syslog_queue queue;
    struct timer timer;
    uint64_t waiting_since_ns; /* 0: nothing does */
    uint64_t told_ns;          /* of trouble; 0: never */
    bool is_in_trouble;        /* the log has said so */
    uint32_t read[NODE_MAX];   /* of each node's log, as the speaker */
    uint32_t sent[NODE_MAX];   /* as far as we know, whoever did */
} sender;

/* --- In --- */

static void read_node(node_id_t node)
{
    char line[LOG_LINE_MAX_BYTES];
    size_t length;

    /* Bounded by what fits the ring: a writer faster than we does not hold us here. */
    for (size_t bytes = 0; bytes < STATUS_LOG_BYTES; bytes += length) {
        uint32_t before = sender.read[node];

        length = status_log_read(node, &sender.read[node], line, sizeof(line));
        counter_add(COUNTER_SYSLOG_PASSED_OVER,
                    before != 0 ? sender.read[node] - before - (uint32_t)length : 0);
        if (length == 0) {
            return;
        }
        if (!syslog_queue_add(&sender.queue, node, sender.read[node], line, length)) {
            counter_increment(COUNTER_SYSLOG_LOST);
        }
    }
}

static void read_logs(void)
{
    syslog_queue_start(&sender.queue);
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (status_log_written((node_id_t)node) != sender.read[node]) {
            read_node((node_id_t)node);
        }
    }
}

/* --- Out --- */

/* Lines with seconds since boot are of one clock, nearly, and of the date as it is known now. */
static struct timespec time_of(const struct syslog_line *line)
{
    uint64_t now_ns = platform_now_ns();
    uint64_t wall_ns = wall_clock_at(now_ns);
    uint64_t time_ns = line->has_date ? line->time_ns : wall_ns - now_ns + line->time_ns;

    if (line->time_ns == 0 || time_ns < WALL_CLOCK_MIN_NS) {
        return (struct timespec){.tv_sec = INT64_MIN / 2}; /* nobody knows */
    }
    return (struct timespec){.tv_sec = (time_t)(time_ns / NS_PER_S),
                             .tv_nsec = (long)(time_ns % NS_PER_S)};
}

static int send_message(const struct syslog_message *message)
{
    static char datagram[SYSLOG_DATAGRAM_MAX_BYTES + 1];
    struct output output;

    output_start(&output, datagram, sizeof(datagram));
    syslog_append(&output, message);
    return transport_send_own_datagram(sender.collector.address, sender.collector.port, datagram,
                                       output_fitting_bytes(&output));
}

static int send_line(const struct syslog_waiting *waiting, const char *host)
{
    struct syslog_line line;
    char process[sizeof("node65535")];

    syslog_read_line(&line, waiting->text, waiting->bytes);
    (void)format_text(process, sizeof(process), "node%u", waiting->node); /* it fits */
    return send_message(&(struct syslog_message){
        .facility = SYSLOG_KERNEL,
        .severity = line.severity,
        .time = time_of(&line),
        .host = host,
        .application = line.application,
        .process = process,
        .kind = "log",
        .text = line.text,
        .text_bytes = line.text_bytes,
    });
}

/* In the place of lines that found no room. No line of the log: so nothing comes of it. */
static int send_loss(uint32_t lost_count, const char *host)
{
    char text[64];
    uint64_t now_ns = platform_now_ns();
    const struct syslog_line now = {.time_ns = now_ns};
    int bytes = format_text(text, sizeof(text), "%u lines of the log are lost here", lost_count);

    return send_message(&(struct syslog_message){
        .facility = SYSLOG_KERNEL,
        .severity = SYSLOG_WARNING,
        .time = time_of(&now),
        .host = host,
        .application = NAME,
        .kind = "log",
        .text = text,
        .text_bytes = (size_t)bytes,
    });
}

static int send_first(const struct syslog_waiting *waiting, const char *host)
{
    int result = waiting->lost_count != 0 ? send_loss(waiting->lost_count, host) : 0;

    return result == 0 ? send_line(waiting, host) : result;
}

static void tell_others(node_id_t node)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        node_id_t ts = configuration->ts[i];
        struct log_sent *message;

        if (ts == platform_node() || configuration_is_dead(configuration, ts)) {
            continue;
        }
        message = message_reserve(ts, LOG_SENT, sizeof(*message));
        if (message != NULL) { /* else a later one tells it; or lines come twice */
            message->node = node;
            message->position = sender.sent[node];
            message_publish();
        }
    }
}

/* Returns 0, or why the first line that waits cannot be sent. */
static int send_lines(void)
{
    char host[ADDRESS_IPV4_TEXT_BYTES];
    struct node_set changed = {{0}};
    const struct syslog_waiting *waiting;
    int result = 0;

    address_print_ipv4(address_current()->address, host);
    for (unsigned i = 0; i < SEND_MAX && result == 0; i++) {
        waiting = syslog_queue_first(&sender.queue);
        if (waiting == NULL) {
            break;
        }
        result = send_first(waiting, host);
        if (result == 0) {
            sender.sent[waiting->node] = waiting->position;
            node_set_add(&changed, waiting->node);
            syslog_queue_drop_first(&sender.queue);
            counter_increment(COUNTER_SYSLOG_SENT);
        }
    }
    NODE_SET_EACH(&changed, node)
    {
        tell_others((node_id_t)node);
    }
    return result;
}

/* --- Trouble --- */

static const char *why(int error)
{
    switch (error) {
    case -ENETDOWN:
        return "there is no card, link or address";
    case -ENETUNREACH:
        return "nothing leads there";
    case -EHOSTUNREACH:
        return "nobody answers there, or at the gateway";
    default:
        return "there is no memory";
    }
}

static bool may_tell(uint64_t now_ns)
{
    if (sender.told_ns != 0 && now_ns - sender.told_ns < TROUBLE_INTERVAL_NS) {
        return false;
    }
    sender.told_ns = now_ns;
    return true;
}

static void note_result(int result)
{
    uint64_t now_ns = platform_now_ns();
    char address[ADDRESS_IPV4_TEXT_BYTES];

    if (result == 0) {
        sender.waiting_since_ns = 0;
        if (sender.is_in_trouble) {
            sender.is_in_trouble = false;
            log_info(NAME, "lines of the log go to the collector again");
        }
        return;
    }
    if (sender.waiting_since_ns == 0) {
        sender.waiting_since_ns = now_ns;
    }
    if (!sender.is_in_trouble && now_ns - sender.waiting_since_ns >= PATIENCE_NS &&
        may_tell(now_ns)) {
        sender.is_in_trouble = true;
        address_print_ipv4(sender.collector.address, address);
        log_warning(NAME, "%s: %s; up to %u lines wait", address, why(result), SYSLOG_QUEUE_LINES);
    }
}

/* --- The speaker's turn --- */

static void look(struct timer *timer)
{
    int result;
    uint64_t interval_ns;

    read_logs();
    result = send_lines();
    note_result(result);
    counter_set(COUNTER_SYSLOG_WAITING, sender.queue.count);
    interval_ns = result == 0 && sender.queue.count != 0 ? SEND_INTERVAL_NS : LOOK_INTERVAL_NS;
    if (timer_start(timer, platform_now_ns() + interval_ns) != 0) {
        PANIC("no memory for the timer of " NAME);
    }
}

static void speak_if_first(void)
{
    if (sender.is_speaking || configuration_current()->speaker != platform_node()) {
        return;
    }
    sender.is_speaking = true;
    memcpy(sender.read, sender.sent, sizeof(sender.read));
    look(&sender.timer);
}

static void handle_log_sent(node_id_t from, const struct message *raw)
{
    const struct log_sent *message = (const struct log_sent *)raw;

    if (message->node >= platform_node_count() || !configuration_may_speak(from) ||
        sender.is_speaking) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    sender.sent[message->node] = message->position;
}

static void note_node_down(node_id_t node)
{
    (void)node;
    speak_if_first();
}

/* A transport server that has come back knows nothing of what has been sent. */
static void note_node_up(node_id_t node)
{
    (void)node;
    for (unsigned other = 0; sender.is_speaking && other < platform_node_count(); other++) {
        if (sender.sent[other] != 0) {
            tell_others((node_id_t)other);
        }
    }
}

void syslog_sender_start(void)
{
    const char *value;
    int bytes = command_line_find(platform_command_line(), "syslog", &value);

    if (bytes < 0) {
        return;
    }
    if (!syslog_read_collector(value, (size_t)bytes, &sender.collector)) {
        if (configuration_current()->speaker == platform_node()) {
            log_warning(NAME, "syslog=: `%.*s` is no IPv4 address with or without :PORT; ignored",
                        bytes, value);
        }
        return;
    }
    address_start();
    timer_initialise(&sender.timer, look);
    net_register_message(LOG_SENT, handle_log_sent);
    dispatch_register_node_down(note_node_down);
    dispatch_register_node_up(note_node_up);
    speak_if_first();
}
