/** The metadata of a GGUF file as the config.json that it was made of. */
import { shortestDecimal } from '../../base/decimal.ts';
import { ExitCode, MftError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import type { JsonObject } from '../json.ts';
import { type Architecture, architectureNamed, CHECKED_METADATA } from './architectures.ts';
import type { GgufValue } from './header.ts';
import { llama3Scaling } from './rope.ts';

/** The tensor that holds Llama 3's scaling of RoPE. */
export const ROPE_FACTORS = 'rope_freqs.weight';

/** What a configuration is read from. */
export interface GgufFacts {
  /** The file, for messages. */
  place: string;
  metadata: ReadonlyMap<string, GgufValue>;
  shapes: ReadonlyMap<string, readonly number[]>;
  /** Values of rope_freqs.weight, where there is such a tensor. */
  ropeFactors: Float32Array | undefined;
}

/** @throws MftError model.unknown-family, model.unknown-config-field */
export function configOf(facts: GgufFacts): JsonObject {
  const name = String(facts.metadata.get('general.architecture') ?? '');
  const architecture = architectureNamed(name, facts.place);
  const metadata = (key: string) => facts.metadata.get(`${name}.${key}`);
  const has = (tensor: string) => facts.shapes.has(tensor);
  const unsupported = (key: string, value: GgufValue, meant?: string) =>
    new MftError(
      `${facts.place}: mft does not know ${name}.${key} = ${JSON.stringify(value)?.slice(0, 100)}`,
      {
        code: 'model.unknown-config-field',
        exit: ExitCode.usage,
        suggestions: [
          ...(meant === undefined ? [] : [`Did you mean ${name}.${meant}?`]),
          'Training on with a feature left out would be silently wrong.',
        ],
      },
    );
  const known = [...Object.keys(architecture.fields), ...CHECKED_METADATA];
  for (const [key, value] of facts.metadata) {
    const own = key.startsWith(`${name}.`) ? key.slice(name.length + 1) : undefined;
    if (own !== undefined && !known.includes(own)) throw unsupported(own, value, nearest(own, known));
  }
  const fields: JsonObject = {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    vocab_size: facts.shapes.get('token_embd.weight')?.[0] ?? null,
    tie_word_embeddings: !has('output.weight'),
    ...namedFields(architecture, metadata),
    ...endTokens(facts.metadata),
    ...architecture.implied({ metadata, has }),
  };

  // What config.json does not have must say the same as what it has.
  const heads = Number(fields.num_attention_heads ?? fields.n_head);
  const dim = Number(fields.head_dim ?? Number(fields.hidden_size ?? fields.n_embd) / heads);
  const expected: [string, GgufValue[]][] = [
    ['vocab_size', [Number(fields.vocab_size)]],
    ['rope.dimension_count', [dim]],
    ['attention.value_length', [dim]],
    ['attention.causal', [true]],
    ['rope.scaling.type', ['none', 'linear']],
  ];
  for (const [key, values] of expected) {
    const value = metadata(key);
    if (value !== undefined && !values.includes(value)) throw unsupported(key, value);
  }
  const scaling = scalingOf(facts, metadata, dim, Number(fields.rope_theta ?? 10_000));
  return { ...fields, ...(scaling === undefined ? {} : { rope_scaling: scaling }) };
}

/** A fraction that was an f32 in the file comes as a person wrote it: 1e-6, not 9.999999974752427e-7. */
function namedFields({ fields }: Architecture, metadata: (key: string) => GgufValue | undefined): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, field]) => {
      const value = metadata(key);
      if (value === undefined) return [];
      const isFraction = typeof value === 'number' && !Number.isInteger(value);
      return [[field, isFraction ? shortestDecimal(value) : value]];
    }),
  );
}

function endTokens(metadata: ReadonlyMap<string, GgufValue>): JsonObject {
  return Object.fromEntries(
    ['bos', 'eos'].flatMap((end) => {
      const value = metadata.get(`tokenizer.ggml.${end}_token_id`);
      return value === undefined ? [] : [[`${end}_token_id`, value]];
    }),
  );
}

function scalingOf(
  { place, ropeFactors }: GgufFacts,
  metadata: (key: string) => GgufValue | undefined,
  dim: number,
  base: number,
): JsonObject | undefined {
  if (ropeFactors !== undefined) {
    const found = llama3Scaling(ropeFactors, dim, base);
    if (found !== undefined) return found;
    throw new MftError(`${place}: ${ROPE_FACTORS} holds factors that mft does not know`, {
      code: 'model.unknown-config-field',
      exit: ExitCode.usage,
      suggestions: ['Import the Hugging Face folder of this model: its config.json names the scaling.'],
    });
  }
  const factor = metadata('rope.scaling.factor');
  if (metadata('rope.scaling.type') !== 'linear' || factor === undefined || factor === 1) return undefined;
  return { rope_type: 'linear', factor };
}
