/* SPDX-License-Identifier: MIT */
/*
 * The command line's words on the network: `net=dhcp` or `net=ADDRESS/LENGTH[,gw=ADDRESS]
 * [,dns=ADDRESS]`, and `ntp=ADDRESS` or `ntp=dhcp`. Addresses are in network byte order.
 */
#pragma once

#include "kernel/base.h"
#include "net/name_messages.h"

struct network_options {
    bool is_dhcp;
    uint32_t address; /* the rest only without DHCP; 0: none */
    uint32_t netmask;
    uint32_t gateway;
    uint32_t name_servers[NAME_SERVER_MAX];
};

/*
 * What `line` asks for; DHCP if it has no net= word.
 *
 * Returns 0. -EINVAL when the word cannot be understood: `reason` then says why in one sentence,
 * and the options are those of DHCP.
 */
MUST_CHECK int network_options_parse(struct network_options *options, const char *line,
                                     char *reason, size_t reason_bytes);

/* Whether the address can be one host's: not of this network, of the host itself, or of many. */
bool network_options_is_host(uint32_t address);

struct ntp_options {
    bool is_dhcp;
    uint32_t server; /* 0: none, or the one that the lease names */
};

/* The same for ntp=: nobody is asked for the date without it, or when it cannot be understood. */
MUST_CHECK int ntp_options_parse(struct ntp_options *options, const char *line, char *reason,
                                 size_t reason_bytes);
