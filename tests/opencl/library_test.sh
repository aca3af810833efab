#!/bin/sh
# library_test.sh CLADE ABSENT: the command runs where OpenCL's loader or CLBlast is missing, damaged or
# too old, and says so; ABSENT, preloaded, hides the library that the variable ABSENT names.
set -eu
clade=$1
absent=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
    cat "$dir/log"
    echo "$1"
    exit 1
}
hiding() { # LIBRARY ARGUMENT...: the command without the library
    library=$1
    shift
    ABSENT=$library LD_PRELOAD=$absent "$clade" "$@" >"$dir/log" 2>&1
}
says() { # LINE
    grep -qxF "$1" "$dir/log" || fail "expected the line: $1"
}

ldd "$clade" >"$dir/log"
if grep -qE 'libOpenCL|libclblast' "$dir/log"; then fail "the command does not start without these"; fi

hiding libOpenCL.so.1 devices || fail "devices failed"
says 'OpenCL: libOpenCL.so.1 not found (Debian: ocl-icd-libopencl1)'
grep -q '^cpu ' "$dir/log" || fail "the CPU is not listed"
hiding libOpenCL.so.1 bench --op fill || fail "auto is not the CPU"
if hiding libOpenCL.so.1 bench --device opencl --op fill; then fail "there is no such device"; fi
grep -q "'opencl' is not here; .* OpenCL: libOpenCL.so.1 not found" "$dir/log" || fail "it does not say why"

: >"$dir/libOpenCL.so.1"
LD_LIBRARY_PATH=$dir "$clade" devices >"$dir/log"
grep -q '^OpenCL: libOpenCL.so.1 does not load: .*file too short$' "$dir/log" || fail "a damaged library is not named"
echo 'int clBuildProgram;' | ${CC:-cc} -shared -x c - -o "$dir/libOpenCL.so.1"
LD_LIBRARY_PATH=$dir "$clade" devices >"$dir/log"
says 'OpenCL: libOpenCL.so.1 has no clCreateBuffer'

"$clade" devices >"$dir/log"
grep -q '^opencl:' "$dir/log" || exit 77
if grep -q '^CLBlast:' "$dir/log"; then exit 77; fi
hiding libclblast.so.1 devices || fail "devices failed"
says "CLBlast: libclblast.so.1 not found (Debian: libclblast1); fast mode uses Clade's own matrix products"
set -- conform --device opencl --math fast --mode ops --op dense_dx --quick
hiding libclblast.so.1 "$@" || fail "fast mode fails without it"
if hiding libclblast.so.1 "$@" --algo gemm; then fail "an algorithm of CLBlast without CLBlast"; fi
grep -q ': CLBlast: libclblast.so.1 not found (Debian: libclblast1)$' "$dir/log" || fail "it does not say why"
