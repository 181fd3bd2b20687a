/** Why OpenBLAS was not measured, and what to do about it. `loads`: the program could have. */
export function noYardstick(asked: string | undefined, loads: boolean): string {
  if (asked === 'none') return 'Without OpenBLAS, as asked.';
  if (!loads)
    return 'Not compared with OpenBLAS: that takes a program of its own, `sh scripts/build.sh bench`.';
  return 'Not compared with OpenBLAS: install it (Debian: libopenblas0-pthread), or name it with --openblas.';
}
