/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/both_calls.c tests/unit/world/socket_world.c tests/unit/world/application_world.c tests/unit/world/fake_return.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests UDP sockets in groups against Linux' own: scripts are run on both and must tell the same.
 * For Talus the test plays the transport servers, and 127.0.0.1 is the machine's address; on Linux
 * the interface is that of loopback, whose number is 1, too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/thread/thread.h"
#include "net/datagrams/group.h"
#include "tests/unit/world/both_calls.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"
#include "tests/unit/world/socket_world.h"

#define ON          const struct both_calls *on, struct record *record
#define SPEAKER     0
#define OTHER       1
#define OWN         INADDR_LOOPBACK
#define PORT_FIRST  47201 /* of the ports that scripts name */
#define ONE         0xEF0A0B01
#define TWO         0xEF0A0B02
#define MEMBERSHIPS 20
#define GROUPS_MAX  64

/* --- The transport servers --- */

static bool is_bound[65536];
static uint32_t joined[2][GROUPS_MAX]; /* by server; 0: free */
static unsigned refusal;               /* what the speaker answers */

static uint32_t *place_of(node_id_t ts, uint32_t address)
{
    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        if (joined[ts][i] == address) {
            return &joined[ts][i];
        }
    }
    return NULL;
}

static unsigned group_count(node_id_t ts)
{
    unsigned count = 0;

    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        count += joined[ts][i] != 0;
    }
    return count;
}

static void answer_join(node_id_t ts, const struct join_group *request)
{
    struct group_joined message = {
        .header = {.type = GROUP_JOINED, .length_bytes = sizeof(message)},
        .request_number = request->request_number,
        .error_number = ts == SPEAKER ? refusal : 0,
    };
    uint32_t *place = place_of(ts, request->address);

    if (request->kind == GROUP_LEAVE) {
        if (place != NULL) {
            *place = 0;
        }
        return;
    }
    if (message.error_number == 0 && place == NULL) {
        *place_of(ts, 0) = request->address;
    }
    fake_deliver(ts, &message.header);
}

static void answer_bind(node_id_t ts, const struct bind_port *request)
{
    struct port_bound message = {
        .header = {.type = PORT_BOUND, .length_bytes = sizeof(message)},
        .request_number = request->request_number,
    };

    is_bound[request->port] = request->kind != BIND_PORT_FREE;
    if (request->kind != BIND_PORT_FREE) {
        fake_deliver(ts, &message.header);
    }
}

static void loop_back(node_id_t ts, const struct send_datagram *send)
{
    struct message_payload payload = fake_payload(send, sizeof(*send));
    struct datagram_arrived arrived = {
        .header = {.type = DATAGRAM_ARRIVED},
        .remote_address = htonl(OWN),
        .local_address = send->remote_address,
        .remote_port = send->local_port,
        .local_port = send->remote_port,
    };
    bool is_to_group = group_is_address(send->remote_address);

    if (is_bound[send->remote_port] &&
        (!is_to_group || (send->is_looped && place_of(ts, send->remote_address) != NULL))) {
        fake_deliver_payload(ts, &arrived.header, sizeof(arrived), payload.bytes,
                             payload.length_bytes);
    }
}

static void play_servers(void)
{
    const struct message *message;

    for (node_id_t ts = 0; ts < 2; ts++) {
        while ((message = fake_take_message(ts)) != NULL) {
            switch (message->header.type) {
            case BIND_PORT:
                answer_bind(ts, (const struct bind_port *)message);
                break;
            case JOIN_GROUP:
                answer_join(ts, (const struct join_group *)message);
                break;
            case SEND_DATAGRAM:
                loop_back(ts, (const struct send_datagram *)message);
                break;
            default: /* to who has come back: of TCP */
                break;
            }
        }
    }
}

static int start_udp(void **state)
{
    struct address_set address = {
        .header = {.type = ADDRESS_SET, .length_bytes = sizeof(address)},
        .address = htonl(OWN),
        .netmask = htonl(0xFFFFFFFF),
        .gateway = htonl(0x7F000002),
    };

    (void)start_sockets(state);
    fake_deliver(SPEAKER, &address.header);
    dispatch_round();
    memset(is_bound, 0, sizeof(is_bound));
    memset(joined, 0, sizeof(joined));
    refusal = 0;
    both_network = play_servers;
    return 0;
}

/* Whatever happened, no server keeps a group that nobody is in. */
static int end_udp(void **state)
{
    play_servers();
    assert_int_equal(group_count(SPEAKER), 0);
    assert_int_equal(group_count(OTHER), 0);
    return end_sockets(state);
}

/* --- Scripts --- */

static int open_udp(ON)
{
    int fd = on->do_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    (void)record;
    assert_true(fd >= 0);
    return fd;
}

static void bind_to(ON, int fd, uint32_t address, unsigned number)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)(PORT_FIRST + number)),
                               .sin_addr.s_addr = htonl(address)};
    socklen_t bytes = sizeof(name);

    tell_result(record, "bind", on->do_bind(fd, (struct sockaddr *)&name, sizeof(name)));
    tell_result(record, "name", on->do_getsockname(fd, (struct sockaddr *)&name, &bytes));
    tell(record, "address %#x\n", ntohl(name.sin_addr.s_addr));
}

static struct ip_mreqn request_for(uint32_t group, uint32_t interface, int number)
{
    return (struct ip_mreqn){.imr_multiaddr.s_addr = htonl(group),
                             .imr_address.s_addr = htonl(interface),
                             .imr_ifindex = number};
}

static void change(ON, int fd, int option, uint32_t group, uint32_t interface, socklen_t bytes)
{
    struct ip_mreqn request = request_for(group, interface, 0);

    tell_result(record, option == IP_ADD_MEMBERSHIP ? "join" : "leave",
                on->do_setsockopt(fd, IPPROTO_IP, option, &request, bytes));
}

static void join(ON, int fd, uint32_t group)
{
    change(on, record, fd, IP_ADD_MEMBERSHIP, group, OWN, sizeof(struct ip_mreq));
}

static void leave(ON, int fd, uint32_t group)
{
    change(on, record, fd, IP_DROP_MEMBERSHIP, group, OWN, sizeof(struct ip_mreq));
}

static void set(ON, int fd, int option, int number, socklen_t bytes)
{
    tell_result(record, "set", on->do_setsockopt(fd, IPPROTO_IP, option, &number, bytes));
}

static void get(ON, int fd, int option, socklen_t bytes)
{
    int number = 0x55555555;

    tell_result(record, "get", on->do_getsockopt(fd, IPPROTO_IP, option, &number, &bytes));
    tell(record, "%#x in %u bytes\n", (unsigned)number, bytes);
}

static void send_to(ON, int fd, uint32_t group, unsigned number, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)(PORT_FIRST + number)),
                                  .sin_addr.s_addr = htonl(group)};

    tell_result(
        record, "sendto",
        on->do_sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof(address)));
    on->pass_ms(1);
}

/* What has come, whom it was sent to, and by which interface. */
static void receive(ON, int fd)
{
    char text[16] = "", control[64];
    struct sockaddr_in from = {0};
    struct iovec piece = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof(from),
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t result = on->do_recvmsg(fd, &message, 0);
    struct in_pktinfo info = {0};

    tell_result(record, "recvmsg", result);
    if (result >= 0 && CMSG_FIRSTHDR(&message) != NULL) {
        memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(info));
    }
    tell(record, "\"%s\" from %#x to %#x, %#x, %d\n", text, ntohl(from.sin_addr.s_addr),
         ntohl(info.ipi_addr.s_addr), ntohl(info.ipi_spec_dst.s_addr), info.ipi_ifindex);
}

static void membership_script(ON)
{
    int fd = open_udp(on, record);

    join(on, record, fd, ONE);
    join(on, record, fd, ONE);
    change(on, record, fd, IP_ADD_MEMBERSHIP, ONE, OWN, sizeof(struct ip_mreq) - 1);
    change(on, record, fd, IP_ADD_MEMBERSHIP, OWN, OWN, sizeof(struct ip_mreq));
    change(on, record, fd, IP_ADD_MEMBERSHIP, 0xF0000001, OWN, sizeof(struct ip_mreq));
    change(on, record, fd, IP_ADD_MEMBERSHIP, TWO, 0x01020304, sizeof(struct ip_mreq));
    change(on, record, fd, IP_ADD_MEMBERSHIP, TWO, OWN, sizeof(struct ip_mreqn));
    leave(on, record, fd, 0xEF0A0B03);
    leave(on, record, fd, OWN);
    change(on, record, fd, IP_DROP_MEMBERSHIP, ONE, 0x01020304, sizeof(struct ip_mreq));
    change(on, record, fd, IP_DROP_MEMBERSHIP, ONE, OWN, 4);
    leave(on, record, fd, ONE);
    leave(on, record, fd, ONE);
    join(on, record, fd, ONE);
    for (int number = -1; number <= 2; number++) {
        struct ip_mreqn request = request_for(0xEF0A0B04, OWN, number == 2 ? 9999 : number);

        tell_result(
            record, "by number",
            on->do_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)));
        tell_result(
            record, "by number",
            on->do_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request)));
    }
    tell_result(record, "get",
                on->do_getsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &(int){0}, &(socklen_t){4}));
    tell_result(record, "close", on->do_close(fd));
}

static void many_script(ON)
{
    int fd = open_udp(on, record), other = open_udp(on, record);

    for (unsigned i = 0; i <= MEMBERSHIPS; i++) {
        join(on, record, fd, ONE + i);
    }
    join(on, record, fd, ONE); /* that one is in use before it is too many */
    join(on, record, other, ONE);
    leave(on, record, fd, ONE + 7);
    join(on, record, fd, ONE + MEMBERSHIPS);
    tell_result(record, "close", on->do_close(fd));
    tell_result(record, "close", on->do_close(other));
}

static void option_script(ON)
{
    const int numbers[] = {-2, -1, 0, 1, 255, 256};
    int fd = open_udp(on, record);

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        set(on, record, fd, IP_MULTICAST_TTL, numbers[i], 4);
        get(on, record, fd, IP_MULTICAST_TTL, 4);
        set(on, record, fd, IP_MULTICAST_LOOP, numbers[i], 4);
        get(on, record, fd, IP_MULTICAST_LOOP, 4);
        set(on, record, fd, IP_MULTICAST_ALL, numbers[i], 4);
        get(on, record, fd, IP_MULTICAST_ALL, 4);
        set(on, record, fd, IP_PKTINFO, numbers[i], 4);
        get(on, record, fd, IP_PKTINFO, 4);
    }
    for (socklen_t bytes = 0; bytes <= 5; bytes++) {
        set(on, record, fd, IP_MULTICAST_TTL, 0x107, bytes > 4 ? 4 : bytes);
        set(on, record, fd, IP_MULTICAST_LOOP, 0x101, bytes > 4 ? 4 : bytes);
        set(on, record, fd, IP_PKTINFO, 0x101, bytes > 4 ? 4 : bytes);
        get(on, record, fd, IP_MULTICAST_TTL, bytes);
        get(on, record, fd, IP_MULTICAST_LOOP, bytes);
        get(on, record, fd, IP_MULTICAST_IF, bytes);
        set(on, record, fd, IP_MULTICAST_IF, (int)htonl(OWN), bytes > 4 ? 4 : bytes);
    }
    set(on, record, fd, IP_MULTICAST_IF, (int)htonl(0x01020304), 4);
    get(on, record, fd, IP_MULTICAST_IF, 4);
    set(on, record, fd, IP_MULTICAST_IF, 0, 4);
    get(on, record, fd, IP_MULTICAST_IF, 4);
    tell_result(record, "close", on->do_close(fd));
}

static void exchange_script(ON)
{
    int here = open_udp(on, record), there = open_udp(on, record), third = open_udp(on, record);

    bind_to(on, record, here, INADDR_ANY, 1);
    set(on, record, here, IP_PKTINFO, 1, 4);
    set(on, record, there, IP_MULTICAST_IF, (int)htonl(OWN), 4);
    join(on, record, here, ONE);
    send_to(on, record, there, ONE, 1, "one");
    receive(on, record, here);
    send_to(on, record, there, ONE, 2, "nobody's");
    send_to(on, record, there, TWO, 1, "not in it");
    receive(on, record, here);
    /* Others are: as good as this one, unless it says otherwise. */
    join(on, record, third, TWO);
    send_to(on, record, there, TWO, 1, "other's");
    receive(on, record, here);
    set(on, record, here, IP_MULTICAST_ALL, 0, 4);
    send_to(on, record, there, TWO, 1, "other's");
    receive(on, record, here);
    send_to(on, record, there, ONE, 1, "its own");
    receive(on, record, here);
    set(on, record, there, IP_MULTICAST_TTL, 0, 4); /* no further than this machine */
    send_to(on, record, there, ONE, 1, "near");
    receive(on, record, here);
    leave(on, record, here, ONE);
    send_to(on, record, there, ONE, 1, "left");
    receive(on, record, here);
    tell_result(record, "close", on->do_close(here));
    tell_result(record, "close", on->do_close(there));
    tell_result(record, "close", on->do_close(third));
}

/* Bound to a group, for which being in it is another thing. */
static void bound_script(ON)
{
    int here = open_udp(on, record), there = open_udp(on, record);
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(PORT_FIRST + 1), .sin_addr.s_addr = htonl(ONE)};

    bind_to(on, record, here, ONE, 1);
    set(on, record, here, IP_PKTINFO, 1, 4);
    set(on, record, there, IP_MULTICAST_IF, (int)htonl(OWN), 4);
    send_to(on, record, there, ONE, 1, "too early");
    receive(on, record, here);
    join(on, record, here, ONE);
    join(on, record, here, TWO);
    send_to(on, record, there, ONE, 1, "one");
    send_to(on, record, there, TWO, 1, "two");
    send_to(on, record, there, OWN, 1, "three");
    receive(on, record, here);
    receive(on, record, here);
    tell_result(record, "connect", on->do_connect(there, (struct sockaddr *)&peer, sizeof(peer)));
    tell_result(record, "send", on->do_send(there, "four", 4, 0));
    on->pass_ms(1);
    receive(on, record, here);
    tell_result(record, "close", on->do_close(here));
    tell_result(record, "close", on->do_close(there));
}

#define ON_BOTH(script)                                                                            \
    static void script##_is_as_on_linux(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        run_on_both(script);                                                                       \
    }
ON_BOTH(membership_script)
ON_BOTH(many_script)
ON_BOTH(option_script)
ON_BOTH(exchange_script)
ON_BOTH(bound_script)

/* --- What is ours alone --- */

static int udp_fd;
static int join_result; /* 1: it waits */

static void join_here(void *argument)
{
    struct ip_mreq request = {.imr_multiaddr.s_addr = htonl(ONE)};

    (void)argument;
    udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
    join_result = setsockopt(udp_fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) == 0
                      ? 0
                      : -errno;
}

static void start_joining(void)
{
    join_result = 1;
    assert_non_null(thread_create("udp", join_here, NULL));
    dispatch_round();
    dispatch_round();
}

static void run(void)
{
    for (unsigned i = 0; i < 4; i++) {
        play_servers();
        dispatch_round();
    }
}

/* Now and then the node looks at the others' states. */
static void look_at_nodes(void)
{
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round();
    }
}

static void all_servers_have_agreed_when_a_join_returns(void **state)
{
    (void)state;
    start_joining();
    assert_int_equal(join_result, 1);
    run();
    assert_int_equal(join_result, 0);
    assert_int_equal(group_count(SPEAKER), 1);
    assert_int_equal(group_count(OTHER), 1);
    close(udp_fd);
    dispatch_round();
}

static void what_the_speaker_refuses_is_taken_back_of_all(void **state)
{
    (void)state;
    refusal = ENOBUFS;
    start_joining();
    run();
    assert_int_equal(join_result, -ENOBUFS);
    assert_int_equal(group_count(OTHER), 0);
    close(udp_fd);
    dispatch_round();
}

static void a_socket_may_be_closed_while_it_joins(void **state)
{
    (void)state;
    start_joining();
    close(udp_fd);
    dispatch_round();
    assert_int_equal(join_result, -EBADF);
    run();
}

static void who_has_died_owes_no_answer_and_who_comes_back_is_told(void **state)
{
    (void)state;
    start_joining();
    fake_set_node_state(SPEAKER, NODE_DEAD);
    look_at_nodes();
    assert_int_equal(join_result, 1); /* there is another one */
    run();
    assert_int_equal(join_result, 0);
    memset(joined[SPEAKER], 0, sizeof(joined[SPEAKER]));
    fake_build_again(SPEAKER);
    look_at_nodes();
    run();
    assert_int_equal(group_count(SPEAKER), 1);
    close(udp_fd);
    dispatch_round();
}

static void bind_in_thread(void *argument)
{
    struct sockaddr_in any = {.sin_family = AF_INET};

    (void)argument;
    assert_int_equal(bind(udp_fd, (struct sockaddr *)&any, sizeof(any)), 0);
}

static void bind_here(void)
{
    assert_non_null(thread_create("udp", bind_in_thread, NULL));
    dispatch_round();
    run();
}

static void expect_sent(uint8_t ttl, bool is_looped)
{
    const struct sockaddr_in group = {
        .sin_family = AF_INET, .sin_port = htons(PORT_FIRST), .sin_addr.s_addr = htonl(ONE)};
    const struct send_datagram *sent;

    assert_int_equal(sendto(udp_fd, "x", 1, 0, (const struct sockaddr *)&group, sizeof(group)), 1);
    sent = fake_expect_message(SPEAKER, SEND_DATAGRAM);
    assert_int_equal(sent->group_ttl, ttl);
    assert_int_equal(sent->is_looped, is_looped);
}

/* Linux' interface of loopback is a wire, too, on which it comes back all the same. */
static void a_server_is_told_how_far_one_goes_and_whether_it_comes_back(void **state)
{
    int number;

    (void)state;
    start_joining();
    run();
    number = 0;
    assert_int_equal(setsockopt(udp_fd, IPPROTO_IP, IP_MULTICAST_LOOP, &number, sizeof(number)), 0);
    number = 33;
    assert_int_equal(setsockopt(udp_fd, IPPROTO_IP, IP_MULTICAST_TTL, &number, sizeof(number)), 0);
    bind_here();
    expect_sent(33, false);
    number = -1;
    assert_int_equal(setsockopt(udp_fd, IPPROTO_IP, IP_MULTICAST_TTL, &number, sizeof(number)), 0);
    number = 1;
    assert_int_equal(setsockopt(udp_fd, IPPROTO_IP, IP_MULTICAST_LOOP, &number, sizeof(number)), 0);
    expect_sent(1, true);
    close(udp_fd);
    dispatch_round();
}

static void without_memory_nothing_is_joined(void **state)
{
    struct ip_mreq request = {.imr_multiaddr.s_addr = htonl(ONE)};

    (void)state;
    udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (int count = 0; count < 2; count++) { /* the membership; the group */
        fake_fail_allocations_after(count);
        assert_int_equal(
            setsockopt(udp_fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)), -1);
        fake_fail_allocations_after(-1);
        assert_int_equal(errno, ENOBUFS);
    }
    close(udp_fd);
}

#define TEST(name) CONSERVED_TEST(name, start_udp, end_udp)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(membership_script_is_as_on_linux),
        TEST(many_script_is_as_on_linux),
        TEST(option_script_is_as_on_linux),
        TEST(exchange_script_is_as_on_linux),
        TEST(bound_script_is_as_on_linux),
        TEST(all_servers_have_agreed_when_a_join_returns),
        TEST(what_the_speaker_refuses_is_taken_back_of_all),
        TEST(a_socket_may_be_closed_while_it_joins),
        TEST(who_has_died_owes_no_answer_and_who_comes_back_is_told),
        TEST(a_server_is_told_how_far_one_goes_and_whether_it_comes_back),
        TEST(without_memory_nothing_is_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
