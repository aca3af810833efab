#!/bin/sh
# command_test.sh CLADE: what `clade bench` prints and refuses. No time is judged.
set -eu
clade=$1
. "$(dirname "$0")/../expect.sh"

few="bench --device cpu --repeat 2"
expect 0 'For example' "$clade" bench --help
expect 2 'expected 1 to' "$clade" bench --repeat 0
expect 2 "unexpected argument 'cifar10'" "$clade" bench cifar10
expect 2 "epochs requires --data" "$clade" bench --epochs 3
expect 2 "cannot be combined with --op" "$clade" bench --profile --op conv2d
expect 2 "trace requires --profile" "$clade" bench --model shapes --trace t.json
traced="$few --profile --model shapes --batch 2 --trace"
expect 1 "cannot write: No such file" "$clade" $traced "$dir/no/such/file"
echo precious >"$dir/trace.json"
expect 1 "trace.json: already exists" "$clade" $traced "$dir/trace.json"
expect 0 precious cat "$dir/trace.json"
expect 0 'step' "$clade" $traced "$dir/trace.json" --force
expect 0 traceEvents cat "$dir/trace.json"
expect 2 "force requires --trace" "$clade" bench --force
expect 1 "called 'nothing'" "$clade" $few --op nothing
expect 1 "nothing" "$clade" $few --model nothing
expect 1 "none: cannot open: No such file" "$clade" $few --op fill --compare "$dir/none"
printf '{"results": 1' >"$dir/bad.json"
expect 1 "bad.json: expected JSON, at byte 12" "$clade" $few --op fill --compare "$dir/bad.json"
echo '{"results": 1}' >"$dir/bad.json"
expect 1 "bad.json: expected the output of .* found no array 'results'" "$clade" $few --op fill --compare "$dir/bad.json"
expect 0 '^conv2d_norm .* by pointwise' "$clade" $few --op conv2d_norm
expect 0 '^dense_dw  *op .* ms .*GFLOP/s .*GB/s' "$clade" $few --op dense
expect 0 '^    dense_dw x=32x3136 dy=32x512 dw=3136x512 db=512$' "$clade" $few --op dense_dw
expect 0 '^shapes  *step .* images/s .*GFLOP/s' "$clade" $few --model shapes --batch 2
"$clade" $few --model shapes --batch 2 --op 'conv2d*' --roofline --json >"$dir/first.json"
expect 0 'as fast as before' "$clade" $few --op conv2d --compare "$dir/first.json"
"$clade" $few --model shapes --batch 4 --json >"$dir/four.json"
expect 0 'No earlier result matches' "$clade" $few --model shapes --batch 2 --compare "$dir/four.json"
"$clade" $few --model shapes --batch 2 --json --compare "$dir/first.json" >"$dir/second.json"
python3 - "$dir/first.json" "$dir/second.json" <<'END' || failed=1
import json, sys

first, second = (json.load(open(name)) for name in sys.argv[1:])
results = {(r["name"], r["part"]): r for r in first["results"]}
assert first["device"]["id"] == "cpu" and first["math"] == "exact" and first["rounds"] == 2
assert set(results) == {("shapes", "forward"), ("shapes", "backward"), ("shapes", "step"), ("shapes", "bytes"),
                        ("conv2d_norm", "op"),
                        *((op + grad, "op") for op in ("conv2d", "conv2d_maxpool") for grad in ("", "_dx", "_dw"))}
assert results["conv2d", "op"]["algorithm"] == "winograd" and "algorithm" not in results["shapes", "step"]
step, forward, backward = (results["shapes", part] for part in ("step", "forward", "backward"))
# a batch of bytes, its matrices and what becomes of both
assert results["shapes", "bytes"]["bytes"] == step["bytes"] + 2 * (64 * 64 * 3 * 5 + 8 * 4)
for r in results.values():
    assert 0 < r["min_ms"] <= r["ms"] or r is backward, r
    assert r["bytes"] > 0
assert step["batch"] == 2 and abs(step["images_per_second"] * step["ms"] / 2000 - 1) < 1e-6
# multiplications and additions by hand: four convolutions and a dense layer, on 64 × 64 × 3
sizes = [(30, 16, 5, 3), (28, 32, 3, 16), (12, 64, 3, 32), (4, 64, 3, 64)]
each = [2 * 2 * side * side * filters * kernel * kernel * depth for side, filters, kernel, depth in sizes]
dense = 2 * 2 * 64 * 2
assert forward["flops"] == sum(each) + dense, (forward["flops"], each)
# no gradient goes to the images
assert backward["flops"] == 2 * (sum(each) + dense) - each[0], backward["flops"]
assert step["flops"] == forward["flops"] + backward["flops"]
assert results["conv2d", "op"]["flops"] == 2 * 16 * 35 * 35 * 64 * 9 * 32
for r in results.values():
    least = max(r["flops"] / first["peak"]["gflops_per_second"], r["bytes"] / first["peak"]["gigabytes_per_second"])
    # backward is a difference of two times: on a busy machine it may be less than nothing
    assert r is backward or abs(r["share_of_peak"] / (least * 1e-6 / r["ms"]) - 1) < 1e-6, r
assert "peak" not in second
for r in second["results"]:
    ratio = results[r["name"], r["part"]]["ms"] / r["ms"]
    assert r["part"] == "backward" or abs(r["times_as_fast"] / ratio - 1) < 1e-6, r
END
# the optimizer that the recipe names, with all that it does: four parameters, of which two are matrices
printf '%s\n' 'name: two' 'input: {size: 16, rescale: 1/255}' 'model:' '  - conv2d: {filters: 4, kernel: 3}' \
    '  - flatten' '  - dense: {units: 2, activation: softmax}' \
    'train: {loss: sparse_categorical_crossentropy, optimizer: lamb}' >"$dir/two.yaml"
two="$few --profile --model $dir/two.yaml --batch 2"
expect 0 '^lamb  *optimizer  *4 ' "$clade" $two
sed -i 's/lamb/muon/' "$dir/two.yaml"
expect 0 '^dense_dw  *optimizer  *10 ' "$clade" $two
"$clade" data make "$dir/images" --train 8 --validation 2 --size 64 >"$dir/out"
expect 0 'the first step began .* s after the start and ended .* s after it' \
    "$clade" bench --device cpu --model shapes --data "$dir/images" --epochs 1
"$clade" bench --device cpu --model shapes --data "$dir/images" --batch 8 --epochs 2 --json >"$dir/data.json"
python3 - "$dir/data.json" <<'END' || failed=1
import json, sys

data = json.load(open(sys.argv[1]))
assert data["name"] == "shapes" and data["images"] == 32, data
assert 0 < data["first_step_begun_s"] <= data["first_step_s"] < 600, data
assert len(data["epochs"]) == 2
for epoch in data["epochs"]:
    assert epoch["step_ms"] > 0 and epoch["step_alone_ms"] > 0 and epoch["images_per_second"] > 0
warm = data["epochs"][1]
assert abs(data["warm_excess"] - (warm["step_ms"] / warm["step_alone_ms"] - 1)) < 1e-6, data
END
exit $failed
