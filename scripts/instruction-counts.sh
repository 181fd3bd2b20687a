#!/bin/sh
# instruction-counts.sh [BUILD]: how many instructions the inner loops of the arm64 matrix products have, by kind, from the
# objects of BUILD (default build/linux-arm64-static, built if it is not there). Under an emulator times mean nothing;
# these counts show what the compiler made: a store in such a loop is a register that did not fit.
# A row is one loop: MULTIPLIES counts fmla and bfmmla, K the depth that one turn covers, PER LOAD multiplies a load
# instruction (of one register, or two).
set -u
cd "$(dirname "$0")/.."
build=${1:-build/linux-arm64-static}
objects=$build/kernels/CMakeFiles
if [ ! -d "$objects" ]; then
  MFT_TESTS=ON sh scripts/build.sh runtime arm64-v8a >&2 || exit 1
fi
objdump=aarch64-linux-gnu-objdump
[ "$(uname -m)" = aarch64 ] && objdump=objdump
command -v "$objdump" >/dev/null || { echo "instruction-counts.sh: $objdump is missing (package binutils-aarch64-linux-gnu)" >&2; exit 2; }

# loops LABEL OBJECT
loops() {
  [ -f "$2" ] || { echo "instruction-counts.sh: $2 is missing: build $build first" >&2; return 1; }
  "$objdump" -d --no-show-raw-insn "$2" | awk -v label="$1" '
    function number(hex,  i, n) {
      n = 0
      for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
      return n
    }
    /^[0-9a-f]+ <.*>:$/ { name = $2; count = 0; next }
    /^ *[0-9a-f]+:/ {
      at = $1; sub(":", "", at); address[++count] = number(at); op[count] = $2
      if ($2 !~ /^(b\.|cbn?z$|tbn?z$)/) next
      target = ""
      for (i = 3; i <= NF; i++) if ($i ~ /^[0-9a-f]+$/ && $(i + 1) ~ /^</) target = $i
      if (target == "" || number(target) >= address[count]) next
      # an inner loop has no loop inside
      for (first = count; first > 1 && address[first - 1] >= number(target); first--) if (ends[name, address[first]]) break
      if (address[first] != number(target)) next
      ends[name, address[count]] = 1
      multiplies = loads = stores = moves = fetches = bf16 = 0
      for (i = first; i <= count; i++) {
        if (op[i] == "fmla") multiplies++
        else if (op[i] == "bfmmla") { multiplies++; bf16 = 1 }
        else if (op[i] ~ /^ld/) loads++
        else if (op[i] ~ /^st/) stores++
        else if (op[i] == "mov") moves++
        else if (op[i] == "prfm") fetches++
      }
      all = count - first + 1
      if (multiplies < 3 || loads == 0) next
      # The tile: its rows are in the name of the f32 function; a bf16 instruction covers 2 x 2 of them and k 4.
      if (bf16) { rows = multiplies / 3; k = 4 }
      else if (match(name, /tileILi[0-9]+E/)) { rows = substr(name, RSTART + 7, RLENGTH - 8); k = multiplies / (3 * rows) }
      else next
      if (!bf16 && (k != int(k) || multiplies <= loads)) next  # of the epilogue, which runs once a block
      printf "%-10s %4d x 12 %3g %10d %6d %7d %6d %9d %6d %9.1f\n", label, rows, k, multiplies, loads, stores, moves,
             fetches, all - multiplies - loads - stores - moves - fetches, multiplies / loads
    }'
}
printf '%-10s %9s %3s %10s %6s %7s %6s %9s %6s %9s\n' KERNEL TILE K MULTIPLIES LOADS STORES MOVES PREFETCH OTHER 'PER LOAD'
loops f32 "$objects/mft_kernels_neon.dir/simd/gemm.cc.o" || exit 1
loops bf16-mmla "$objects/mft_kernels_neon_bf16.dir/simd/gemm_bf16_mmla.cc.o" || exit 1
