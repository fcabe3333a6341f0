/* SPDX-License-Identifier: MIT */
/*
 * SERVES_AGAIN, out and in.
 */
#include "net/returning.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/messages.h"

#define OBSERVER_MAX 5 /* LS, CM, application, and two of TS */

static void (*observers[OBSERVER_MAX])(node_id_t node, enum role role);
static unsigned observer_count;
static unsigned announced; /* enum role, OR-ed */

static const struct node_set *returning_in(enum role role)
{
    const struct configuration *configuration = configuration_current();

    ASSERT(role == ROLE_TS || role == ROLE_CM);
    return role == ROLE_TS ? &configuration->returning_ts : &configuration->returning_cm;
}

bool returning_is_due(enum role role)
{
    return node_set_has(returning_in(role), platform_node()) && (announced & role) == 0;
}

void returning_announce(enum role role)
{
    const struct configuration *configuration = configuration_current();

    ASSERT(returning_is_due(role));
    announced |= role;
    for (unsigned node = 0; node < configuration->node_count; node++) {
        if (configuration->roles[node] != 0) {
            struct serves_again *message =
                message_reserve_posted((node_id_t)node, SERVES_AGAIN, sizeof(*message));

            message->role = role;
            message_publish();
        }
    }
}

static void handle_serves_again(node_id_t from, const struct message *message)
{
    enum role role = (enum role)((const struct serves_again *)message)->role;

    if ((role != ROLE_TS && role != ROLE_CM) ||
        !configuration_has_role(configuration_current(), from, role)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    configuration_note_serving(from, role);
    for (unsigned i = 0; i < observer_count; i++) {
        observers[i](from, role);
    }
}

void returning_observe(void (*serves_again)(node_id_t node, enum role role))
{
    for (unsigned i = 0; i < observer_count; i++) {
        if (observers[i] == serves_again) {
            return; /* it is started anew, in a test */
        }
    }
    ASSERT(observer_count < OBSERVER_MAX);
    observers[observer_count++] = serves_again;
}

void returning_start(void)
{
    observer_count = 0;
    announced = 0;
    net_register_message(SERVES_AGAIN, handle_serves_again);
}
