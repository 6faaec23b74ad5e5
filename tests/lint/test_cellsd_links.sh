#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The root daemon parses no document: it may link these libraries and no other.
# libmbedcrypto comes with lib/encoding.c (base64), which the rest of it needs.
allowed=' libsystemd libudev libbpf libseccomp libcap libselinux libmbedcrypto \
 libnl-3 libnl-genl-3 libnl-route-3 libnftables libc libm ld-linux-x86-64 ld-linux-aarch64 \
 libasan libubsan libgcov libgcc_s '

# Prints what of stdin (one library a line) is not allowed.
strangers() {
	while read -r lib; do
		stem=${lib%%.so*}
		case $allowed in
		*" $stem "*) ;;
		*) echo "$lib" ;;
		esac
	done
}

binary=${builddir:-build}/cellsd/cellsd
echo 1..2
if [ "$(printf 'libc.so.6\nlibxml2.so.2\n' | strangers)" = libxml2.so.2 ]; then
	echo 'ok 1 - a stranger is caught'
else
	echo 'not ok 1 - a stranger is caught'
fi
if ! [ -x "$binary" ] || ! command -v readelf >/dev/null; then
	echo "ok 2 - cellsd links what it may # SKIP no $binary or no readelf"
	exit 0
fi
found=$(readelf -d "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
bad=$(echo "$found" | strangers)
if [ -n "$found" ] && [ -z "$bad" ]; then
	echo 'ok 2 - cellsd links what it may'
else
	echo 'not ok 2 - cellsd links what it may'
	echo "# not allowed: $bad"
fi
