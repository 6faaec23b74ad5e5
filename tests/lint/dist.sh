#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every tracked file is in the distribution: what is not there can be neither
# built nor tested by who has the tarball. And goals that each build the whole
# tree take turns, or they would write the same objects at once.
top=$(cd "${srcdir:-.}" && pwd)
cd "${builddir:-.}" || exit 1

# Prints what is tracked and not packed. $1: tracked files; $2: what is packed,
# files and folders.
find_missing()
{
	printf '%s\n' "$2" | sed "s,^$top/,,; s,^\\(\\.\\./\\)*,,; s,^\\./,," |
		awk -v tracked="$1" '
			{ packed[$0] = 1 }
			END {
				n = split(tracked, list, "\n")
				for (i = 1; i <= n; i++) {
					name = list[i]
					found = name in packed
					while (!found && sub("/[^/]*$", "", name))
						found = name in packed
					if (!found)
						print list[i]
				}
			}'
}

# Do the jobs of make's goals $* take turns?
takes_turns()
{
	make -npq "$@" TESTS= 2>/dev/null | grep -q '^\.NOTPARALLEL'
}

echo 1..3
missing=$(find_missing "a/b.c
a/c.c
d/e/f" "../a/b.c
../d")
if [ "$missing" = a/c.c ]; then
	echo "ok 1 - a file that is not packed is found"
else
	echo "not ok 1 - a file that is not packed is found: '$missing'"
fi

if [ ! -f Makefile ]; then
	echo "ok 2 - make -j2 all check builds each object once # SKIP not configured"
elif takes_turns all check && ! takes_turns check; then
	echo "ok 2 - make -j2 all check builds each object once"
else
	echo "not ok 2 - make -j2 all check builds each object once"
fi

if ! tracked=$(git -C "$top" ls-files 2>/dev/null) || [ -z "$tracked" ]; then
	echo "ok 3 - every tracked file is packed # SKIP not in a git repository"
	exit 0
fi
# What only the repository needs.
tracked=$(printf '%s\n' "$tracked" | grep -v '^\.gitignore$\|^\.ci/')
packed=$(make -s print-dist)
missing=$(find_missing "$tracked" "$packed")
if [ -z "$missing" ]; then
	echo "ok 3 - every tracked file is packed"
else
	echo "not ok 3 - every tracked file is packed"
	printf '%s\n' "$missing" | sed 's/^/# missing in EXTRA_DIST: /'
fi
