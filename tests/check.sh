#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every test, stage by stage; each runs even if one before it failed. The last
# line counts all. Builds are made by ./run check, which calls this.
# --quick: a small part, for the hand; --long: the long forms too.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

long='' quick=''
case "${1:-}" in
--long) long=1; shift ;;
--quick) quick=1; shift ;;
esac
[ "${1:-}" = -- ] && shift
export CELLS_LONG=$long

# Tests of daemons wait most of the time.
workers=$((2 * $(nproc) < 8 ? 2 * $(nproc) : 8))
# A phone does its work on one processor at a time.
phones=$(($(nproc) < 4 ? $(nproc) : 4))
# What most changes break, for the hand.
QUICK=(tests/e2e/test_policyd.py tests/e2e/test_agent.py tests/e2e/test_director.py tests/e2e/test_rights.py)
logs=build/check
rm -rf "$logs"
mkdir -p "$logs"
passed=0 failed=0 skipped=0
failures=()
skips=()

# What `make check` counted, from automake's summary.
count() { sed -n "s/^# $1: *\([0-9]*\).*/\1/p" "$2" | tail -n 1 | grep . || echo 0; }

add() {
	passed=$((passed + ${1:-0}))
	failed=$((failed + ${2:-0}))
	skipped=$((skipped + ${3:-0}))
}

# What it is, and when: minutes and seconds since the first.
stage() { printf '== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1"; }

# Which tests, then why: what follows from another failure comes last.
fail_stage() {
	failures+=("$1 (see $2)")
	grep -E '^(FAIL:|ERROR:|FAILED|ERROR |not ok|SURVIVED|BAD ROW)|: (fatal )?error: ' "$2" | cut -c -300 | head -n 40
	{
		sed -n '/^=* FAILURES =*$/,$p' "$2"
		sed -n '/^=* ERRORS =*$/,/^=* FAILURES =*$/p' "$2"
	} | grep '^E  ' | cut -c -300 | head -n 60
	tail -n 3 "$2"
}

# make_check NAME BUILD [VARIABLE=VALUE...]
make_check() {
	local log=$logs/$1.log
	stage "$1: make check in $2"
	if ! make -C "$2" -j"$(nproc)" check "${@:3}" >"$log" 2>&1; then
		fail_stage "$1" "$log"
		# It did not come as far as a summary.
		[ "$(count TOTAL "$log")" != 0 ] || failed=$((failed + 1))
	fi
	add "$(count PASS "$log")" $(($(count FAIL "$log") + $(count ERROR "$log"))) "$(count SKIP "$log")"
}

# whole NAME STATUS: a stage that passes or fails as a whole.
whole() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		fail_stage "$1" "$logs/$1.log"
	fi
}

# one NAME COMMAND...
one() {
	stage "$1"
	"${@:2}" >"$logs/$1.log" 2>&1
	whole "$1" $?
}

# suite NAME BUILD ARGUMENT...: pytest with a junit file. NICE is a nice value.
suite() {
	CELLS_BUILD=$2 nice -n "${NICE:-0}" /usr/bin/python3 -m pytest -q -rsfE --durations=30 -p no:cacheprovider --junitxml="$logs/$1.xml" "${@:3}" >"$logs/$1.log" 2>&1
}

# report NAME STATUS: what a suite counted.
report() {
	[ "$2" = 0 ] || fail_stage "$1" "$logs/$1.log"
	# shellcheck disable=SC2046 # three numbers
	add $(/usr/bin/python3 - "$logs/$1.xml" <<'EOF'
import sys, xml.etree.ElementTree as xml
try:
    s = xml.parse(sys.argv[1]).getroot().find("testsuite").attrib
    bad = int(s["failures"]) + int(s["errors"])
    print(int(s["tests"]) - bad - int(s["skipped"]), bad, s["skipped"])
except (OSError, xml.ParseError):
    print(0, 1, 0)
EOF
	)
	while read -r line; do
		skips+=("$1: ${line#SKIPPED }")
	done < <(grep -E '^SKIPPED' "$logs/$1.log")
}

# Rows of tests/controls/: a test that passes without its control is a failure.
controls() {
	local log=$logs/controls.log
	stage "controls: each is seen failing${long:+, all rows}"
	tests/controls/controls.py ${long:+--long} >"$log" 2>&1 || fail_stage controls "$log"
	# shellcheck disable=SC2046 # two numbers
	add $(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | grep . || echo 0 1)
}

# What was skipped, what failed, and how many of each; the exit code.
summary() {
	local line
	printf '\n'
	for line in ${skips[@]+"${skips[@]}"}; do
		printf 'skipped: %s\n' "$line"
	done
	for line in ${failures[@]+"${failures[@]}"}; do
		printf 'failed: %s\n' "$line"
	done
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" -eq 0 ] && [ ${#failures[@]} -eq 0 ]
}

# What still runs beside the rest ends with it.
end_jobs() {
	local job
	for job in $(jobs -p); do
		pkill -P "$job"
		kill "$job"
	done 2>/dev/null
}
trap end_jobs EXIT
if [ -n "$quick" ]; then
	make_check release build
	stage "e2e: the chain and its refusals, on build"
	suite e2e build -n "$workers" --dist loadfile "${QUICK[@]}" "$@"
	report e2e $?
	skips+=("the rest: ./run check")
	summary
	exit
fi
make_check release build
# The lints look at sources, which both builds share.
# All tests of a program in one process: what one leaves behind the next meets,
# and what is never freed is reported at the end.
CK_FORK=no make_check sanitized build-san LINTS=
stage "analyzer: begins beside the next ones, which leave a processor idle"
nice tests/lint/analyze.sh build >"$logs/analyzer.log" 2>&1 &
analyzer=$!
controls
demo() { CELLS_BUILD=build /usr/bin/python3 tests/demo/demo.py "${@:2}" --report "$logs/$1.json" --keep "$logs/$1-kept"; }
# On the emulated phone; on this machine too in the long form, or where there is
# no emulator.
lacks=$(tests/lab/lab.py lacks) && skips+=("demo on the emulated phone: $lacks")
if [ -n "$long$lacks" ]; then
	one demo-native demo demo-native --native
	one demo-native-verified tests/demo/verify.sh "$logs/demo-native-kept"
else
	skips+=("demo on this machine: the long form")
fi
if [ -z "$lacks" ]; then
	one demo demo demo
	one demo-verified tests/demo/verify.sh "$logs/demo-kept"
fi
stage "analyzer: the rest of it"
wait "$analyzer"
whole analyzer $?
# Not earlier: beside the demo's phone too, a phone's kernel takes its own
# processors for stuck.
stage "lab: begins beside e2e, which leaves processors idle"
suite lab build -n "$phones" --dist loadfile tests/lab &
lab=$!
stage "e2e: real programs of build-san"
# Each file is one worker's, with daemons, bus and networks of its own, or with
# a phone. The phones go first: what runs on them counts on their processors.
NICE=4 suite e2e build-san -n "$workers" --dist loadfile tests/e2e "$@"
report e2e $?
stage "lab: the rest of it"
wait "$lab"
report lab $?
stage "all is done"
summary
