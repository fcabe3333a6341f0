/* SPDX-License-Identifier: MIT */
/*
 * The resolver: see resolver.h. One question about a name is under way at a time, however many
 * want to know it (RFC 5452 5). Each try has a number and a port that cannot be guessed, its
 * socket is the server's alone, and it ends with the try. Servers are asked in turn, the first one
 * first, and wait for each longer from round to round.
 */
#include "net/transport/dns/resolver.h"

#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/address.h"
#include "libc/core/pool.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/messages.h"
#include "net/transport/address.h"
#include "net/transport/counters.h"
#include "net/transport/datagram.h"
#include "net/transport/dns/cache.h"
#include "net/transport/lwip/interface.h"

#include "lwip/netif.h"
#include "lwip/udp.h"

/* Names that are asked for at a time, and applications' requests for them. Chosen. */
#define QUERY_MAX           64u
#define REQUEST_MAX         256u
#define REQUEST_OF_NODE_MAX 64u
/* A second, two and four for each server: chosen; 21 s with three of them, who are silent. */
#define FIRST_PATIENCE_NS   NS_PER_S
#define ROUND_COUNT         3u
/* Ports of questions: as many as can be, but those below, which programs name. */
#define PORT_FIRST          32768u
#define PORT_COUNT          32768u
#define PORT_CHOICE_MAX     64u

struct query {
    struct pool_object place;
    struct query *next;
    struct dns_question question;
    struct udp_pcb *socket; /* NULL: this try could not be made */
    unsigned try_count;
    uint64_t due_ns; /* the next try */
};

struct request {
    struct pool_object place;
    struct request *next;
    struct query *query;
    node_id_t application;
    uint32_t number;
};

POOL(queries, "dns_query", struct query, QUERY_MAX);
POOL(requests, "dns_request", struct request, REQUEST_MAX);

static struct query *first_query;
static struct request *first_request;
static uint32_t servers[NAME_SERVER_MAX];
static unsigned server_count;
static bool is_expecting;

/* --- To applications --- */

/* Lost if there is no room: the application repeats its request. */
static void answer(node_id_t application, uint32_t number, const struct dns_answer *found)
{
    size_t address_bytes = found->address_count * sizeof(found->addresses[0]);
    size_t name_bytes = strlen(found->name);
    struct resolved *message = message_reserve_payload(application, RESOLVED, sizeof(*message),
                                                       address_bytes + name_bytes);
    uint8_t *payload;

    if (message == NULL) {
        counter_increment(COUNTER_DROP_CHANNEL_FULL);
        return;
    }
    message->request_number = number;
    message->result = found->result;
    message->address_count = found->address_count;
    message->name_bytes = (uint8_t)name_bytes;
    payload = (uint8_t *)(message + 1);
    memcpy(payload, found->addresses, address_bytes);
    memcpy(payload + address_bytes, found->name, name_bytes);
    message_publish();
}

static void refuse(node_id_t application, uint32_t number)
{
    const struct dns_answer later = {.result = RESOLVED_AGAIN};

    answer(application, number, &later);
}

static void forget_requests(bool (*is_meant)(const struct request *request, const void *context),
                            const void *context)
{
    struct request **link = &first_request;

    while (*link != NULL) {
        struct request *request = *link;

        if (is_meant(request, context)) {
            *link = request->next;
            pool_release(&requests, request);
        } else {
            link = &request->next;
        }
    }
}

/* --- Ends --- */

static void close_socket(struct query *query)
{
    if (query->socket != NULL) {
        udp_remove(query->socket);
        query->socket = NULL;
    }
}

static bool is_of_query(const struct request *request, const void *query)
{
    return request->query == query;
}

static void end_query(struct query *query, const struct dns_answer *found)
{
    struct query **link = &first_query;

    close_socket(query);
    for (const struct request *request = first_request; request != NULL; request = request->next) {
        if (request->query == query) {
            answer(request->application, request->number, found);
        }
    }
    forget_requests(is_of_query, query);
    while (*link != query) {
        link = &(*link)->next;
    }
    *link = query->next;
    pool_release(&queries, query);
}

static void fail_query(struct query *query)
{
    const struct dns_answer later = {.result = RESOLVED_AGAIN};

    counter_increment(COUNTER_DNS_FAILED);
    end_query(query, &later);
}

/* --- Questions and answers --- */

static void try_next(struct query *query);

static void receive(void *context, struct udp_pcb *from, struct pbuf *packet,
                    const ip_addr_t *address, u16_t port)
{
    struct query *query = context;
    uint8_t bytes[DNS_PACKET_MAX_BYTES];
    size_t length = pbuf_copy_partial(packet, bytes, sizeof(bytes), 0);
    struct dns_answer found;

    (void)from;
    (void)address; /* the socket is connected: they are the server's */
    (void)port;
    pbuf_free(packet);
    switch (dns_read_answer(bytes, length, &query->question, &found)) {
    case DNS_ANSWERED:
        counter_increment(found.result == RESOLVED_FOUND ? COUNTER_DNS_FOUND
                                                         : COUNTER_DNS_NOT_THERE);
        dns_cache_put(&query->question, &found, dispatch_now_ns());
        end_query(query, &found);
        break;
    case DNS_NOT_UNDERSTOOD:
        query->question.has_edns = false;
        query->try_count--; /* the same server; once, since it is not asked so again */
        try_next(query);
        break;
    case DNS_FAILED:
        try_next(query);
        break;
    case DNS_FOREIGN:
        counter_increment(COUNTER_DNS_REFUSED);
        break;
    }
}

/* A port that is no application's: neither takes what is the other's. */
static bool bind_socket(struct udp_pcb *socket)
{
    for (unsigned i = 0; i < PORT_CHOICE_MAX; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + platform_random() % PORT_COUNT);

        if (!datagram_is_applications(port) && udp_bind(socket, IP_ANY_TYPE, port) == ERR_OK) {
            return true;
        }
    }
    return false;
}

static void send_question(struct query *query, uint32_t server)
{
    struct pbuf *packet = pbuf_alloc(PBUF_TRANSPORT, DNS_QUESTION_MAX_BYTES, PBUF_RAM);

    if (packet == NULL) {
        return; /* as if it had been lost */
    }
    query->question.id = (uint16_t)platform_random();
    pbuf_realloc(packet, (u16_t)dns_write_question(packet->payload, &query->question));
    const ip_addr_t address = IPADDR4_INIT(server);
    (void)udp_sendto(query->socket, packet, &address, DNS_PORT); /* lost, as on any wire */
    pbuf_free(packet);
}

static void open_socket(struct query *query, uint32_t server)
{
    const ip_addr_t address = IPADDR4_INIT(server);

    query->socket = udp_new();
    if (query->socket == NULL) {
        return;
    }
    if (!bind_socket(query->socket) || udp_connect(query->socket, &address, DNS_PORT) != ERR_OK) {
        close_socket(query);
        return;
    }
    udp_recv(query->socket, receive, query);
}

/* Ask the next server, or give the query up: it is gone then. */
static void try_next(struct query *query)
{
    unsigned turns = server_count != 0 ? server_count : 1;
    unsigned round = query->try_count / turns;
    uint32_t server = servers[query->try_count % turns];

    close_socket(query);
    if (round >= ROUND_COUNT || (server_count == 0 && !is_expecting)) {
        fail_query(query);
        return;
    }
    query->try_count++;
    query->due_ns = dispatch_now_ns() + (FIRST_PATIENCE_NS << round);
    if (server_count == 0 || netif_ip4_addr(interface_netif())->addr == 0) {
        return; /* as if it had been lost */
    }
    open_socket(query, server);
    if (query->socket != NULL) {
        send_question(query, server);
    }
}

void dns_resolver_pass(void)
{
    struct query *next;

    for (struct query *query = first_query; query != NULL; query = next) {
        next = query->next;
        if (dispatch_now_ns() >= query->due_ns) {
            try_next(query);
        }
    }
}

/* --- Requests --- */

static struct query *find_query(const struct dns_question *question)
{
    struct query *query = first_query;

    while (query != NULL && (query->question.kind != question->kind ||
                             strcmp(query->question.name, question->name) != 0)) {
        query = query->next;
    }
    return query;
}

/* NULL: there is no room. */
static struct query *begin_query(const struct dns_question *question)
{
    struct query *query = pool_take(&queries);

    if (query != NULL) {
        query->question = *question;
        query->socket = NULL;
        query->try_count = 0;
        query->next = first_query;
        first_query = query;
    }
    return query;
}

static struct request *add_request(node_id_t from, uint32_t number)
{
    struct request *request;
    unsigned count = 0;

    for (request = first_request; request != NULL; request = request->next) {
        count += request->application == from;
    }
    request = count < REQUEST_OF_NODE_MAX ? pool_take(&requests) : NULL;
    if (request != NULL) {
        request->application = from;
        request->number = number;
        request->query = NULL;
        request->next = first_request;
        first_request = request;
    }
    return request;
}

static bool is_request(const struct request *request, const void *wanted)
{
    return request == wanted;
}

static bool is_known(node_id_t from, uint32_t number)
{
    const struct request *request = first_request;

    while (request != NULL && (request->application != from || request->number != number)) {
        request = request->next;
    }
    return request != NULL;
}

static void begin_request(node_id_t from, uint32_t number, const struct dns_question *question)
{
    struct request *request = add_request(from, number);
    struct query *query = find_query(question);
    bool is_new = query == NULL;

    if (request != NULL && is_new) {
        query = begin_query(question);
    }
    if (request == NULL || query == NULL) {
        counter_increment(COUNTER_DNS_CROWDED_OUT);
        forget_requests(is_request, request);
        refuse(from, number);
        return;
    }
    request->query = query;
    if (is_new) {
        try_next(query);
    }
}

static void handle_resolve(node_id_t from, const struct message *message,
                           struct message_payload payload)
{
    const struct resolve *wanted = (const struct resolve *)message;
    struct dns_question question = {.kind = (uint16_t)wanted->kind, .has_edns = true};
    const struct dns_answer *known;

    if ((wanted->kind != RESOLVE_ADDRESSES && wanted->kind != RESOLVE_NAME) ||
        !domain_name_copy(question.name, (const char *)payload.bytes, payload.length_bytes)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (!transport_address_is_speaking()) {
        counter_increment(COUNTER_DROP_NOT_OURS); /* it asks again, who speaks then */
        return;
    }
    if (is_known(from, wanted->request_number)) {
        return; /* it was repeated */
    }
    known = dns_cache_find(&question, dispatch_now_ns());
    if (known != NULL) {
        counter_increment(COUNTER_DNS_KNOWN);
        answer(from, wanted->request_number, known);
    } else {
        begin_request(from, wanted->request_number, &question);
    }
}

/* --- The rest --- */

void dns_resolver_set_servers(const uint32_t new_servers[NAME_SERVER_MAX])
{
    if (memcmp(servers, new_servers, sizeof(servers)) == 0) {
        return;
    }
    memcpy(servers, new_servers, sizeof(servers));
    for (server_count = 0; server_count < NAME_SERVER_MAX && servers[server_count] != 0;) {
        server_count++;
    }
    dns_cache_empty();
}

void dns_resolver_expect_servers(bool is_expecting_now)
{
    is_expecting = is_expecting_now;
}

static bool is_of_node(const struct request *request, const void *node)
{
    return request->application == *(const node_id_t *)node;
}

/* What it wanted to know is found out all the same: it will ask again when it is back. */
static void note_node_down(node_id_t node)
{
    forget_requests(is_of_node, &node);
}

void dns_resolver_initialise(void)
{
    net_register_payload_message(RESOLVE, handle_resolve);
    dispatch_register_node_down(note_node_down);
}
