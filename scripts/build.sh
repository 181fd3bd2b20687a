#!/bin/sh
# Builds into dist/: the command line (TypeScript) and the runtimes (C++). Usage: scripts/build.sh ts|runtime [ABI ...]|bench
# ABI: x86_64 arm64-v8a (default: both). Runtimes are static, stripped, and small enough to ship in the npm package.
# bench: build/bench/bench/mft-bench, the program of `mft bench` that can load OpenBLAS; it stays on this machine.
# MFT_TESTS=ON in the environment builds the C++ tests beside them, from the same objects.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

build_ts() {
  sh scripts/generate-protocol.sh
  rm -rf dist/src dist/scripts dist/test
  tsc -p tsconfig.build.json
  cp -R src/protocol/generated dist/src/protocol/
}

build_runtime() {
  abi=$1
  case "$abi" in
    x86_64) preset=linux-x86_64-static strip=strip ;;
    arm64-v8a) preset=linux-arm64-static strip=aarch64-linux-gnu-strip ;;
    *) echo "build.sh: unknown ABI '$abi' (x86_64, arm64-v8a)" >&2; exit 2 ;;
  esac
  if [ "$abi" = arm64-v8a ] && [ "$(uname -m)" = aarch64 ]; then strip=strip; fi
  tests=${MFT_TESTS:-OFF}
  if [ "$tests" = ON ]; then target=all; else target=mft-runtime; fi
  (cd device-runtime && cmake --preset "$preset" -DMFT_TESTS="$tests" >/dev/null &&
    cmake --build --preset "$preset" --target "$target")
  mkdir -p "dist/runtime/$abi"
  "$strip" -o "dist/runtime/$abi/mft-runtime.tmp" "build/$preset/main/mft-runtime"
  chmod 755 "dist/runtime/$abi/mft-runtime.tmp"
  mv "dist/runtime/$abi/mft-runtime.tmp" "dist/runtime/$abi/mft-runtime"
  ls -l "dist/runtime/$abi/mft-runtime"
}

what=${1:-}
[ $# -gt 0 ] && shift
case "$what" in
  ts) build_ts ;;
  runtime)
    [ $# -gt 0 ] || set -- x86_64 arm64-v8a
    for abi in "$@"; do build_runtime "$abi"; done
    ;;
  bench)
    (cd device-runtime && cmake --preset bench >/dev/null && cmake --build --preset bench --target mft-bench)
    ls -l build/bench/bench/mft-bench
    ;;
  *) echo "usage: scripts/build.sh ts | runtime [x86_64] [arm64-v8a] | bench" >&2; exit 2 ;;
esac
