#!/bin/sh
# Only layers.def lists the kinds of layers: nothing in src/ and tools/ switches over them or keeps a
# table by them of its own.
# layer_list_test.sh ROOT
cd "$1" || exit 2
found=$(grep -rnE --include='*.[ch]' 'case CLADE_LAYER_|\[CLADE_LAYER_' src tools |
        grep -vE '\[CLADE_LAYER_(##ID|KINDS|INPUT)\]')
[ -z "$found" ] && exit 0
printf '%s\n' "$found" 'belongs into the records of layers (src/nn/layer.h)'
exit 1
