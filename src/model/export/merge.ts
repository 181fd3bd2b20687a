/** Base weights with adapters merged in, read like any other tensors. */
import { adapterTensorNames, scaleOf } from '../lora.ts';
import type { F32 } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { LoraTarget, ModelConfig, TensorReader } from '../types.ts';

interface LoadedAdapter {
  rowBegin: number;
  rowEnd: number;
  r: number;
  scale: number;
  a: F32;
  b: F32;
}

/**
 * W[rows] + scale * B A, in float64, rounded once to f32. Adapters are small and are loaded whole; weights are read by
 * ranges. Closing the result closes `base`.
 */
export async function mergedTensors(
  base: TensorReader,
  adapter: TensorReader,
  targets: readonly LoraTarget[],
  config: ModelConfig,
): Promise<TensorReader> {
  const adapters = new Map<string, LoadedAdapter[]>();
  for (const target of targets) {
    const names = adapterTensorNames(target, config);
    const load = (name: string) => adapter.read(name, 0, elementsOf(adapter.shapes.get(name) ?? []));
    const { rowBegin, rowEnd, r } = target;
    const [a, b] = [await load(names.a), await load(names.b)];
    const loaded = { rowBegin, rowEnd, r, scale: scaleOf(target), a, b };
    adapters.set(target.tensor, [...(adapters.get(target.tensor) ?? []), loaded]);
  }
  return {
    shapes: base.shapes,
    async read(name, begin, end) {
      const values = await base.read(name, begin, end);
      const columns = base.shapes.get(name)?.[1] ?? 1;
      const list = adapters.get(name);
      if (list !== undefined) addDeltas(values, begin, columns, list);
      return values;
    },
    readInt8(name, begin, end) {
      const isAdapted = adapters.get(name)?.some(({ rowBegin, rowEnd }) => rowBegin < end && begin < rowEnd);
      return isAdapted ? undefined : base.readInt8?.(name, begin, end);
    },
    close: () => base.close(),
  };
}

/** `values`: elements from `begin` on of a weight [rows, columns]. */
function addDeltas(values: F32, begin: number, columns: number, adapters: readonly LoadedAdapter[]): void {
  const delta = new Float64Array(columns);
  const end = begin + values.length;
  for (let row = Math.floor(begin / columns); row * columns < end; row += 1) {
    delta.fill(0);
    let touched = false;
    for (const { rowBegin, rowEnd, r, scale, a, b } of adapters) {
      if (row < rowBegin || row >= rowEnd) continue;
      touched = true;
      for (let k = 0; k < r; k += 1) {
        const factor = scale * (b[(row - rowBegin) * r + k] ?? 0);
        const start = k * columns;
        for (let i = 0; i < columns; i += 1) delta[i] = (delta[i] ?? 0) + factor * (a[start + i] ?? 0);
      }
    }
    if (!touched) continue;
    const first = Math.max(row * columns, begin);
    const last = Math.min((row + 1) * columns, end);
    for (let at = first; at < last; at += 1)
      values[at - begin] = (values[at - begin] ?? 0) + (delta[at - row * columns] ?? 0);
  }
}
