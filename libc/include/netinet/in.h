/* SPDX-License-Identifier: MIT */
/* Internet addresses (POSIX). */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

typedef uint32_t in_addr_t;
typedef uint16_t in_port_t;

struct in_addr {
    in_addr_t s_addr; /* network byte order */
};

struct sockaddr_in {
    sa_family_t sin_family;
    in_port_t sin_port;
    struct in_addr sin_addr;
    uint8_t sin_zero[8];
};

/* What IP_PKTINFO tells of a datagram, or asks for. */
struct in_pktinfo {
    int ipi_ifindex;             /* 1, the one interface */
    struct in_addr ipi_spec_dst; /* our address */
    struct in_addr ipi_addr;     /* whom it was sent to */
};

/* A group, and which interface (0, our address, or the number 1). */
struct ip_mreq {
    struct in_addr imr_multiaddr;
    struct in_addr imr_interface;
};
struct ip_mreqn {
    struct in_addr imr_multiaddr;
    struct in_addr imr_address;
    int imr_ifindex;
};

#define IP_PKTINFO         8
#define IP_MULTICAST_IF    32
#define IP_MULTICAST_TTL   33
#define IP_MULTICAST_LOOP  34
#define IP_ADD_MEMBERSHIP  35
#define IP_DROP_MEMBERSHIP 36
#define IP_MULTICAST_ALL   49

#define IN_MULTICAST(address) (((in_addr_t)(address)&0xF0000000) == 0xE0000000)

#define IPPROTO_IP  0
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

#define INADDR_ANY            ((in_addr_t)0x00000000)
#define INADDR_BROADCAST      ((in_addr_t)0xFFFFFFFF)
#define INADDR_LOOPBACK       ((in_addr_t)0x7F000001)
#define INADDR_NONE           ((in_addr_t)0xFFFFFFFF)
#define INADDR_ALLHOSTS_GROUP ((in_addr_t)0xE0000001)
#define INET_ADDRSTRLEN       16

static inline uint16_t htons(uint16_t value)
{
    return __builtin_bswap16(value);
}
static inline uint16_t ntohs(uint16_t value)
{
    return __builtin_bswap16(value);
}
static inline uint32_t htonl(uint32_t value)
{
    return __builtin_bswap32(value);
}
static inline uint32_t ntohl(uint32_t value)
{
    return __builtin_bswap32(value);
}
