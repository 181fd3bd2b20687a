/** A new model with random weights, as its family initializes them. Same seed, same bytes. */
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { Operation } from '../base/progress.ts';
import { familyOf } from './families/index.ts';
import type { Family, ModelShape } from './families/types.ts';
import { canonicalSegments, countParameters } from './pack/layout.ts';
import { configFault } from './pack/validate.ts';
import { writePack } from './pack/write.ts';
import { NormalStream } from './random.ts';
import type { F32 } from './tensors/float.ts';
import { elementsOf } from './tensors/stream.ts';
import { readTokenizer, type Tokenizer } from './tokenizer-files.ts';
import type { ModelConfig, PackManifest } from './types.ts';

export interface CreateOptions extends Operation {
  family: string;
  /** A named size of the family; the other sizes override it one by one. */
  size?: string | undefined;
  hidden?: number | undefined;
  layers?: number | undefined;
  heads?: number | undefined;
  /** MLP width. */
  inner?: number | undefined;
  positions?: number | undefined;
  /** Without it: the tokenizer's, or the named size's. */
  vocab?: number | undefined;
  /** Folder with tokenizer.json, or that file. */
  tokenizer?: string | undefined;
  seed?: number | undefined;
}

const PIECE = 1 << 20;

/** Creates the model in the new folder `target`. @throws MftError model.bad-shape, model.unknown-size. */
export async function createRandom(target: string, options: CreateOptions): Promise<PackManifest> {
  const family = familyOf(options.family, '--family');
  const seed = options.seed ?? 0;
  if (!Number.isSafeInteger(seed) || seed < 0) throw badShape(`seed ${seed} is not a whole number >= 0`);
  const tokenizer = options.tokenizer === undefined ? undefined : await readTokenizer(options.tokenizer);
  const config = family.configOf(shapeOf(family, options, tokenizer));
  if (tokenizer !== undefined && tokenizer.description.vocabSize > config.vocabSize)
    throw badShape(
      `the tokenizer has ${tokenizer.description.vocabSize} ids, the vocabulary only ${config.vocabSize}`,
    );
  const fault =
    config.headDim * config.numHeads === config.hiddenSize
      ? configFault(config)
      : `hidden size ${config.hiddenSize} is not a multiple of ${config.numHeads} heads`;
  if (fault !== undefined) throw badShape(fault);

  const sideFiles = new Map<string, Uint8Array>(tokenizer?.files);
  sideFiles.set('config.json', Buffer.from(`${JSON.stringify(family.writeConfig(config), null, 2)}\n`));
  const shapes = new Map(
    canonicalSegments(config).flatMap((segment) => segment.tensors.map(({ name, shape }) => [name, shape])),
  );
  const total = countParameters(config) * 4;
  let done = 0;
  return writePack(
    target,
    {
      config,
      source: `random ${options.size ?? family.modelType}, seed ${seed}`,
      tokenizer: tokenizer?.compiled,
      sideFiles,
      pieces: function* (tensor) {
        for (const piece of initialValues(
          family,
          config,
          tensor,
          elementsOf(shapes.get(tensor) ?? []),
          seed,
        )) {
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

function shapeOf(family: Family, options: CreateOptions, tokenizer: Tokenizer | undefined): ModelShape {
  const size = options.size === undefined ? undefined : family.sizes[options.size];
  if (options.size !== undefined && size === undefined) {
    const names = Object.keys(family.sizes);
    const meant = nearest(options.size, names);
    throw new MftError(`${family.modelType} has no size "${options.size}"`, {
      code: 'model.unknown-size',
      exit: ExitCode.usage,
      suggestions: [
        ...(meant === undefined ? [] : [`Did you mean ${meant}?`]),
        `Sizes: ${names.join(', ')}.`,
      ],
    });
  }
  const need = (flag: string, value: number | undefined) => {
    if (value === undefined) throw badShape(`--${flag} or --size is needed`);
    if (!Number.isSafeInteger(value) || value < 1)
      throw badShape(`--${flag} ${value} is not a whole number >= 1`);
    return value;
  };
  const vocab = need('vocab', options.vocab ?? tokenizer?.description.vocabSize ?? size?.vocab);
  const { bos, eos } = tokenizer?.description ?? {};
  return {
    vocab,
    hidden: need('hidden', options.hidden ?? size?.hidden),
    layers: need('layers', options.layers ?? size?.layers),
    heads: need('heads', options.heads ?? size?.heads),
    positions: need('positions', options.positions ?? size?.positions),
    inner: options.inner === undefined ? (size?.inner ?? 0) : need('inner', options.inner),
    bosToken: bos ?? eos ?? vocab - 1,
    eosToken: eos ?? bos ?? vocab - 1,
  };
}

function* initialValues(
  family: Family,
  config: ModelConfig,
  tensor: string,
  elements: number,
  seed: number,
): Generator<F32> {
  const init = family.init(tensor, config);
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
