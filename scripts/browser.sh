#!/usr/bin/env bash
# Debian's Chromium, in which the tests drive the dashboard; nothing to do where there is one.
set -euo pipefail
if command -v chromium >/dev/null 2>&1; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "browser: chromium must be on the path, was not found; install Chromium by your system's own means" >&2
  exit 4
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
echo "browser: installing Debian's chromium" >&2
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
