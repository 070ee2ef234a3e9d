#!/usr/bin/env bash
# Make a release the current one, in one step; the one before stays and is one step away: switch.sh PREFIX back
# usage: switch.sh PREFIX NAME|back
set -euo pipefail
prefix=$(cd "${1:?prefix}" && pwd)
name=${2:?name of the release, or back}
current=$prefix/current
before=$prefix/previous

if [ "$name" = back ]; then
  if [ ! -L "$before" ]; then
    echo "switch: a release before this one must be there, was none ($before)" >&2
    exit 2
  fi
  target=$(readlink "$before")
else
  target=releases/$name
fi
if [ ! -x "$prefix/$target/huracan" ]; then
  echo "switch: release must be installed, was not ($prefix/$target); install.sh makes it" >&2
  exit 2
fi
"$prefix/$target/huracan" --help >/dev/null
if [ -L "$current" ] && [ "$(readlink "$current")" != "$target" ]; then
  ln -sfn "$(readlink "$current")" "$before.new"
  mv -T "$before.new" "$before"
fi
ln -sfn "$target" "$current.new"
mv -T "$current.new" "$current"
echo "current is $target"
