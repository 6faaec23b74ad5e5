#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What kernel and user space share compiles with no header of a C library, by
# each compiler that is here, as TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0

# compile COMPILER STANDARD FILE
compile() {
	"$1" -std="$2" -ffreestanding -nostdinc -Ikernel/uapi -Wall -Wextra \
		-Wpedantic -Werror -c -o "$scratch/out.o" "$3" 2>"$scratch/log"
}

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

cat >"$scratch/good.c" <<'END'
#include <cells/class.h>
#include <cells/devns.h>
#include <cells/mode.h>
int use(struct cells_right own, struct cells_right front);
int use(struct cells_right own, struct cells_right front)
{
	return cells_allowed(cells_right_combine(own, front), 0, front) +
	       CELLS_CLASS_COUNT;
}
END
printf '#include <string.h>\nint x;\n' >"$scratch/bad.c"

for compiler in gcc clang; do
	if ! command -v "$compiler" >/dev/null; then
		n=$((n + 1))
		echo "ok $n # SKIP no $compiler"
		continue
	fi
	! compile "$compiler" gnu11 "$scratch/bad.c"
	outcome "$compiler: a header of the C library is caught" $?
	for standard in c99 gnu11 gnu17; do
		compile "$compiler" "$standard" "$scratch/good.c"
		outcome "$compiler -std=$standard: the shared headers are self-contained" $?
	done
done

# Arithmetic only: nothing that a kernel would have to provide.
if nm -u "$scratch/out.o" | grep -v '__stack_chk_fail' | grep -q .; then
	nm -u "$scratch/out.o" >"$scratch/log"
	outcome 'the decision calls nothing' 1
else
	outcome 'the decision calls nothing' 0
fi
echo "1..$n"
