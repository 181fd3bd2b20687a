/** The shortest decimal that is this f32: 1e-5, not 9.999999747378752e-6. */
export function shortestDecimal(value: number): number {
  const bits = Math.fround(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === bits) return shorter;
  }
  return value;
}
