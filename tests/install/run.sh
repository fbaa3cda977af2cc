#!/bin/sh
# Installs a build, moves the tree, and lets a stranger build and test a plugin against it.
# Usage: run.sh BUILD SOURCE
set -eu
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ESPALIER_CACHE=$work/cache
export ESPALIER_CACHE
unset ESPALIER_PLUGIN_PATH

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"
for path in bin/espalier bin/espalier-conformance include/espalier/block.h share/espalier/pipelines share/espalier/datasets; do
  test -e "$work/prefix/$path" || { echo "not installed: $path"; exit 1; }
done
"$work/prefix/bin/espalier" --help >/dev/null

cp -r "$source/tests/install/stranger" "$work/stranger"
cmake -G Ninja -S "$work/stranger" -B "$work/stranger/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release
cmake --build "$work/stranger/build"
ctest --test-dir "$work/stranger/build" --output-on-failure --no-tests=error
# The example of a stranger's reader came along: without it the same program says what it skips.
ctest --test-dir "$work/stranger/build" -R '^plugin.dots$' --verbose >"$work/dots.log"
if grep -q 'skipped: samples' "$work/dots.log"; then echo "the example of a reader was not found"; exit 1; fi
"$work/prefix/bin/espalier-conformance" "$work/stranger/build/lib/espalier/plugins/dots.so" | grep -q "skipped: samples of reader 'dots'"

# Found by name from the installed program, outside every build tree.
cmake --install "$work/stranger/build" --prefix "$work/prefix"
"$work/prefix/bin/espalier" inspect residual | grep -q 'pre-activation residual units'
echo "a stranger's plugin was built, tested and found"
