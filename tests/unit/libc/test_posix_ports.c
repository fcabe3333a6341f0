/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/both_calls.c tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests which TCP ports two sockets of one program can have: EADDRINUSE where Linux has it. The
 * script is run on both and must tell the same; for Talus the other nodes' messages are thrown
 * away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/unit/world/both_calls.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

#define ON              const struct both_calls *on, struct record *record
#define PORT_OF_SCRIPTS 47087

enum { PLAIN = 0, SHARES_ADDRESS = 1, SHARES_PORT = 2 };
enum { BOUND = 0, LISTENING = 1, CLOSED = 2 };

static void take_messages(void)
{
    for (node_id_t node = 0; node < 2; node++) {
        while (fake_take_message(node) != NULL) {
        }
    }
}

static int open_tcp(ON, unsigned shares)
{
    int fd = on->do_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

    (void)record;
    assert_true(fd >= 0);
    if ((shares & SHARES_ADDRESS) != 0) {
        assert_int_equal(on->do_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    }
    if ((shares & SHARES_PORT) != 0) {
        assert_int_equal(on->do_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    }
    return fd;
}

static int bind_to(ON, int fd, uint32_t address)
{
    const struct sockaddr_in name = {.sin_family = AF_INET,
                                     .sin_port = htons(PORT_OF_SCRIPTS),
                                     .sin_addr.s_addr = htonl(address)};
    int result = on->do_bind(fd, (const struct sockaddr *)&name, sizeof(name));

    tell_result(record, "bind", result);
    return result;
}

/* On Talus one socket of a program listens on a port, whatever its address. */
static bool may_both_listen(unsigned first_shares, uint32_t first_address, unsigned second_shares,
                            uint32_t second_address)
{
    return (first_shares & second_shares & SHARES_PORT) != 0 ||
           (first_address != second_address && first_address != 0 && second_address != 0);
}

/* One socket after the other wants the port, and then both want to listen. */
static void try(ON, unsigned first_shares, uint32_t first_address, unsigned first_state,
                unsigned second_shares, uint32_t second_address)
{
    int first = open_tcp(on, record, first_shares);
    int second = open_tcp(on, record, second_shares);

    tell(record, "%u %#x %u, %u %#x\n", first_shares, first_address, first_state, second_shares,
         second_address);
    (void)bind_to(on, record, first, first_address);
    if (first_state != BOUND) {
        tell_result(record, "listen", on->do_listen(first, 1));
    }
    if (first_state == CLOSED) {
        on->do_close(first);
    }
    if (bind_to(on, record, second, second_address) == 0 &&
        !may_both_listen(first_shares, first_address, second_shares, second_address)) {
        tell_result(record, "second listens", on->do_listen(second, 1));
        if (first_state == BOUND) {
            tell_result(record, "first listens", on->do_listen(first, 1));
        }
    }
    if (first_state != CLOSED) {
        on->do_close(first);
    }
    on->do_close(second);
}

static void all_of_first(ON, unsigned first_shares, uint32_t first_address)
{
    static const uint32_t addresses[] = {INADDR_ANY, INADDR_LOOPBACK, INADDR_LOOPBACK + 1};

    for (unsigned state = BOUND; state <= CLOSED; state++) {
        for (unsigned shares = PLAIN; shares <= (SHARES_ADDRESS | SHARES_PORT); shares++) {
            for (unsigned i = 0; i < 3; i++) {
                try(on, record, first_shares, first_address, state, shares, addresses[i]);
            }
        }
    }
}

static void plain_any_script(ON)
{
    all_of_first(on, record, PLAIN, INADDR_ANY);
}
static void plain_one_script(ON)
{
    all_of_first(on, record, PLAIN, INADDR_LOOPBACK);
}
static void address_any_script(ON)
{
    all_of_first(on, record, SHARES_ADDRESS, INADDR_ANY);
}
static void address_one_script(ON)
{
    all_of_first(on, record, SHARES_ADDRESS, INADDR_LOOPBACK);
}
static void port_any_script(ON)
{
    all_of_first(on, record, SHARES_PORT, INADDR_ANY);
}
static void port_one_script(ON)
{
    all_of_first(on, record, SHARES_PORT, INADDR_LOOPBACK);
}
static void both_any_script(ON)
{
    all_of_first(on, record, SHARES_ADDRESS | SHARES_PORT, INADDR_ANY);
}

#define ON_BOTH(script)                                                                            \
    static void script##_is_as_on_linux(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        both_network = take_messages;                                                              \
        run_on_both(script);                                                                       \
        take_messages();                                                                           \
    }
ON_BOTH(plain_any_script)
ON_BOTH(plain_one_script)
ON_BOTH(address_any_script)
ON_BOTH(address_one_script)
ON_BOTH(port_any_script)
ON_BOTH(port_one_script)
ON_BOTH(both_any_script)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(plain_any_script_is_as_on_linux),
        SOCKET_TEST(plain_one_script_is_as_on_linux),
        SOCKET_TEST(address_any_script_is_as_on_linux),
        SOCKET_TEST(address_one_script_is_as_on_linux),
        SOCKET_TEST(port_any_script_is_as_on_linux),
        SOCKET_TEST(port_one_script_is_as_on_linux),
        SOCKET_TEST(both_any_script_is_as_on_linux),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
