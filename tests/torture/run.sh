#!/bin/sh
# Runs the torture tests at full size, each in turn, and prints what they told as a table.
# SPDX-License-Identifier: Apache-2.0
# run.sh PART SPANGATE TORTURE_PROGRAMS SPOOL_CRASH_TEST; PART: crash, kill, outage or all. The
# spools lie in TORTURE_DIR (a disk with 8 GiB free), else in a new folder of TMPDIR.
part=$1 binary=$2 programs=$3 crash=$4
case $part in all | crash | kill | outage) ;; *)
    echo "PART=$part: crash, kill, outage or all" >&2
    exit 64
    ;;
esac
base=$(mktemp -d "${TORTURE_DIR:-${TMPDIR:-/tmp}}/spangate-torture.XXXXXX") || exit 73
child=
end() {
    [ -z "$child" ] || kill "$child" 2>/dev/null
    rm -rf "$base"
}
trap end EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
: >"$base/table"

# step NAME COMMAND...: its output is shown, its last lines go to the table.
step() {
    name=$1
    shift
    echo "== $name"
    begin=$(date +%s)
    "$@" >"$base/log" 2>&1 &
    child=$!
    wait "$child"
    status=$?
    child=
    cat "$base/log"
    rm -rf "$base/spool" "$base/quarantine"
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1)) word=passed
    else
        failed=$((failed + 1)) word="FAILED ($status)"
    fi
    echo "$name: $word, $(($(date +%s) - begin)) s" >>"$base/table"
    grep -E '^(kills|[0-9]+ s,|rate|back after|\[  PASSED)' "$base/log" | tail -n 2 |
        sed 's/^/    /' >>"$base/table"
}

is_part() {
    [ "$part" = all ] || [ "$part" = "$1" ]
}

if is_part crash; then
    step "crash states and bit flips" env SPOOL_CRASH_STATES="${CRASH_STATES:-1000000}" \
        SPOOL_BIT_FLIPS="${BIT_FLIPS:-100000}" \
        sh -c '{ "$0"; echo $? >"$1"; } 2>&1 | grep -vE "^[0-9]{4}-[0-9-]+T"; exit "$(cat "$1")"' \
        "$crash" "$base/status" # without the log of what it breaks
fi
if is_part kill; then
    step "SIGKILL under load" "$programs/kill_loop" --binary "$binary" --dir "$base" \
        --kills "${KILLS:-10000}" --seed "${SEED:-1}"
fi
if is_part outage; then
    short=${AWAY_FAST:-120} long=${AWAY_SLOW:-600}
    step "$short s without a backend at 20,000/s" "$programs/outage" --binary "$binary" --dir "$base" \
        --rate 20000 --calm 10 --away "$short"
    step "$long s without a backend at 5,000/s" "$programs/outage" --binary "$binary" --dir "$base" \
        --rate 5000 --calm 10 --away "$long"
    step "$short s of a stalled backend at 5,000/s" "$programs/outage" --binary "$binary" \
        --dir "$base" --rate 5000 --calm 10 --stall --away "$short"
fi
echo
cat "$base/table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
