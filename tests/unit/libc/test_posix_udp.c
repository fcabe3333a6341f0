/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/both_calls.c tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests UDP sockets against Linux' own: scripts are run on both and must tell the same. For Talus
 * the test plays the transport servers, and 127.0.0.1 is the machine's address.
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
#include <sys/time.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/thread/thread.h"
#include "net/counters.h"
#include "tests/unit/world/both_calls.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

#define ON         const struct both_calls *on, struct record *record
#define SPEAKER    0
#define OWN        INADDR_LOOPBACK
#define ENDPOINTS  8
#define PORT_FIRST 47101 /* of the ports that scripts name */

/* --- The transport servers --- */

static bool is_bound[65536];

static void answer(node_id_t ts, const struct bind_port *request)
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

static void loop_back(const struct send_datagram *send)
{
    struct message_payload payload = fake_payload(send, sizeof(*send));
    struct datagram_arrived arrived = {
        .header = {.type = DATAGRAM_ARRIVED},
        .remote_address = htonl(OWN),
        .local_address = send->remote_address,
        .remote_port = send->local_port,
        .local_port = send->remote_port,
    };
    struct datagram_refused refused = {
        .header = {.type = DATAGRAM_REFUSED, .length_bytes = sizeof(refused)},
        .remote_address = send->remote_address,
        .remote_port = send->remote_port,
        .local_port = send->local_port,
    };

    if (is_bound[send->remote_port]) {
        fake_deliver_payload(SPEAKER, &arrived.header, sizeof(arrived), payload.bytes,
                             payload.length_bytes);
    } else {
        fake_deliver(SPEAKER, &refused.header);
    }
}

static void play_servers(void)
{
    const struct message *message;

    for (node_id_t ts = 0; ts < 2; ts++) {
        while ((message = fake_take_message(ts)) != NULL) {
            if (message->header.type == BIND_PORT) {
                answer(ts, (const struct bind_port *)message);
            } else {
                assert_int_equal(message->header.type, SEND_DATAGRAM);
                loop_back((const struct send_datagram *)message);
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
    };

    (void)start_sockets(state);
    fake_deliver(SPEAKER, &address.header);
    dispatch_round();
    memset(is_bound, 0, sizeof(is_bound));
    both_network = play_servers;
    return 0;
}

static int end_udp(void **state)
{
    play_servers();
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

static struct sockaddr_in place(unsigned number)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port =
                                    htons((uint16_t)(number != 0 ? PORT_FIRST + number : 0)),
                                .sin_addr.s_addr = htonl(OWN)};
}

static void bind_to(ON, int fd, unsigned number)
{
    struct sockaddr_in address = place(number);

    tell_result(record, "bind", on->do_bind(fd, (struct sockaddr *)&address, sizeof(address)));
}

static void connect_to(ON, int fd, unsigned number)
{
    struct sockaddr_in address = place(number);

    tell_result(record, "connect",
                on->do_connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static void send_to(ON, int fd, unsigned number, const char *text)
{
    struct sockaddr_in address = place(number);

    tell_result(
        record, "sendto",
        on->do_sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof(address)));
    on->pass_ms(1);
}

static void receive(ON, int fd, int flags)
{
    char text[6] = "";
    struct sockaddr_in from = {0};
    socklen_t bytes = sizeof(from);

    tell_result(record, "recvfrom",
                on->do_recvfrom(fd, text, 5, flags, (struct sockaddr *)&from, &bytes));
    tell(record, "\"%s\" from %#x, %u bytes\n", text, ntohl(from.sin_addr.s_addr), bytes);
}

static void tell_ready(ON, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    tell_result(record, "poll", on->do_poll(&poll_fd, 1, 0));
    tell(record, "ready %#x\n", poll_fd.revents);
}

static void datagram_script(ON)
{
    int here = open_udp(on, record), there = open_udp(on, record);

    tell_ready(on, record, here);
    bind_to(on, record, here, 1);
    bind_to(on, record, here, 1);
    bind_to(on, record, there, 1);
    bind_to(on, record, there, 2);
    receive(on, record, here, 0);
    send_to(on, record, there, 1, "one");
    send_to(on, record, there, 1, "second");
    send_to(on, record, there, 1, "");
    send_to(on, record, there, 0, "x");
    tell_ready(on, record, here);
    receive(on, record, here, MSG_PEEK);
    receive(on, record, here, MSG_DONTWAIT);
    receive(on, record, here, MSG_TRUNC);
    receive(on, record, here, 0);
    receive(on, record, here, 0);
    /* Nobody is there: who is not connected is not told. */
    send_to(on, record, there, 3, "lost");
    receive(on, record, there, 0);
    tell_result(record, "send", on->do_send(there, "x", 1, 0));
    tell_result(record, "shutdown", on->do_shutdown(there, SHUT_RD));
    tell_result(record, "listen", on->do_listen(there, 1));
    tell_result(record, "accept", on->do_accept(there, NULL, NULL));
    tell_result(record, "close", on->do_close(here));
    bind_to(on, record, there, 1);
    tell_result(record, "close", on->do_close(there));
    there = open_udp(on, record);
    bind_to(on, record, there, 1);
    tell_result(record, "close", on->do_close(there));
}

static void tell_names(ON, int fd)
{
    struct sockaddr_in name = {0};
    socklen_t bytes = sizeof(name);

    tell_result(record, "name", on->do_getsockname(fd, (struct sockaddr *)&name, &bytes));
    /* Which port is chosen is chance. */
    tell(record, "%#x, port %s\n", ntohl(name.sin_addr.s_addr), name.sin_port != 0 ? "set" : "0");
    bytes = 4; /* cut */
    memset(&name, 0, sizeof(name));
    tell_result(record, "peer", on->do_getpeername(fd, (struct sockaddr *)&name, &bytes));
    tell(record, "port %u, address %#x, %u bytes\n", ntohs(name.sin_port),
         ntohl(name.sin_addr.s_addr), bytes);
}

static void connected_script(ON)
{
    int here = open_udp(on, record), there = open_udp(on, record), other = open_udp(on, record);
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    int number = 7;
    socklen_t bytes = sizeof(number);

    tell_names(on, record, here);
    connect_to(on, record, here, 2);
    tell_names(on, record, here);
    bind_to(on, record, here, 1);
    bind_to(on, record, there, 2);
    tell_result(record, "close", on->do_close(here));
    here = open_udp(on, record);
    bind_to(on, record, here, 1);
    connect_to(on, record, here, 2);
    /* From the peer alone. */
    send_to(on, record, other, 1, "alien");
    send_to(on, record, there, 1, "peer");
    receive(on, record, here, 0);
    receive(on, record, here, 0);
    tell_result(record, "send", on->do_send(here, "abc", 3, 0));
    tell_result(record, "write", on->do_write(here, "de", 2));
    on->pass_ms(1);
    receive(on, record, there, 0);
    receive(on, record, there, 0);
    /* The peer goes. */
    tell_result(record, "close", on->do_close(there));
    tell_result(record, "send", on->do_send(here, "abc", 3, 0));
    on->pass_ms(1);
    tell_ready(on, record, here);
    receive(on, record, here, 0);
    receive(on, record, here, 0);
    tell_result(record, "send", on->do_send(here, "abc", 3, 0));
    on->pass_ms(1);
    tell_result(record, "send", on->do_send(here, "abc", 3, 0));
    on->pass_ms(1);
    tell_result(record, "send", on->do_send(here, "abc", 3, 0));
    on->pass_ms(1);
    tell_result(record, "error", on->do_getsockopt(here, SOL_SOCKET, SO_ERROR, &number, &bytes));
    tell(record, "error %d\n", number);
    tell_result(record, "shutdown", on->do_shutdown(here, SHUT_WR));
    tell_result(record, "send", on->do_send(here, "abc", 3, MSG_NOSIGNAL));
    tell_result(record, "shutdown", on->do_shutdown(here, SHUT_RD));
    tell_ready(on, record, here);
    tell_result(record, "disconnect", on->do_connect(other, &nowhere, sizeof(nowhere)));
    tell_names(on, record, other);
    tell_result(record, "close", on->do_close(other));
    tell_result(record, "close", on->do_close(here));
}

static void message_script(ON)
{
    int here = open_udp(on, record), there = open_udp(on, record), on_flag = 1;
    struct sockaddr_in address = place(1), from;
    char parts[2][4] = {"ab", "cde"}, control[64];
    struct iovec pieces[2] = {{parts[0], 2}, {parts[1], 3}};
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = pieces, .msg_iovlen = 2};
    struct mmsghdr several[3] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = message}};

    bind_to(on, record, here, 1);
    tell_result(record, "option",
                on->do_setsockopt(here, IPPROTO_IP, IP_PKTINFO, &on_flag, sizeof(on_flag)));
    tell_result(record, "sendmsg", on->do_sendmsg(there, &message, 0));
    on->pass_ms(1);
    memset(parts, 0, sizeof(parts));
    pieces[1].iov_len = 2;
    message.msg_name = &from;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    tell_result(record, "recvmsg", on->do_recvmsg(here, &message, 0));
    tell(record, "%.2s %.2s flags %#x name %u control %zu\n", parts[0], parts[1], message.msg_flags,
         message.msg_namelen, message.msg_controllen);
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    struct in_pktinfo info;
    assert_non_null(first);
    memcpy(&info, CMSG_DATA(first), sizeof(info));
    tell(record, "%zu %d %d to %#x\n", (size_t)first->cmsg_len, first->cmsg_level, first->cmsg_type,
         ntohl(info.ipi_addr.s_addr));
    tell_result(record, "next", CMSG_NXTHDR(&message, first) != NULL);

    tell_result(record, "sendmmsg", on->do_sendmmsg(there, several, 3, 0));
    tell(record, "%u %u %u\n", several[0].msg_len, several[1].msg_len, several[2].msg_len);
    on->pass_ms(1);
    several[2].msg_hdr.msg_control = control;
    several[2].msg_hdr.msg_controllen = 4; /* too short */
    tell_result(record, "recvmmsg", on->do_recvmmsg(here, several, 3, 0, NULL));
    tell(record, "%u %#x %u %#x\n", several[0].msg_len, several[0].msg_hdr.msg_flags,
         several[2].msg_len, several[2].msg_hdr.msg_flags);
    tell_result(record, "recvmmsg", on->do_recvmmsg(here, several, 3, MSG_WAITFORONE, NULL));
    tell_result(record, "close", on->do_close(here));
    tell_result(record, "close", on->do_close(there));
}

static void refusal_script(ON)
{
    int fd = open_udp(on, record), number = 0;
    struct sockaddr_in address = place(1);
    struct timeval time = {0, 1000000};
    static char much[65536];
    socklen_t bytes = sizeof(number);

    tell_result(record, "protocol", on->do_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    tell_result(record, "short", on->do_bind(fd, (struct sockaddr *)&address, 8));
    address.sin_addr.s_addr = htonl(0x01020304);
    tell_result(record, "other's", on->do_bind(fd, (struct sockaddr *)&address, 16));
    address.sin_family = AF_UNIX;
    tell_result(record, "family", on->do_bind(fd, (struct sockaddr *)&address, 16));
    tell_result(record, "family", on->do_connect(fd, (struct sockaddr *)&address, 16));
    tell_result(record, "family",
                on->do_sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)));
    address = place(1);
    tell_result(record, "short", on->do_sendto(fd, "x", 1, 0, (struct sockaddr *)&address, 15));
    tell_result(record, "long",
                on->do_sendto(fd, much, sizeof(much), 0, (struct sockaddr *)&address, 16));
    address.sin_addr.s_addr = INADDR_BROADCAST;
    tell_result(record, "broadcast",
                on->do_sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)));
    tell_result(record, "oob", on->do_recv(fd, much, 1, MSG_OOB));
    tell_result(record, "type", on->do_getsockopt(fd, SOL_SOCKET, SO_TYPE, &number, &bytes));
    tell(record, "type %d\n", number);
    tell_result(record, "buffer", on->do_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &number, &bytes));
    tell_result(record, "time", on->do_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, 16));
    number = 1;
    tell_result(record, "reuse", on->do_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &number, 4));
    tell_result(record, "short", on->do_setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &number, 3));
    number = 10000;
    tell_result(record, "buffer", on->do_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &number, 4));
    tell_result(record, "buffer", on->do_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &number, &bytes));
    tell(record, "buffer %d\n", number);
    tell_result(record, "option", on->do_getsockopt(fd, SOL_SOCKET, 9999, &number, &bytes));
    tell_result(record, "close", on->do_close(fd));
}

#define ON_BOTH(script)                                                                            \
    static void script##_is_as_on_linux(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        run_on_both(script);                                                                       \
    }
ON_BOTH(datagram_script)
ON_BOTH(connected_script)
ON_BOTH(message_script)
ON_BOTH(refusal_script)

/* --- What is ours alone --- */

static int udp_fd;
static ssize_t call_result_of; /* 0: it waits */

/* A socket at the first of the ports. */
static void open_bound(void *argument)
{
    struct sockaddr_in address = place(1);

    (void)argument;
    udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(udp_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    call_result_of = 1;
}

static void open_and_expect_closed(void *argument)
{
    struct sockaddr_in address = place(1);

    (void)argument;
    udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(udp_fd, (struct sockaddr *)&address, sizeof(address)), -1);
    call_result_of = -errno;
}

static void receive_one(void *argument)
{
    char byte;
    ssize_t result = recv(udp_fd, &byte, 1, 0);

    (void)argument;
    call_result_of = result < 0 ? -errno : result;
}

static void start_thread(void (*function)(void *argument))
{
    call_result_of = 0;
    assert_non_null(thread_create("udp", function, NULL));
    for (unsigned i = 0; i < 4; i++) {
        dispatch_round();
        play_servers();
    }
}

static void deliver(size_t bytes)
{
    static const uint8_t data[1000];
    struct datagram_arrived arrived = {
        .header = {.type = DATAGRAM_ARRIVED},
        .remote_address = htonl(OWN),
        .local_address = htonl(OWN),
        .remote_port = 99,
        .local_port = PORT_FIRST + 1,
    };

    fake_deliver_payload(SPEAKER, &arrived.header, sizeof(arrived), data, bytes);
    dispatch_round();
}

static void what_a_queue_has_no_room_for_is_lost_and_counted(void **state)
{
    const uint64_t *lost = &status_own_page->counters[COUNTER_DROP_RECEIVE_FULL];
    int bytes = 1000; /* which is the least there is, 2304 */
    char text[1000];

    (void)state;
    start_thread(open_bound);
    assert_int_equal(setsockopt(udp_fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    deliver(1000);
    deliver(1000);
    assert_int_equal(*lost, 0);
    deliver(1000);
    assert_int_equal(*lost, 1);
    assert_int_equal(recv(udp_fd, text, sizeof(text), 0), 1000);
    deliver(1000);
    assert_int_equal(*lost, 1);
    /* And of all sockets: an eighth of the node's memory. */
    bytes = 1 << 20;
    assert_int_equal(setsockopt(udp_fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    uint64_t total_bytes = fake_memory_total_bytes;
    fake_memory_total_bytes = 8 * 4000;
    deliver(1000);
    assert_int_equal(*lost, 1);
    deliver(1000);
    assert_int_equal(*lost, 2);
    fake_memory_total_bytes = total_bytes;
    fake_fail_allocations_after(0);
    deliver(0);
    fake_fail_allocations_after(-1);
    assert_int_equal(status_own_page->counters[COUNTER_DROP_NO_MEMORY], 1);
    close(udp_fd);
}

static void a_receive_waits_for_a_datagram_or_its_time(void **state)
{
    const struct timeval second = {1, 0};

    (void)state;
    start_thread(open_bound);
    start_thread(receive_one);
    assert_int_equal(call_result_of, 0);
    deliver(1);
    assert_int_equal(call_result_of, 1);
    assert_int_equal(setsockopt(udp_fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)), 0);
    start_thread(receive_one);
    assert_int_equal(call_result_of, 0);
    fake_advance_ns(NS_PER_S);
    dispatch_round();
    dispatch_round();
    assert_int_equal(call_result_of, -EAGAIN);
    start_thread(receive_one);
    close(udp_fd);
    dispatch_round();
    assert_int_equal(call_result_of, -EBADF);
}

/* The speaker does not answer: bind() waits, and close() ends that. */
static void a_socket_may_be_closed_while_it_is_bound(void **state)
{
    (void)state;
    both_network = NULL;
    call_result_of = 0;
    assert_non_null(thread_create("udp", open_and_expect_closed, NULL));
    dispatch_round();
    dispatch_round();
    assert_int_equal(call_result_of, 0);
    close(udp_fd);
    dispatch_round();
    assert_int_equal(call_result_of, -EBADF);
}

#define TEST(name) CONSERVED_TEST(name, start_udp, end_udp)

/* As with TCP: 127.0.0.0/8 is this machine, and both ends have its address. */
static void loopback_is_the_machines_own_address(void **state)
{
    const uint32_t own = htonl(OWN);
    struct sockaddr_in there = place(1);
    const struct send_datagram *sent;
    socklen_t bytes = sizeof(there);

    (void)state;
    start_thread(open_bound);
    assert_int_equal(getsockname(udp_fd, (struct sockaddr *)&there, &bytes), 0);
    assert_int_equal(there.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    there.sin_addr.s_addr = htonl(0x7F000009);
    assert_int_equal(sendto(udp_fd, "x", 1, 0, (struct sockaddr *)&there, sizeof(there)), 1);
    sent = fake_expect_message(0, SEND_DATAGRAM);
    assert_int_equal(sent->remote_address, own);
    /* What others send to the machine is not for one that is bound to loopback. */
    for (unsigned i = 0; i < 2; i++) {
        struct datagram_arrived arrived = {.header = {.type = DATAGRAM_ARRIVED},
                                           .remote_address = i == 0 ? htonl(0x0A000002) : own,
                                           .local_address = own,
                                           .remote_port = 9,
                                           .local_port = PORT_FIRST + 1};
        char byte;

        fake_deliver_payload(SPEAKER, &arrived.header, sizeof(arrived), "y", 1);
        dispatch_round();
        assert_int_equal(recv(udp_fd, &byte, 1, MSG_DONTWAIT), i == 0 ? -1 : 1);
    }
    assert_int_equal(close(udp_fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(datagram_script_is_as_on_linux),
        TEST(connected_script_is_as_on_linux),
        TEST(message_script_is_as_on_linux),
        TEST(refusal_script_is_as_on_linux),
        TEST(what_a_queue_has_no_room_for_is_lost_and_counted),
        TEST(a_receive_waits_for_a_datagram_or_its_time),
        TEST(a_socket_may_be_closed_while_it_is_bound),
        TEST(loopback_is_the_machines_own_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
