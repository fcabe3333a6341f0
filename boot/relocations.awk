# SPDX-License-Identifier: MIT
#
# From `readelf -rW` of the image, linked with --emit-relocs, to the table that boot/relocate.c goes
# by, as assembly: the places of all words that hold an address of the image. What is relative to its
# place moves with it, and physical addresses stay. Whatever else there is ends the build.

# Numbers are 64 bits wide, too many for a double. Addresses of the image lie less than 2 GiB below
# 2^64 and physical ones less than that above 0, so the distance from there says all, and is exact:
# negative for the image, also where the compiler has added a constant.
function hex(digits,    value, i) {
    value = 0
    for (i = 1; i <= length(digits); i++) {
        value = value * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
    }
    return value
}

function distance(digits,    high, low) {
    high = hex(substr(digits, 1, length(digits) - 8))
    low = hex(substr(digits, length(digits) - 7))
    return (high == 2 ^ 32 - 1 ? -1 : high) * 2 ^ 32 + low
}

function refuse(why) {
    print "relocations.awk: " why ": " $0 > "/dev/stderr"
    has_failed = 1
    exit 1
}

BEGIN {
    half = 2 ^ 31
    image_start = -half + hex("200000") # IMAGE_OFFSET + IMAGE_PADDR; the gate is its first page
    count = 0
}

$3 !~ /^R_X86_64_/ { next }

{
    value = distance($4) + ($6 == "-" ? -1 : 1) * hex($7)
    place = distance($1) - image_start
}

$3 ~ /^R_X86_64_(PC32|PLT32)$/ {
    if (distance($4) >= 0) {
        refuse("relative to what does not move")
    }
    next
}

$3 !~ /^R_X86_64_(32|32S|64)$/ { refuse("of a kind that is not known") }

value >= 0 { next }

$3 == "R_X86_64_32" { refuse("too short for an address of the image") }
place < 4096 { refuse("in the gate, which does not move") }

{ entries[count++] = sprintf("%.0f", place + ($3 == "R_X86_64_64" ? half : 0)) " " sprintf("%012.0f", place) }

END {
    if (has_failed) {
        exit 1
    }
    print "    .section .relocations, \"a\", @progbits"
    print "    .balign 4"
    sort = "sort -k2,2 | cut -d' ' -f1 | sed 's/^/    .long /'"
    for (i = 0; i < count; i++) {
        print entries[i] | sort
    }
    close(sort)
    print "    .section .note.GNU-stack, \"\", @progbits"
}
