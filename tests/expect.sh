# What tests of the command share; to be read with `.`: $dir is a folder that goes away, $failed is 1
# after a failure.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# expect STATUS TEXT COMMAND...: the exit status, and a text in what is printed
expect() {
    status=$1 text=$2
    shift 2
    code=0
    "$@" >"$dir/out" 2>&1 || code=$?
    if [ "$code" -ne "$status" ] || ! grep -q -e "$text" "$dir/out"; then
        echo "failed: $*: exit status $code, expected $status and '$text' in:"
        cat "$dir/out"
        failed=1
    fi
}
