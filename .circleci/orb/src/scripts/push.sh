# Commit units to the system-configuration repository and push them.
set -euo pipefail
set -- --repo "$PARAM_REPO" --dir "$PARAM_DIR"
if [ -n "$PARAM_BRANCH" ]; then set -- "$@" --branch "$PARAM_BRANCH"; fi
if [ -n "$PARAM_FINGERPRINT" ]; then
  # The file's name is made of another kind of fingerprint than the settings show,
  # so look at the keys themselves.
  key=
  for file in "$HOME"/.ssh/id_*; do
    for hash in sha256 md5; do
      case "$(ssh-keygen -l -E "$hash" -f "$file" 2>/dev/null || true)" in
      *" $PARAM_FINGERPRINT "* | *" MD5:$PARAM_FINGERPRINT "*) key=$file ;;
      esac
    done
  done
  if [ -z "$key" ]; then
    echo "push: no key in $HOME/.ssh has the fingerprint $PARAM_FINGERPRINT" >&2
    exit 1
  fi
  set -- "$@" --ssh-key "$key"
fi
if [ -n "$PARAM_KNOWN_HOSTS" ]; then set -- "$@" --known-hosts "$PARAM_KNOWN_HOSTS"; fi
CONFPUSH_TOKEN=$(printenv "$PARAM_TOKEN" || true)
if [ -n "$CONFPUSH_TOKEN" ]; then export CONFPUSH_TOKEN; else unset CONFPUSH_TOKEN; fi
# shellcheck disable=SC2086 # several files, and patterns
confpush "$@" -- $PARAM_FILES
