#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The linters of the field, over what git tracks, as TAP: layout of the code,
# shell, manual pages. Each must first catch a bad example.
set -u
cd "$(dirname "$0")/../.." || exit 1
git rev-parse >/dev/null 2>&1 || { echo '1..0 # SKIP not a git checkout'; exit 0; }

n=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# report NAME FILE-WITH-COMPLAINTS
report() {
	n=$((n + 1))
	if [ -s "$2" ]; then
		echo "not ok $n - $1"
		head -n 30 "$2" | sed 's/^/# /'
	else
		echo "ok $n - $1"
	fi
}

# check NAME TOOL BAD-EXAMPLE FILE...: complaints of TOOL about the files.
check() {
	local name=$1 tool=$2 bad=$3
	shift 3
	command -v "${tool%% *}" >/dev/null || { n=$((n + 1)); echo "ok $n # SKIP ${tool%% *} is not installed"; return; }
	if $tool "$bad" >/dev/null 2>&1; then
		echo "$tool did not catch its bad example" >"$scratch/out"
	else
		: >"$scratch/out"
	fi
	[ $# -eq 0 ] || $tool "$@" >>"$scratch/out" 2>&1
	report "$name" "$scratch/out"
}

cp .clang-format "$scratch/"
printf 'int  main( ){return 0;}\n' >"$scratch/bad.c"
# shellcheck disable=SC2016 # the bad example is not for this shell
printf '#!/bin/sh\nrm $1\n' >"$scratch/bad.sh"
printf '.Dd now\n.Sh NAME\n' >"$scratch/bad.1"

mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t scripts < <(git ls-files | xargs grep -lE '^#!/(usr/bin/env bash|bin/sh|bin/bash)' 2>/dev/null)
mapfile -t pages < <(git ls-files 'man/*.[0-9]')

check 'the code has the layout of .clang-format' 'clang-format --dry-run -Werror' "$scratch/bad.c" "${sources[@]}"
check 'shell scripts pass shellcheck' 'shellcheck' "$scratch/bad.sh" "${scripts[@]}"
check 'manual pages pass mandoc' 'mandoc -Tlint -Wwarning' "$scratch/bad.1" "${pages[@]}"
echo "1..$n"
