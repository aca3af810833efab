#!/bin/sh
# wrong_gemm_test.sh CLADE MODULE: a matrix product of CLBlast's that is wrong is not used, and one that
# wants memory of its own gets it. MODULE, preloaded, makes them so, as the variable GEMM says.
set -eu
clade=$1
module=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$clade" devices >"$dir/log"
grep -q '^opencl:' "$dir/log" || exit 77
if grep -q '^CLBlast:' "$dir/log"; then exit 77; fi
for mode in workspace adds rows columns turned; do
    GEMM=$mode LD_PRELOAD=$module "$clade" conform --device opencl --math fast --algo gemm --mode ops --quick \
        --op 'conv2d_d?' >"$dir/log" 2>&1 || {
        grep -v '^a product$' "$dir/log" | head -n 30
        echo "failed: products without what they are to add to, rows, …: $mode"
        exit 1
    }
    grep -q '^a product$' "$dir/log" || { echo "$mode: no product was CLBlast's"; exit 1; }
done
