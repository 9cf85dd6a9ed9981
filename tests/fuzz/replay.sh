#!/bin/sh
# Feeds each fuzz target its corpus; the last line is "N passed, N failed", one per file.
# SPDX-License-Identifier: Apache-2.0
passed=0
failed=0
cd "$(dirname "$0")/../.." || exit 1
for program in "$@"; do
    name=$(basename "$program")
    name=${name#replay_}
    log=$program.log
    if [ ! -d "tests/fuzz/corpus/$name" ]; then
        echo "fuzz target $name has no corpus"
        failed=$((failed + 1))
        continue
    fi
    "$program" "tests/fuzz/corpus/$name" >"$log" 2>&1
    status=$?
    n=$(grep -c '^ok ' "$log")
    passed=$((passed + n))
    if [ "$status" -ne 0 ]; then
        echo "--- $name (exit $status), at the file after the last ok:"
        tail -n 40 "$log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
