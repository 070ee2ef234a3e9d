#!/usr/bin/env bash
# The steps of the image: a release, made current, and a folder for runs that its user may write.
# usage: build.sh SOURCE PREFIX [STATE]
set -euo pipefail
source=${1:?source tree}
prefix=${2:?prefix}
state=${3:-/var/lib/huracan}
user=10001

if [ -z "${HURACAN_PACKAGES:-}" ] && ! command -v "${UV:-uv}" >/dev/null 2>&1; then
  python3 -m pip install --quiet --no-cache-dir uv
fi
bash "$source/packaging/install.sh" "$source" "$prefix" image
bash "$source/packaging/switch.sh" "$prefix" image
mkdir -p "$state/var"
if [ "$(id -u)" = 0 ] && [ "$state" = /var/lib/huracan ]; then
  chown -R "$user:$user" "$state"
fi
