import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../../base/errors.ts';
import type { SamplingOptions } from '../../session/index.ts';
import { decimal } from './decimal.ts';

/** How a text is written: flags of generate and chat. */
export const samplingFlags = {
  temperature: decimal({ min: 0, max: 100, default: 0.8, summary: '0: always the likeliest token.' }),
  'top-k': Flags.integer({ min: 0, default: 40, summary: 'Choose among this many; 0: off.' }),
  'top-p': decimal({
    min: 0,
    max: 1,
    default: 0,
    summary: 'Choose among the likeliest with this share; 0: off.',
  }),
  'repetition-penalty': decimal({
    min: 0,
    max: 100,
    default: 1,
    summary: 'Make tokens that were there less likely; 1: off, 1.1: a little.',
  }),
  stop: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'TEXT',
    summary: 'End before this text; may be given again.',
  }),
};

export const templateFlag = Flags.string({
  helpValue: 'FILE.jinja',
  summary: "A chat template in place of the model's own.",
});

export const systemFlag = Flags.string({ helpValue: 'TEXT', summary: 'What stands before everything said.' });

/** What the phone takes (train/spec.cc). */
const MAX_STOPS = 60;
const MAX_STOP_BYTES = 1024;

interface Parsed {
  'max-tokens': number;
  temperature: number;
  'top-k': number;
  'top-p': number;
  'repetition-penalty': number;
  stop?: string[] | undefined;
}

export function samplingOf(flags: Parsed, seed: number): SamplingOptions & { stop: readonly string[] } {
  const { stop = [] } = flags;
  if (stop.length > MAX_STOPS || stop.some((text) => text === '' || Buffer.byteLength(text) > MAX_STOP_BYTES))
    throw new MftError(`--stop: up to ${MAX_STOPS} texts of 1 to ${MAX_STOP_BYTES} bytes`, {
      code: 'usage.command-line',
      exit: ExitCode.usage,
    });
  return {
    maxTokens: flags['max-tokens'],
    temperature: flags.temperature,
    topK: flags['top-k'],
    topP: flags['top-p'],
    repetitionPenalty: flags['repetition-penalty'],
    stop,
    seed,
  };
}
