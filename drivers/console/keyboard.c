/* SPDX-License-Identifier: MIT */
/*
 * The i8042 (IBM PS/2 technical reference, keyboard and auxiliary device controller), and the state
 * of the keys that change what others type. The controller translates to set 1 whatever the
 * keyboard speaks.
 */
#include "drivers/console/keyboard.h"

#include "libc/core/bits.h"
#include "libc/core/cpu.h"
#include "libc/core/port.h"

#define DATA_PORT           0x60
#define STATUS_PORT         0x64 /* read */
#define STATUS_OUTPUT_FULL  BIT(0)
#define STATUS_INPUT_FULL   BIT(1)
#define STATUS_FROM_MOUSE   BIT(5)
#define STATUS_ABSENT       0xFF /* what a bus without a controller answers */
#define COMMAND_PORT        0x64 /* write */
#define COMMAND_READ_BYTE   0x20
#define COMMAND_WRITE_BYTE  0x60
#define COMMAND_ENABLE      0xAE
#define BYTE_INTERRUPT      BIT(0)
#define BYTE_DISABLED       BIT(4)
#define BYTE_MOUSE_DISABLED BIT(5)
#define BYTE_TRANSLATE      BIT(6)
#define KEYBOARD_ENABLE     0xF4

/* Chosen: port reads of about a microsecond; a controller answers within some hundred. */
#define POLL_MAX  10000u
#define BURST_MAX 32u /* bytes that wait at once: twice a keyboard's own buffer */

static bool is_present;

/* --- Decoding --- */

#define CODE_RELEASE     0x80
#define CODE_EXTENDED    0xE0 /* one more byte follows */
#define CODE_PAUSE       0xE1 /* two more follow */
#define CODE_CONTROL     0x1D
#define CODE_SHIFT_LEFT  0x2A
#define CODE_SHIFT_RIGHT 0x36
#define CODE_CAPS_LOCK   0x3A
#define CODE_ENTER       0x1C
#define CODE_SLASH       0x35

/* By scan code; zero where a key types nothing. The keypad counts as if Num Lock were on. */
static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 "
                            "\0\0\0\0\0\0\0\0\0\0\0\0\000789-456+1230.";
static const char shifted[] =
    "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 "
    "\0\0\0\0\0\0\0\0\0\0\0\0\000789-456+1230.";

_Static_assert(sizeof(plain) == 0x53 + 2 && sizeof(shifted) == sizeof(plain),
               "the last key is the keypad's point, then the string's zero");

static struct {
    bool is_left_shift;
    bool is_right_shift;
    bool is_control;
    bool is_caps_lock;
    bool is_extended;
    uint8_t skip_count; /* bytes that still belong to Pause */
} keys;

static bool take_modifier(uint8_t code, bool is_pressed, bool is_extended)
{
    switch (code) {
    case CODE_SHIFT_LEFT:
    case CODE_SHIFT_RIGHT:
        /* Extended, they are no keys but come along with some. */
        if (!is_extended) {
            *(code == CODE_SHIFT_LEFT ? &keys.is_left_shift : &keys.is_right_shift) = is_pressed;
        }
        return true;
    case CODE_CONTROL:
        keys.is_control = is_pressed;
        return true;
    case CODE_CAPS_LOCK:
        keys.is_caps_lock ^= is_pressed;
        return true;
    default:
        return false;
    }
}

static bool is_letter(char character)
{
    return (character | 0x20) >= 'a' && (character | 0x20) <= 'z';
}

static int character_of(uint8_t code)
{
    bool is_shift = keys.is_left_shift || keys.is_right_shift;
    char character;

    if (code >= sizeof(plain) - 1) {
        return -1;
    }
    if (keys.is_caps_lock && is_letter(plain[code])) {
        is_shift = !is_shift;
    }
    character = is_shift ? shifted[code] : plain[code];
    if (keys.is_control) {
        return is_letter(character) ? character & 0x1F : -1;
    }
    return character == '\0' ? -1 : character;
}

int keyboard_decode(uint8_t scan_code)
{
    uint8_t code = scan_code & ~CODE_RELEASE;
    bool is_pressed = (scan_code & CODE_RELEASE) == 0;
    bool is_extended = keys.is_extended;

    if (keys.skip_count > 0) {
        keys.skip_count--;
        return -1;
    }
    keys.is_extended = scan_code == CODE_EXTENDED;
    if (scan_code == CODE_PAUSE) {
        keys.skip_count = 2;
        return -1;
    }
    if (keys.is_extended || take_modifier(code, is_pressed, is_extended) || !is_pressed) {
        return -1;
    }
    /* Of the extended keys only the keypad's Enter and slash type something. */
    return !is_extended || code == CODE_ENTER || code == CODE_SLASH ? character_of(code) : -1;
}

/* --- The controller --- */

static bool wait_input_free(void)
{
    for (unsigned i = 0; i < POLL_MAX; i++) {
        if ((port_read8(STATUS_PORT) & STATUS_INPUT_FULL) == 0) {
            return true;
        }
    }
    return false;
}

static bool send(uint16_t port, uint8_t value)
{
    if (!wait_input_free()) {
        return false;
    }
    port_write8(port, value);
    return true;
}

/* The next byte that the controller gives, or -1. */
static int receive(void)
{
    for (unsigned i = 0; i < POLL_MAX; i++) {
        if (port_read8(STATUS_PORT) & STATUS_OUTPUT_FULL) {
            return port_read8(DATA_PORT);
        }
    }
    return -1;
}

static void drop_stale_bytes(void)
{
    for (unsigned i = 0; i < BURST_MAX && (port_read8(STATUS_PORT) & STATUS_OUTPUT_FULL); i++) {
        (void)port_read8(DATA_PORT);
    }
}

bool keyboard_initialise(void)
{
    int byte;

    is_present = false;
    if (port_read8(STATUS_PORT) == STATUS_ABSENT) {
        return false;
    }
    drop_stale_bytes();
    if (!send(COMMAND_PORT, COMMAND_READ_BYTE) || (byte = receive()) < 0) {
        return false;
    }
    /* The mouse's bytes would only be in the way. */
    byte = (byte | BYTE_INTERRUPT | BYTE_TRANSLATE | BYTE_MOUSE_DISABLED) & ~BYTE_DISABLED;
    if (!send(COMMAND_PORT, COMMAND_WRITE_BYTE) || !send(DATA_PORT, (uint8_t)byte) ||
        !send(COMMAND_PORT, COMMAND_ENABLE) || !send(DATA_PORT, KEYBOARD_ENABLE)) {
        return false;
    }
    /* Its acknowledgement (0xFA) comes, if there is a keyboard, and types nothing. */
    is_present = true;
    return true;
}

int keyboard_read(void)
{
    for (unsigned i = 0; is_present && i < BURST_MAX; i++) {
        uint8_t status = port_read8(STATUS_PORT);

        if (status == STATUS_ABSENT) {
            is_present = false; /* or it would have a byte ready for ever */
            return -1;
        }
        if ((status & STATUS_OUTPUT_FULL) == 0) {
            return -1;
        }
        uint8_t value = port_read8(DATA_PORT);
        int character = (status & STATUS_FROM_MOUSE) ? -1 : keyboard_decode(value);

        if (character >= 0) {
            return character;
        }
    }
    return -1;
}
