#!/bin/sh
# The main job on a virtual phone: fine-tunes a small GPT-2 on Moby Dick, from a fresh clone. Leaves no process
# behind, and no data outside the folder it names.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh demo
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

case "$(uname -m)" in
  x86_64) abi=x86_64 ;;
  aarch64) abi=arm64-v8a ;;
  *) echo "mft demo: this machine is neither x86-64 nor arm64" >&2; exit 2 ;;
esac
echo "mft: building the command line and the runtime for $abi"
sh scripts/build.sh ts
sh scripts/build.sh runtime "$abi"

MFT_HOME=$(mktemp -d "${TMPDIR:-/tmp}/mft-demo.XXXXXX")
export MFT_HOME
# An adb server of its own, on a free port: nothing of the user's is touched.
ANDROID_ADB_SERVER_PORT=$(node -e "
  const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
    console.log(server.address().port);
    server.close();
  });")
export ANDROID_ADB_SERVER_PORT

cleanup() {
  node bin/mft.js phone stop demo >/dev/null 2>&1 || true
  adb kill-server >/dev/null 2>&1 || true
  rm -rf "$MFT_HOME"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() {
  printf '\n\033[1m$ mft %s\033[0m\n' "$*"
  node bin/mft.js "$@"
}

echo "mft: this demo keeps its data in $MFT_HOME until it ends"
node scripts/text.ts moby-dick "$MFT_HOME/moby-dick.txt"
say phone start --name demo --profile pixel-8 --abi "$abi"
say devices
say model import configs/demo/model --name demo-gpt2
say train --model demo-gpt2 --data "$MFT_HOME/moby-dick.txt" --config configs/demo/train.yaml
say runs ls
