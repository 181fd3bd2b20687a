import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../../base/errors.ts';

/** A flag that takes a number, not only a whole one, within bounds. */
export const decimal = Flags.custom<number, { min: number; max: number }>({
  parse: async (input, _context, { min, max, name }) => {
    const value = Number(input);
    if (input.trim() !== '' && value >= min && value <= max) return value;
    throw new MftError(`--${name} ${input}: expected a number from ${min} to ${max}`, {
      code: 'usage.command-line',
      exit: ExitCode.usage,
    });
  },
});
