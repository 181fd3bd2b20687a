/** A new model with random weights, as its family initializes them. Same seed, same bytes. */
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { Operation } from '../base/progress.ts';
import { familyOf, familyOfSize, sizeNames } from './families/index.ts';
import type { Family, ModelShape } from './families/types.ts';
import type { JsonObject } from './json.ts';
import { canonicalSegments, countParameters } from './pack/layout.ts';
import { chosenType } from './pack/storage.ts';
import { configFault } from './pack/validate.ts';
import { writePack } from './pack/write.ts';
import { NormalStream } from './random.ts';
import type { F32 } from './tensors/float.ts';
import { elementsOf } from './tensors/stream.ts';
import { readTokenizer, type Tokenizer } from './tokenizer-files.ts';
import type { ModelConfig, PackManifest, WeightType } from './types.ts';

export interface CreateOptions extends Operation, Partial<Record<keyof ModelShape, number | undefined>> {
  /** Without it: the family that has the named size, else GPT-2. */
  family?: string | undefined;
  /** A published size of the family; the other sizes override it one by one. `vocab`, without both: the tokenizer's. */
  size?: string | undefined;
  /** Folder with tokenizer.json, or that file. */
  tokenizer?: string | undefined;
  seed?: number | undefined;
  /** How the matrices are stored; 'auto': f32, as they are drawn. */
  dtype?: WeightType | undefined;
}

/** How the sizes are called on the command line. */
const FLAGS: Record<keyof ModelShape, string> = {
  vocab: '--vocab',
  hidden: '--hidden',
  layers: '--layers',
  heads: '--heads',
  kvHeads: '--kv-heads',
  headDim: '--head-dim',
  inner: '--inner',
  positions: '--positions',
};
const NEEDED: readonly (keyof ModelShape)[] = ['vocab', 'hidden', 'layers', 'heads', 'positions'];

const PIECE = 1 << 20;

/** Creates the model in the new folder `target`. @throws MftError model.bad-shape, model.unknown-size. */
export async function createRandom(target: string, options: CreateOptions): Promise<PackManifest> {
  const family =
    (options.family === undefined && familyOfSize(options.size ?? '')) ||
    familyOf(options.family ?? 'gpt2', '--family');
  const seed = options.seed ?? 0;
  if (!Number.isSafeInteger(seed) || seed < 0) throw badShape(`seed ${seed} is not a whole number >= 0`);
  const tokenizer = options.tokenizer === undefined ? undefined : await readTokenizer(options.tokenizer);
  const sizes = chosenSizes(family, options, tokenizer);
  const vocab = Number(sizes[family.shapeFields.vocab ?? '']);
  if (tokenizer !== undefined && tokenizer.description.textVocabSize > vocab)
    throw badShape(
      `the tokenizer has ${tokenizer.description.textVocabSize} ids, the vocabulary only ${vocab}`,
    );
  const raw = family.newConfig({ ...sizes, ...specialTokens(sizes, vocab, tokenizer) });
  const config = family.readConfig(raw, 'config.json of the model to be created');
  const fault = configFault(config);
  if (fault !== undefined) throw badShape(fault);

  const sideFiles = new Map<string, Uint8Array>(tokenizer?.files);
  sideFiles.set('config.json', Buffer.from(`${JSON.stringify(raw, null, 2)}\n`));
  const shapes = new Map(
    canonicalSegments(config).flatMap((segment) => segment.tensors.map(({ name, shape }) => [name, shape])),
  );
  const range = typeof raw.initializer_range === 'number' ? raw.initializer_range : 0.02;
  const total = countParameters(config) * 4;
  let done = 0;
  return writePack(
    target,
    {
      config,
      source: `random ${options.size ?? family.modelType}, seed ${seed}`,
      tokenizer: tokenizer?.compiled,
      sideFiles,
      typeOf: (tensor) => chosenType(tensor, options.dtype ?? 'auto', 'f32'),
      pieces: function* (tensor) {
        for (const piece of initialValues(family, config, tensor, elementsOf(shapes.get(tensor) ?? []), {
          seed,
          range,
        })) {
          options.signal?.throwIfAborted();
          yield piece;
          done += piece.byteLength;
          options.onProgress?.({ phase: 'creating', done, total, unit: 'bytes' });
        }
      },
    },
    options.signal === undefined ? {} : { signal: options.signal },
  );
}

/** The sizes under the names that the family's config.json has for them. */
function chosenSizes(family: Family, options: CreateOptions, tokenizer: Tokenizer | undefined): JsonObject {
  const { size } = options;
  const published = size === undefined ? {} : family.sizes[size];
  if (published === undefined) throw unknownSize(family, size ?? '');
  const sizes: JsonObject = { ...published };
  const given = { ...options, vocab: options.vocab ?? tokenizer?.description.vocabSize };
  for (const [key, flag] of Object.entries(FLAGS) as [keyof ModelShape, string][]) {
    const [field, value] = [family.shapeFields[key], given[key]];
    if (value === undefined) {
      if (NEEDED.includes(key) && field !== undefined && sizes[field] === undefined)
        throw badShape(`${flag} or --size is needed`);
      continue;
    }
    if (field === undefined) throw badShape(`${family.modelType} has no ${flag}`);
    if (!Number.isSafeInteger(value) || value < 1)
      throw badShape(`${flag} ${value} is not a whole number >= 1`);
    sizes[field] = value;
  }
  return sizes;
}

/** The tokenizer's, else the size's as far as they fit, else the last token of the vocabulary. */
function specialTokens(sizes: JsonObject, vocab: number, tokenizer: Tokenizer | undefined): JsonObject {
  const known = (value: unknown) => (typeof value === 'number' && value < vocab ? value : undefined);
  const { bos, eos } = tokenizer?.description ?? {
    bos: known(sizes.bos_token_id),
    eos: known(sizes.eos_token_id),
  };
  return { bos_token_id: bos ?? eos ?? vocab - 1, eos_token_id: eos ?? bos ?? vocab - 1 };
}

function unknownSize(family: Family, size: string): MftError {
  const names = Object.keys(family.sizes);
  const meant = nearest(size, [...names, ...sizeNames]);
  return new MftError(`${family.modelType} has no size "${size}"`, {
    code: 'model.unknown-size',
    exit: ExitCode.usage,
    suggestions: [
      ...(meant === undefined ? [] : [`Did you mean ${meant}?`]),
      `Sizes: ${names.join(', ')}; of other families: ${sizeNames.filter((name) => !names.includes(name)).join(', ')}.`,
    ],
  });
}

function* initialValues(
  family: Family,
  config: ModelConfig,
  tensor: string,
  elements: number,
  { seed, range }: { seed: number; range: number },
): Generator<F32> {
  const init = family.init(tensor, config, range);
  const stream = new NormalStream(seed, tensor);
  for (let at = 0; at < elements; at += PIECE) {
    const piece = new Float32Array(Math.min(PIECE, elements - at));
    if (init === 'ones') piece.fill(1);
    else if (init !== 'zeros') stream.fill(piece, init);
    yield piece;
  }
}

function badShape(why: string): MftError {
  return new MftError(why, {
    code: 'model.bad-shape',
    exit: ExitCode.usage,
    suggestions: [
      'mft model create --family gpt2 --random --hidden 64 --layers 4 --heads 4 --vocab 500 --positions 256',
    ],
  });
}
