import { Command, Errors, Flags } from '@oclif/core';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { configureLog } from '../base/log.ts';
import { jsonLine, printable } from '../base/printable.ts';

/** What a command prints with `--json` when it fails: one line, the last one. */
export interface ErrorRecord {
  error: { code: string; message: string; suggestions: string[]; ref?: string; exit: number };
}

/** Anything thrown, as the documented error: oclif's own (a bad flag) are usage errors, all else is a defect. */
export function toMftError(thrown: unknown): MftError {
  if (thrown instanceof MftError) return thrown;
  if (thrown instanceof Errors.CLIError)
    return new MftError(thrown.message, {
      code: 'usage.command-line',
      exit: ExitCode.usage,
      suggestions: thrown.suggestions ?? ['Add --help to see what the command takes.'],
    });
  const message = messageOf(thrown);
  return new MftError(`${message}\nThis is a defect of mft, not of what you typed.`, {
    code: 'internal',
    exit: ExitCode.internal,
    suggestions: ['Run it again with --verbose and report the output.'],
    cause: thrown,
  });
}

/** An error for people: what happened, then what to do, then where to read more. */
export function renderError(error: MftError): string {
  const lines = [`Error: ${error.message}`, `  code: ${error.code}`];
  for (const suggestion of error.suggestions) lines.push(`  try: ${suggestion}`);
  if (error.ref !== undefined) lines.push(`  see: ${error.ref}`);
  return `${printable(lines.join('\n'))}\n`;
}

export function errorRecord(error: MftError): ErrorRecord {
  const { code, message, suggestions, ref, exit } = error;
  return { error: { code, message, suggestions, ...(ref === undefined ? {} : { ref }), exit } };
}

/**
 * What all commands share: `--json` (returned objects are printed as one JSON document; streams use `printJsonLine`),
 * `--verbose`, errors as documented in docs/errors.md. A command's `run` returns the object that `--json` prints, prints
 * for people with `this.log`, and throws MftError.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    verbose: Flags.boolean({
      char: 'v',
      helpGroup: 'GLOBAL',
      summary: 'Say on stderr what mft does (MFT_LOG=FILE keeps JSON lines).',
    }),
    'adb-server': Flags.string({
      helpGroup: 'GLOBAL',
      env: 'MFT_ADB_SERVER',
      helpValue: 'HOST:PORT',
      summary: 'The adb server to use, instead of the one on this machine.',
    }),
  };

  override async init(): Promise<void> {
    await super.init();
    const verbose = this.argv.some((word) => word === '-v' || word === '--verbose');
    configureLog({ level: verbose ? 'debug' : 'silent', file: process.env.MFT_LOG });
  }

  /** One JSON object on one line of stdout: for streams. */
  protected printJsonLine(value: unknown): void {
    process.stdout.write(`${jsonLine(value)}\n`);
  }

  override logJson(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** Renders the error, sets the exit code; oclif sees none of it. */
  protected override async catch(thrown: Error): Promise<void> {
    this.parsed = true; // else oclif warns under NODE_ENV=test that a failed command did not parse its arguments
    if (thrown instanceof Errors.ExitError) {
      process.exitCode = thrown.oclif.exit ?? ExitCode.internal;
      return;
    }
    const error = toMftError(thrown);
    if (this.jsonEnabled()) this.printJsonLine(errorRecord(error));
    else {
      process.stderr.write(renderError(error));
      if (error.code === 'internal' && this.argv.includes('--verbose') && thrown.stack)
        process.stderr.write(`${thrown.stack}\n`);
    }
    process.exitCode = error.exit;
  }
}
