#!/bin/sh
# units_test.sh CLADE KERNELS: matrix units are tried in processes of their own, and used only where they are
# right. Exit status 77 (skipped) without an OpenCL device.
set -eu
clade=$1 kernels=$2
"$clade" devices --json | grep -q '"opencl:' || { "$clade" devices; exit 77; }
. "$(dirname "$0")/../expect.sh"

unit() { "$clade" tune-device --child unit opencl "$@"; }
devices() { CLADE_MATRIX_UNIT=$1 "$clade" devices; }
bench() { CLADE_MATRIX_UNIT=$1 "$clade" bench --device opencl --model "$dir/net.yaml" --repeat 1 --precision tf32 --math "$2"; }

export POCL_CACHE_DIR="${POCL_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pocl/kcache}"
export XDG_CACHE_HOME="$dir/cache"
cat >"$dir/net.yaml" <<'RECIPE'
name: net
input: {size: 8}
model:
  - conv2d: {filters: 4, kernel: 3, activation: relu}
  - flatten: {}
  - dense: {units: 2, activation: softmax}
train: {loss: categorical_crossentropy, optimizer: sgd, batch: 4}
RECIPE
expect 0 '^right$' unit emulated-mma tf32
expect 1 'expected none, or mma' unit magic tf32
expect 0 'not usable: CLADE_MATRIX_UNIT is .magic.; expected none, or mma' devices magic
expect 1 'expected 1 of float32, tf32' unit emulated-mma int8
# factors that are rounded to something else
mkdir -p "$dir/kernels" "$dir/include/clade"
cp "$kernels"/*.cl "$kernels"/*.clh "$dir/kernels"
cp "$kernels/../include/clade/activations.def" "$dir/include/clade"
sed -i 's|const u32 u = BITS_OF(f);|const u32 u = BITS_OF(1.01f * f);|' "$dir/kernels/matrix.clh"
grep -q 1.01f "$dir/kernels/matrix.clh"
CLADE_KERNELS="$dir/kernels" expect 1 'dense x=70x52.*wrong: y\[' unit emulated-mma tf32
# float16 that takes subnormal factors for 0, as MI200 does
sed 's|return (ushort)cast_to_f16(u);|return (ushort)(cast_to_f16(u) \& 0x7c00u ? cast_to_f16(u) : 0);|' "$kernels/matrix.clh" \
    >"$dir/kernels/matrix.clh"
grep -q 0x7c00u "$dir/kernels/matrix.clh"
CLADE_KERNELS="$dir/kernels" expect 1 'dense x=70x52 w=52x40 products=float16: wrong: y\[' unit emulated-mfma float16
expect 0 '^right$' unit emulated-mfma float16
# what is right is used from then on, and what came of trying is kept
expect 0 . bench untried-emulated-mma fast
grep 'tf32 is float32' "$dir/out" && failed=1
file=$(grep -l '"emulated-mma tf32":[^"]*""' "$dir"/cache/clade/opencl/*.json)
sed -i 's/"emulated-mma tf32":[^,]*""/"emulated-mma tf32": "kept"/' "$file"
expect 0 'computing in float32 instead of tf32: kept' bench untried-emulated-mma fast
# a unit that this device has not, by whose instructions its compiler may crash, costs itself alone
rm "$file"
expect 0 'mma, tf32: [a-z]' devices untried-mma
devices untried-mma | grep "used in fast math" && failed=1
expect 0 'computing in float32 instead of tf32: ' bench untried-mma fast
# of a program that does not build the compiler's own words
expect 0 'mfma, tf32: does not build: error' devices untried-mfma
# a damaged file is made anew
for file in "$dir"/cache/clade/opencl/*.json; do echo '{' >"$file"; done
expect 0 'mma, tf32: [a-z]' devices untried-mma
grep -q '"mma tf32"' "$dir"/cache/clade/opencl/*.json
expect 0 'the device has no matrix unit for such factors' bench none fast
expect 0 'exact math does not round factors' bench emulated-mma exact
exit $failed
