#!/bin/sh
# command_test.sh CLADE NET BARE_NET: `clade import` and `clade export` of an ONNX file, there and back, and what they refuse.
set -eu
clade=$1 net=$2 bare=$3
. "$(dirname "$0")/../expect.sh"

cp "$net" "$dir/net.onnx"
expect 0 '^Model: ' "$clade" import "$dir/net.onnx" --out "$dir/net.safetensors"
"$clade" export "$dir/net.safetensors" --out "$dir/again.onnx"
expect 0 '"layers"' "$clade" import "$dir/again.onnx" --json

# 8 bits: scales by training images, accuracy before and after, and the file read again
"$clade" data make "$dir/images" --train 4 --validation 2 --size 16 >"$dir/out"
for split in train validation; do
    for pair in circle:a square:b star:c triangle:d; do
        mv "$dir/images/$split/${pair%:*}" "$dir/images/$split/${pair#*:}"
    done
done
expect 0 '^8 validation images: accuracy 0[.][0-9]* in float32, 0[.][0-9]* in int8; the same class for [0-8]$' \
    "$clade" export "$dir/net.onnx" --int8 --samples 9 --data "$dir/images" --out "$dir/int8.onnx"
grep -q '^Scales chosen from 9 training images' "$dir/out" || { echo "failed: not 9 images"; failed=1; }
expect 0 'Note: [0-9]* values are rounded to 8 bits' "$clade" import "$dir/int8.onnx"
expect 1 'int8: already in 8 bits' "$clade" export "$dir/int8.onnx" --int8 --data "$dir/images" --out "$dir/twice.onnx"
expect 1 'expected --data PATH' "$clade" export "$dir/net.onnx" --int8 --out "$dir/twice.onnx"
expect 1 'does not say how pixels become' "$clade" export "$bare" --int8 --data "$dir/images" --out "$dir/twice.onnx"
expect 2 'int8 requires --format onnx or c' "$clade" export "$dir/net.onnx" --int8 --format safetensors --out "$dir/net.safetensors"
expect 2 'data requires --int8' "$clade" export "$dir/net.onnx" --data "$dir/images" --out "$dir/twice.onnx"
expect 2 'samples requires --int8' "$clade" export "$dir/net.onnx" --samples 9 --out "$dir/twice.onnx"
[ ! -e "$dir/twice.onnx" ] || { echo "failed: a file is made"; failed=1; }

# C: refused here, where there is a layer that it has no words for
expect 1 'lrn: C export does not support LRN of .6, 6, 4.' "$clade" export "$dir/net.onnx" --format c --out "$dir/net.c"
expect 1 'expected a name of letters' "$clade" export "$dir/net.onnx" --format c --out "$dir/my net.c"
expect 2 'fits --format c' "$clade" export "$dir/net.onnx" --format c --out "$dir/net.h"
echo precious >"$dir/net.h"
expect 1 'net.h: already exists' "$clade" export "$dir/net.onnx" --format c --out "$dir/net.c"
[ ! -e "$dir/net.c" ] && grep -q '^precious$' "$dir/net.h" || { echo "failed: a file is made or lost"; failed=1; }

# what the file does not say: a net of PyTorch's
cp "$bare" "$dir/bare.onnx"
printf '\357\273\277cat\ndog\r\nbird\n' >"$dir/classes.txt"
expect 1 'does not say how pixels become' "$clade" import "$dir/bare.onnx" --out "$dir/bare.safetensors"
expect 1 'expected imagenet, tf, caffe, unit or none' "$clade" import "$dir/bare.onnx" --preprocessing imagnet
expect 1 'interpolation requires preprocessing' "$clade" import "$dir/bare.onnx" --interpolation nearest
expect 1 'expected nearest or bilinear' "$clade" import "$dir/bare.onnx" --preprocessing tf --interpolation cubic
expect 0 'scale 0.01712475.*, shift -2.1179' "$clade" import "$dir/bare.onnx" --preprocessing imagenet
expect 0 'bilinear; value' "$clade" import "$dir/bare.onnx" --preprocessing unit --interpolation bilinear \
    --classes "$dir/classes.txt" --out "$dir/bare.safetensors"
expect 0 '"classes":.*' "$clade" import "$dir/bare.safetensors" --json
tr -d '\n\t ' <"$dir/out" | grep -q '"classes":\["cat","dog","bird"\]' || { echo "failed: other classes"; failed=1; }
expect 1 'has its classes and preprocessing' "$clade" import "$dir/bare.safetensors" --preprocessing tf
head -n 2 "$dir/classes.txt" >"$dir/two.txt"
expect 1 '2 class names do not fit.*expected 3' "$clade" import "$dir/bare.onnx" --classes "$dir/two.txt"
printf 'cat\n\nbird\n' >"$dir/empty.txt"
expect 1 'empty.txt:2: expected a class name' "$clade" import "$dir/bare.onnx" --classes "$dir/empty.txt"
printf 'cat\nk\344fer\n' >"$dir/latin1.txt"
expect 1 'latin1.txt:2: the name is not UTF-8' "$clade" import "$dir/bare.onnx" --classes "$dir/latin1.txt"
expect 1 'none.txt: cannot open: No such file' "$clade" import "$dir/bare.onnx" --classes "$dir/none.txt"

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
expect 1 'not a run folder' "$clade" export "$dir/folder" --out "$dir/again.onnx"
expect 1 'folder: cannot write: it is a folder' "$clade" export "$dir/net.onnx" --out "$dir/folder"
expect 2 'out is missing' "$clade" export "$dir/net.onnx"
expect 2 'fits --format onnx' "$clade" export "$dir/net.onnx" --out "$dir/net.safetensors"
expect 2 "did you mean 'onnx'" "$clade" export "$dir/net.onnx" --format onx --out "$dir/again.onnx"
find "$dir" -type f ! -name out -exec sha256sum {} + | sort >"$dir/out"
[ "$(sha256sum <"$dir/out")" = "$before" ] || { echo "failed: files have changed"; failed=1; }
exit $failed
