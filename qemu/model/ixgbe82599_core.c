/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 82599's register decoder, software reset and link.
 *
 * Each part of the model lists its registers as rules; this file spreads all rules over a map
 * of the 128 KB of registers once, so that an access finds its rule without a search. A
 * register that no rule names keeps what is written to it, and its first use is logged.
 */
#include "ixgbe82599.h"

#include "qemu/log.h"

enum {
    CSR_WORDS = IXGBE_CSR_BYTES / 4,
    RULES_MAX = 512,
};

/* Registers that only store a value, from offset `from` up to and including `to`. */
#define STORAGE(from, to) \
    { .first = (from), .count = ((to) - (from)) / 4 + 1, .stride = 4, .writable = IXGBE_ALL }
/* The same, of a function that is not modelled: DCB, virtualisation, security, management... */
#define UNMODELLED(from, to) \
    { .first = (from), .count = ((to) - (from)) / 4 + 1, .stride = 4, .writable = IXGBE_ALL, \
      .flags = IXGBE_REG_UNMODELLED }
/* Registers that always read as `value`. */
#define CONSTANT(from, to, value) \
    { .first = (from), .count = ((to) - (from)) / 4 + 1, .stride = 4, .reset = (value) }

static void ctrl_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value & (CTRL_RST | CTRL_LRST)) {
        ixgbe_core_reset(s, false);
        return;
    }
    if (value & CTRL_MASTER_DISABLE) {
        *ixgbe_csr(s, IXGBE_STATUS) &= ~STATUS_MASTER_ENABLE;
    } else if (old & CTRL_MASTER_DISABLE) {
        *ixgbe_csr(s, IXGBE_STATUS) |= STATUS_MASTER_ENABLE;
        ixgbe_rx_unblock(s);
        ixgbe_tx_resume(s);
    }
}

static void tcptimer_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value & BIT(9)) {
        ixgbe_log_once(s, IXGBE_LOG_TCP_TIMER);
    }
}

static void autoc_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    ixgbe_core_update_link(s);
}

/* No PHY answers on the MDIO bus: a read sees the line's idle level. */
static void msca_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    const uint32_t is_read = BIT(27);

    if ((value & MSCA_COMMAND) && (value & is_read)) {
        *ixgbe_csr(s, IXGBE_MSRWD) |= 0xffff0000;
    }
}

/* "No drop" is about the time since the last read: it shows a drop once. */
static uint32_t links_read(IXGBEState *s, unsigned n)
{
    uint32_t *links = ixgbe_csr(s, IXGBE_LINKS);
    uint32_t value = *links;

    if (value & LINKS_UP) {
        *links |= LINKS_NO_DROP;
    }
    return value;
}

static const IXGBERegRule unlisted_rule = {
    .first = 0, .count = CSR_WORDS, .stride = 4, .writable = IXGBE_ALL,
};

static const IXGBERegRule core_rules[] = {
    { .first = IXGBE_CTRL, .count = 1, .stride = 4,
      .writable = ~(uint32_t)(CTRL_RST | CTRL_LRST), .written = ctrl_written },
    { .first = 0x00004, .count = 1, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_CTRL },
    CONSTANT(IXGBE_STATUS, IXGBE_STATUS, STATUS_MASTER_ENABLE),
    STORAGE(IXGBE_CTRL_EXT, IXGBE_CTRL_EXT),
    /* ESDP: pin 2 says that a module cage is full. */
    { .first = 0x00020, .count = 1, .stride = 4, .reset = 4, .writable = IXGBE_ALL },
    STORAGE(0x00028, 0x00028),                 /* I2CCTL */
    { .first = 0x0004c, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = tcptimer_written },
    STORAGE(0x00200, 0x00200),                 /* LEDCTL */
    CONSTANT(0x00600, 0x00714, 0),             /* mailbox and reset indications of VFs */

    UNMODELLED(0x02140, 0x0215c),              /* RTRPT4C */
    UNMODELLED(0x02430, 0x02430),              /* RTRPCS */
    STORAGE(0x03008, 0x03008),                 /* PFCTOP */
    UNMODELLED(0x03020, 0x03020),              /* RTRUP2TC */
    STORAGE(0x03028, 0x03028),                 /* RSCDBU */
    CONSTANT(0x03190, 0x03190, 0x88888888),    /* RXMEMWRAP: all packet buffers empty */
    STORAGE(0x03200, 0x0320c),                 /* FCTTV */
    { .first = 0x03220, .count = 8, .stride = 4, .writable = 0x8007fff0 }, /* FCRTL */
    { .first = 0x03260, .count = 8, .stride = 4, .writable = 0x8007fff0 }, /* FCRTH */
    STORAGE(0x032a0, 0x032a0),                 /* FCRTV */
    { .first = 0x03c00, .count = 8, .stride = 4, .reset = 0x80000, .writable = IXGBE_ALL },
    STORAGE(0x03d00, 0x03d00),                 /* FCCFG */

    STORAGE(0x04200, 0x04224),                 /* 1G PCS */
    { .first = IXGBE_HLREG0, .count = 1, .stride = 4, .reset = 0x08012ffb,
      .writable = IXGBE_ALL },
    { .first = IXGBE_MSCA, .count = 1, .stride = 4,
      .writable = ~(uint32_t)MSCA_COMMAND, .written = msca_written },
    { .first = IXGBE_MSRWD, .count = 1, .stride = 4, .writable = 0xffff },
    { .first = IXGBE_MAXFRS, .count = 1, .stride = 4, .reset = 1518 << 16,
      .writable = 0xffff0000 },
    STORAGE(IXGBE_MFLCN, IXGBE_MFLCN),
    /* 10G parallel on KX4, no autonegotiation: the link is up whenever the backend's is. */
    { .first = IXGBE_AUTOC, .count = 1, .stride = 4, .reset = 0x2080,
      .writable = ~(uint32_t)AUTOC_RESTART_AN, .written = autoc_written },
    { .first = IXGBE_LINKS, .count = 1, .stride = 4, .read = links_read },
    STORAGE(0x042a8, 0x042a8),                 /* AUTOC2 */
    /* A non-zero autonegotiation state: drivers wait for it after they restart the state. */
    CONSTANT(IXGBE_ANLP1, IXGBE_ANLP1, 0x00010000),
    STORAGE(0x042d0, 0x042d0),                 /* MMNGC */
    CONSTANT(0x04324, 0x04324, 0),             /* LINKS2 */
    STORAGE(0x04244, 0x04258),                 /* pause and MAC details */
    STORAGE(0x04288, 0x04290),

    STORAGE(0x04904, 0x04904),                 /* RTTDQSEL: drivers walk through all queues */
    UNMODELLED(0x04908, 0x0494c),              /* transmit arbitration by DCB class, rates */
    UNMODELLED(0x04970, 0x049fc),
    UNMODELLED(0x04b00, 0x04bfc),              /* mailboxes of VFs */
    UNMODELLED(0x05010, 0x0504c),              /* management filters */
    STORAGE(0x05100, 0x05114),                 /* FCoE receive, which the NVM rules out */
    STORAGE(0x0511c, 0x05124),
    UNMODELLED(0x05160, 0x051a8),              /* time stamps; 051B0 and 051E0 are VT's */
    UNMODELLED(0x051b0, 0x051e4),
    STORAGE(0x05800, 0x05810),                 /* wake-on-LAN */
    UNMODELLED(0x05820, 0x058ac),              /* management */
    UNMODELLED(0x08110, 0x08114),              /* PFVFTE */
    UNMODELLED(0x08200, 0x08220),              /* anti-spoofing, switch */
    STORAGE(0x08800, 0x08800),                 /* SECTXCTRL */
    CONSTANT(0x08804, 0x08804, 3),             /* SECTXSTAT: ready, offload fused off */
    STORAGE(0x08808, 0x08810),
    UNMODELLED(0x08900, 0x08afc),              /* IPsec and LinkSec tables */
    UNMODELLED(0x08c00, 0x08c3c),              /* precision time */
    STORAGE(0x08d00, 0x08d00),                 /* SECRXCTRL */
    CONSTANT(0x08d04, 0x08d04, 3),             /* SECRXSTAT: the same */
    UNMODELLED(0x09000, 0x098ff),              /* flexible filters */
    { .first = 0x0a600, .count = 256, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNDEFINED },          /* MPSAR */
    UNMODELLED(0x0c800, 0x0c800),              /* RTTUP2TC */
    { .first = 0x0cc00, .count = 8, .stride = 4, .reset = 0x28000, .writable = IXGBE_ALL },
    { .first = 0x0cd00, .count = 1, .stride = 4, .reset = 0x224u << 22,
      .writable = IXGBE_ALL },                 /* RTTPCS */
    UNMODELLED(0x0cd20, 0x0cd3c),              /* RTTPT2C */
    CONSTANT(0x0ce00, 0x0ce00, 0),             /* TFCS */
    STORAGE(0x0f000, 0x0f0fc),                 /* VMOLR: counts only with virtualisation */
    { .first = 0x0f100, .count = 64, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNDEFINED },          /* VLVF */
    { .first = 0x0f200, .count = 128, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNDEFINED },          /* VLVFB */
    { .first = 0x0f400, .count = 128, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNDEFINED },          /* PFUTA */
    UNMODELLED(0x0f600, 0x0f7ff),              /* mirroring */

    STORAGE(0x10110, 0x1013c),                 /* flash */
    CONSTANT(0x10150, 0x10150, 0),             /* FACTPS */
    STORAGE(0x10200, 0x10200),                 /* GRC */
    STORAGE(0x11000, 0x1105c),                 /* GCR, PCIe counters, GCR_EXT */
    CONSTANT(0x11064, 0x11064, 1),             /* MREVID */
    STORAGE(0x11070, 0x11074),                 /* DCA */
    STORAGE(0x11088, 0x110ac),
    STORAGE(0x110b0, 0x110b8),                 /* PICAUSE, PIENA */
    STORAGE(0x13000, 0x13ffc),                 /* memory of the mailboxes */
    STORAGE(0x14f00, 0x14f00),                 /* CORECTL */
    CONSTANT(0x15800, 0x15f10, 0),             /* no management firmware answers here */
    { .count = 0 },
};

static const IXGBERegRule *const rule_lists[] = {
    core_rules, ixgbe_nvm_rules, ixgbe_intr_rules, ixgbe_rx_rules, ixgbe_filter_rules,
    ixgbe_steer_rules, ixgbe_fdir_rules, ixgbe_tx_rules, ixgbe_stats_rules,
};

/* For each word: its rule, and the offset where its storage is (another one for an alias). */
static const IXGBERegRule *rules[RULES_MAX];
static uint16_t rule_of[CSR_WORDS];
static uint16_t storage_of[CSR_WORDS];

static void spread_rule(unsigned index)
{
    const IXGBERegRule *rule = rules[index];

    for (unsigned i = 0; i < rule->count; i++) {
        unsigned word = (rule->first + i * rule->stride) / 4;

        /* Two rules for one register would be a slip in the lists. */
        assert(word < CSR_WORDS && rule_of[word] == 0);
        rule_of[word] = index;
        storage_of[word] = word;
    }
}

static void spread_alias(const IXGBERegRule *alias)
{
    const IXGBERegRule *target = rules[rule_of[alias->alias_of / 4]];

    for (unsigned i = 0; i < alias->count; i++) {
        unsigned word = (alias->first + i * alias->stride) / 4;

        assert(rule_of[word] == 0);
        storage_of[word] = (target->first + i * target->stride) / 4;
        rule_of[word] = rule_of[alias->alias_of / 4];
    }
}

static void build_map(void)
{
    unsigned rule_count = 1;

    if (rules[0]) {
        return;
    }
    rules[0] = &unlisted_rule;
    for (unsigned word = 0; word < CSR_WORDS; word++) {
        storage_of[word] = word;
    }
    for (unsigned list = 0; list < ARRAY_SIZE(rule_lists); list++) {
        for (const IXGBERegRule *rule = rule_lists[list]; rule->count; rule++) {
            if (!(rule->flags & IXGBE_REG_ALIAS)) {
                assert(rule_count < RULES_MAX);
                rules[rule_count] = rule;
                spread_rule(rule_count++);
            }
        }
    }
    for (unsigned list = 0; list < ARRAY_SIZE(rule_lists); list++) {
        for (const IXGBERegRule *rule = rule_lists[list]; rule->count; rule++) {
            if (rule->flags & IXGBE_REG_ALIAS) {
                spread_alias(rule);
            }
        }
    }
}

/* True the first time it is asked about a word. */
static bool is_first_report(IXGBEState *s, unsigned word)
{
    uint32_t bit = 1u << word % 32;

    if (s->reported_csr[word / 32] & bit) {
        return false;
    }
    s->reported_csr[word / 32] |= bit;
    return true;
}

static unsigned register_index(const IXGBERegRule *rule, unsigned word)
{
    return rule->index + (word * 4 - rule->first) / rule->stride;
}

uint32_t ixgbe_core_read(IXGBEState *s, uint32_t offset)
{
    const IXGBERegRule *rule;
    unsigned word;
    uint32_t value;

    if (offset >= IXGBE_CSR_BYTES) {
        return 0;
    }
    word = storage_of[offset / 4];
    rule = rules[rule_of[offset / 4]];
    if (rule == &unlisted_rule && is_first_report(s, word)) {
        qemu_log_mask(LOG_UNIMP, "ixgbe82599: read of unknown register 0x%05x\n", offset);
    }
    if (rule->read) {
        return rule->read(s, register_index(rule, word));
    }
    value = s->csr[word];
    if (rule->flags & IXGBE_REG_COUNTER) {
        s->csr[word] = 0;
    }
    return value;
}

void ixgbe_core_write(IXGBEState *s, uint32_t offset, uint32_t value)
{
    const IXGBERegRule *rule;
    unsigned word;
    uint32_t old;

    if (offset >= IXGBE_CSR_BYTES) {
        return;
    }
    word = storage_of[offset / 4];
    rule = rules[rule_of[offset / 4]];
    if (rule == &unlisted_rule && is_first_report(s, word)) {
        qemu_log_mask(LOG_UNIMP, "ixgbe82599: write of 0x%08x to unknown register 0x%05x\n",
                      value, offset);
    }
    if ((rule->flags & IXGBE_REG_UNMODELLED) && value != rule->reset &&
        is_first_report(s, word)) {
        qemu_log_mask(LOG_UNIMP, "ixgbe82599: register 0x%05x = 0x%08x has no effect: "
                      "its function is not modelled\n", offset, value);
    }
    old = s->csr[word];
    s->csr[word] = (old & ~rule->writable) | (value & rule->writable);
    if (rule->written) {
        rule->written(s, register_index(rule, word), value, old);
    }
}

/*
 * Every register to its reset value. Tables whose content is undefined after reset are zero
 * for lenient drivers; strict-reset=on fills them with noise, the same in each run.
 */
static void reset_registers(IXGBEState *s, bool is_power_on)
{
    uint32_t noise = 0x82599;

    for (unsigned word = 0; word < CSR_WORDS; word++) {
        const IXGBERegRule *rule = rules[rule_of[word]];

        if ((rule->flags & IXGBE_REG_KEPT) && !is_power_on) {
            continue;
        }
        s->csr[word] = rule->reset;
        if (s->is_strict_reset && (rule->flags & IXGBE_REG_UNDEFINED)) {
            noise = noise * 1664525 + 1013904223;
            s->csr[word] = noise & rule->writable;
        }
    }
}

void ixgbe_core_reset(IXGBEState *s, bool is_power_on)
{
    const uint8_t *mac = s->conf.macaddr.a;

    reset_registers(s, is_power_on);
    *ixgbe_csr(s, IXGBE_RAL(0)) = ldl_le_p(mac);
    *ixgbe_csr(s, IXGBE_RAH(0)) = RAH_VALID | lduw_le_p(mac + 4);
    ixgbe_fdir_reset(s);
    ixgbe_steer_reset(s);
    ixgbe_rx_reset(s);
    ixgbe_tx_reset(s);
    ixgbe_core_update_link(s);
    /* Last: the link that comes back with a reset is no event. */
    ixgbe_intr_reset(s);
}

void ixgbe_core_update_link(IXGBEState *s)
{
    const uint32_t up = LINKS_UP | LINKS_SPEED_10G | LINKS_10G_PARALLEL;
    const uint32_t force_link_up = BIT(0);
    bool is_up = !s->nic || !qemu_get_queue(s->nic)->link_down ||
                 (ixgbe_get(s, IXGBE_AUTOC) & force_link_up);
    bool was_up = ixgbe_get(s, IXGBE_LINKS) & LINKS_UP;
    uint32_t status = ixgbe_get(s, IXGBE_STATUS) & ~STATUS_LINK_UP;

    if (is_up == was_up) {
        return;
    }
    *ixgbe_csr(s, IXGBE_LINKS) = is_up ? up : 0;
    *ixgbe_csr(s, IXGBE_STATUS) = status | (is_up ? STATUS_LINK_UP : 0);
    ixgbe_intr_misc(s, EICR_LSC);
}

bool ixgbe_core_can_dma(IXGBEState *s)
{
    return !s->is_stalled && !(ixgbe_get(s, IXGBE_CTRL) & CTRL_MASTER_DISABLE) &&
           (pci_get_word(s->parent_obj.config + PCI_COMMAND) & PCI_COMMAND_MASTER);
}

bool ixgbe_core_ring(IXGBEState *s, IXGBERing *ring, uint32_t queue_base, IXGBELog log)
{
    ring->base = (uint64_t)ixgbe_get(s, queue_base + QUEUE_BAH) << 32 |
                 ixgbe_get(s, queue_base + QUEUE_BAL);
    ring->count = ixgbe_get(s, queue_base + QUEUE_LEN) / 16;
    ring->head = ixgbe_get(s, queue_base + QUEUE_HEAD);
    ring->tail = ixgbe_get(s, queue_base + QUEUE_TAIL);
    if (ring->head >= ring->count || ring->tail >= ring->count) {
        ixgbe_log_once(s, log);
        return false;
    }
    return true;
}

void ixgbe_log_once(IXGBEState *s, IXGBELog what)
{
    static const struct {
        int mask;
        const char *text;
    } texts[] = {
        [IXGBE_LOG_RX_RING] = { LOG_GUEST_ERROR, "receive ring: head or tail beyond its length" },
        [IXGBE_LOG_TX_RING] = { LOG_GUEST_ERROR, "transmit ring: head or tail beyond its length" },
        [IXGBE_LOG_TX_PACKET] = { LOG_GUEST_ERROR,
                                  "sent packet is empty, too long or not in memory: dropped" },
        [IXGBE_LOG_DMA] = { LOG_GUEST_ERROR, "a ring or a buffer is not in memory" },
        [IXGBE_LOG_TX_OFFLOAD] = { LOG_GUEST_ERROR, "offload beyond the packet: dropped" },
        [IXGBE_LOG_HEADER_SPLIT] = { LOG_UNIMP, "header split is not modelled: one buffer used" },
        [IXGBE_LOG_BUFFER_SIZE] = { LOG_GUEST_ERROR, "SRRCTL buffer size is 0: frame dropped" },
        [IXGBE_LOG_RSC] = { LOG_UNIMP, "receive-side coalescing is not modelled" },
        [IXGBE_LOG_IPSEC] = { LOG_UNIMP, "IPsec offload is not modelled: frame sent as it is" },
        [IXGBE_LOG_FDIR_IP6AT] = { LOG_UNIMP, "flow director: IP6AT match is not modelled" },
        [IXGBE_LOG_MRQC] = { LOG_UNIMP, "MRQC: only plain RSS is modelled" },
        [IXGBE_LOG_TCP_TIMER] = { LOG_UNIMP, "the TCP timer is not modelled" },
        [IXGBE_LOG_MTQC] = { LOG_UNIMP, "MTQC: only one traffic class is modelled" },
    };

    if (!(s->reported & BIT(what))) {
        s->reported |= BIT(what);
        qemu_log_mask(texts[what].mask, "ixgbe82599: %s\n", texts[what].text);
    }
}

void ixgbe_core_init(IXGBEState *s)
{
    build_map();
    s->csr = g_new0(uint32_t, CSR_WORDS);
    s->reported_csr = g_new0(uint32_t, CSR_WORDS / 32);
    ixgbe_nvm_init(s);
    ixgbe_intr_init(s);
    ixgbe_fdir_init(s);
    ixgbe_rx_init(s);
    ixgbe_tx_init(s);
}

void ixgbe_core_finalize(IXGBEState *s)
{
    ixgbe_tx_finalize(s);
    ixgbe_rx_finalize(s);
    ixgbe_fdir_finalize(s);
    ixgbe_intr_finalize(s);
    g_free(s->reported_csr);
    g_free(s->csr);
}
