/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts of the 82599: causes, masks, moderation, messages.
 *
 * A cause is recorded whether masked or not. It is also "armed" from the moment it is recorded,
 * or its mask is opened while it is pending, until a message for it leaves or it is cleared;
 * only an armed and unmasked cause sends, once its vector's moderation interval has passed.
 * Bit v of the 64-bit sets is vector v. The low 16 bits are at the same time the queue causes of
 * EICR, EIMS, EIMC, EICS and EIAM, so that both views of them share one storage.
 */
#include "ixgbe82599.h"

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"

/* Bits of EICR that are not queue causes. */
#define MISC_CAUSES 0xffff0000
/* What read-to-clear takes in OCD mode. */
#define OTHER_CAUSES 0x3fff0000

enum {
    /* 2.048 us: the moderation interval's unit at 10 and 1 Gb/s. */
    INTERVAL_NS = 2048,
    /* The counter field holds the upper bits of the 9-bit interval that is left. */
    COUNTER_NS = 4 * INTERVAL_NS,

    IVAR_MISC_TIMER_SHIFT = 0,
    IVAR_MISC_OTHER_SHIFT = 8,
};

static bool is_msix_mode(IXGBEState *s)
{
    return ixgbe_get(s, IXGBE_GPIE) & GPIE_MSIX;
}

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* The vector of an IVAR byte, or -1. */
static int ivar_vector(uint32_t ivar, unsigned shift)
{
    uint8_t entry = ivar >> shift;

    return entry & IVAR_VALID ? entry & IVAR_VECTOR : -1;
}

static int misc_vector(IXGBEState *s, uint32_t cause)
{
    return ivar_vector(ixgbe_get(s, IXGBE_IVAR_MISC), cause & EICR_TCP_TIMER ?
                       IVAR_MISC_TIMER_SHIFT : IVAR_MISC_OTHER_SHIFT);
}

/*
 * May a vector send now? If not, its timer will look again. `is_exempt` passes over moderation,
 * as EIMEN asks for causes that software set.
 */
static bool may_send(IXGBEState *s, unsigned vector, bool is_exempt)
{
    if (is_exempt || now_ns() >= s->next_message_ns[vector]) {
        return true;
    }
    if (!timer_pending(s->moderation[vector])) {
        timer_mod(s->moderation[vector], s->next_message_ns[vector]);
    }
    return false;
}

static void note_sent(IXGBEState *s, unsigned vector)
{
    uint32_t interval = extract32(ixgbe_get(s, IXGBE_EITR(vector)), EITR_INTERVAL_SHIFT,
                                  EITR_INTERVAL_LENGTH);

    s->next_message_ns[vector] = interval ? now_ns() + interval * INTERVAL_NS : 0;
}

static void send_message(IXGBEState *s, unsigned vector)
{
    PCIDevice *pci = PCI_DEVICE(s);

    note_sent(s, vector);
    if (msix_enabled(pci)) {
        msix_notify(pci, vector);
    } else if (msi_enabled(pci)) {
        msi_notify(pci, 0);
    }
}

static void send_queue_vector(IXGBEState *s, unsigned vector)
{
    uint64_t bit = 1ull << vector;
    bool is_auto_clear = vector >= 16 || (ixgbe_get(s, IXGBE_EIAC) & bit);

    s->queue_armed &= ~bit;
    s->queue_unthrottled &= ~bit;
    if (is_auto_clear) {
        s->queue_causes &= ~bit;
    }
    if (ixgbe_get(s, IXGBE_GPIE) & GPIE_EIAME) {
        s->queue_mask &= ~(s->queue_auto_mask & bit);
    }
    send_message(s, vector);
}

static void send_misc(IXGBEState *s, uint32_t causes, unsigned vector)
{
    s->misc_armed &= ~causes;
    s->misc_causes &= ~(causes & ixgbe_get(s, IXGBE_EIAC) & EICR_TCP_TIMER);
    if (ixgbe_get(s, IXGBE_GPIE) & GPIE_EIAME) {
        s->misc_mask &= ~(s->misc_auto_mask & causes);
    }
    send_message(s, vector);
}

static void evaluate_misc(IXGBEState *s, uint32_t causes)
{
    int vector = misc_vector(s, causes);

    if (causes && vector >= 0 && may_send(s, vector, false)) {
        send_misc(s, causes, vector);
    }
}

static void evaluate_msix(IXGBEState *s)
{
    uint64_t ready = s->queue_armed & s->queue_causes & s->queue_mask;
    uint32_t misc = s->misc_armed & s->misc_causes & s->misc_mask;

    while (ready) {
        unsigned vector = ctz64(ready);

        ready &= ready - 1;
        if (may_send(s, vector, s->queue_unthrottled >> vector & 1)) {
            send_queue_vector(s, vector);
        }
    }
    evaluate_misc(s, misc & EICR_TCP_TIMER);
    evaluate_misc(s, misc & ~EICR_TCP_TIMER);
}

/* One interrupt for everything: a level on the pin, or a message when something is armed. */
static void evaluate_legacy(IXGBEState *s)
{
    PCIDevice *pci = PCI_DEVICE(s);
    bool is_pending = (s->queue_causes & s->queue_mask & 0xffff) ||
                      (s->misc_causes & s->misc_mask);
    bool is_armed = (s->queue_armed & s->queue_causes & s->queue_mask & 0xffff) ||
                    (s->misc_armed & s->misc_causes & s->misc_mask);

    if (!is_pending) {
        pci_set_irq(pci, 0);
        return;
    }
    if (!is_armed || !may_send(s, 0, s->queue_unthrottled & 0xffff)) {
        return;
    }
    s->queue_armed = 0;
    s->queue_unthrottled = 0;
    s->misc_armed = 0;
    if (msi_enabled(pci) || msix_enabled(pci)) {
        send_message(s, 0);
    } else {
        note_sent(s, 0);
        pci_set_irq(pci, 1);
    }
}

static void evaluate(IXGBEState *s)
{
    if (is_msix_mode(s)) {
        evaluate_msix(s);
    } else {
        evaluate_legacy(s);
    }
}

static void moderation_passed(void *opaque)
{
    evaluate(opaque);
}

static void queue_event(IXGBEState *s, unsigned queue, unsigned is_tx)
{
    uint32_t ivar = ixgbe_get(s, IXGBE_IVAR(queue / 2));
    int vector = ivar_vector(ivar, 16 * (queue % 2) + 8 * is_tx);

    if (vector < 0) {
        return;
    }
    if (!is_msix_mode(s)) {
        vector &= 15;
    }
    s->queue_causes |= 1ull << vector;
    s->queue_armed |= 1ull << vector;
    evaluate(s);
}

void ixgbe_intr_rx(IXGBEState *s, unsigned queue)
{
    queue_event(s, queue, 0);
}

void ixgbe_intr_tx(IXGBEState *s, unsigned queue)
{
    queue_event(s, queue, 1);
}

void ixgbe_intr_misc(IXGBEState *s, uint32_t causes)
{
    s->misc_causes |= causes;
    s->misc_armed |= causes;
    evaluate(s);
}

/* EICR and EICS show the same causes. */
static uint32_t causes_read(IXGBEState *s)
{
    return s->misc_causes | (s->queue_causes & 0xffff);
}

static void clear_causes(IXGBEState *s, uint32_t causes)
{
    s->misc_causes &= ~(causes & MISC_CAUSES);
    s->misc_armed &= s->misc_causes;
    s->queue_causes &= ~(uint64_t)(causes & 0xffff);
    s->queue_armed &= s->queue_causes;
}

/* Without automatic masking per message, touching EICR masks what EIAM names. */
static void mask_on_access(IXGBEState *s)
{
    if (!is_msix_mode(s) || !(ixgbe_get(s, IXGBE_GPIE) & GPIE_EIAME)) {
        s->queue_mask &= ~(s->queue_auto_mask & 0xffff);
        s->misc_mask &= ~s->misc_auto_mask;
    }
}

static uint32_t eicr_read(IXGBEState *s, unsigned n)
{
    uint32_t value = causes_read(s);

    clear_causes(s, ixgbe_get(s, IXGBE_GPIE) & GPIE_OCD ? OTHER_CAUSES : IXGBE_ALL);
    mask_on_access(s);
    evaluate(s);
    return value;
}

static void eicr_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    clear_causes(s, value);
    mask_on_access(s);
    evaluate(s);
}

/* Reading EICS must not clear: drivers look there when they want to keep the causes. */
static uint32_t eics_read(IXGBEState *s, unsigned n)
{
    return causes_read(s);
}

static void set_queue_causes(IXGBEState *s, uint64_t causes)
{
    s->queue_causes |= causes;
    s->queue_armed |= causes;
    /* A cause set by software opens the mask that the last message closed. */
    s->queue_mask |= causes & s->queue_auto_mask;
    if (ixgbe_get(s, IXGBE_GPIE) & GPIE_EIMEN) {
        s->queue_unthrottled |= causes;
    }
}

static void eics_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    set_queue_causes(s, value & 0xffff);
    s->misc_causes |= value & MISC_CAUSES;
    s->misc_armed |= value & MISC_CAUSES;
    s->misc_mask |= value & MISC_CAUSES & s->misc_auto_mask;
    evaluate(s);
}

static void eics_ex_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    set_queue_causes(s, (uint64_t)value << 32 * n);
    evaluate(s);
}

/* With PBA support, opening a mask drops what the MSI-X table still holds back. */
static void clear_pending_bits(IXGBEState *s, uint64_t vectors)
{
    PCIDevice *pci = PCI_DEVICE(s);

    while (vectors) {
        msix_clr_pending(pci, ctz64(vectors));
        vectors &= vectors - 1;
    }
}

static void open_queue_mask(IXGBEState *s, uint64_t vectors)
{
    s->queue_mask |= vectors;
    s->queue_armed |= s->queue_causes & vectors;
    if (ixgbe_get(s, IXGBE_GPIE) & GPIE_PBA) {
        clear_pending_bits(s, vectors);
    }
}

static uint32_t eims_read(IXGBEState *s, unsigned n)
{
    return s->misc_mask | (s->queue_mask & 0xffff);
}

static void eims_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    open_queue_mask(s, value & 0xffff);
    s->misc_mask |= value & MISC_CAUSES;
    s->misc_armed |= s->misc_causes & value;
    evaluate(s);
}

static void eimc_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    s->queue_mask &= ~(uint64_t)(value & 0xffff);
    s->misc_mask &= ~(value & MISC_CAUSES);
    evaluate(s);
}

static uint32_t eims_ex_read(IXGBEState *s, unsigned n)
{
    return s->queue_mask >> 32 * n;
}

static void eims_ex_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    open_queue_mask(s, (uint64_t)value << 32 * n);
    evaluate(s);
}

static void eimc_ex_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    s->queue_mask &= ~((uint64_t)value << 32 * n);
    evaluate(s);
}

static uint32_t eiam_read(IXGBEState *s, unsigned n)
{
    return s->misc_auto_mask | (s->queue_auto_mask & 0xffff);
}

static void eiam_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    s->misc_auto_mask = value & MISC_CAUSES;
    s->queue_auto_mask = (s->queue_auto_mask & ~0xffffull) | (value & 0xffff);
}

static uint32_t eiam_ex_read(IXGBEState *s, unsigned n)
{
    return s->queue_auto_mask >> 32 * n;
}

static void eiam_ex_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    s->queue_auto_mask = deposit64(s->queue_auto_mask, 32 * n, 32, value);
}

static void gpie_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    evaluate(s);
}

/* Unless bit 31 keeps it, the interval that is running is replaced by the counter's. */
static void eitr_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    uint32_t counter = extract32(value, EITR_COUNTER_SHIFT, EITR_COUNTER_LENGTH);

    if (n >= IXGBE_VECTORS || (value & EITR_KEEP_COUNTER)) {
        return;
    }
    s->next_message_ns[n] = counter ? now_ns() + counter * COUNTER_NS : 0;
    timer_del(s->moderation[n]);
    evaluate(s);
}

static uint32_t pbacl_read(IXGBEState *s, unsigned n)
{
    return n < IXGBE_VECTORS / 32 ? ldl_le_p(PCI_DEVICE(s)->msix_pba + 4 * n) : 0;
}

static void pbacl_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (n < IXGBE_VECTORS / 32) {
        clear_pending_bits(s, (uint64_t)value << 32 * n);
    }
}

void ixgbe_intr_reset(IXGBEState *s)
{
    s->queue_causes = 0;
    s->queue_mask = 0;
    s->queue_auto_mask = 0;
    s->queue_armed = 0;
    s->queue_unthrottled = 0;
    s->misc_causes = 0;
    s->misc_mask = 0;
    s->misc_auto_mask = 0;
    s->misc_armed = 0;
    for (int vector = 0; vector < IXGBE_VECTORS; vector++) {
        s->next_message_ns[vector] = 0;
        timer_del(s->moderation[vector]);
    }
    pci_set_irq(PCI_DEVICE(s), 0);
}

void ixgbe_intr_init(IXGBEState *s)
{
    for (int vector = 0; vector < IXGBE_VECTORS; vector++) {
        s->moderation[vector] = timer_new_ns(QEMU_CLOCK_VIRTUAL, moderation_passed, s);
    }
}

void ixgbe_intr_finalize(IXGBEState *s)
{
    for (int vector = 0; vector < IXGBE_VECTORS; vector++) {
        timer_free(s->moderation[vector]);
    }
}

const IXGBERegRule ixgbe_intr_rules[] = {
    { .first = IXGBE_EICR, .count = 1, .stride = 4, .read = eicr_read,
      .written = eicr_written },
    { .first = IXGBE_EICS, .count = 1, .stride = 4, .read = eics_read,
      .written = eics_written },
    { .first = IXGBE_EIAC, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_EITR(0), .count = 24, .stride = 4, .writable = 0x001ffff8,
      .written = eitr_written },
    { .first = IXGBE_EITR(24), .count = 104, .stride = 4, .index = 24, .writable = 0x001ffff8,
      .written = eitr_written },
    { .first = IXGBE_EIMS, .count = 1, .stride = 4, .read = eims_read,
      .written = eims_written },
    { .first = IXGBE_EIMC, .count = 1, .stride = 4, .written = eimc_written },
    { .first = IXGBE_EIAM, .count = 1, .stride = 4, .read = eiam_read,
      .written = eiam_written },
    { .first = 0x00894, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNMODELLED },          /* EITRSEL: moderation for VFs */
    { .first = IXGBE_GPIE, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = gpie_written },
    { .first = IXGBE_IVAR(0), .count = 64, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_IVAR_MISC, .count = 1, .stride = 4, .writable = 0xffff },
    { .first = 0x00a90, .count = 2, .stride = 4, .written = eics_ex_written },
    { .first = 0x00aa0, .count = 2, .stride = 4, .read = eims_ex_read,
      .written = eims_ex_written },
    { .first = 0x00ab0, .count = 2, .stride = 4, .written = eimc_ex_written },
    { .first = 0x00ad0, .count = 2, .stride = 4, .read = eiam_ex_read,
      .written = eiam_ex_written },
    { .first = IXGBE_PBACL(0), .count = 8, .stride = 4, .read = pbacl_read,
      .written = pbacl_written },
    { .first = 0x11068, .count = 1, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_PBACL(0) },
    { .count = 0 },
};
