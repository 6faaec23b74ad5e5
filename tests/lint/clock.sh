#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A release reads the kernel's clocks only: no program of it knows the file by
# which tests move time, as TAP. Runs in the build folder; a build with
# --enable-test-clock is the example that shows that the look would find it.
set -u
cd "${builddir:-.}" || exit 1
name=CELLS_TEST_CLOCK
n=0

check() {
	n=$((n + 1))
	if [ "$1" = "$2" ]; then
		echo "ok $n - $3"
	else
		echo "not ok $n - $3"
	fi
}

# "there" or "absent", of the text in a file.
look() { if grep -aq "$name" "$1"; then echo there; else echo absent; fi; }

if grep -q '^#define TEST_CLOCK 1' config.h; then
	check "$(look policyd/cells-policyd)" there 'a test build reads the clock file'
else
	for program in agent/cells-agent policyd/cells-policyd cellsd/cellsd cellsctl/cellsctl \
		mgmt-server/cells-mgmtd cellsadm/cellsadm images/cells-image; do
		[ -f "$program" ] || { n=$((n + 1)); echo "not ok $n - $program is not built"; continue; }
		check "$(look "$program")" absent "$program has no clock but the kernel's"
	done
fi
echo "1..$n"
