import { Args, Flags } from '@oclif/core';
import { STORAGE_TYPES } from '../../model/index.ts';

/** Flags and arguments that several commands take, each defined once. */
export const deviceFlag = Flags.string({
  char: 'd',
  helpValue: 'SERIAL',
  summary: 'The phone; may be left out when one is connected.',
});

export const runArg = Args.string({
  required: true,
  description: 'id of the run, or a unique beginning of it',
});

export const waitFlag = Flags.integer({
  min: 1,
  default: 600,
  helpValue: 'SECONDS',
  summary: 'How long to try to get lost contact back.',
});

export const plainFlag = Flags.boolean({ summary: 'Plain lines, on a terminal too.' });

export const threadsFlag = Flags.integer({
  min: 0,
  max: 64,
  summary: 'Threads on the phone; 0: as many as it lets. Never changes the result.',
});

export const computeFlag = Flags.option({
  helpValue: 'f32|bf16',
  options: ['f32', 'bf16'] as const,
  summary: 'Arithmetic of the large products. bf16 rounds their operands: it changes the result.',
})();

export const dtypeFlag = Flags.option({
  helpValue: 'auto|f32|bf16|f16|int8|int4',
  options: ['auto', ...STORAGE_TYPES] as const,
  summary: 'Storage of the weights of a folder or file; auto: as they are there. A pack stays as it is.',
})();

export const adapterFlag = Flags.string({
  char: 'a',
  helpValue: 'RUN|DIR',
  summary: 'A LoRA adapter: of a finished run, or a PEFT folder.',
});
