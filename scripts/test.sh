#!/bin/sh
# All of `npm test`: set-up, build, static checks, the C++ tests, the TypeScript tests. Ends with `N passed, N failed`.
# Everything runs even when something before it failed, so that one look shows all; the exit code tells.
set -u
cd "$(dirname "$0")/.."
sh scripts/setup.sh test || exit 1
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
results=build/results/test
rm -rf "$results"
mkdir -p "$results"

sh scripts/build.sh ts || exit 1
case "$(uname -m)" in
  x86_64)
    native=build/linux-x86_64-static
    MFT_TESTS=ON sh scripts/build.sh runtime x86_64 && sh scripts/build.sh runtime arm64-v8a || exit 1
    ;;
  *)
    native=build/linux-arm64-static
    MFT_TESTS=ON sh scripts/build.sh runtime arm64-v8a || exit 1
    ;;
esac
export MFT_TEXT_TOOL="$PWD/$native/text/text_tool"
export MFT_LOGITS_TOOL="$PWD/$native/models/logits_tool"

node scripts/suite.ts --results "$results" \
  --step types "tsc --noEmit -p ." \
  --step style "biome ci --colors=off ." \
  --step imports "depcruise src" \
  --step includes "node scripts/check-includes.ts" \
  --step kernel-ops "sh device-runtime/kernels/check_ops.sh device-runtime/kernels" \
  --gtest "$native" \
  --vitest vitest.config.ts
