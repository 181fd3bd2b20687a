import { ExitCode, MftError } from '../base/errors.ts';

/**
 * One word for a POSIX shell (the phone's mksh): in single quotes nothing is special but the quote itself, newlines
 * and backslashes included. A NUL can't be in an argument of any program, so it is refused rather than cut.
 * A leading dash is the caller's matter: give absolute paths, or `--` before names.
 */
export function quote(word: string): string {
  if (word.includes('\0')) {
    throw new MftError(`an argument for the phone contains a NUL byte: ${JSON.stringify(word)}`, {
      code: 'adb.nul-in-argument',
      exit: ExitCode.usage,
    });
  }
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The whole command line of a program. The only way that text becomes a command on the phone. */
export function commandLine(argv: readonly string[]): string {
  if (argv.length === 0) throw new RangeError('an empty argv has no program to run');
  return argv.map(quote).join(' ');
}
