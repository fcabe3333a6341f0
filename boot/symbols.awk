# SPDX-License-Identifier: MIT
#
# From `nm -n` of the linked image to the table that libc/core/symbols.c searches, as assembly. Read
# once without input, the result is an empty table: the first link's.

BEGIN { count = 0 }

# The addresses share all but their last eight digits, which a double holds exactly.
$3 == "text_start" { start = hex(substr($1, 9)) }
$2 ~ /^[tT]$/ && $3 !~ /^(text_start|text_end|image_start)$/ && $3 !~ /^\.L/ {
    addresses[count] = hex(substr($1, 9))
    names[count++] = $3
}

function hex(digits,    value, i) {
    value = 0
    for (i = 1; i <= length(digits); i++) {
        value = value * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
    }
    return value
}

END {
    print "    .section .symbols, \"a\", @progbits"
    print "    .balign 8"
    print "    .global symbol_count, symbol_table, symbol_names"
    printf "symbol_count:\n    .long %d\n", count
    print "symbol_table:"
    name_offset = 0
    for (i = 0; i < count; i++) {
        printf "    .long %d, %d\n", addresses[i] - start, name_offset
        name_offset += length(names[i]) + 1
    }
    print "symbol_names:"
    for (i = 0; i < count; i++) {
        printf "    .asciz \"%s\"\n", names[i]
    }
    print "    .section .note.GNU-stack, \"\", @progbits"
}
