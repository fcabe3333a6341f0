/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 82599's NVM and the semaphores that guard it.
 *
 * The image is the smallest that drivers accept: no sections, one word of capabilities and a
 * right checksum. The station address is not read from it but loaded by reset into receive
 * address 0.
 */
#include "ixgbe82599.h"

enum {
    NVM_DEVICE_CAPS = 0x2c,
    NVM_CHECKSUM = 0x3f,
    NVM_CHECKSUM_TOTAL = 0xbaba,

    /* No FCoE; no crosstalk fix. */
    DEVICE_CAPS = 0x0082,

    /* Present, auto-read done, 2^(8+6) words, every section's done bit. */
    EEC_RESET = 0x003fc300,
    EEC_REQUEST = 1 << 6,
    EEC_GRANT = 1 << 7,
    EEC_WRITABLE = 0x4f,

    /* Firmware valid, but doing nothing. */
    FWSM_VALID = 0x8000,
};

void ixgbe_nvm_init(IXGBEState *s)
{
    uint16_t sum = 0;

    memset(s->nvm, 0xff, sizeof(s->nvm));
    s->nvm[NVM_DEVICE_CAPS] = DEVICE_CAPS;
    /* All section pointers are 0xffff, none: the sum covers these words and nothing else. */
    for (int word = 0; word < NVM_CHECKSUM; word++) {
        sum += s->nvm[word];
    }
    s->nvm[NVM_CHECKSUM] = NVM_CHECKSUM_TOTAL - sum;
}

/* Whoever wants to bang bits is granted the NVM, and finds nothing on its wires. */
static void eec_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    uint32_t *eec = ixgbe_csr(s, IXGBE_EEC);

    *eec = (*eec & ~EEC_GRANT) | (value & EEC_REQUEST ? EEC_GRANT : 0);
}

static unsigned word_address(uint32_t value)
{
    return extract32(value, 2, 14);
}

static void eerd_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    unsigned word = word_address(value);

    if (value & EERD_START) {
        *ixgbe_csr(s, IXGBE_EERD) = (uint32_t)s->nvm[word] << 16 | word << 2 | EERD_DONE;
    }
}

static void eewr_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value & EERD_START) {
        s->nvm[word_address(value)] = value >> 16;
        *ixgbe_csr(s, IXGBE_EEWR) = (value & ~(uint32_t)EERD_START) | EERD_DONE;
    }
}

/* Reading takes the semaphore: who sees the bit clear owns it. */
static uint32_t swsm_read(IXGBEState *s, unsigned n)
{
    uint32_t *swsm = ixgbe_csr(s, IXGBE_SWSM);
    uint32_t value = *swsm;

    *swsm |= SWSM_SMBI;
    return value;
}

/* Writing can only release it. */
static void swsm_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value & ~old & SWSM_SMBI) {
        *ixgbe_csr(s, IXGBE_SWSM) &= ~SWSM_SMBI;
    }
}

const IXGBERegRule ixgbe_nvm_rules[] = {
    { .first = IXGBE_EEC, .count = 1, .stride = 4, .reset = EEC_RESET,
      .writable = EEC_WRITABLE, .written = eec_written },
    { .first = IXGBE_EERD, .count = 1, .stride = 4, .written = eerd_written },
    { .first = IXGBE_EEWR, .count = 1, .stride = 4, .written = eewr_written },
    { .first = 0x1001c, .count = 1, .stride = 4, .writable = IXGBE_ALL }, /* FLA */
    { .first = IXGBE_SWSM, .count = 1, .stride = 4, .flags = IXGBE_REG_KEPT, .writable = 3,
      .read = swsm_read, .written = swsm_written },
    { .first = IXGBE_FWSM, .count = 1, .stride = 4, .reset = FWSM_VALID },
    { .first = IXGBE_GSSR, .count = 1, .stride = 4, .flags = IXGBE_REG_KEPT,
      .writable = 0x1f },
    { .count = 0 },
};
