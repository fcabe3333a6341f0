/* SPDX-License-Identifier: MIT */
/*
 * The console's node tells the nodes that have sockets, those with an application; there a thread
 * does what any program would: connect, ask, read to the end. Everything is logged by them.
 */
#include "apps/monitor/get.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/monitor/messages.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/address.h"
#include "libc/core/bytes.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"
#include "net/configuration.h"

#define SCHEME       "http://"
#define PORT_DEFAULT 80u
#define COUNT_MAX    1000000u

/* Asked on both sides: the path is one word, which ends. */
static bool is_possible(const struct get_order *order)
{
    size_t bytes = 0;

    while (bytes < sizeof(order->path) && order->path[bytes] > ' ' && order->path[bytes] <= '~') {
        bytes++;
    }
    return bytes < sizeof(order->path) && order->path[bytes] == '\0' && order->path[0] == '/' &&
           order->port != 0 && order->count <= COUNT_MAX;
}

/* --- As the node with the console --- */

/* What stands behind it; NULL: that is no such URL. */
static const char *parse_url(const char *text, struct get_order *order)
{
    uint64_t port = PORT_DEFAULT;
    size_t path_bytes;

    if (text == NULL || strncmp(text, SCHEME, strlen(SCHEME)) != 0) {
        return NULL;
    }
    text = address_parse_ipv4(text + strlen(SCHEME), &order->address);
    if (text == NULL) {
        return NULL;
    }
    if (*text == ':') {
        text++;
        if (number_take(&text, text + strlen(text), 10, UINT16_MAX, &port) != 0) {
            return NULL;
        }
    }
    order->port = (uint16_t)port;
    path_bytes = strcspn(text, " ");
    if (*text != '/' || path_bytes >= sizeof(order->path)) {
        return NULL;
    }
    memcpy(order->path, text, path_bytes);
    text += path_bytes;
    return text + strspn(text, " ");
}

static bool parse_order(const char *argument, struct get_order *order)
{
    const char *rest = parse_url(argument, order);
    uint64_t count = 1;

    if (rest == NULL ||
        (*rest != '\0' && number_parse(rest, strlen(rest), 10, COUNT_MAX, &count) != 0)) {
        return false;
    }
    order->count = (uint32_t)count;
    return true;
}

void get_command(const char *argument)
{
    const struct configuration *configuration = configuration_current();
    struct get_order order = {.count = 1};
    unsigned told_count = 0;

    if (!parse_order(argument, &order) || !is_possible(&order)) {
        monitor_print("get http://ADDRESS[:PORT]/PATH [COUNT], a path of less than %u characters\n",
                      (unsigned)sizeof(order.path));
        return;
    }
    for (unsigned i = 0; i < configuration->application_count; i++) {
        node_id_t node = configuration->applications[i];
        struct get_order *message;

        if (status_node_state(node) != NODE_RUNNING) {
            continue;
        }
        message = message_reserve_posted(node, MESSAGE_GET, sizeof(*message));
        message->address = order.address;
        message->count = order.count;
        message->port = order.port;
        memcpy(message->path, order.path, sizeof(message->path));
        message_publish();
        told_count++;
    }
    monitor_print("%u nodes are told\n", told_count);
}

/* --- As one that fetches --- */

static struct {
    struct get_order order; /* one at a time */
    bool is_running;
    char url[sizeof(SCHEME) + ADDRESS_IPV4_TEXT_BYTES + sizeof(":65535") + GET_PATH_BYTES];
} running;

/* Whether it is the beginning of one that has the page. */
static bool is_good(const char *answer, size_t bytes)
{
    static const char version[] = "HTTP/1.", status[] = " 200";
    size_t status_at = sizeof(version); /* behind one more digit */

    return bytes >= status_at + strlen(status) && memcmp(answer, version, strlen(version)) == 0 &&
           memcmp(answer + status_at, status, strlen(status)) == 0;
}

/* All of it: a head, and what is behind it. Returns how many bytes; or -errno, of -EPROTO for what
 * is no answer of a web server that has the page. */
static ssize_t read_answer(int fd)
{
    char bytes[1024];
    ssize_t total = 0, part;

    while ((part = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        if (total == 0 && !is_good(bytes, (size_t)part)) {
            return -EPROTO;
        }
        total += part;
    }
    return part < 0 ? -errno : total != 0 ? total : -EPROTO;
}

static ssize_t ask(int fd)
{
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons(running.order.port),
                                 .sin_addr.s_addr = running.order.address};
    char request[GET_PATH_BYTES + 64];
    size_t bytes;

    if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) != 0) {
        return -errno;
    }
    (void)format_text(request, sizeof(request),
                      "GET %s HTTP/1.1\r\nHost: talus\r\nConnection: close\r\n\r\n",
                      running.order.path);
    bytes = strlen(request);
    if (send(fd, request, bytes, 0) != (ssize_t)bytes) {
        return -errno;
    }
    return read_answer(fd);
}

static ssize_t fetch(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ssize_t bytes;

    if (fd < 0) {
        return -errno;
    }
    bytes = ask(fd);
    (void)close(fd);
    return bytes;
}

static void fetch_all(void *argument)
{
    uint32_t got_count = 0;
    uint64_t bytes = 0;
    int last_error = 0;

    (void)argument;
    for (uint32_t i = 0; i < running.order.count; i++) {
        ssize_t result = fetch();

        if (result >= 0) {
            got_count++;
            bytes += (uint64_t)result;
        } else {
            last_error = (int)-result;
        }
    }
    if (last_error == 0) {
        log_info("get", "%s: %u times, %llu bytes", running.url, got_count,
                 (unsigned long long)bytes);
    } else {
        log_info("get", "%s: %u times, %llu bytes, %u failed: %s", running.url, got_count,
                 (unsigned long long)bytes, running.order.count - got_count, strerror(last_error));
    }
    running.is_running = false;
}

/* MESSAGE_GET. Only from where a person gives orders, as in fault.c; and there are sockets. */
static void handle_get(node_id_t from, const struct message *message)
{
    const struct get_order *order = (const struct get_order *)message;
    char address[ADDRESS_IPV4_TEXT_BYTES], port[sizeof(":65535")] = "";

    if (from != log_console_owner() || !is_possible(order) ||
        !configuration_has_role(configuration_current(), platform_node(), ROLE_APPLICATION)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (running.is_running) {
        log_warning("get", "%s is being fetched: nothing else", running.url);
        return;
    }
    running.order = *order;
    address_print_ipv4(order->address, address);
    if (order->port != PORT_DEFAULT) {
        (void)format_text(port, sizeof(port), ":%u", order->port);
    }
    (void)format_text(running.url, sizeof(running.url), SCHEME "%s%s%s", address, port,
                      running.order.path);
    running.is_running = thread_create("get", fetch_all, NULL) != NULL;
    if (!running.is_running) {
        log_warning("get", "no memory to fetch %s", running.url);
    }
}

static void register_handlers(void)
{
    dispatch_register_message(MESSAGE_GET, sizeof(struct get_order), handle_get);
}

static const struct component get_component = {.steps = {[NODE_READY] = register_handlers}};
COMPONENT(get_component);
