#!/bin/sh
# opencl_test.sh CLADE: the quick run on the first OpenCL device; exit status 77 (skipped) without one.
set -eu
clade=$1
if ! "$clade" devices --json | grep -q '"opencl:'; then
    "$clade" devices
    exit 77
fi
exec "$clade" conform --device opencl --quick --strict
