#!/bin/sh
# plugin_test.sh CC BUILD_DIR PLUGIN.C LOST.C CLADE
# Installs the headers, builds the example backend and a broken copy against them alone, and lets
# `clade conform` judge both.
set -eu
cc=$1 build=$2 source=$3 lost=$4 clade=$5
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
$cc $flags -o "$dir/lost.so" "$lost"
$cc $flags -DEXITS -o "$dir/exits.so" "$lost"
$cc $flags -DCRASHES -o "$dir/crashes.so" "$lost"

"$clade" conform --plugin "$dir/example.so" --quick --mode all >"$dir/log" || {
    cat "$dir/log"
    echo "the example backend failed"
    exit 1
}
# its own ops were judged, not only the reference in their place
native=$(grep -c ' pass  native ' "$dir/log")
[ "$native" -eq 13 ] || {
    cat "$dir/log"
    echo "$native ops ran natively, expected 13"
    exit 1
}

# built before lrn was an op, and when sgd had other arguments, in as many bytes: all other ops are found
old=$dir/old
cp -r "$include" "$old"
sed -i '/^CLADE_OP(lrn/,/^CLADE_OP_END(lrn/d
        s/^CLADE_PARAM(sgd, int32_t, nesterov/CLADE_PARAM(sgd, int32_t, gone, "")\n&/' "$old/clade/ops.def"
! grep -q '(lrn' "$old/clade/ops.def" && grep -q '(sgd, int32_t, gone' "$old/clade/ops.def"
$cc ${flags%-I*} "-I$old" -o "$dir/old.so" "$source" -lm
"$clade" conform --plugin "$dir/old.so" --quick --mode ops >"$dir/log" || {
    cat "$dir/log"
    echo "a plugin built with an older list of ops failed"
    exit 1
}
native=$(grep -c ' pass  native ' "$dir/log")
[ "$native" -eq 12 ] || {
    cat "$dir/log"
    echo "$native ops of the older plugin ran natively, expected 12"
    exit 1
}

if "$clade" conform --plugin "$dir/broken.so" --quick --mode ops >"$dir/log"; then
    echo "the broken backend passed"
    exit 1
fi
grep -q 'FAIL ops.dense_dw' "$dir/log" || {
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
grep -q 'FAIL ops.dense_dw' "$dir/again"

# a device that is lost in mid-run: an error that says so, never a pass and never a crash
status=0
"$clade" conform --plugin "$dir/lost.so" --quick --mode ops >"$dir/log" 2>&1 || status=$?
if [ "$status" -eq 0 ] || [ "$status" -gt 127 ] || ! grep -q 'the device is lost' "$dir/log"; then
    tail -n 5 "$dir/log"
    echo "a lost device: exit status $status"
    exit 1
fi

# one that ends the process: each time the case in hand has failed, and a line repeats it
for end in 'exits:exit status 8' 'crashes:signal 6'; do
    status=0
    said=$("$clade" conform --plugin "$dir/${end%%:*}.so" --quick --mode ops --op 'dense*' 2>&1) || status=$?
    if [ "$status" -ne 1 ] || ! echo "$said" | grep -A2 "^CRASH ops\..*: crash: crashed: ${end#*:}" |
        grep -q '^    clade conform --plugin .* --case ' || ! echo "$said" | grep -q ' crashed; '; then
        echo "$said" | tail -n 5
        echo "a device that ${end%%:*}: exit status $status"
        exit 1
    fi
done

if "$clade" conform --plugin "$dir/none.so" 2>"$dir/log"; then exit 1; fi
grep -q 'plugin' "$dir/log"
echo "example passes, broken copy and lost devices fail"
