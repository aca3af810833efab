#!/bin/sh
# kernels_test.sh CLADE SET: `clade conform` in both modes on the CPU's kernels for an instruction set; exit status 77
# (skipped) where the processor does not have it.
set -eu
judge="$1 conform --device cpu --kernels $2 --quick --strict --mode ops"
if ! said=$($judge --op fill 2>&1); then
    echo "$said"
    case $said in *"there are no kernels '$2'"*) exit 77 ;; esac
    exit 1
fi
$judge
$judge --math fast --seed 5
