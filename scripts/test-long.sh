#!/bin/sh
# The suites that take longer than a coffee: sanitizers, the arm64 build under qemu-user, full-size models, the npm
# package in an empty folder, both makes of virtual phone. Run `npm test` first: it installs and builds what is shared.
# Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/.."
sh scripts/setup.sh test || exit 1
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
results=build/results/long
rm -rf "$results"
mkdir -p "$results"
[ -d dist/src ] || sh scripts/build.sh ts || exit 1
MFT_TESTS=ON sh scripts/build.sh runtime arm64-v8a || exit 1
[ -x dist/runtime/x86_64/mft-runtime ] || sh scripts/build.sh runtime x86_64 || exit 1
(cd device-runtime && cmake --preset asan >/dev/null && cmake --build --preset asan) || exit 1

status=0
log=$results/log
suite() {
  node scripts/suite.ts "$@" 2>&1 | tee -a "$log"
}
suite --results "$results/asan" --gtest build/asan
# Everything as the oldest and as the newest of the cores; what depends on the instruction set as one between them, too.
for cpu in cortex-a53 max; do
  suite --results "$results/$cpu" --gtest build/linux-arm64-static --emulator "qemu-aarch64-static -cpu $cpu"
done
suite --results "$results/cortex-a76" --gtest build/linux-arm64-static/kernels \
  --emulator "qemu-aarch64-static -cpu cortex-a76"
suite --results "$results/vitest" --vitest vitest.long.config.ts

echo
# Skips do not disappear in the sum: each suite's own line says how many, each test why.
awk '/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped/ {s += $5} END {print s+0 " skipped in all"}' "$log"
grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | awk '{p += $1; f += $3} END {print p+0 " passed, " f+0 " failed"; exit f > 0 || NR != 5}' || status=1
exit "$status"
