/* SPDX-License-Identifier: MIT */
/*
 * From addresses to names: getnameinfo(); and gethostbyname(), which is older than getaddrinfo().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base.h"
#include "libc/posix/name_lookup.h"
#include "libc/posix/services.h"

#define FLAGS_KNOWN (NI_NUMERICHOST | NI_NUMERICSERV | NI_NOFQDN | NI_NAMEREQD | NI_DGRAM)

/* --- getnameinfo() --- */

static int store(const char *text, char *to, socklen_t bytes)
{
    if (strlen(text) >= bytes) {
        return EAI_OVERFLOW;
    }
    strcpy(to, text);
    return 0;
}

static int store_node(uint32_t address, char *node, socklen_t bytes, int flags)
{
    char text[DOMAIN_NAME_BYTES];
    int error = EAI_NONAME;

    if ((flags & NI_NUMERICHOST) == 0) {
        error = name_look_up_address(address, text);
    }
    if (error != 0) {
        if ((flags & NI_NAMEREQD) != 0) {
            return error == EAI_NODATA ? EAI_NONAME : error;
        }
        (void)inet_ntop(AF_INET, &address, text, sizeof(text)); /* it fits */
    }
    return store(text, node, bytes);
}

static int store_service(uint16_t port, char *service, socklen_t bytes, int flags)
{
    const char *name = NULL;
    char text[sizeof("65535")];

    if ((flags & NI_NUMERICSERV) == 0) {
        name = service_name(port, (flags & NI_DGRAM) != 0 ? IPPROTO_UDP : IPPROTO_TCP);
    }
    if (name == NULL) {
        (void)snprintf(text, sizeof(text), "%u", port);
        name = text;
    }
    return store(name, service, bytes);
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t bytes, char *restrict node,
                socklen_t node_bytes, char *restrict service, socklen_t service_bytes, int flags)
{
    bool has_node = node != NULL && node_bytes != 0;
    bool has_service = service != NULL && service_bytes != 0;
    struct sockaddr_in name;
    int error = 0;

    if ((flags & ~FLAGS_KNOWN) != 0) {
        return EAI_BADFLAGS;
    }
    if (bytes < sizeof(name)) {
        return EAI_FAMILY;
    }
    memcpy(&name, address, sizeof(name));
    if (name.sin_family != AF_INET) {
        return EAI_FAMILY;
    }
    if ((flags & NI_NAMEREQD) != 0 && !has_node && !has_service) {
        return EAI_NONAME;
    }
    if (has_node) {
        error = store_node(name.sin_addr.s_addr, node, node_bytes, flags);
    }
    if (error == 0 && has_service) {
        error = store_service(ntohs(name.sin_port), service, service_bytes, flags);
    }
    return error;
}

/* --- gethostbyname() --- */

int *__h_errno_location(void)
{
    static int number;

    return &number;
}

static int h_error_of(int error)
{
    switch (error) {
    case EAI_NONAME:
        return HOST_NOT_FOUND;
    case EAI_NODATA:
        return NO_DATA;
    case EAI_AGAIN:
        return TRY_AGAIN;
    default:
        return NO_RECOVERY;
    }
}

struct hostent *gethostbyname(const char *name)
{
    static struct name_answer answer;
    static char *addresses[RESOLVED_ADDRESS_MAX + 1];
    static char *aliases[1];
    static struct hostent host = {.h_name = answer.name,
                                  .h_aliases = aliases,
                                  .h_addrtype = AF_INET,
                                  .h_length = sizeof(answer.addresses[0]),
                                  .h_addr_list = addresses};
    struct name_answer found = {.address_count = 1};
    struct in_addr number;

    if (inet_aton(name, &number) != 0) {
        found.addresses[0] = number.s_addr;
        (void)snprintf(found.name, sizeof(found.name), "%s", name);
    } else {
        int error = name_look_up(name, &found); /* others may be asked for meanwhile */

        if (error != 0) {
            h_errno = h_error_of(error);
            return NULL;
        }
    }
    answer = found;
    for (unsigned i = 0; i < RESOLVED_ADDRESS_MAX + 1; i++) {
        addresses[i] = i < answer.address_count ? (char *)&answer.addresses[i] : NULL;
    }
    return &host;
}
