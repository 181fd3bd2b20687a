import { ExitCode, MftError } from '../../base/errors.ts';

/** A feature that mft does not have; `what` names it as the file does. */
export function unsupported(what: string): MftError {
  return new MftError(`tokenizer.json asks for something mft does not support: ${what}`, {
    code: 'tokenizer.unsupported',
    exit: ExitCode.usage,
    suggestions: [
      'Use a model with a BPE tokenizer such as that of GPT-2, Qwen2.5, Llama 3, SmolLM2 or Gemma 3.',
    ],
    ref: 'docs/tokenizer-format.md',
  });
}

/** A file that is broken or contradicts itself. */
export function invalid(what: string, cause?: unknown): MftError {
  return new MftError(what, {
    code: 'tokenizer.invalid',
    exit: ExitCode.usage,
    suggestions: ['Fetch the model folder again.'],
    cause,
  });
}
