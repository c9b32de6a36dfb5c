# Write the build's tag into units, and show what has changed.
set -euo pipefail
set -- --write --diff
for image in $PARAM_IMAGE; do set -- "$@" --image "$image"; done
if [ -n "$PARAM_BUILD" ]; then export UNITSTAMP_BUILD="$PARAM_BUILD"; fi
# shellcheck disable=SC2086 # several files, and patterns
unitstamp stamp "$@" -- $PARAM_FILES
