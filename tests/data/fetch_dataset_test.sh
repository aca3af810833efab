#!/bin/sh
# tools/fetch-dataset against a server on this machine: resume, wrong checksum, wrong size, errors.
# usage: fetch_dataset_test.sh PATH-OF-FETCH-DATASET
set -u
tool=$1
command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
command -v curl >/dev/null || command -v wget >/dev/null || { echo 'skipped: neither curl nor wget'; exit 77; }
command -v sha256sum >/dev/null || { echo 'skipped: no sha256sum'; exit 77; }

dir=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
failures=0
fail() { echo "failed: $*"; failures=$((failures + 1)); }

# Serves the folder www with ranges. A path below /cut/ breaks off after 30,000 bytes the first time;
# one below /plain/ knows no ranges.
cat >server.py <<'TEXT'
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    cut = set()
    def log_message(self, *args):
        with open('requests', 'a') as log:
            log.write(f"{self.path} {self.headers.get('Range')}\n")
    def do_GET(self):
        try:
            data = open('www/' + os.path.basename(self.path), 'rb').read()
        except OSError:
            self.send_error(404)
            return
        first, range_ = 0, self.headers.get('Range')
        if range_ and not self.path.startswith('/plain/'):
            first = int(range_.split('=')[1].split('-')[0])
            if first >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {first}-{len(data) - 1}/{len(data)}')
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(data) - first))
        self.end_headers()
        end = len(data)
        if self.path.startswith('/cut/') and self.path not in self.cut:
            self.cut.add(self.path)
            end = first + 30000
        self.wfile.write(data[first:end])
        self.close_connection = True
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
with open('port.new', 'w') as f:
    f.write(str(server.server_port))
os.rename('port.new', 'port')
server.serve_forever()
TEXT
mkdir www
head -c 100000 /dev/urandom >www/a.zip
head -c 5000 /dev/urandom >www/b.zip
python3 server.py 2>server.log &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -e port ] || sleep 0.5
done
[ -e port ] || { cat server.log; echo 'failed: the server did not start'; exit 1; }
base=http://127.0.0.1:$(cat port)
sum_a=$(sha256sum <www/a.zip | cut -d ' ' -f 1)
sum_b=$(sha256sum <www/b.zip | cut -d ' ' -f 1)

# block NAME URL BYTES SHA256
block() { printf 'name %s\nabout a test\nlayout zip\nlicence none\nurl %s\nbytes %s\nsha256 %s\n\n' "$@"; }
{
    echo '# a comment'
    block two "$base/a.zip" 100000 "$sum_a"
    printf 'url %s\nbytes 5000\nsha256 %s\n\n' "$base/b.zip" "$sum_b"
    block cut "$base/cut/a.zip" 100000 "$sum_a"
    block cut2 "$base/cut/b/a.zip" 100000 "$sum_a"
    block wrong "$base/a.zip" 100000 "$sum_b"
    block short "$base/b.zip" 5001 none
    block unchecked "$base/b.zip" none 'none (no published checksum)'
    block plain "$base/plain/a.zip" 100000 "$sum_a"
    block gone "$base/c.zip" 5 none
    printf 'name account\nabout with an account\npage https://example.org/get\n'
} >list
export CLADE_DATASETS="$dir/list"

# run EXPECTED-STATUS ARGUMENTS…
run() {
    expected=$1
    shift
    "$tool" "$@" >out 2>&1
    result=$?
    [ $result -eq "$expected" ] || { fail "$with: $*: status $result, expected $expected"; cat out; }
}
says() { grep -q -e "$1" out || { fail "$with: expected '$1', found:"; cat out; }; }

checks() {
    with=$1
    rm -rf "$with"
    run 0
    says 'account  *with an account'
    run 1 nothing
    says "no data set 'nothing'"
    says '^cut2 '
    run 1 account "$with"
    says 'https://example.org/get'
    run 1 --nothing
    run 0 two "$with/x/y"
    says 'b.zip: fetched and checked'
    cmp www/a.zip "$with/x/y/a.zip" && cmp www/b.zip "$with/x/y/b.zip" || fail "$with: contents"
    run 0 two "$with/x/y"
    says 'a.zip: already there'

    # broken off: what is there is kept, and only the rest is asked for
    rm -f requests
    name='cut'
    [ "$with" = curl ] || name='cut2'
    "$tool" $name "$with/cut" >out 2>&1 || { [ -s "$with/cut/a.zip.part" ] || fail "$with: nothing kept"; run 0 $name "$with/cut"; }
    cmp www/a.zip "$with/cut/a.zip" || fail "$with: resumed contents"
    grep -q 'bytes=30000-' requests || { fail "$with: did not resume"; cat requests; }
    [ ! -e "$with/cut/a.zip.part" ] || fail "$with: part left"

    # a whole part needs no download; one that is too long begins again
    mkdir -p "$with/part"
    cp www/a.zip "$with/part/a.zip.part"
    cat www/a.zip www/b.zip >"$with/part/b.zip.part"
    rm -f requests
    run 0 two "$with/part"
    ! grep -q '/a.zip' requests || fail "$with: fetched what was there"
    cmp www/b.zip "$with/part/b.zip" || fail "$with: too long a part"

    # a server without ranges: from the start
    mkdir -p "$with/plain"
    head -c 4000 www/a.zip >"$with/plain/a.zip.part"
    run 0 plain "$with/plain"
    cmp www/a.zip "$with/plain/a.zip" || fail "$with: contents from a server without ranges"

    run 1 wrong "$with/wrong"
    says "SHA-256 $sum_a, expected $sum_b"
    [ -e "$with/wrong/a.zip.bad" ] && [ ! -e "$with/wrong/a.zip" ] || fail "$with: a wrong file is not set aside"
    run 1 short "$with/short"
    says '5000 bytes, expected 5001'
    mkdir -p "$with/other"
    echo mine >"$with/other/a.zip"
    run 1 two "$with/other"
    says 'move it away first'
    [ "$(cat "$with/other/a.zip")" = mine ] || fail "$with: a foreign file was touched"
    run 0 unchecked "$with/unchecked"
    says 'no published'
    run 1 gone "$with/gone"
    says 'could not fetch'
    [ ! -e "$with/gone/c.zip" ] || fail "$with: a file from an error page"
    CLADE_DATASETS=$dir/none
    run 1 two
    says 'cannot read'
    CLADE_DATASETS=$dir/list
}

# the same with each of the two programs alone
path=$PATH
for with in curl wget; do
    command -v $with >/dev/null || continue
    mkdir "bin-$with"
    for name in sh awk wc tr cut sed mkdir mv rm dirname sha256sum cmp grep cat cp head $with; do
        ln -s "$(command -v "$name")" "bin-$with/$name"
    done
    PATH=$dir/bin-$with
    checks $with
    PATH=$path
done
[ $failures -eq 0 ] && echo 'all passed'
exit $((failures > 0))
