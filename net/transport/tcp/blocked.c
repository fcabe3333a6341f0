/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/blocked.h"

#include "kernel/platform.h"
#include "net/transport/tcp/tcb.h"

static struct tcb *head;
static struct tcb **end = &head;
static uint32_t count;

void blocked_add(struct tcb *tcb)
{
    if (tcb->is_output_blocked) {
        return;
    }
    tcb->is_output_blocked = true;
    tcb->blocked_next = NULL;
    tcb->blocked_link = end;
    *end = tcb;
    end = &tcb->blocked_next;
    count++;
}

void blocked_remove(struct tcb *tcb)
{
    ASSERT(tcb->is_output_blocked && *tcb->blocked_link == tcb);
    *tcb->blocked_link = tcb->blocked_next;
    if (tcb->blocked_next != NULL) {
        tcb->blocked_next->blocked_link = tcb->blocked_link;
    } else {
        end = tcb->blocked_link;
    }
    tcb->is_output_blocked = false;
    count--;
}

struct tcb *blocked_first(void)
{
    return head;
}

uint32_t blocked_count(void)
{
    return count;
}

void blocked_initialise(void)
{
    head = NULL;
    end = &head;
    count = 0;
}
