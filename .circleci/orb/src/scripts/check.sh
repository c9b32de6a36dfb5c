# Check units; the findings go to the log and to a report in the form of JUnit's.
set -euo pipefail
mkdir -p "$PARAM_RESULTS/unitstamp"
set -- --recursive --fail-on "$PARAM_FAIL_ON" --report "junit=$PARAM_RESULTS/unitstamp/check.xml"
if [ "$PARAM_EXPECT" != either ]; then set -- "$@" --expect "$PARAM_EXPECT"; fi
# shellcheck disable=SC2086 # several files, and patterns
unitstamp check "$@" -- $PARAM_FILES
