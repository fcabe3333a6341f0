/* SPDX-License-Identifier: MIT */
/*
 * What an application's node does when it, or another one, drains: see draining.h.
 */
#include "net/streams/draining.h"

#include "kernel/message/dispatch.h"
#include "net/configuration.h"
#include "net/draining.h"
#include "net/streams/listener_table.h"
#include "net/streams/requests.h"
#include "net/streams/returns.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"

/* Whoever serves them asks anew whether they shall end (draining_is_ending()). To ask is all that
 * one can do who is told that he may write, which he mostly may anyway. */
static void wake_owner(struct stream *stream, void *context)
{
    (void)context;
    if (draining_is_ending(stream->ts)) {
        stream_tell(stream, STREAM_CAN_WRITE);
    }
}

/* What has been assigned already comes, and is served. */
static void give_up_places(void)
{
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (stream_listeners[i] != NULL && stream_listeners[i]->is_on_list) {
            request_give_up_place(stream_listeners[i]->cm, stream_listeners[i]->port,
                                  stream_listeners[i]->index, stream_listeners[i]->request_number);
            stream_listeners[i]->is_on_list = false;
        }
    }
}

static void ask_for_places(void)
{
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (stream_listeners[i] != NULL && !stream_listeners[i]->is_on_list) {
            stream_listener_lose_place(stream_listeners[i]); /* whoever waits asks for another */
        }
    }
}

static void begin(enum draining draining)
{
    stream_listener_is_held = draining == DRAINING_NODE;
    if (draining == DRAINING_NODE) {
        give_up_places();
    } else if (draining == DRAINING_NOT) {
        ask_for_places();
        return;
    }
    stream_for_each(wake_owner, NULL);
}

static void note_going(node_id_t node)
{
    stream_returns_change_lists();
    if (configuration_has_role(configuration_current(), node, ROLE_TS)) {
        stream_for_each(wake_owner, NULL);
    }
}

static void note_staying(node_id_t node)
{
    (void)node;
    stream_returns_change_lists();
}

void stream_draining_start(void)
{
    static const struct draining_part part = {.begin = begin, .count_left = stream_table_count};
    static const struct draining_observer observer = {.goes = note_going, .stays = note_staying};

    stream_listener_is_held = false;
    draining_add_part(&part);
    draining_observe(&observer);
}
