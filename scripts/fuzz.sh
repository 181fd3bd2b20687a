#!/bin/sh
# Fuzzes the parsers of the phone's runtime with libFuzzer under ASan and UBSan, then those of the host by properties.
# Usage: scripts/fuzz.sh [SECONDS for each target, default 60] [TARGET ...]   Targets: device-runtime/fuzz/*_target.cc
# New inputs that reach new code are kept in build/fuzz-corpus/TARGET, what breaks something in build/fuzz-found/TARGET.
# Needs clang 16 or newer with libFuzzer: apt-get install clang-19 libclang-rt-19-dev (Debian 12), or CXX=clang++.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
compiler=${CXX:-}
for name in clang++ clang++-16 clang++-17 clang++-18 clang++-19 clang++-20; do
  [ -n "${CXX:-}" ] || ! command -v "$name" >/dev/null 2>&1 || compiler=$name
done
if [ -z "$compiler" ]; then
  echo "fuzz.sh: no clang++ found; on Debian 12: apt-get install clang-19 libclang-rt-19-dev" >&2
  exit 1
fi
if [ $# -eq 0 ]; then
  for target in device-runtime/fuzz/*_target.cc; do
    name=${target##*/}
    set -- "$@" "${name%_target.cc}"
  done
fi

programs=""
for target in "$@"; do programs="$programs fuzz_$target"; done
# shellcheck disable=SC2086
(cd device-runtime && cmake --preset fuzz -DCMAKE_CXX_COMPILER="$compiler" -DMFT_TESTS=OFF >/dev/null &&
  cmake --build --preset fuzz --target $programs)

status=0
for target in "$@"; do
  mkdir -p "build/fuzz-corpus/$target" "build/fuzz-found/$target"
  echo "--- $target"
  "build/fuzz/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=512 \
    -max_len=65536 -verbosity=1 -print_final_stats=1 -artifact_prefix="build/fuzz-found/$target/" \
    "build/fuzz-corpus/$target" "device-runtime/fuzz/corpus/$target" >"build/fuzz-corpus/$target.log" 2>&1 || {
    status=1
    grep -m 3 -E '^fuzz: |ERROR: |runtime error|SUMMARY' "build/fuzz-corpus/$target.log" || true
  }
  tail -n 3 "build/fuzz-corpus/$target.log"
done

PATH="$PWD/node_modules/.bin:$PATH"
export PATH
MFT_FUZZ_RUNS=${MFT_FUZZ_RUNS:-2000} MFT_FUZZ_SEED=${MFT_FUZZ_SEED:-$(date +%s)} \
  vitest run test/fuzz/fuzz.test.ts --testTimeout=3600000 || status=1
exit "$status"
