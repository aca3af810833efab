#!/bin/sh
# readme_table_test.sh CLADE README: is the table between <!-- ops --> and <!-- /ops --> what the
# command prints? Exit status 77 (skipped) without an OpenCL device, whose column would be missing.
set -eu
clade=$1 readme=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$clade" conform --mode support --format markdown >"$dir/printed"
if ! head -n 1 "$dir/printed" | grep -q '| OpenCL |'; then
    "$clade" devices
    exit 77
fi
sed -n '/^<!-- ops -->$/,/^<!-- \/ops -->$/p' "$readme" | sed '1d;$d' >"$dir/shown"
if ! diff -u "$dir/shown" "$dir/printed"; then
    echo "failed: put what \`clade conform --mode support\` prints between the marks in $readme"
    exit 1
fi
