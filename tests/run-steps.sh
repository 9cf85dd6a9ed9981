#!/bin/sh
# Runs the given steps, each "name:command", and adds up their results.
# SPDX-License-Identifier: Apache-2.0
# A step that says "N passed, N failed" counts so; any other counts as one, by its exit status. The
# output of a step that failed is shown whole. The last line here is the sum.
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
for step in "$@"; do
    [ -n "$step" ] || continue
    name=${step%%:*}
    start=$(date +%s)
    sh -c "${step#*:}" >"$log" 2>&1
    status=$?
    took=$(($(date +%s) - start))
    # The last tally; make and compilers may say something behind it.
    line=$(grep '^[0-9][0-9]* passed, [0-9][0-9]* failed$' "$log" | tail -n 1)
    ok=$(echo "$line" | sed -n 's/ passed.*//p')
    bad=$(echo "$line" | sed -n 's/.*, \([0-9]*\) failed/\1/p')
    if [ -z "$ok" ]; then
        ok=$((status == 0))
        bad=$((status != 0))
    elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    if [ "$bad" -gt 0 ]; then
        echo "--- $name failed:"
        cat "$log"
    fi
    echo "$name: $ok passed, $bad failed (${took} s)"
    passed=$((passed + ok))
    failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
