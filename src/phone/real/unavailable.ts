import { ExitCode, MftError } from '../../base/errors.ts';

/** The error of a host that can't have phones of the real make. */
export function unavailable(
  why: string,
  options: { suggestions?: string[]; cause?: unknown } = {},
): MftError {
  return new MftError(`The real make of the virtual phone can't run here: ${why}`, {
    code: 'phone.real-unavailable',
    exit: ExitCode.usage,
    suggestions: [...(options.suggestions ?? []), 'Use the emulated make: mft phone start --make emulated.'],
    ref: 'docs/phones.md',
    ...(options.cause === undefined ? {} : { cause: options.cause }),
  });
}
