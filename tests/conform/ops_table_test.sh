#!/bin/sh
# ops_table_test.sh CLADE PAGE: is the table between <!-- ops --> and <!-- /ops --> what the
# command prints? Exit status 77 (skipped) without an OpenCL device, whose column would be missing.
set -eu
clade=$1 page=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$clade" conform --mode support --format markdown >"$dir/printed"
if ! head -n 1 "$dir/printed" | grep -q '| OpenCL |'; then
    "$clade" devices
    exit 77
fi
sed -n '/^<!-- ops -->$/,/^<!-- \/ops -->$/p' "$page" | sed '1d;$d' >"$dir/shown"
if ! diff -u "$dir/shown" "$dir/printed"; then
    echo "failed: put what \`clade conform --mode support\` prints between the marks in $page"
    exit 1
fi
