import { ExitCode, MftError } from '../../base/errors.ts';

/** What a file says may be as long as the file. */
function clip(what: string): string {
  return what.length > 500 ? `${what.slice(0, 500)}...` : what;
}

/** A feature that mft does not have; `what` names it as the file does. */
export function unsupported(what: string): MftError {
  return new MftError(`the tokenizer asks for something mft does not support: ${clip(what)}`, {
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
  return new MftError(clip(what), {
    code: 'tokenizer.invalid',
    exit: ExitCode.usage,
    suggestions: ['Fetch the model folder again.'],
    cause,
  });
}
