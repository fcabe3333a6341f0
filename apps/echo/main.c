/* SPDX-License-Identifier: MIT */
/*
 * The echo service of UDP (RFC 862): what comes is sent back. It is an ordinary POSIX program, and
 * the smallest user of UDP sockets: several datagrams a call, where several have come.
 *
 *   app=echo:1              the port of RFC 862, 7
 *   app=echo:1 -- 7007      another one
 *   app=echo:1 -- 7 239.1.2.3
 *                           also what is sent to that group, or to several
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT      7
#define BATCH     16
#define MAX_BYTES 4096 /* longer ones come cut, and go back so */

#define ADDRESS_WAIT_US 10000 /* from one look to the next */

static struct place {
    char bytes[MAX_BYTES];
    struct sockaddr_in from;
    struct iovec piece;
} places[BATCH];

static void prepare(struct mmsghdr *messages)
{
    for (unsigned i = 0; i < BATCH; i++) {
        struct place *place = &places[i];

        place->piece = (struct iovec){.iov_base = place->bytes, .iov_len = MAX_BYTES};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &place->from,
                                                   .msg_namelen = sizeof(place->from),
                                                   .msg_iov = &place->piece,
                                                   .msg_iovlen = 1}};
    }
}

/* What cannot be sent is lost, as any datagram may be. */
static void send_back(int fd, struct mmsghdr *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        places[i].piece.iov_len = messages[i].msg_len;
    }
    for (unsigned done = 0; done < count;) {
        int sent = sendmmsg(fd, messages + done, count - done, 0);

        done += sent > 0 ? (unsigned)sent : 1;
    }
}

static int serve(int fd)
{
    struct mmsghdr messages[BATCH];

    for (;;) {
        prepare(messages);
        int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (count < 0) {
            printf("receiving ends: error %d\n", errno);
            return EXIT_FAILURE;
        }
        send_back(fd, messages, (unsigned)count);
    }
}

static int join(int fd, const char *group)
{
    struct ip_mreq request = {.imr_interface.s_addr = INADDR_ANY};

    if (inet_pton(AF_INET, group, &request.imr_multiaddr) != 1) {
        printf("'%s' is no address\n", group);
        return EXIT_FAILURE;
    }
    /* The machine may have no address yet: then there is no way to groups, either. */
    while (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) != 0) {
        if (errno != ENODEV) {
            printf("not in group %s: error %d\n", group, errno);
            return EXIT_FAILURE;
        }
        usleep(ADDRESS_WAIT_US);
    }
    printf("echoes datagrams to group %s\n", group);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : PORT;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (port <= 0 || port > UINT16_MAX) {
        printf("'%s' is no port\n", argv[1]);
        return EXIT_FAILURE;
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        printf("no port %ld: error %d\n", port, errno);
        return EXIT_FAILURE;
    }
    printf("echoes datagrams to port %ld\n", port);
    for (int i = 2; i < argc; i++) {
        if (join(fd, argv[i]) != EXIT_SUCCESS) {
            return EXIT_FAILURE;
        }
    }
    return serve(fd);
}
