#!/bin/sh
# opencl_test.sh CLADE ARGUMENT...: `clade conform` with these arguments on the first OpenCL device;
# exit status 77 (skipped) without one.
set -eu
clade=$1
shift
if ! "$clade" devices --json | grep -q '"opencl:'; then
    "$clade" devices
    exit 77
fi
exec "$clade" conform --device opencl "$@"
