/* SPDX-License-Identifier: MIT */
/*
 * The doorbell: the interrupt that wakes a sleeping node. A node that is awake takes it at its next
 * sleep and turns once more round its event loop. The attention interrupt has its own vector.
 */
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/lapic.h"

uint32_t interrupt_apic_id(node_id_t node)
{
    return node_info.apic_ids[node];
}

void platform_ring_doorbell(node_id_t node)
{
    lapic_send_interrupt(interrupt_apic_id(node), INTERRUPT_VECTOR_DOORBELL);
}

void platform_send_attention(node_id_t node)
{
    lapic_send_interrupt(interrupt_apic_id(node), INTERRUPT_VECTOR_ATTENTION);
}

uint64_t platform_attention_count(void)
{
    return interrupt_count(INTERRUPT_VECTOR_ATTENTION);
}
