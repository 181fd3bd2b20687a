/** A PEFT folder as an adapter to start from or to apply. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { familyOf } from '../families/index.ts';
import type { LinearModule } from '../families/types.ts';
import { readJsonObject } from '../json.ts';
import { adapterSegmentShape, adapterTensorNames, targetOf } from '../lora.ts';
import { patternKeys } from '../module-names.ts';
import { hexOf, segmentFileName, writeSegment } from '../pack/segment-file.ts';
import { openSafetensors, type SafetensorsReader } from '../safetensors/reader.ts';
import { exists } from '../staging.ts';
import { elementsOf, readPieces } from '../tensors/stream.ts';
import type { AdapterInit, LoraTarget, ModelConfig } from '../types.ts';
import { type PeftConfig, parsePeftConfig, refusePeft } from './peft-config.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';
const MAX_CONFIG_BYTES = 4 << 20;

/** Reads `dir` and writes its values as a segment file into `cacheDir`. @throws MftError model.bad-adapter. */
export async function readPeft(dir: string, config: ModelConfig, cacheDir: string): Promise<AdapterInit> {
  const place = join(dir, ADAPTER_CONFIG);
  const peft = parsePeftConfig(await readJsonObject(place, MAX_CONFIG_BYTES), place);
  const weights = join(dir, 'adapter_model.safetensors');
  if (!(await exists(weights)))
    throw refusePeft(weights, 'there is no such file', [
      'An adapter saved as adapter_model.bin: save it again with peft, save_pretrained(OUT).',
    ]);
  const reader = await openSafetensors(weights);
  try {
    const found = findAdapters(reader, peft, config, reader.paths[0] ?? dir);
    checkTargeted(found, peft, place);
    const { targets, names } = describe(found, reader, peft, config, reader.paths[0] ?? dir);
    await mkdir(cacheDir, { recursive: true });
    const segment = await writeSegment(cacheDir, adapterSegmentShape(targets, config), (tensor) => {
      const name = names.get(tensor) ?? '';
      return readPieces(reader, name, 0, elementsOf(reader.shapes.get(name) ?? []));
    });
    const path = join(cacheDir, segmentFileName(segment));
    const file = { name: 'adapter', path, sha256: hexOf(segment.sha256), bytes: segment.bytes };
    return { targets, segment, file, dropout: peft.dropout };
  } finally {
    await reader.close();
  }
}

/** A module of the model, as the adapter spells it, with the names of its tensors in the file. */
interface Found {
  module: LinearModule;
  /** Its path in the adapter: without the family's prefix when a bare base model was trained. */
  path: string;
  tensors: { A?: string; B?: string };
}

/** All linear modules of the model; those without an adapter have no tensors. Nothing else is in the file. */
function findAdapters(
  reader: SafetensorsReader,
  peft: PeftConfig,
  config: ModelConfig,
  place: string,
): Found[] {
  const family = familyOf(config.family, 'the model');
  const modules = family.modules(config);
  const names = [...reader.entries.keys()].map((name) => {
    const [, path = '', half = ''] = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(name) ?? [];
    return { name, path, half: half === 'A' ? ('A' as const) : ('B' as const) };
  });
  if (names.length === 0) throw refusePeft(place, 'it has no tensors');
  const paths = new Set(modules.map(({ path }) => path));
  const isBare = !names.some(({ path }) => paths.has(path));
  const found = new Map(
    modules.map((module): [string, Found] => {
      const path = isBare ? module.path.slice(family.prefix.length) : module.path;
      return [path, { module, path, tensors: {} }];
    }),
  );
  for (const { name, path, half } of names) {
    const entry = found.get(path);
    if (entry === undefined)
      throw refusePeft(
        place,
        `tensor "${name.slice(0, 200)}" belongs to no linear module of the model`,
        otherModel(peft),
      );
    entry.tensors[half] = name;
  }
  return [...found.values()];
}

/** Usually the adapter was trained on another model than the one it is given to. */
function otherModel({ base }: PeftConfig): string[] {
  if (base === undefined) return ['Check that --model is the model that the adapter was trained on.'];
  return [`The adapter was trained on ${base.slice(0, 200)}: check that --model is that.`];
}

/** Tensors that peft would not use, or an adapter without its tensors: the file is not what was trained. */
function checkTargeted(found: readonly Found[], peft: PeftConfig, place: string): void {
  const targeted = peft.isTargeted?.(found.map(({ path }) => path));
  found.forEach(({ path, tensors }, i) => {
    const isThere = tensors.A !== undefined || tensors.B !== undefined;
    if (targeted === undefined || isThere === targeted[i]) return;
    throw refusePeft(
      place,
      isThere
        ? `${path} has an adapter, but target_modules does not mean it`
        : `target_modules means ${path}, which has no tensors in adapter_model.safetensors`,
    );
  });
}

function describe(
  found: readonly Found[],
  reader: SafetensorsReader,
  peft: PeftConfig,
  config: ModelConfig,
  place: string,
): { targets: LoraTarget[]; names: Map<string, string> } {
  const adapted = found.filter(({ tensors }) => tensors.A !== undefined || tensors.B !== undefined);
  const paths = adapted.map(({ path }) => path);
  const lookUp = (map: Record<string, number>, common: number) =>
    patternKeys(Object.keys(map), paths).map((key) => (key === undefined ? common : (map[key] ?? common)));
  const [ranks, alphas] = [lookUp(peft.ranks, peft.r), lookUp(peft.alphas, peft.alpha)];
  const names = new Map<string, string>();
  const targets = adapted.map(({ module, path, tensors }, i) => {
    const r = ranks[i] ?? peft.r;
    const target = targetOf(module, r, alphas[i] ?? peft.alpha, peft.rslora);
    const own = adapterTensorNames(target, config);
    const shapes = { A: [r, module.inFeatures], B: [module.rowEnd - module.rowBegin, r] };
    for (const half of ['A', 'B'] as const) {
      const name = tensors[half] ?? '';
      const shape = reader.shapes.get(name)?.join(', ') ?? 'missing';
      if (shape !== shapes[half].join(', '))
        throw refusePeft(
          place,
          `lora_${half} of ${path} has shape [${shape}], [${shapes[half].join(', ')}] is expected`,
          otherModel(peft),
        );
      names.set(half === 'A' ? own.a : own.b, name);
    }
    return target;
  });
  return { targets, names };
}
