#!/usr/bin/env bash
# Make the virtual environment: find Python 3.13, find or bootstrap uv, install what requirements.lock pins.
set -euo pipefail
venv=${1:-.venv}
wanted=$(cat .python-version)

fits() { "$1" -c "import sys; raise SystemExit('%d.%d' % sys.version_info[:2] != '$wanted')" >/dev/null 2>&1; }

python=
for candidate in "${PYTHON:-}" "python$wanted" python3 python; do
  if [ -n "$candidate" ] && fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ] && command -v uv >/dev/null 2>&1; then
  python=$(uv python find --no-python-downloads "$wanted" 2>/dev/null || true)
fi
if [ -z "$python" ]; then
  found=$(python3 --version 2>/dev/null || echo "no python3")
  echo "setup: Python must be $wanted, found: $found; install Python $wanted, or name one: make setup PYTHON=/path/to/python$wanted" >&2
  exit 4
fi

rm -rf "$venv"
if command -v uv >/dev/null 2>&1; then
  uv=(uv)
  uv venv --quiet --python "$("$python" -c 'import sys; print(sys.executable)')" "$venv"
else
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
  uv=("$venv/bin/python" -m uv)
fi
echo "setup: installing the pinned packages into $venv (the first time downloads about 3 GB, most of it torch)" >&2
# Compiled once here, not by every process that may not write beside its sources: importing torch takes 5 s then instead of 13.
"${uv[@]}" pip install --quiet --compile-bytecode --python "$venv/bin/python" -r requirements.lock
"${uv[@]}" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
