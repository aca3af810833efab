#!/bin/sh
# Every subcommand says so, with status 1, where standard output takes nothing, and where a file may not grow; and SIGHUP
# saves a run as SIGTERM does.
# usage: output_test.sh CLADE
set -u
clade=$1
[ -c /dev/full ] || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0

# full WORD...: runs clade with a full disk for its output
full() {
    "$clade" "$@" > /dev/full 2> "$folder/errors"
    status=$?
    if [ $status -ne 1 ] || ! grep -q "cannot write to standard output" "$folder/errors"; then
        echo "clade $*: status $status, expected 1 and why:"
        cat "$folder/errors"
        failures=$((failures + 1))
    fi
}

cat > "$folder/tiny.yaml" << EOF
input: {size: 16, rescale: 1/255}
model:
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, batch: 4, epochs: 2}
tune: {train.batch: {choice: [4, 8]}}
EOF
"$clade" data make "$folder/images" --train 8 --validation 4 --size 16 > "$folder/log" || exit 1
"$clade" train "$folder/tiny.yaml" --data "$folder/images" --device cpu --out "$folder/run" > "$folder/log" || exit 1

# --help of each, by the list that the command gives itself
"$clade" --help | sed -n 's/^  \([a-z][a-z-]*\( [a-z]*\)\{0,1\}\)  .*/\1/p' > "$folder/names"
[ "$(wc -l < "$folder/names")" -ge 15 ] || { echo "not all subcommands are listed"; exit 1; }
while read -r name; do
    # shellcheck disable=SC2086 # two words are two arguments
    full $name --help
done < "$folder/names"

full --help
full --version
full bench --device cpu --op add
full conform --device cpu --quick --op fill
full cross-validate "$folder/tiny.yaml" --data "$folder/images" --device cpu --folds 2 --out "$folder/folds"
full data list
full devices
full evaluate "$folder/run" --device cpu
"$clade" export "$folder/run" --out "$folder/run.onnx" || exit 1 # prints nothing
full import "$folder/run.onnx"
full inspect "$folder/images"
full lr-find "$folder/tiny.yaml" --data "$folder/images" --device cpu --steps 10 --out "$folder/rates"
full new "$folder/new.yaml" --data "$folder/images"
full predict "$folder/run" "$folder/images/validation" --device cpu
full recipes list
full report "$folder/run"
full summary "$folder/tiny.yaml"
full train "$folder/tiny.yaml" --data "$folder/images" --device cpu --out "$folder/second"
full tune "$folder/tiny.yaml" --data "$folder/images" --device cpu --trials 1 --out "$folder/study"
full tune --list "$folder/study"
full weights list

# limited WORD...: runs clade where no file may have more than a kilobyte, which is also a signal
limited() {
    (ulimit -f 2 && exec "$clade" "$@") > /dev/null 2> "$folder/errors"
    status=$?
    if { [ $status -ne 1 ] && [ $status -ne 3 ]; } || ! grep -q "File too large" "$folder/errors" ||
        find "$folder/limited" -name '*.tmp' | grep -q .; then
        echo "clade $* with small files: status $status, expected 1 or 3, why, and nothing left over:"
        cat "$folder/errors"
        find "$folder/limited" -name '*.tmp'
        failures=$((failures + 1))
    fi
}
mkdir "$folder/limited"
limited bench --device cpu --profile --model "$folder/tiny.yaml" --repeat 1 --trace "$folder/limited/trace.json"
limited train "$folder/tiny.yaml" --data "$folder/images" --device cpu --out "$folder/limited/run"
limited cross-validate "$folder/tiny.yaml" --data "$folder/images" --device cpu --folds 2 --out "$folder/limited/folds"
limited data make "$folder/limited/images" --train 2 --validation 1 --size 64
limited evaluate "$folder/run" --device cpu --predictions "$folder/limited/table.csv"
limited export "$folder/run" --out "$folder/limited/run.onnx"
limited export "$folder/run" --format c --out "$folder/limited/run.c"
limited lr-find "$folder/tiny.yaml" --data "$folder/images" --device cpu --steps 10 --out "$folder/limited/rates"
limited tune "$folder/tiny.yaml" --data "$folder/images" --device cpu --trials 1 --out "$folder/limited/study"

# a terminal that goes away
env --default-signal=HUP "$clade" train "$folder/tiny.yaml" --data "$folder/images" --device cpu --epochs 1000000 \
    --out "$folder/hung-up" > /dev/null 2> "$folder/errors" &
while [ ! -e "$folder/hung-up/state" ] && kill -0 $! 2> /dev/null; do sleep 0.1; done
kill -HUP $!
wait $!
status=$?
if [ $status -ne 129 ] || ! grep -q "continue with: clade train --resume" "$folder/errors"; then
    echo "after SIGHUP: status $status, expected 129 and a hint how to continue:"
    cat "$folder/errors"
    failures=$((failures + 1))
fi
exit $((failures > 0))
