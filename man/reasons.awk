# SPDX-License-Identifier: Apache-2.0
# Makes cells-reasons(7): puts the table of schema/reasons.def, the first file,
# into the place of @REASONS@ in the second. A row is
#   REASON(SYMBOL, "code", ERRNO, "text", "remedy"), over several lines.

# Takes the strings of s in turn into part[]; adjacent ones are one, as in C.
function split_strings(s, part,    n, joined) {
	n = 0
	joined = 0
	while (match(s, /"[^"]*"/)) {
		if (substr(s, 1, RSTART - 1) ~ /,/)
			joined = 0
		if (!joined)
			part[++n] = ""
		part[n] = part[n] substr(s, RSTART + 1, RLENGTH - 2)
		joined = 1
		s = substr(s, RSTART + RLENGTH)
	}
	return n
}

function capital(s) {
	return toupper(substr(s, 1, 1)) substr(s, 2)
}

function flush_row(    part) {
	if (row == "")
		return
	if (split_strings(row, part) != 3) {
		print "reasons.awk: cannot read " row > "/dev/stderr"
		exit 1
	}
	rows = rows ".It Er " part[1] "\n" capital(part[2]) ".\n.br\n" \
		"Remedy: " part[3] ".\n"
	row = ""
}

FNR == NR && /^REASON\(/ { flush_row(); row = $0; next }
FNR == NR && row != "" { row = row " " $0; next }
FNR == NR { next }
FNR == 1 { flush_row() }
$0 == "@REASONS@" { printf "%s", rows; next }
{ print }
