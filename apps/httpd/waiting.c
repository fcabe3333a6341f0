/* SPDX-License-Identifier: MIT */
/*
 * Times and lists. All on a list have the same time, so who joins it stands at its end.
 */
#include "apps/httpd/waiting.h"

#include "apps/httpd/check.h"

/*
 * Limits, chosen: long enough for slow people, short enough that slow attackers gain little. Who
 * takes anything at all of a response in its time has it again; so much because Talus tells of what
 * was taken in pieces of 64 KiB only: that is 2 kbit/s.
 */
static uint64_t limits_ms[WAIT_COUNT] = {
    [WAIT_REQUEST] = 20000,
    /* A request that is on its way comes within that. */
    [WAIT_ENDING] = 1000,
    [WAIT_SEND] = 300000,
    [WAIT_LINGER] = 2000,
};

/* What one has beyond its limit. Idle ones have a sixty-fourth of it, chosen, so that one that is
 * busy need not move to the end of its list with each request. */
#define IDLE_SLACK_DIVISOR 64
static uint64_t slacks_ms[WAIT_COUNT];

static uint64_t now_ms;

/* The head has joined first, so its time is over first. */
static struct {
    struct client *head, *tail;
} lists[WAIT_COUNT];

void waiting_start(unsigned idle_s)
{
    limits_ms[WAIT_IDLE] = idle_s * UINT64_C(1000);
    slacks_ms[WAIT_IDLE] = limits_ms[WAIT_IDLE] / IDLE_SLACK_DIVISOR;
}

void waiting_set_time(uint64_t now)
{
    check(now >= now_ms);
    now_ms = now;
}

void waiting_leave(struct client *client)
{
    if (client->wait == WAIT_NOT) {
        return;
    }
    check(client->wait < WAIT_COUNT);
    check(client->previous != NULL ? client->previous->next == client
                                   : lists[client->wait].head == client);
    check(client->next != NULL ? client->next->previous == client
                               : lists[client->wait].tail == client);
    if (client->previous != NULL) {
        client->previous->next = client->next;
    } else {
        lists[client->wait].head = client->next;
    }
    if (client->next != NULL) {
        client->next->previous = client->previous;
    } else {
        lists[client->wait].tail = client->previous;
    }
    client->wait = WAIT_NOT;
}

void waiting_join(struct client *client, enum client_wait wait)
{
    check(wait < WAIT_COUNT && client->wait == WAIT_NOT);
    client->wait = (uint8_t)wait;
    client->deadline_ms = now_ms + limits_ms[wait] + slacks_ms[wait];
    client->next = NULL;
    client->previous = lists[wait].tail;
    if (client->previous != NULL) {
        client->previous->next = client;
    } else {
        lists[wait].head = client;
    }
    lists[wait].tail = client;
    /* What stands in front has waited longer: waiting_expire() looks at the head only. */
    check(client->previous == NULL || client->previous->deadline_ms <= client->deadline_ms);
}

bool waiting_is_idle(const struct client *client)
{
    return client->wait == WAIT_IDLE && client->deadline_ms >= now_ms + limits_ms[WAIT_IDLE];
}

int waiting_expire(void (*give_up)(struct client *client, enum client_wait wait))
{
    uint64_t next_ms = UINT64_MAX;

    for (enum client_wait wait = 0; wait < WAIT_COUNT; wait++) {
        while (lists[wait].head != NULL && lists[wait].head->deadline_ms <= now_ms) {
            struct client *client = lists[wait].head;

            give_up(client, wait);
            assert(lists[wait].head != client || client->deadline_ms > now_ms);
        }
        if (lists[wait].head != NULL && lists[wait].head->deadline_ms < next_ms) {
            next_ms = lists[wait].head->deadline_ms;
        }
    }
    return next_ms == UINT64_MAX ? -1 : (int)(next_ms - now_ms);
}
