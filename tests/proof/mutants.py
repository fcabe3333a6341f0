# SPDX-License-Identifier: MIT
"""Guards of the handshake, each taken out of the sources by itself, and what the explorer then
must find."""
import collections

Mutant = collections.namedtuple("Mutant", "name path old new scenario fault")

AVAILABILITY = "net/transport/availability.c"
LISTENER = "net/streams/listener.c"
MANAGER = "net/manager/manager.c"

MUTANTS = [
    # Who has asked for its place again since stays on the list: the two messages cross.
    Mutant("request-number", MANAGER,
           "acceptor->request_number == application->request_number", "true",
           "claims", "forgotten"),
    # A claim or a decline of an earlier availability changes nothing.
    Mutant("availability-number", AVAILABILITY,
           "&&\n           connection->availability_number == availability_number", "",
           "data", "lost"),
    # Whoever was never told for want of room claims in vain, and asks for its place again.
    Mutant("tell-too-late", AVAILABILITY,
           "            tell_too_late(connection);\n", "",
           "no-room", "forgotten"),
    # A message about a connection that has gone is not for the one that has its place now.
    Mutant("generation", "net/transport/table.c",
           "connection != NULL && connection->generation == generation ? connection : NULL",
           "(void)generation, connection",
           "reuse", "."),
    # Whoever is rejected asks for its place again.
    Mutant("rejected", LISTENER,
           "        listener->undecided_count--;\n        stream_listener_lose_place(listener);\n",
           "        listener->undecided_count--;\n",
           "claims", "forgotten"),
    # The acceptor that times out is on the list of its CM, which tells the others.
    Mutant("withdrawal", MANAGER,
           "        balance_settle(&manager->balance, listener);\n"
           "        offering_publish(manager, listener);\n    }\n    place_connection",
           "        balance_settle(&manager->balance, listener);\n    }\n    place_connection",
           "managers", "offers"),
    # A connection that another CM assigned is not counted by the acceptor's own.
    Mutant("assigned-by", "net/manager/acceptors.c",
           "application->is_own && assigned_by == manager->node &&", "application->is_own &&",
           "managers", "counts"),
    # What waits at a CM that dies is told to another one.
    Mutant("manager-lost", "net/transport/server.c",
           "            availability_lose_manager(connection);\n", "",
           "manager-dies", "lost"),
    # Its CM is dead: another one is asked for an acceptor.
    Mutant("other-manager", AVAILABILITY,
           "node_id_t cm = managers_find(asked);", "node_id_t cm = asked;", "manager-dies", "lost"),
    # What a dead application had been told of goes to another one.
    Mutant("application-lost", AVAILABILITY,
           "    case CONNECTION_ANNOUNCED:\n        ask_again(connection);\n",
           "        ask_again(connection);\n        break;\n    case CONNECTION_ANNOUNCED:\n",
           "application-dies", "."),
    # The last acceptor of a connection that is given up is answered, too.
    Mutant("last-acceptor", AVAILABILITY,
           "        report_closed(&last, local_port_of(connection), 0);\n", "",
           "given-up", "counts"),
    # A TS may have had us dropped and die before we hear of it.
    Mutant("server-lost", LISTENER, "(was_ts || stream_listeners[i]->cm == node)",
           "stream_listeners[i]->cm == node", "server-dies-with-timers", "forgotten"),
    # An assignment that comes for a connection which has gone is given back.
    Mutant("given-back", AVAILABILITY,
           "        report_closed(&reassign->acceptor, reassign->port, 0);\n", "",
           "resets", "counts"),
    # So is the answer to a SYN whose handshake and connection have gone.
    Mutant("answer-given-back", "net/transport/admission.c",
           "    } else if (acceptor->node != NODE_NONE) {\n", "    } else if (false) {\n",
           "busy-resets", "counts"),
    # Connections wait until somebody accepts, who then gets them.
    Mutant("placed-later", MANAGER,
           "    offering_publish(manager, listener);\n    place_waiting(manager, listener);\n",
           "    offering_publish(manager, listener);\n",
           "claims", "waits"),
    # One that was granted may have been taken: it is asked back before another gets it.
    Mutant("recall", AVAILABILITY,
           "        if (is_out_of_hand(connection)) {\n            recall(connection);\n"
           "            continue;\n        }\n", "",
           "granted", "."),
    # A recall that crosses the claim finds the connection taken.
    Mutant("recall-too-late", LISTENER,
           "return stream->is_claim_due && stream->ts == ts", "return stream->ts == ts",
           "granted-with-data", "lost"),
    # Whoever gives one back is dropped from the list.
    Mutant("place-after-recall", LISTENER,
           "        decline_stream(stream);\n        if (listener->is_on_list) {\n"
           "            stream_listener_lose_place(listener);\n        }\n",
           "        decline_stream(stream);\n",
           "granted", "forgotten"),
    # Its own CM alone knows what an application has granted.
    Mutant("offer-grants", "net/manager/acceptors.c",
           "acceptor->grant = GRANT_NONE;", "acceptor->grant = GRANT_AT_ONCE;",
           "granted-managers", "granted"),
    # Who takes one and says nothing claims it at the end of the round.
    Mutant("silent-claim", LISTENER, ".flush = taken_end_round, ", "",
           "granted", "lost"),
    # An application that may have taken a connection is told of its end.
    Mutant("kept-until-told", AVAILABILITY,
           "    if (is_out_of_hand(connection)) {\n        return false;\n    }\n", "",
           "granted-resets", "never told|bad message"),
    # What was granted for a connection that came to nothing is good for another one.
    Mutant("granted-again", MANAGER, "        acceptors_add_grants(application, 1);\n", "        ;\n",
           "granted-resets", "granted"),
    # Nothing keeps a connection that has ended when its application has given it back.
    Mutant("end-of-keeping", AVAILABILITY,
           "        connection_mark_dirty(connection); /* if TCP has ended, nothing is left to wait for */\n",
           "", "granted-resets", "is kept"),
    # Closed connections are told of before the TS sleeps.
    Mutant("closed-before-sleep", "net/transport/server.c", "    closed_send_all();\n", "",
           "claims", "counts"),
]
