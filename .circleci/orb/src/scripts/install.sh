# Download a release, compare its checksum, install the programs.
set -euo pipefail
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*)
  echo "install: there is no release for $(uname -m)" >&2
  exit 1
  ;;
esac
archive=unitstamp_${PARAM_VERSION}_linux_$arch.tar.gz
from=$PARAM_SOURCE/v$PARAM_VERSION
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

curl --fail --silent --show-error --location --retry 3 --output "$work/$archive" "$from/$archive"
if [ -n "$PARAM_SHA256" ]; then
  echo "$PARAM_SHA256  $archive" >"$work/sum"
else
  curl --fail --silent --show-error --location --retry 3 --output "$work/checksums.txt" "$from/checksums.txt"
  grep -F "  $archive" "$work/checksums.txt" >"$work/sum"
fi
(cd "$work" && sha256sum --check sum)
tar -xzf "$work/$archive" -C "$work"

sudo=
if [ ! -w "$PARAM_INSTALL_PATH" ] && [ "$(id -u)" != 0 ]; then sudo=sudo; fi
$sudo mkdir -p "$PARAM_INSTALL_PATH"
for program in $PARAM_PROGRAMS; do
  $sudo install -m 0755 "$work/$program" "$PARAM_INSTALL_PATH/$program"
  "$PARAM_INSTALL_PATH/$program" --version
done
