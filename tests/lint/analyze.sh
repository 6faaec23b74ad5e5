#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: analyze.sh BUILD-DIR. clang-tidy over each source of the programs, and
# with CELLS_LONG gcc's analyzer too. Slow, so it is a stage of ./run check and
# not of make check.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
mapfile -t sources < <(git ls-files 'lib/*.c' 'agent/*.c' 'policyd/*.c' 'cellsd/*.c' 'mgmt-server/*.c' 'cellsadm/*.c' 'cellsctl/*.c' \
	'devnsctl/*.c' 'images/*.c' |
	grep -v '\.bpf\.c$')
# The last line: make may have to make the makefiles first.
flags=$(make -s -C "$build" print-cflags | tail -n 1)
# The analyzer of gcc 12 does not follow cleanup attributes, so what it says of
# leaks, frees and values left alone is about that; clang-tidy sees to those.
gcc_flags='-O2 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-file-leak -Wno-analyzer-use-after-free -Wno-analyzer-double-free -Wno-analyzer-use-of-uninitialized-value -Werror -c -o /dev/null'
tidy_checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-bugprone-assignment-in-if-condition,-bugprone-branch-clone,-bugprone-sizeof-expression,-bugprone-macro-parentheses,clang-analyzer-*,-clang-analyzer-unix.Malloc,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-clang-analyzer-security.insecureAPI.strcpy,-clang-analyzer-valist.Uninitialized'
# States of one function at most: without the long form a third of clang's own
# bound, which takes half the time.
tidy_bound=
[ -n "${CELLS_LONG:-}" ] || tidy_bound='-Xclang -analyzer-config -Xclang max-nodes=75000'
export flags gcc_flags tidy_checks tidy_bound

analyze() {
	local bad=0
	# shellcheck disable=SC2086 # lists of flags
	[ -z "${CELLS_LONG:-}" ] || gcc $flags $gcc_flags "$1" || bad=1
	# shellcheck disable=SC2086
	clang-tidy --quiet --warnings-as-errors='*' --checks="$tidy_checks" "$1" -- $flags $tidy_bound 2>/dev/null || bad=1
	return $bad
}
export -f analyze
# shellcheck disable=SC2016 # for the shell that xargs starts
exec xargs -0 -n 1 -P "$(nproc)" bash -c 'analyze "$1"' analyze < <(printf '%s\0' "${sources[@]}")
