/**
 * Reading a config.json field by field: each is understood, known to be irrelevant, or an error that names it. What does
 * not change what the model computes is listed here once for all families.
 */
import { ExitCode, MftError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import { isObject, type JsonObject } from '../json.ts';

/** Fields of transformers' PretrainedConfig that do not change logits, and task heads that a CausalLM lacks. */
const IRRELEVANT = new Set([
  '_name_or_path',
  '_commit_hash',
  '_attn_implementation',
  '_attn_implementation_autoset',
  '_attn_implementation_internal',
  '_num_labels',
  'architectures',
  'attn_implementation',
  'auto_map',
  'chunk_size_feed_forward',
  'custom_pipelines',
  'dtype',
  'finetuning_task',
  'gradient_checkpointing',
  'id2label',
  'initializer_range',
  'is_decoder',
  'label2id',
  'neftune_noise_alpha',
  'num_labels',
  'output_attentions',
  'output_hidden_states',
  'pad_token_id',
  'prefix',
  'problem_type',
  'return_dict',
  'return_dict_in_generate',
  'sep_token_id',
  'task_specific_params',
  'tokenizer_class',
  'torch_dtype',
  'torchscript',
  'transformers.js_config',
  'transformers_version',
  'unsloth_fixed',
  'unsloth_version',
  'use_bfloat16',
  'use_cache',
]);

/** Old generation settings that transformers used to write into config.json. They belong to generation_config.json. */
const GENERATION = new Set([
  'assistant_confidence_threshold',
  'assistant_lookbehind',
  'bad_words_ids',
  'begin_suppress_tokens',
  'cache_implementation',
  'decoder_start_token_id',
  'diversity_penalty',
  'do_sample',
  'early_stopping',
  'encoder_no_repeat_ngram_size',
  'encoder_repetition_penalty',
  'epsilon_cutoff',
  'eta_cutoff',
  'exponential_decay_length_penalty',
  'forced_bos_token_id',
  'forced_eos_token_id',
  'length_penalty',
  'max_length',
  'max_new_tokens',
  'min_length',
  'no_repeat_ngram_size',
  'num_assistant_tokens',
  'num_assistant_tokens_schedule',
  'num_beam_groups',
  'num_beams',
  'num_return_sequences',
  'output_scores',
  'remove_invalid_values',
  'repetition_penalty',
  'suppress_tokens',
  'target_lookbehind',
  'temperature',
  'tf_legacy_loss',
  'top_k',
  'top_p',
  'typical_p',
]);

export class ConfigFields {
  private readonly raw: JsonObject;
  private readonly place: string;
  private readonly known = new Set(['model_type']);

  constructor(raw: JsonObject, place: string) {
    this.raw = raw;
    this.place = place;
  }

  /** Fields of the family that change nothing here. */
  ignore(...names: string[]): void {
    for (const name of names) this.known.add(name);
  }

  private take(names: readonly string[]): { name: string; value: unknown } {
    let found: { name: string; value: unknown } | undefined;
    for (const name of names) {
      this.known.add(name);
      if (!Object.hasOwn(this.raw, name)) continue;
      if (found !== undefined && JSON.stringify(found.value) !== JSON.stringify(this.raw[name]))
        throw this.bad(name, this.raw[name], `it contradicts ${found.name} = ${JSON.stringify(found.value)}`);
      found ??= { name, value: this.raw[name] };
    }
    return found ?? { name: names[0] ?? '', value: undefined };
  }

  /** A whole number >= 1 under any of the names. @throws when it is missing and there is no fallback. */
  size(names: readonly string[], fallback?: number): number {
    const { name, value } = this.take(names);
    if ((value === undefined || value === null) && fallback !== undefined) return fallback;
    if (value === undefined) throw this.bad(name, undefined, 'it is missing');
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > 2 ** 31)
      throw this.bad(name, value, 'a whole number of at least 1 is expected');
    return value;
  }

  /** A token id below `vocab`; undefined when absent or null. A list counts by its first entry. */
  token(name: string, vocab: number): number | undefined {
    const value = this.take([name]).value;
    const id = Array.isArray(value) ? value[0] : value;
    if (id === undefined || id === null) return undefined;
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0)
      throw this.bad(name, value, 'a token id is expected');
    if (id >= vocab) throw this.bad(name, value, `the vocabulary has ids 0 to ${vocab - 1}`);
    return id;
  }

  /** A finite number > 0, below `limit`, as an f32; `fallback` when absent or null. @throws when there is neither. */
  positive(name: string, fallback?: number, limit: number = Number.MAX_VALUE): number {
    const { value = fallback } = this.take([name]);
    const number = value === null ? fallback : value;
    if (number === undefined) throw this.bad(name, undefined, 'it is missing');
    const most = Number.isFinite(limit) && limit < 1e9 ? ` below ${limit}` : '';
    if (typeof number !== 'number' || !(number > 0 && number < limit))
      throw this.bad(name, value, `a positive number${most} is expected`);
    return Math.fround(number);
  }

  /** A whole number >= 0; `fallback` when absent or null. */
  count(name: string, fallback: number): number {
    const { value } = this.take([name]);
    if (value === 0) return 0;
    return this.size([name], fallback);
  }

  /** Whether the field is there, null or not. */
  hasKey(name: string): boolean {
    return Object.hasOwn(this.raw, name);
  }

  /** Whether the field is there with a value. */
  has(name: string): boolean {
    return this.hasKey(name) && this.raw[name] !== null;
  }

  /** The names in a list, each one of `supported`; undefined when absent or null. */
  names(name: string, supported: readonly string[]): string[] | undefined {
    const { value } = this.take([name]);
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) throw this.bad(name, value, 'a list is expected');
    const strange = value.find((item) => !supported.includes(item));
    if (strange !== undefined) throw this.unsupported(name, strange, supported);
    return value.map(String);
  }

  /** The fields of an object under any of the names, to be finished by the caller; undefined when absent or null. */
  object(...names: string[]): ConfigFields | undefined {
    const { name, value } = this.take(names.filter((one) => this.has(one)));
    for (const one of names) this.known.add(one);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.bad(name, value, 'an object is expected');
    return new ConfigFields(value, `${this.place}, ${name}`);
  }

  flag(name: string, fallback: boolean): boolean {
    const { value } = this.take([name]);
    if (value === undefined || value === null) return fallback;
    if (typeof value !== 'boolean') throw this.bad(name, value, 'true or false is expected');
    return value;
  }

  /** A field of which mft supports some values only. */
  oneOf(name: string, supported: readonly unknown[], fallback: unknown): unknown {
    const { value = fallback } = this.take([name]);
    if (!supported.includes(value)) throw this.unsupported(name, value, supported);
    return value;
  }

  /** After all fields are taken: what is left must be irrelevant. */
  finish(): void {
    for (const [name, value] of Object.entries(this.raw)) {
      if (this.known.has(name) || IRRELEVANT.has(name) || GENERATION.has(name)) continue;
      // Absent in effect: an option that is switched off.
      if (value === null || value === false || JSON.stringify(value) === '{}') continue;
      throw this.unsupported(name, value, undefined);
    }
  }

  private unsupported(name: string, value: unknown, supported: readonly unknown[] | undefined): MftError {
    const meant = supported === undefined ? nearest(name, [...this.known]) : undefined;
    return new MftError(`${this.place}: mft does not know ${name.slice(0, 100)} = ${clip(value)}`, {
      code: 'model.unknown-config-field',
      exit: ExitCode.usage,
      suggestions:
        supported !== undefined
          ? [`Supported: ${supported.map((one) => JSON.stringify(one)).join(', ')}.`]
          : [
              ...(meant === undefined ? [] : [`Did you mean ${meant}?`]),
              'Training on with a feature left out would be silently wrong; if the field changes nothing, remove it.',
            ],
    });
  }

  /** @returns the error of a field whose value can't be. */
  bad(name: string, value: unknown, why: string): MftError {
    const shown = value === undefined ? name : `${name} = ${clip(value)}`;
    return new MftError(`${this.place}: ${shown}: ${why}`, {
      code: 'model.bad-config-field',
      exit: ExitCode.usage,
      suggestions: [`Correct ${name} in ${this.place}.`],
    });
  }
}

function clip(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}
