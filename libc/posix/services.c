/* SPDX-License-Identifier: MIT */
/*
 * The table of services: what servers and clients on Talus may serve or ask. Chosen.
 */
#include "libc/posix/services.h"

#include <netinet/in.h>
#include <string.h>

#include "kernel/base.h"

static const struct {
    const char *name;
    uint16_t port;
    bool has_tcp, has_udp;
} services[] = {
    {"echo", 7, true, true},      {"discard", 9, true, true},        {"daytime", 13, true, true},
    {"chargen", 19, true, true},  {"ftp", 21, true, false},          {"ssh", 22, true, false},
    {"telnet", 23, true, false},  {"smtp", 25, true, false},         {"time", 37, true, true},
    {"domain", 53, true, true},   {"bootps", 67, false, true},       {"bootpc", 68, false, true},
    {"tftp", 69, false, true},    {"http", 80, true, false},         {"pop3", 110, true, false},
    {"ntp", 123, false, true},    {"imap2", 143, true, false},       {"snmp", 161, true, true},
    {"ldap", 389, true, true},    {"https", 443, true, true},        {"syslog", 514, false, true},
    {"mysql", 3306, true, false}, {"postgresql", 5432, true, false}, {"http-alt", 8080, true, true},
};

static bool is_of(unsigned i, int protocol)
{
    return protocol == IPPROTO_TCP ? services[i].has_tcp : services[i].has_udp;
}

uint16_t service_port(const char *name, int protocol)
{
    for (unsigned i = 0; i < ARRAY_COUNT(services); i++) {
        if (is_of(i, protocol) && strcmp(services[i].name, name) == 0) {
            return services[i].port;
        }
    }
    return 0;
}

const char *service_name(uint16_t port, int protocol)
{
    for (unsigned i = 0; i < ARRAY_COUNT(services); i++) {
        if (is_of(i, protocol) && services[i].port == port) {
            return services[i].name;
        }
    }
    return NULL;
}
