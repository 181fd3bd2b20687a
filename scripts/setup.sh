#!/bin/sh
# Installs what a build from source needs, and says so first. Usage: scripts/setup.sh demo|test
#   demo: the compiler and libraries for this machine's ABI, adb, the npm packages of package-lock.json
#   test: also GoogleTest, the arm64 cross compiler with its libraries, qemu-user, and mkfs.ext4 for phones of the real make
# Debian 12 and its relatives; on other systems install the same by hand. Does nothing when all is there.
set -eu
cd "$(dirname "$0")/.."
level=${1:-demo}

packages="adb cmake g++ libhwy-dev libprotobuf-dev ninja-build protobuf-compiler"
foreign=""
if [ "$level" = test ]; then
  packages="$packages binutils e2fsprogs libgtest-dev qemu-user-static"
  if [ "$(dpkg --print-architecture 2>/dev/null)" != arm64 ]; then
    packages="$packages g++-aarch64-linux-gnu binutils-aarch64-linux-gnu"
    foreign="libgtest-dev:arm64 libprotobuf-dev:arm64"
  fi
fi

installed() {
  dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep -q '^ii'
}

if command -v dpkg-query >/dev/null 2>&1; then
  missing=""
  for package in $packages $foreign; do
    installed "$package" || missing="$missing $package"
  done
  if [ -n "$missing" ]; then
    echo "mft: installing Debian packages:$missing"
    if [ "$(id -u)" != 0 ]; then
      echo "mft: that needs root. Run as root, or install them yourself:" >&2
      [ -z "$foreign" ] || echo "  sudo dpkg --add-architecture arm64" >&2
      echo "  sudo apt-get update && sudo apt-get install --no-install-recommends$missing" >&2
      exit 1
    fi
    [ -z "$foreign" ] || dpkg --add-architecture arm64
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >/dev/null
  fi
else
  echo "mft: this is no Debian system; make sure that these are installed: $packages" >&2
fi

if ! cmp -s package-lock.json node_modules/.mft-lock; then
  echo "mft: installing the npm packages of package-lock.json into node_modules/ (about 450 MB, with its own Node 24)"
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.mft-lock
fi
