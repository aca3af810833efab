#!/bin/sh
# command_test.sh CLADE NET: `clade import` and `clade export` of an ONNX file, there and back, and what they refuse.
set -eu
clade=$1 net=$2
. "$(dirname "$0")/../expect.sh"

cp "$net" "$dir/net.onnx"
expect 0 '^Model: ' "$clade" import "$dir/net.onnx" --out "$dir/net.safetensors"
"$clade" export "$dir/net.safetensors" --out "$dir/again.onnx"
expect 0 '"layers"' "$clade" import "$dir/again.onnx" --json

# what cannot be read, or be written: no file is made, and none replaced
head -c 300 "$dir/net.onnx" >"$dir/cut.onnx"
head -c 3000 "$dir/net.safetensors" >"$dir/cut.safetensors"
mkdir "$dir/folder"
find "$dir" -type f ! -name out -exec sha256sum {} + | sort >"$dir/out"
before=$(sha256sum <"$dir/out")
expect 1 'none.onnx: cannot open' "$clade" import "$dir/none.onnx"
expect 1 'cut.onnx: not an ONNX file, or damaged' "$clade" import "$dir/cut.onnx" --out "$dir/new.safetensors"
expect 1 'cut short' "$clade" import "$dir/cut.safetensors" --out "$dir/net.safetensors"
expect 2 'expected HEIGHT or HEIGHTxWIDTH' "$clade" import "$dir/net.onnx" --size -5x5
expect 2 'expected FILE.safetensors' "$clade" import "$dir/net.onnx" --out "$dir/again.onnx"
expect 1 'no/such.safetensors: cannot write' "$clade" import "$dir/net.onnx" --out "$dir/no/such.safetensors"
expect 1 'cut.onnx: not an ONNX file, or damaged' "$clade" export "$dir/cut.onnx" --out "$dir/again.onnx"
expect 1 'no run folder' "$clade" export "$dir/folder" --out "$dir/again.onnx"
expect 1 'folder: cannot write: it is a folder' "$clade" export "$dir/net.onnx" --out "$dir/folder"
expect 2 'out is missing' "$clade" export "$dir/net.onnx"
expect 2 'fits --format onnx' "$clade" export "$dir/net.onnx" --out "$dir/net.safetensors"
expect 2 "did you mean 'onnx'" "$clade" export "$dir/net.onnx" --format onx --out "$dir/again.onnx"
find "$dir" -type f ! -name out -exec sha256sum {} + | sort >"$dir/out"
[ "$(sha256sum <"$dir/out")" = "$before" ] || { echo "failed: files have changed"; failed=1; }
exit $failed
