#!/bin/sh
# driver_test.sh CLADE: a driver that does not load is named, with what the linker says of it; a
# device is found by its driver's name.
set -eu
clade=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

echo libclade-no-such-driver.so >"$dir/broken.icd"
OCL_ICD_VENDORS="$dir" "$clade" devices >"$dir/log"
grep -q 'broken.icd does not load: libclade-no-such-driver.so: ' "$dir/log" || {
    cat "$dir/log"
    echo "the broken driver is not named"
    exit 1
}

"$clade" devices --json >"$dir/log"
driver=$(sed -n '/"opencl:/,/}/s/.*"driver":.*"\(.*\)",/\1/p' "$dir/log")
[ "$(echo "$driver" | wc -w)" -gt 0 ] || exit 77
[ "$(echo "$driver" | wc -l)" -eq 1 ] || exit 77
"$clade" bench --device "$driver" --op fill >"$dir/log"
grep -q '^opencl:' "$dir/log"
