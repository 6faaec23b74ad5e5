#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: fuzz.sh BUILD [TARGET] [SECONDS]. Grows the corpora from their seeds in
# BUILD/corpus; a crash leaves its input there and ends with an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1 only=${2:-} seconds=${3:-60}
make -s -C "$build" -j"$(nproc)" check TESTS= >"$build/run.log" 2>&1 || { tail -20 "$build/run.log" >&2; exit 1; }
for target in "$build"/tests/fuzz/fuzz_*; do
	name=${target##*/fuzz_}
	if [ ! -f "$target" ] || [ ! -x "$target" ] || [ "${only:-$name}" != "$name" ]; then
		continue
	fi
	printf '== %s, %s s\n' "$name" "$seconds"
	mkdir -p "$build/corpus/$name"
	"$target" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
		-artifact_prefix="$build/corpus/crash-$name-" "$build/corpus/$name" "tests/fuzz/corpus/$name" 2>&1 | tail -n 12
done
