#!/bin/sh
# Runs the given cmocka programs; the last line is "N passed, N failed".
# SPDX-License-Identifier: Apache-2.0
# Each program prints cmocka's own report; a crash counts as one failure.
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    CMOCKA_MESSAGE_OUTPUT=STDOUT "$program" >"$log" 2>&1
    status=$?
    ok=$(grep -c '^\[       OK \]' "$log")
    bad=$(grep -c '^\[  FAILED  \] [^0-9]' "$log")
    # cmocka lists each failed test twice: where it ran and in its summary.
    bad=$((bad / 2))
    if [ "$status" -ne 0 ]; then
        [ "$bad" -gt 0 ] || bad=1
        echo "--- $program (exit $status)"
        grep -v '^\[ RUN      \]\|^\[       OK \]' "$log"
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
