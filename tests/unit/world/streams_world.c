/* SPDX-License-Identifier: MIT */
/*
 * Three accepted connections for unit tests: see streams_world.h.
 */
#include "tests/unit/world/streams_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "tests/unit/world/fake_platform.h"

struct open_stream streams[STREAMS];
int listener;

void open_streams(void)
{
    listener = open_listener(4);
    expect_ask(listener);
    for (uint32_t i = 0; i < STREAMS; i++) {
        make_available(i + 1, 1, "");
        assert_fails(accept(listener, NULL, NULL), EAGAIN);
        streams[i].stream_index = expect_claim(i + 1, 1);
        confirm(i + 1, 1, streams[i].stream_index, "");
        streams[i].fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        assert_true(streams[i].fd > listener);
    }
}

void come(unsigned number)
{
    deliver_data(streams[number].stream_index, 1, "x", 1);
}

void read_all(unsigned number)
{
    char text[16];

    assert_true(recv(streams[number].fd, text, sizeof(text), 0) > 0);
}

void close_streams(void)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(close(streams[i].fd), 0);
    }
    while (fake_take_message(TS) != NULL) {
    }
    close_listener(listener);
}

void run_rounds(void)
{
    for (unsigned i = 0; i < 5; i++) {
        dispatch_round();
    }
}
