#!/usr/bin/env bash
# Make a release of a source tree: PREFIX/releases/NAME with its own environment, compiled, and a `huracan` that ran once.
# usage: install.sh SOURCE PREFIX NAME
# HURACAN_PACKAGES=DIR takes the pinned packages from a folder of installed ones instead of installing requirements.lock.
set -euo pipefail
source=$(cd "${1:?source tree}" && pwd)
prefix=${2:?prefix}
name=${3:?name of the release}
release=$prefix/releases/$name
python=${PYTHON:-python3.13}

if [ -e "$release" ]; then
  echo "install: release must be new, was there already ($release); choose another name" >&2
  exit 2
fi
mkdir -p "$prefix/releases"
staged=$prefix/releases/.$name.partial
rm -rf "$staged"
"$python" -m venv --without-pip "$staged/venv"
site=$("$staged/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
uv=${UV:-uv}
if [ -n "${HURACAN_PACKAGES:-}" ]; then
  echo "$HURACAN_PACKAGES" >"$site/packages.pth"
else
  "$uv" pip install --quiet --compile-bytecode --python "$staged/venv/bin/python" -r "$source/requirements.lock"
fi
for package in engine strategies models catalogs live; do
  cp -R "$source/$package" "$site/$package"
done
find "$site" -name __pycache__ -path "$site/*" -prune -exec rm -rf {} + 2>/dev/null || true
"$staged/venv/bin/python" -m compileall -q "$site/engine" "$site/strategies" "$site/models" "$site/catalogs" "$site/live"
cp -R "$source/configs" "$source/packaging" "$source/LICENSE" "$staged/"
cat >"$staged/huracan" <<'EOF'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/venv/bin/python" -m engine.cli "$@"
EOF
chmod 755 "$staged/huracan"
(cd "$staged" && ./huracan policy list >/dev/null)
mv "$staged" "$release"
echo "$release"
