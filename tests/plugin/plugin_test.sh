#!/bin/sh
# plugin_test.sh CC BUILD_DIR PLUGIN.C CLADE
# Installs the headers, builds the example backend and a broken copy against them alone, and lets
# `clade conform` judge both.
set -eu
cc=$1 build=$2 source=$3 clade=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

DESTDIR="$dir/root" meson install -C "$build" --no-rebuild --tags devel --quiet >"$dir/log" 2>&1 || {
    cat "$dir/log"
    exit 1
}
header=$(find "$dir/root" -name backend.h -path '*/clade/*')
include=$(dirname "$(dirname "$header")")
flags="-std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -ffp-contract=off -fPIC -shared -I$include"
$cc $flags -o "$dir/example.so" "$source" -lm
$cc $flags -DBROKEN -o "$dir/broken.so" "$source" -lm

"$clade" conform --plugin "$dir/example.so" --quick --mode all >"$dir/log" || {
    cat "$dir/log"
    echo "the example backend failed"
    exit 1
}
# its own ops were judged, not only the reference in their place
native=$(grep -c ' pass  native ' "$dir/log")
[ "$native" -eq 12 ] || {
    cat "$dir/log"
    echo "$native ops ran natively, expected 12"
    exit 1
}

if "$clade" conform --plugin "$dir/broken.so" --quick --mode ops >"$dir/log"; then
    echo "the broken backend passed"
    exit 1
fi
grep -q 'FAIL ops/dense_dw' "$dir/log" || {
    cat "$dir/log"
    echo "the broken op is not named"
    exit 1
}
# the failure's own line repeats it
line=$(grep -m1 'clade conform --plugin' "$dir/log" | sed "s|^ *clade|$clade|")
if $line >"$dir/again"; then
    echo "not repeated by: $line"
    exit 1
fi
grep -q 'FAIL ops/dense_dw' "$dir/again"

if "$clade" conform --plugin "$dir/none.so" 2>"$dir/log"; then exit 1; fi
grep -q 'plugin' "$dir/log"
echo "example passes, broken copy fails"
