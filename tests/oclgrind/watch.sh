#!/bin/sh
# Runs every OpenCL kernel under Oclgrind, which interprets them and reports data races, accesses out of
# bounds, values used before they are set, and wrong API calls. Any report fails. Then the watcher is
# watched: kernels with a planted fault must be reported.
#
# usage: watch.sh RUN_OPS KERNELS
# Exit status 77 where Oclgrind is not installed.
set -u
run_ops=$1
kernels=$2
command -v oclgrind >/dev/null || { echo "oclgrind is not installed"; exit 77; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export CLADE_PROGRAM_CACHE=0
unset CLADE_KERNELS

# The kernels are not optimised: Oclgrind 21.10 does not know every instruction that LLVM then makes.
watch() { # LOG ARGUMENT...
    log=$1
    shift
    oclgrind --data-races --uninitialized --check-api --build-options -cl-opt-disable \
        "$run_ops" "$@" 2>"$log"
}

# A copy of the kernels in which one line of one file is replaced: it must be reported as this.
planted() { # FILE OP OLD NEW REPORT
    rm -rf "$work/kernels"
    mkdir -p "$work/kernels" "$work/include/clade"
    cp "$kernels/../include/clade/activations.def" "$work/include/clade"
    cp "$kernels"/*.cl "$kernels"/*.clh "$work/kernels"
    grep -qF "$3" "$kernels/$1" || { echo "there is no '$3' in kernels/$1"; return 1; }
    OLD=$3 NEW=$4 awk '{ at = index($0, ENVIRON["OLD"])
        if (at) $0 = substr($0, 1, at - 1) ENVIRON["NEW"] substr($0, at + length(ENVIRON["OLD"]))
        print }' "$kernels/$1" >"$work/kernels/$1"
    CLADE_KERNELS="$work/kernels" watch "$work/planted.log" "$2" >"$work/out"
    grep -q "$5" "$work/planted.log" "$work/out" && return 0
    echo "a planted fault in $1 was not reported as '$5':"
    cat "$work/out" "$work/planted.log"
    return 1
}

failed=0
watch "$work/log" || failed=1
if [ -s "$work/log" ]; then
    echo "reports: $(grep -c 'Kernel:' "$work/log")"
    head -n 200 "$work/log"
    failed=1
fi

planted activation.cl activation 'S_STORE(y + y0 + i,' 'S_STORE(y + y0 + i + 1000000,' 'Invalid write' || failed=1
planted activation.cl activation 'S_LOAD(x + x0 + i)' 'S_LOAD(x + x0 + i + 1000000)' 'Invalid read' || failed=1
planted layer_norm.cl layer_norm 'barrier(CLK_LOCAL_MEM_FENCE);' ';' 'data race' || failed=1
# workspace holds NaNs at first, which tell of what is read before it is set
planted optim.cl norm_clip 'EACH_VECTOR(v) V_STORE(' 'EACH_VECTOR(v) if (0) V_STORE(' 'got nan' || failed=1
planted conv_implicit.cl dense 'barrier(CLK_LOCAL_MEM_FENCE);' ';' 'data race' || failed=1
exit $failed
