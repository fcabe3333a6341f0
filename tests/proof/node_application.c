/* SPDX-License-Identifier: MIT */
/*
 * The application, played: one thread that listens, accepts and closes as the explorer says. How it
 * waits is how libc/posix/socket.c does: it claims when it begins to, and whenever the listener
 * says so meanwhile.
 */
#include "kernel/platform.h"
#include "net/messages.h"
#include "net/streams/listener.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"
#include "tests/proof/node.h"

#define DEFER_NS (10 * NS_PER_S)

static struct stream_listener *listener;
static bool is_waiting; /* in accept() */
static bool is_woken;   /* its thread goes on at the next turn */
static uint8_t accepts_made;
static struct stream *held[PROOF_CLIENT_MAX];
static uint8_t taken;

static void listener_changed(void *owner, enum stream_listener_event event)
{
    (void)owner;
    if (event == LISTENER_CLAIMABLE && is_waiting) {
        stream_listener_claim(listener);
    } else {
        is_woken = true;
    }
}

static void stream_changed(void *owner, unsigned readiness)
{
    (void)owner;
    (void)readiness;
}

static void answer(unsigned client)
{
    static const struct stream_piece byte = {"", 1};

    if (proof_answer == ANSWER_SEND) {
        int64_t sent_bytes = stream_send(held[client], &byte, byte.bytes, CLOSE_NOT);

        ASSERT(sent_bytes == 1 || sent_bytes < 0); /* it may have ended */
    } else if (proof_answer == ANSWER_CLOSE) {
        stream_close(held[client], CLOSE_BOTH);
        held[client] = NULL;
    }
}

static void take(void)
{
    struct stream *stream = stream_listener_take(listener, stream_changed, NULL);
    unsigned client = stream_flow(stream)->remote_port;

    ASSERT(client < PROOF_CLIENT_MAX);
    if ((taken >> client & 1) != 0) {
        node_fail("client %u's connection is handed out twice by one application", client);
    }
    taken |= (uint8_t)(1u << client);
    held[client] = stream;
    answer(client);
}

void application_run(void)
{
    bool was_woken = is_woken;

    is_woken = false;
    if (!is_waiting || !was_woken) {
        return;
    }
    stream_listener_claim(listener);
    while (is_waiting && stream_listener_is_ready(listener)) {
        is_waiting = proof_application_kind == APPLICATION_SERVES;
        take();
        if (is_waiting) {
            stream_listener_claim(listener);
        }
    }
}

void application_act(const struct node_input *input)
{
    switch (input->kind) {
    case INPUT_LISTEN:
        if (stream_listener_open(PROOF_PORT, proof_backlog, listener_changed, NULL, &listener) !=
            0) {
            PANIC("listen() fails");
        }
        stream_listener_set_defer(listener, proof_wants_data ? DEFER_NS : 0);
        break;
    case INPUT_ACCEPT:
        accepts_made++;
        is_waiting = true;
        is_woken = true;
        break; /* application_run() goes on */
    case INPUT_CLOSE:
        stream_close(held[input->argument], CLOSE_BOTH);
        held[input->argument] = NULL;
        break;
    default:
        is_waiting = false;
        stream_listener_close(listener);
        listener = NULL;
        break;
    }
}

static struct node_view *seen;

static void look_at_stream(struct stream *stream, void *context)
{
    (void)context;
    ASSERT(seen->stream_count < SEEN_MAX);
    seen->streams[seen->stream_count++] = (struct seen_stream){
        .client = (uint8_t)stream_flow(stream)->remote_port,
        .state = stream->state,
        .ts = stream->ts,
        .index = stream->connection_index,
        .generation = stream->generation,
        .is_gone = stream->is_gone,
        .is_claim_due = stream->is_claim_due,
        .availability_number = stream->availability_number,
        .received_bytes = stream->received.bytes,
    };
}

void application_look(struct node_view *view)
{
    view->is_listening = listener != NULL;
    view->is_waiting = is_waiting;
    view->accepts_left = (uint8_t)(proof_accept_max - accepts_made);
    view->taken = taken;
    for (unsigned client = 0; client < PROOF_CLIENT_MAX; client++) {
        view->held |= (uint8_t)((held[client] != NULL) << client);
    }
    seen = view;
    stream_for_each(look_at_stream, NULL);
    seen = NULL;
    grants_look(view);
}
