#!/bin/sh
# command_test.sh CLADE: exit statuses, messages and formats of `clade` and `clade conform`.
set -eu
clade=$1
. "$(dirname "$0")/../expect.sh"

expect 0 '^clade [0-9]' "$clade" --version
expect 0 'conform' "$clade" --help
expect 2 'SUBCOMMAND' "$clade"
expect 2 "did you mean 'conform'" "$clade" confrom
expect 2 "unknown subcommand 'xyzzy'" "$clade" xyzzy
expect 0 'For example' "$clade" conform --help
expect 0 'For example' "$clade" devices --help
expect 0 '^cpu ' "$clade" devices
expect 0 '"compute_units"' "$clade" devices --json
expect 2 'did you mean --format' "$clade" conform --formt json
expect 2 "did you mean 'json'" "$clade" conform --format jsn
expect 2 "did you mean 'mixed_float16'" "$clade" conform --precision float16
expect 2 'needs a value' "$clade" conform --op
expect 2 'the value is empty' "$clade" conform --device ''
expect 2 'takes no value' "$clade" conform --quick=1
expect 2 'expected a whole number' "$clade" conform --seed one
expect 2 'expected 0 to' "$clade" conform --seed -1
expect 2 "unexpected argument 'three'" "$clade" conform --compare one two three
expect 2 'two dashes' "$clade" conform -q
expect 1 "called 'nothing'" "$clade" conform --device cpu --op nothing
expect 1 "device 'nothing'" "$clade" conform --device nothing
expect 1 'cannot be written' "$clade" conform --device cpu --op fill --output "$dir/no/such/file"

one="conform --device cpu --op dense --case small --mode ops"
expect 0 '5 passed, 0 failed' "$clade" $one
expect 0 'pass ops.dense_dw.small/accumulate: ' "$clade" $one --verbose
expect 0 '"passed":	5' "$clade" $one --format json
expect 0 '^ops.dense.small,pass,ops,"dense","small",0,native,' "$clade" $one --output "$dir/text" --csv=/dev/stdout
expect 0 'tests="5" failures="0" errors="0"' "$clade" $one --output "$dir/text" --junit /dev/stdout
expect 2 "expected --format table|json|markdown" "$clade" $one --format csv
expect 0 '| dense_dw | native | 2 of 2 |' "$clade" $one --format markdown
expect 0 '5 passed, 0 failed' "$clade" conform --device cpu --mode ops --case 'dense  w=5x7 x=3x5 act=tanh'
expect 0 'pass ops.dense_dw.dense_x=3x5_w=5x7/accumulate: ' "$clade" conform --device cpu --mode ops \
    --op dense_dw --case 'dense x=3x5 w=5x7' --verbose
expect 1 "'w=5y7': expected up to 4 dimensions" "$clade" conform --device cpu --case 'dense x=3x5 w=5y7'
expect 1 'dense: w is \[6, 7\]' "$clade" conform --device cpu --case 'dense x=3x5 w=6x7'
expect 1 'takes the cases of dense' "$clade" conform --device cpu --case 'dense_dx dy=3x7 w=5x7'
expect 0 '"call":	"dense x=3x5 w=5x7 b=7 y=3x7"' "$clade" $one --format json
expect 0 'GFLOP/s' "$clade" conform --device cpu --mode matrix --quick --op dense_dx
expect 0 '^| dense_dx | dense | dense | native |$' "$clade" conform --device cpu --mode support
expect 0 '^support.dense_dx,pass,support,"dense_dx","",0,native,' "$clade" conform --device cpu --mode support \
    --output "$dir/text" --csv /dev/stdout
expect 0 '^pass nets.shapes.1: .* weights [0-9a-f]' "$clade" conform --device cpu --mode nets --op shapes \
    --case 1 --verbose
expect 1 "no case '7'" "$clade" conform --device cpu --mode nets --op shapes --case 7
expect 2 'requires --math fast' "$clade" conform --algo gemm
expect 2 'is now called --algo' "$clade" conform --way gemm
expect 2 "unknown value 'small'" "$clade" conform --limits small
expect 0 '5 passed, 0 failed' "$clade" $one --limits tiny
expect 1 'in mode ops alone' "$clade" conform --random 2 --mode grad
expect 2 "unknown value 'tpu'" "$clade" conform --kernels tpu
expect 1 "^clade conform: cpu: there are no kernels 'gpu' here; there are: " "$clade" $one --kernels gpu
"$clade" $one --junit "$dir/results.xml"
python3 -c 'import sys, xml.etree.ElementTree as t; assert len(t.parse(sys.argv[1]).findall("testcase")) == 5' \
    "$dir/results.xml"
"$clade" $one --format json | python3 -c 'import json, sys; assert len(json.load(sys.stdin)["results"]) == 5'
exit $failed
