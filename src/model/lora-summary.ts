import { shortestDecimal } from '../base/decimal.ts';
import type { LoraTarget } from './types.ts';

/**
 * Adapters in few words, those that differ only in their layer taken together: "24 × q_proj,v_proj r 8 alpha 16". The
 * number is that of layers; alike modules that are in another number of layers come in a line of their own.
 */
export function summarizeAdapters(targets: readonly LoraTarget[]): string[] {
  const kinds = new Map<string, { name: string; how: string; count: number }>();
  const names = shortNames(targets.map(({ module }) => inLayer(module)));
  for (const target of targets) {
    const { r, alpha, rslora } = target;
    const how = `r ${r} alpha ${shortestDecimal(alpha)}${rslora ? ' rslora' : ''}`;
    const name = names.get(inLayer(target.module)) ?? target.module;
    const kind = kinds.get(`${name} ${how}`) ?? { name, how, count: 0 };
    kind.count += 1;
    kinds.set(`${name} ${how}`, kind);
  }
  const lines = new Map<string, { start: string; names: string[]; how: string }>();
  for (const { name, how, count } of kinds.values()) {
    const line = lines.get(`${count} ${how}`) ?? { start: `${count} ×`, names: [], how };
    line.names.push(name);
    lines.set(`${count} ${how}`, line);
  }
  return [...lines.values()].map(({ start, names, how }) => `${start} ${names.join(',')} ${how}`);
}

/** "model.layers.3.mlp.down_proj" -> "mlp.down_proj" */
function inLayer(path: string): string {
  return path.replace(/^.*\.\d+\./, '');
}

/** The last part of each name; all of it where two would look the same. */
function shortNames(names: readonly string[]): Map<string, string> {
  const distinct = [...new Set(names)];
  const last = (name: string) => name.split('.').at(-1) ?? name;
  return new Map(
    distinct.map((name) => {
      const isClear = distinct.filter((other) => last(other) === last(name)).length === 1;
      return [name, isClear ? last(name) : name];
    }),
  );
}
