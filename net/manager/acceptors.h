/* SPDX-License-Identifier: MIT */
/*
 * Who gets a connection, and what its end tells (PIKA 3.2 and 3.3).
 *
 * What an application needs for a connection is the median of its last ones (service.h), a guess
 * until the first one closes. But a slow application closes few, and one that has stopped none, so
 * that it would look fast for long, or for ever. So the connections that are open count, too: an
 * application is *overdue* when since the last close, and since the first assignment after that,
 * OVERDUE_FACTOR times as long has passed as was usual between the two of late. It then needs a
 * OVERDUE_FACTORth of that time at least, or as long as a connection that closes meanwhile has
 * taken, until one closes that has taken no longer than usual. What is usual contains the clients'
 * way to and fro, and connections that live long beside others do not matter.
 *
 * A CM sees only what it assigned itself as open: what others assigned counts when it closes.
 */
#pragma once

#include "net/manager/listeners.h"
#include "net/messages.h"

struct manager;

#define OVERDUE_FACTOR 4u

/*
 * Who gets the next connection of `ts`, into `acceptor`; counted as open. Its node is NODE_NONE for
 * nobody.
 *
 * One that is not new, because its last acceptor has let it pass, is never granted: an application
 * may have died of its request, and the next one dies of it only once it has claimed it, which
 * makes it the last.
 */
void acceptors_take(struct manager *manager, struct listener *listener, node_id_t ts, bool is_new,
                    struct acceptor *acceptor);
/* So many connections more are claimed in advance; together they are GRANT_MAX at most. */
void acceptors_add_grants(struct listening_application *application, unsigned count);
/* A connection of `ts` that `assigned_by` gave to this application has ended, or never came to be.
 */
void acceptors_return(const struct manager *manager, struct listening_application *application,
                      node_id_t assigned_by, node_id_t ts);
/* The same of one that its application was told of and that has closed after so long, which is
 * learned: not 0. */
void acceptors_close(struct manager *manager, struct listener *listener,
                     struct listening_application *application, node_id_t assigned_by, node_id_t ts,
                     uint64_t service_ns);
