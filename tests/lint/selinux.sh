#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The SELinux module compiles, with the small base policy of the lab and, where
# it is installed, is taken by the compiler as strictly as a system would.
: "${srcdir:=.}"
if ! command -v secilc >/dev/null; then
	echo "1..0 # SKIP secilc is not installed"
	exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo 1..2
/usr/bin/python3 "$srcdir/tests/lab/makebase.py" >"$folder/base.cil"
compile() {
	secilc -M true -c 33 -o "$folder/policy" -f /dev/null "$folder/base.cil" "$@" >"$folder/log" 2>&1
}
if compile "$srcdir/data/selinux/cells.cil"; then
	echo "ok 1 - data/selinux/cells.cil compiles"
else
	echo "not ok 1 - data/selinux/cells.cil compiles"
	sed 's/^/# /' "$folder/log"
fi
echo '(allow cells_vp_t nothing_t (file (read)))' >"$folder/bad.cil"
if compile "$srcdir/data/selinux/cells.cil" "$folder/bad.cil"; then
	echo "not ok 2 - a rule about nothing is caught"
else
	echo "ok 2 - a rule about nothing is caught"
fi
