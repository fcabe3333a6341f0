# SPDX-License-Identifier: MIT
#
# For the scripts of this folder: Debian's packages, downloaded and unpacked, never installed. They
# are kept in $cache.

program=${0##*/}
cache=${TALUS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/talus}/guest

die()
{
    echo "$program: $*" >&2
    exit 1
}

# The newest archive of package $1 in the cache; nothing if there is none.
archive_of()
{
    ls "$cache/debs/$1"_*.deb 2>/dev/null | tail -n 1
}

# Unpack into $1 each package named after it; download those that the cache lacks.
unpack()
{
    destination=$1
    shift
    missing=
    for package in "$@"; do
        [ -n "$(archive_of "$package")" ] || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        echo "$program: downloading$missing"
        # shellcheck disable=SC2086 # a list of names
        (cd "$cache/debs" && apt-get -q -o APT::Sandbox::User=root download $missing >/dev/null) ||
            die "cannot download$missing; 'apt-get update' may help"
    fi
    for package in "$@"; do
        dpkg-deb -x "$(archive_of "$package")" "$destination"
    done
}

need_tools()
{
    for tool in "$@"; do
        command -v "$tool" >/dev/null || die "$tool is missing; install the package of that name"
    done
}

# Make folder $1, and the cache.
need_folders()
{
    mkdir -p "$cache/debs" "$1" || die "$cache cannot be written; TALUS_CACHE= names another place"
}
