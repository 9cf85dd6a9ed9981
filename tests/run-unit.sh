#!/bin/sh
# Runs the given cmocka programs, as many at once as there are processors; the last line is
# "N passed, N failed".
# SPDX-License-Identifier: Apache-2.0
# Each program prints cmocka's own report; a crash counts as one failure.
passed=0
failed=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM
export CMOCKA_MESSAGE_OUTPUT=STDOUT logs
n=0
for program in "$@"; do
    n=$((n + 1))
    echo "$n $program"
done | xargs -P "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)" -L 1 \
    sh -c '"$1" >"$logs/$0" 2>&1; echo $? >"$logs/$0.status"'
n=0
for program in "$@"; do
    n=$((n + 1))
    log=$logs/$n
    status=$(cat "$log.status" 2>/dev/null || echo 1)
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
