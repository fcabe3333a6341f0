/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo() and what belongs to it (POSIX, RFC 3493 6). Where these leave a choice it is that
 * of Linux' C library: a number may be of any form that inet_aton() takes; each address has an
 * entry for each kind of socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base.h"
#include "libc/core/numbers.h"
#include "libc/posix/name_lookup.h"
#include "libc/posix/services.h"

#define FLAGS_KNOWN                                                                                \
    (AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG |           \
     AI_NUMERICSERV)

/* One block: the entry, its address, and behind them its name. */
struct entry {
    struct addrinfo info;
    struct sockaddr_in address;
    char name[];
};

/* What a socket is to be like, with its port. */
struct way {
    int type, protocol;
    uint16_t port; /* machine's order */
};

static const struct way ways_known[] = {{SOCK_STREAM, IPPROTO_TCP, 0},
                                        {SOCK_DGRAM, IPPROTO_UDP, 0}};
#define WAY_MAX ARRAY_COUNT(ways_known)

/* --- Services --- */

/* Digits and nothing else, up to UINT16_MAX. */
static bool parse_port(const char *service, uint16_t *port)
{
    uint64_t number;

    if (number_parse(service, strlen(service), 10, UINT16_MAX, &number) != 0) {
        return false;
    }
    *port = (uint16_t)number;
    return true;
}

static bool is_wanted(const struct way *way, const struct addrinfo *hints)
{
    return (hints->ai_socktype == 0 || hints->ai_socktype == way->type) &&
           (hints->ai_protocol == 0 || hints->ai_protocol == way->protocol);
}

/* Of the wanted kinds of sockets those that have the service. Returns how many, or an error. */
static int find_ways(const char *service, const struct addrinfo *hints, struct way ways[WAY_MAX])
{
    uint16_t port = 0;
    bool is_number = service == NULL || parse_port(service, &port);
    int count = 0, wanted_count = 0;

    if (!is_number && (hints->ai_flags & AI_NUMERICSERV) != 0) {
        return EAI_NONAME;
    }
    for (unsigned i = 0; i < WAY_MAX; i++) {
        if (!is_wanted(&ways_known[i], hints)) {
            continue;
        }
        wanted_count++;
        ways[count] = ways_known[i];
        ways[count].port = is_number ? port : service_port(service, ways_known[i].protocol);
        count += is_number || ways[count].port != 0;
    }
    if (wanted_count == 0) {
        return hints->ai_socktype != 0 ? EAI_SOCKTYPE : EAI_SERVICE;
    }
    return count != 0 ? count : EAI_SERVICE;
}

/* --- Hosts --- */

static bool parse_address(const char *node, uint32_t *address)
{
    struct in_addr parsed;

    /* inet_aton() lets something stand behind a blank; a name has none. */
    if (strpbrk(node, " \t\n\v\f\r") != NULL || inet_aton(node, &parsed) == 0) {
        return false;
    }
    *address = parsed.s_addr;
    return true;
}

static int find_addresses(const char *node, const struct addrinfo *hints,
                          struct name_answer *answer)
{
    *answer = (struct name_answer){.address_count = 1};
    if (node == NULL) {
        answer->addresses[0] =
            htonl((hints->ai_flags & AI_PASSIVE) != 0 ? INADDR_ANY : INADDR_LOOPBACK);
        return 0;
    }
    if (parse_address(node, &answer->addresses[0])) {
        strcpy(answer->name, node); /* shorter than any name may be: it has been a number */
        return 0;
    }
    return (hints->ai_flags & AI_NUMERICHOST) != 0 ? EAI_NONAME : name_look_up(node, answer);
}

/* --- The list --- */

static struct addrinfo *make_entry(uint32_t address, const struct way *way, const char *name,
                                   int flags)
{
    size_t name_bytes = name != NULL ? strlen(name) + 1 : 0;
    struct entry *entry = malloc(sizeof(*entry) + name_bytes);

    if (entry == NULL) {
        return NULL;
    }
    *entry = (struct entry){
        .info = {.ai_flags = flags,
                 .ai_family = AF_INET,
                 .ai_socktype = way->type,
                 .ai_protocol = way->protocol,
                 .ai_addrlen = sizeof(entry->address),
                 .ai_addr = (struct sockaddr *)&entry->address},
        .address = {.sin_family = AF_INET,
                    .sin_port = htons(way->port),
                    .sin_addr.s_addr = address},
    };
    if (name != NULL) {
        memcpy(entry->name, name, name_bytes);
        entry->info.ai_canonname = entry->name;
    }
    return &entry->info;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;

        free(CONTAINER_OF(list, struct entry, info));
        list = next;
    }
}

static int make_list(const struct name_answer *answer, const struct way *ways, int way_count,
                     int flags, struct addrinfo **result)
{
    struct addrinfo *list = NULL, **end = &list;

    for (unsigned i = 0; i < answer->address_count; i++) {
        for (int j = 0; j < way_count; j++) {
            bool has_name = list == NULL && (flags & AI_CANONNAME) != 0;

            *end =
                make_entry(answer->addresses[i], &ways[j], has_name ? answer->name : NULL, flags);
            if (*end == NULL) {
                freeaddrinfo(list);
                return EAI_MEMORY;
            }
            end = &(*end)->ai_next;
        }
    }
    *result = list;
    return 0;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    static const struct addrinfo no_hints = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
    struct way ways[WAY_MAX];
    struct name_answer answer;
    int way_count, error;

    if (node == NULL && service == NULL) {
        return EAI_NONAME;
    }
    if (hints == NULL) {
        hints = &no_hints;
    }
    if ((hints->ai_flags & ~FLAGS_KNOWN) != 0 ||
        ((hints->ai_flags & AI_CANONNAME) != 0 && node == NULL)) {
        return EAI_BADFLAGS;
    }
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET) {
        return EAI_FAMILY;
    }
    way_count = find_ways(service != NULL && *service != '\0' ? service : NULL, hints, ways);
    if (way_count < 0) {
        return way_count;
    }
    error = find_addresses(node, hints, &answer);
    return error != 0 ? error : make_list(&answer, ways, way_count, hints->ai_flags, result);
}

const char *gai_strerror(int error)
{
    static const char *const texts[] = {
        [-EAI_BADFLAGS] = "Bad value for ai_flags",
        [-EAI_NONAME] = "Name or service not known",
        [-EAI_AGAIN] = "Temporary failure in name resolution",
        [-EAI_FAIL] = "Non-recoverable failure in name resolution",
        [-EAI_NODATA] = "No address associated with hostname",
        [-EAI_FAMILY] = "ai_family not supported",
        [-EAI_SOCKTYPE] = "ai_socktype not supported",
        [-EAI_SERVICE] = "Servname not supported for ai_socktype",
        [-EAI_ADDRFAMILY] = "Address family for hostname not supported",
        [-EAI_MEMORY] = "Memory allocation failure",
        [-EAI_SYSTEM] = "System error",
        [-EAI_OVERFLOW] = "Result too large for supplied buffer",
    };

    return error < 0 && -(long)error < (long)ARRAY_COUNT(texts) ? texts[-error] : "Unknown error";
}
