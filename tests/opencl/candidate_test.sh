#!/bin/sh
# candidate_test.sh CLADE KERNELS: what `clade tune-device` runs for one candidate gives a time if the
# device is right, and none if it is wrong. Exit status 77 (skipped) without an OpenCL device.
set -eu
clade=$1 kernels=$2
"$clade" devices --json | grep -q '"opencl:' || { "$clade" devices; exit 77; }
. "$(dirname "$0")/../expect.sh"

child() { "$clade" tune-device --child "$@"; }

dense='dense x=4x40 w=40x24 b=24 y=4x24 act=relu'
conv='conv2d_dw x=2x9x9x4 dy=2x7x7x8 dw=3x3x4x8 db=8 accumulate=1'
# PoCL keeps what it has compiled where it does so always
export POCL_CACHE_DIR="${POCL_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pocl/kcache}"
export XDG_CACHE_HOME="$dir/cache"
expect 0 '^[0-9.e-]*$' child try opencl direct "$dense"
expect 0 '^[0-9.e-]*$' child try opencl direct "$conv"
expect 1 'there is no algorithm' child try opencl magic "$dense"
expect 1 'there is no op' child try opencl direct 'nothing x=1'
expect 1 'expected up to 4 dimensions' child try opencl direct 'dense x=4xy'
expect 1 'expected' child try opencl direct 'dense x=4x40 w=41x24'
expect 1 'it is not tried' child try opencl direct 'fill y=8'
expect 1 'expected list' child try opencl
# every product a little too large
mkdir -p "$dir/kernels" "$dir/include/clade"
cp "$kernels"/*.cl "$kernels"/*.clh "$dir/kernels"
cp "$kernels/../include/clade/activations.def" "$dir/include/clade"
sed -i 's/#define FMA(a, b, c) \([fm][ma][ad]\)(a, b, c).*/#define FMA(a, b, c) (1.0001f * \1(a, b, c))/' "$dir/kernels/portable.clh"
[ "$(grep -c '1.0001f' "$dir/kernels/portable.clh")" = 2 ]
export CLADE_KERNELS="$dir/kernels"
expect 1 '^wrong: y\[' child try opencl direct "$dense"
expect 1 '^wrong: dw\[' child try opencl direct "$conv"
# a product that is rounded before the addition is no fma: such a device shares no batch in exact math
cp "$kernels/portable.clh" "$dir/kernels"
sed -i 's/#define FMA(a, b, c) fma(a, b, c)/#define FMA(a, b, c) ((a) * (b) + (c))/' "$dir/kernels/portable.clh"
"$clade" data make "$dir/images" --classes 2 --train 4 --validation 1 --size 16 >"$dir/out"
share() { "$clade" train shapes --data "$dir/images" --epochs 1 --batch 4 --device "cpu,$1" --math exact --out "$dir/run"; }
expect 1 'does not round fma correctly' share opencl
unset CLADE_KERNELS
expect 0 'Saved in' share opencl
# the command as a whole, with little time: it says so and leaves what it could not try
unset CLADE_KERNELS
expect 0 'For example' "$clade" tune-device --help
expect 1 'nothing to choose' "$clade" tune-device --device cpu shapes
expect 1 nothing "$clade" tune-device --device opencl nothing
# choices that are damaged are a warning
"$clade" tune-device shapes --batch 1 --no-products --limit 0.1 --total 60 >"$dir/out" 2>&1 || true
# what was measured can be written to a file, once, in the form that the build takes
expect 2 'expected no recipe' "$clade" tune-device --export "$dir/out.json" shapes
expect 1 'of no call' "$clade" tune-device --export "$dir/none.json"
for file in "$dir"/cache/clade/opencl/*.json; do
    echo '{"calls": {"dense x=4x8 w=8x3 y=4x3": {"algorithm": "direct", "tried": {"direct": 1, "gemm": "crashed"}}}}' >"$file"
done
cp "$file" "$dir/first.json"
family=$("$clade" devices --json | sed -n 's/.*"family":[^"]*"\(.*\)".*/\1/p' | grep . | head -n 1)
expect 0 'for the whole family' "$clade" tune-device --export "$dir/$family.json"
expect 1 'already exists' "$clade" tune-device --export "$dir/$family.json"
expect 0 'calls measured here' "$clade" devices
embed() { python3 "$kernels/tuning/embed.py" "$dir/tuning.c" "$1"; }
embed "$dir/$family.json" || failed=1
sed 's/"family".*/"family": "other",/' "$dir/$family.json" >"$dir/another.json"
expect 1 "family is 'other', expected 'another'" embed "$dir/another.json"
printf '{"family": "slow", "calls": {"dense": {"algorithm": "gemm", "tried": {"gemm": 2, "direct": 1}}}}' >"$dir/slow.json"
expect 1 'is not the fastest' embed "$dir/slow.json"
for file in "$dir"/cache/clade/opencl/*.json; do echo '{' >"$file"; done
expect 0 '^    warning  .*is damaged: what cannot be understood of it is not used' "$clade" devices
# of two calls one is not understood, and does not count
for file in "$dir"/cache/clade/opencl/*.json; do
    sed 's/.*"calls": {/&"dense x=5x8 w=8x3 y=5x3": {"algorithm": "magic"}, /' "$dir/first.json" >"$file"
done
expect 0 '"warning":[^"]*".*is damaged' "$clade" devices --json
grep -q '"measured":[^0-9]*1,' "$dir/out" || { echo "devices counts what is not used"; failed=1; }
expect 0 'warning: .*is damaged' "$clade" bench --device opencl --math fast --op fill --repeat 1
exit $failed
