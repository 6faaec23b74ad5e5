#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Manual pages say what the tables say, as TAP: classes, reason codes, and that
# a page that another one points to is there.
set -u
cd "$(dirname "$0")/../.." || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0

# same NAME: the files want and have are alike.
same() {
	n=$((n + 1))
	if diff "$scratch/want" "$scratch/have" >"$scratch/log"; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' "$scratch/log"
	fi
}

# The rows of class.h, and those of the page's table, each as
# "name coarser-or-dash modes background".
classes_of_header() {
	awk -F'[(,] *' '/^\tX\(/ {
		gsub(/"/, ""); gsub(/\).*/, "")
		name[$2] = $3; parent[$2] = $4; order[++rows] = $2
		shared[$2] = $5 + 0; virtual[$2] = $6 + 0
	}
	END {
		for (i = 1; i <= rows; i++) {
			s = order[i]
			print name[s], parent[s] == s ? "-" : name[parent[s]], \
				shared[s] ? "none shared exclusive" : "none exclusive", \
				virtual[s] ? "virtual" : shared[s] ? "-" : "denied"
		}
	}' kernel/uapi/cells/class.h
}
classes_of_page() {
	awk '/^\.It Sy Class/ { inside = 1; next } /^\.El/ { inside = 0 }
	inside { sub(/^\.It /, ""); gsub(/ Ta /, " "); print }' "$1"
}

classes_of_header >"$scratch/want"
sed '/^\.It gps /d' man/cells-modes.7 >"$scratch/bad.7"
classes_of_page "$scratch/bad.7" >"$scratch/have"
n=$((n + 1))
if [ -s "$scratch/have" ] && ! cmp -s "$scratch/want" "$scratch/have"; then
	echo "ok $n - a table without a class is caught"
else
	echo "not ok $n - a table without a class is caught"
fi
classes_of_page man/cells-modes.7 >"$scratch/have"
same 'cells-modes(7) has the classes of class.h'

sed -n 's/^REASON([A-Z_]*, "\(err\.[a-z-]*\)".*/\1/p' schema/reasons.def >"$scratch/want"
awk -f man/reasons.awk schema/reasons.def man/cells-reasons.7.in >"$scratch/reasons.7"
sed -n 's/^\.It Er //p' "$scratch/reasons.7" >"$scratch/have"
same 'cells-reasons(7) has the codes of reasons.def, in their order'
: >"$scratch/want"
if command -v mandoc >/dev/null; then
	mandoc -Tlint -Wwarning "$scratch/reasons.7" >"$scratch/have"
	same 'cells-reasons(7) passes mandoc'
else
	n=$((n + 1))
	echo "ok $n # SKIP mandoc is not installed"
fi

# A code that a page names is one of the table.
grep -ohE '\berr\.[a-z]+(-[a-z]+)*\b' man/*.[0-9] | sort -u >"$scratch/codes"
sed -n 's/^REASON([A-Z_]*, "\(err\.[a-z-]*\)".*/\1/p' schema/reasons.def | sort >"$scratch/known"
comm -23 "$scratch/codes" "$scratch/known" >"$scratch/have"
same 'manual pages name only codes of reasons.def'

# missing PAGE...: what they point to and is not there.
missing() {
	local page other
	for page; do
		sed -n 's/^\.Xr \(cells[a-z-]*\) \([0-9]\).*/\1.\2/p' "$page" | sort -u |
			while read -r other; do
				[ -e "man/$other" ] || [ -e "man/$other.in" ] || echo "$page: no $other"
			done
	done
}
printf '.Xr cells-nothing 7\n' >"$scratch/bad.7"
missing "$scratch/bad.7" >"$scratch/have"
echo "$scratch/bad.7: no cells-nothing.7" >"$scratch/want"
same 'a page that points nowhere is caught'
: >"$scratch/want"
missing man/*.[0-9] man/*.in >"$scratch/have"
same 'a page that another one points to is there'
echo "1..$n"
