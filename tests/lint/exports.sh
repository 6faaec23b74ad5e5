#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program exports no function: a library that it links would call it in place
# of its own of that name, as libarchive did with our acl_free() for libacl's.
build=${builddir:-build}

# Prints the functions of `nm -D --defined-only` on stdin.
functions() { sed -n 's/^[0-9a-f]* [TW] //p'; }

echo 1..2
if [ "$(printf '0000000000012e10 T acl_free\n0000000000012e10 B environ\n' | functions)" = acl_free ]; then
	echo 'ok 1 - an exported function is caught'
else
	echo 'not ok 1 - an exported function is caught'
fi
looked=0 bad=
for program in "$build"/agent/cells-agent "$build"/policyd/cells-policyd "$build"/cellsd/cellsd \
	"$build"/cellsctl/cellsctl "$build"/devnsctl/devnsctl "$build"/mgmt-server/cells-mgmtd \
	"$build"/cellsadm/cellsadm "$build"/images/cells-image; do
	[ -x "$program" ] || continue
	found=$(nm -D --defined-only "$program" | functions)
	case $found in *__asan_*) continue ;; esac # its runtime exports much
	looked=$((looked + 1))
	bad="$bad${found:+ ${program##*/}: $(echo "$found" | head -n 3 | tr '\n' ' ')}"
done
if [ "$looked" = 0 ]; then
	echo "ok 2 - no program exports a function # SKIP no plain build in $build"
elif [ -z "$bad" ]; then
	echo "ok 2 - no program exports a function"
else
	echo "not ok 2 - no program exports a function"
	echo "#$bad"
fi
