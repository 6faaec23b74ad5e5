#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each row of tests/controls/ still fits the sources and names a test, as TAP.
# Whether that test fails without the control is what ./run controls checks.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$(tests/controls/controls.py --applies 2>&1) && ok=ok || ok='not ok'
echo "$ok 1 - each row of tests/controls fits the sources (a changed control changes its row: tests/controls/README)"
printf '%s\n' "$out" | sed 's/^/# /'
echo 1..1
