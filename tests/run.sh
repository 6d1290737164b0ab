#!/bin/sh
# Runs test programs one after another: one line each, all output of one that fails.
# SPDX-License-Identifier: MIT
# libomp is not built with the sanitizers: its own locks are not races of ours, its thread table no leak.
export TSAN_OPTIONS="${TSAN_OPTIONS-ignore_noninstrumented_modules=1}"
export LSAN_OPTIONS="${LSAN_OPTIONS-suppressions=tests/lsan.supp:print_suppressions=0}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
for t in "$@"; do
    if "$t" >"$log" 2>&1; then
        tests=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
        passed=$((passed + ${tests:-0}))
        printf '  ok   %-44s %s tests\n' "${t#build/}" "${tests:-?}"
        grep -i '^skipped' "$log"
    else
        failed=$((failed + 1))
        printf '  FAIL %s\n' "$t"
        cat "$log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
