/* SPDX-License-Identifier: MIT */
/*
 * The console's node tells the nodes that have sockets, those with an application; there a thread
 * does what any program would: connect, ask, read to the end. Everything is logged by them.
 */
#include "apps/monitor/get.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/monitor/messages.h"
#include "apps/monitor/order.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"
#include "net/configuration.h"
#include "net/domain_name.h"

#define SCHEME       "http://"
#define PORT_DEFAULT 80u
#define COUNT_MAX    1000000u

/* What may stand in a URL as its host: an address or a name, neither of which ends with the text.
 */
struct host {
    const char *text;
    size_t bytes;
};

/* Asked on both sides: the path is one word, which ends, and the host can be one. */
static bool is_possible(const struct get_order *order, struct host host,
                        char name[DOMAIN_NAME_BYTES])
{
    size_t bytes = 0;

    if (!domain_name_copy(name, host.text, host.bytes)) {
        return false;
    }

    while (bytes < sizeof(order->path) && order->path[bytes] > ' ' && order->path[bytes] <= '~') {
        bytes++;
    }
    return bytes < sizeof(order->path) && order->path[bytes] == '\0' && order->path[0] == '/' &&
           order->port != 0 && order->count <= COUNT_MAX;
}

/* --- As the node with the console --- */

/* What stands behind it; NULL: that is no such URL. */
static const char *parse_url(const char *text, struct get_order *order, struct host *host)
{
    uint64_t port = PORT_DEFAULT;
    size_t path_bytes;

    if (text == NULL || strncmp(text, SCHEME, strlen(SCHEME)) != 0) {
        return NULL;
    }
    host->text = text + strlen(SCHEME);
    host->bytes = strcspn(host->text, ":/ ");
    text = host->text + host->bytes;
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

static bool parse_order(const char *argument, struct get_order *order, struct host *host)
{
    const char *rest = parse_url(argument, order, host);
    uint64_t count = 1;

    if (rest == NULL ||
        (*rest != '\0' && number_parse(rest, strlen(rest), 10, COUNT_MAX, &count) != 0)) {
        return false;
    }
    order->count = (uint32_t)count;
    return true;
}

static bool send_order(node_id_t node, const struct get_order *order, const char *name)
{
    size_t name_bytes = strlen(name);
    struct get_order *message =
        message_reserve_payload(node, MESSAGE_GET, sizeof(*message), name_bytes);

    if (message == NULL) {
        return false;
    }
    message->count = order->count;
    message->port = order->port;
    memcpy(message->path, order->path, sizeof(message->path));
    memcpy(message + 1, name, name_bytes);
    message_publish();
    return true;
}

void get_command(const char *argument)
{
    const struct configuration *configuration = configuration_current();
    struct get_order order = {.count = 1};
    char name[DOMAIN_NAME_BYTES];
    unsigned told_count = 0;
    struct host host;

    if (!parse_order(argument, &order, &host) || !is_possible(&order, host, name)) {
        monitor_print("get http://HOST[:PORT]/PATH [COUNT], a path of less than %u characters\n",
                      (unsigned)sizeof(order.path));
        return;
    }
    for (unsigned i = 0; i < configuration->application_count; i++) {
        node_id_t node = configuration->applications[i];

        told_count += status_node_state(node) == NODE_RUNNING && send_order(node, &order, name);
    }
    monitor_print("%u nodes are told\n", told_count);
}

/* --- As one that fetches --- */

static struct {
    struct get_order order; /* one at a time */
    char name[DOMAIN_NAME_BYTES];
    bool is_running;
    char url[sizeof(SCHEME) + DOMAIN_NAME_BYTES + sizeof(":65535") + GET_PATH_BYTES];
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

static ssize_t ask(int fd, const struct addrinfo *server)
{
    char request[GET_PATH_BYTES + DOMAIN_NAME_BYTES + 64];
    size_t bytes;

    if (connect(fd, server->ai_addr, server->ai_addrlen) != 0) {
        return -errno;
    }
    (void)format_text(request, sizeof(request),
                      "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                      running.order.path, running.name);
    bytes = strlen(request);
    if (send(fd, request, bytes, 0) != (ssize_t)bytes) {
        return -errno;
    }
    return read_answer(fd);
}

static ssize_t fetch_from(const struct addrinfo *server)
{
    int fd = socket(server->ai_family, server->ai_socktype, server->ai_protocol);
    ssize_t bytes;

    if (fd < 0) {
        return -errno;
    }
    bytes = ask(fd, server);
    (void)close(fd);
    return bytes;
}

/* From the first of its addresses that can be reached. What getaddrinfo() says is *error_text. */
static ssize_t fetch(const char **error_text)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    char port[sizeof("65535")];
    struct addrinfo *servers;
    ssize_t bytes = -EADDRNOTAVAIL;
    int error;

    (void)format_text(port, sizeof(port), "%u", running.order.port);
    error = getaddrinfo(running.name, port, &hints, &servers);
    if (error != 0) {
        *error_text = gai_strerror(error);
        return -EADDRNOTAVAIL;
    }
    for (const struct addrinfo *server = servers; server != NULL && bytes < 0;
         server = server->ai_next) {
        bytes = fetch_from(server);
    }
    freeaddrinfo(servers);
    if (bytes < 0) {
        *error_text = strerror((int)-bytes);
    }
    return bytes;
}

static void fetch_all(void *argument)
{
    uint32_t got_count = 0;
    uint64_t bytes = 0;
    const char *last_error = NULL;

    (void)argument;
    for (uint32_t i = 0; i < running.order.count; i++) {
        ssize_t result = fetch(&last_error);

        if (result >= 0) {
            got_count++;
            bytes += (uint64_t)result;
        }
    }
    if (last_error == NULL) {
        log_info("get", "%s: %u times, %llu bytes", running.url, got_count,
                 (unsigned long long)bytes);
    } else {
        log_info("get", "%s: %u times, %llu bytes, %u failed: %s", running.url, got_count,
                 (unsigned long long)bytes, running.order.count - got_count, last_error);
    }
    running.is_running = false;
}

/* MESSAGE_GET. Only where there are sockets. */
static void handle_get(node_id_t from, const struct message *message,
                       struct message_payload payload)
{
    const struct get_order *order = (const struct get_order *)message;
    const struct host host = {(const char *)payload.bytes, payload.length_bytes};
    char port[sizeof(":65535")] = "", name[DOMAIN_NAME_BYTES];

    if (!order_is_rightful(from)) {
        return;
    }
    if (!is_possible(order, host, name) ||
        !configuration_has_role(configuration_current(), platform_node(), ROLE_APPLICATION)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (running.is_running) {
        log_warning("get", "%s is being fetched: nothing else", running.url);
        return;
    }
    running.order = *order;
    strcpy(running.name, name);
    if (order->port != PORT_DEFAULT) {
        (void)format_text(port, sizeof(port), ":%u", order->port);
    }
    (void)format_text(running.url, sizeof(running.url), SCHEME "%s%s%s", name, port,
                      running.order.path);
    running.is_running = thread_create("get", fetch_all, NULL) != NULL;
    if (!running.is_running) {
        log_warning("get", "no memory to fetch %s", running.url);
    }
}

static void register_handlers(void)
{
    dispatch_register_payload_message(MESSAGE_GET, sizeof(struct get_order), handle_get);
}

static const struct component get_component = {.steps = {[NODE_READY] = register_handlers}};
COMPONENT(get_component);
