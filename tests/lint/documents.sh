#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# xmllint's word on the documents of the tree, as TAP: it takes what the schemas
# should take and refuses what they should refuse. An example in
# schema/examples/invalid says in its second comment who refuses it: the schema
# (xsd), what follows in C (code), or the parser for what it must not read.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v xmllint >/dev/null || { echo '1..0 # SKIP xmllint is not installed'; exit 0; }
types=(root group membership vp-config device-policy image command)
valid=0 not_valid=3 # what xmllint exits with
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0

# outcome NAME STATUS
outcome() {
	n=$((n + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' "$scratch/log"
	fi
}

# check TYPE FILE STATUS: xmllint ends with that status.
check() {
	xmllint --noout --nonet --schema "schema/xsd/$1.xsd" "$2" >"$scratch/log" 2>&1
	[ $? -eq "$3" ]
}

# type_of NAME: the longest type that the name starts with.
type_of() {
	local type
	for type in "${types[@]}"; do
		case $1 in "$type"-*) echo "$type"; return ;; esac
	done
}

for file in schema/examples/valid/*.xml; do
	name=${file##*/}
	check "$(type_of "$name")" "$file" $valid
	outcome "valid/$name is valid" $?
done
for file in schema/examples/invalid/*.xml; do
	name=${file##*/}
	who=$(sed -n 's/^<!-- refused by: \([a-z]*\) -->$/\1/p' "$file")
	case $who in
	xsd) check "$(type_of "$name")" "$file" $not_valid ;;
	code) check "$(type_of "$name")" "$file" $valid ;;
	parser) true ;;
	*) echo "who refuses it?" >"$scratch/log"; false ;;
	esac
	outcome "invalid/$name is refused by: ${who:-nobody}" $?
done

# Each example in a manual page that is a document, to a file of its own.
# shellcheck disable=SC2016 # it is awk's $0
extract='
	/^\.Bd -literal/ { inside = 1; next }
	/^\.Ed/ { if (file) close(file); inside = 0; file = ""; next }
	inside && !file && match($0, /^<[a-z-]+ xmlns="urn:cells:/) {
		type = $0; sub(/^</, "", type); sub(/ .*/, "", type)
		file = dir "/" type "-" ++count ".xml"
	}
	file { gsub(/\\e/, "\\"); print > file }'
for page in man/*.[0-9]; do
	rm -f "$scratch"/*.xml
	awk -v dir="$scratch" "$extract" "$page"
	for file in "$scratch"/*.xml; do
		[ -e "$file" ] || continue
		name=${file##*/}
		check "$(type_of "$name")" "$file" $valid
		outcome "$page: its example ${name%.xml} is valid" $?
	done
done
for type in "${types[@]}"; do
	echo "no page has one" >"$scratch/log"
	grep -q "^<$type xmlns=\"urn:cells:$type:1\"" man/*.5
	outcome "a manual page has an example of a $type" $?
done
echo "1..$n"
