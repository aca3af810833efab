#!/bin/sh
# deb_test.sh PACKAGE BUILD: the packages are built, installed into an empty system, used, and purged, and nothing is left.
set -eu
package=$1
build=$2
for tool in dpkg-deb dpkg-shlibdeps gzip; do
    command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
PATH=$PATH:/usr/sbin:/sbin

fail() {
    echo "$1"
    exit 1
}
"$package" deb "$dir/packages" "$build"
cd "$dir"
for name in clade libclade0 libclade-dev; do
    set -- packages/"${name}"_*.deb
    [ -f "$1" ] || fail "no package $name"
done
field() { dpkg-deb -f packages/"$1"_*.deb "$2"; }
field clade Depends | grep -q 'libclade0 (= ' || fail "clade does not depend on its library"
field libclade0 Depends | grep -q 'libc6 (>= .*libyaml' || fail "libclade0 depends on: $(field libclade0 Depends)"
if field libclade0 Depends | grep -qi 'opencl\|clblast'; then fail "OpenCL is only recommended"; fi
field libclade0 Recommends | grep -q 'libopencl1, libclblast1' || fail "OpenCL is not recommended"
dpkg-deb -c packages/clade_*.deb >list
for file in usr/bin/clade usr/share/man/man1/clade-train.1.gz usr/share/doc/clade/copyright \
    usr/share/bash-completion/completions/clade.bash; do
    grep -q " ./$file$" list || fail "clade lacks $file"
done
dpkg-deb -I packages/libclade0_*.deb triggers | grep -q ldconfig || fail "ldconfig is not called"

root=$dir/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
: >"$root/var/lib/dpkg/status"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v fakeroot >/dev/null || { echo "neither root nor fakeroot"; exit 77; }
    as_root=fakeroot
fi
of_root() { $as_root dpkg --root="$root" --log=/dev/null --force-depends "$@"; }

of_root --install packages/*.deb >log 2>&1 || { cat log; fail "they do not install"; }
library=$(dirname "$(find "$root" -name libclade.so)")
clade() { LD_LIBRARY_PATH=$library "$root/usr/bin/clade" "$@"; }
clade --version | grep -q '^clade [0-9]' || fail "no version"
clade data make images --classes 2 --train 8 --validation 4 --size 32 >/dev/null
clade train shapes --data images --out run --set epochs=1 --device cpu --quiet
[ -s run/best.safetensors ] || fail "the run has no weights"
of_root --purge clade libclade-dev libclade0 >log 2>&1 || { cat log; fail "they do not purge"; }
left=$(find "$root" -path "$root/var" -prune -o ! -path "$root" -print)
[ -z "$left" ] || fail "left behind: $left"
if grep -q '^Package:' "$root/var/lib/dpkg/status"; then fail "dpkg still knows them"; fi
