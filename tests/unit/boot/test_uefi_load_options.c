/* SPDX-License-Identifier: MIT */
/* sources: boot/uefi/load_options.c boot/boot_info.c */
/*
 * boot/uefi/load_options.c, and what becomes of it together with talus.cfg: text is words, the
 * program's own name is none, and anything else is left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/boot_info.h"
#include "boot/uefi/load_options.h"

static char words[32];

/* As UCS-2, without a NUL behind it. */
static bool read_text(const char *text)
{
    size_t bytes = strlen(text) * sizeof(uint16_t);
    uint8_t *options = calloc(1, bytes + 1);

    for (size_t i = 0; text[i] != '\0'; i++) {
        options[i * sizeof(uint16_t)] = (uint8_t)text[i];
    }
    bool is_text = load_options_read(words, sizeof(words), options, bytes);

    free(options);
    return is_text;
}

static void no_options_are_no_words(void **state)
{
    (void)state;
    assert_true(load_options_read(words, sizeof(words), NULL, 0));
    assert_string_equal(words, "");
    assert_true(read_text(""));
    assert_string_equal(words, "");
}

static void text_is_words(void **state)
{
    (void)state;
    assert_true(read_text("nodes=2\tlog=debug"));
    assert_string_equal(words, "nodes=2 log=debug");
}

static void text_ends_at_a_nul_or_with_its_bytes(void **state)
{
    static const uint16_t options[] = {'a', '\0', 0xFFFF};

    (void)state;
    assert_true(load_options_read(words, sizeof(words), options, sizeof(options)));
    assert_string_equal(words, "a");
    /* Half a character is none. */
    assert_true(load_options_read(words, sizeof(words), options, 3));
    assert_string_equal(words, "a");
}

static void the_name_that_the_shell_puts_first_is_left_out(void **state)
{
    (void)state;
    assert_true(read_text("FS0:\\BOOTX64.EFI nodes=2"));
    assert_string_equal(words, "nodes=2");
    assert_true(read_text(" talus.efi"));
    assert_string_equal(words, "");
    assert_true(read_text("root=x.efi.tar a.efi"));
    assert_string_equal(words, "root=x.efi.tar a.efi");
    assert_true(read_text("efi"));
    assert_string_equal(words, "efi");
}

static void other_bytes_are_no_words(void **state)
{
    static const uint16_t letters_beyond_ascii[] = {'n', 0xE9};
    static const uint8_t guid[16] = {0x4E, 0xAC, 0x08, 0x81, 0x11, 0x9F, 0x4D, 0x80};

    (void)state;
    assert_false(load_options_read(words, sizeof(words), letters_beyond_ascii,
                                   sizeof(letters_beyond_ascii)));
    assert_string_equal(words, "");
    assert_false(load_options_read(words, sizeof(words), guid, sizeof(guid)));
    assert_string_equal(words, "");
}

static void long_text_is_cut(void **state)
{
    (void)state;
    assert_true(read_text("0123456789012345678901234567890123456789"));
    assert_int_equal(strlen(words), sizeof(words) - 1);
}

static void options_stand_behind_the_words_of_the_file_and_win(void **state)
{
    static struct boot_info info;
    static const char file[] = "# mine\r\nnodes=4 # all\r\n\tlog=info";

    (void)state;
    boot_info_initialise(&info, "test");
    assert_true(read_text("BOOTX64.EFI nodes=2"));
    boot_info_set_command_line(&info, words, sizeof(words));
    boot_info_add_configuration(&info, file, sizeof(file) - 1);
    assert_string_equal(info.command_line, "nodes=4 log=info nodes=2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_options_are_no_words),
        cmocka_unit_test(text_is_words),
        cmocka_unit_test(text_ends_at_a_nul_or_with_its_bytes),
        cmocka_unit_test(the_name_that_the_shell_puts_first_is_left_out),
        cmocka_unit_test(other_bytes_are_no_words),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(options_stand_behind_the_words_of_the_file_and_win),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
