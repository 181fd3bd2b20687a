/**
 * Errors a person can act on. The fields are those oclif prints (code, suggestions, ref), so a command can throw one
 * as it is; `exit` is the documented exit code of the process (docs/errors.md).
 */

/** Exit codes of the `mft` process. Part of the interface: scripts depend on them. */
export const ExitCode = {
  ok: 0,
  /** A defect of mft itself. */
  internal: 1,
  /** The command line, a configuration, a model folder or a data file is wrong. */
  usage: 2,
  /** No usable device: adb missing, nobody connected, several, offline, unauthorized. */
  device: 3,
  /** The phone can't do what was asked: ABI, memory, disk. */
  incapable: 4,
  /** The run ended by its own Failed event. */
  runFailed: 5,
  /** Contact to the phone was lost and did not come back; the run may still go on there. */
  lostContact: 6,
  /** The run was stopped on request before its last step. */
  runStopped: 7,
  /** ^C: the host left; the run goes on. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface MftErrorOptions {
  /** Stable, dotted, e.g. `adb.unauthorized`, `config.unknown-key`, `data.not-utf8`. */
  code: string;
  exit: ExitCode;
  /** What to do next, most useful first. Each a full sentence or a command. */
  suggestions?: string[];
  /** Where to read more: a file under docs/ with its anchor. */
  ref?: string;
  cause?: unknown;
}

/** What happened, on which device, file and line, why, and what to do next. */
export class MftError extends Error {
  readonly code: string;
  readonly suggestions: string[];
  readonly ref?: string;
  readonly exit: ExitCode;
  /** oclif reads the exit code from here. */
  readonly oclif: { exit: ExitCode };

  constructor(message: string, options: MftErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MftError';
    this.code = options.code;
    this.exit = options.exit;
    this.suggestions = options.suggestions ?? [];
    if (options.ref !== undefined) this.ref = options.ref;
    this.oclif = { exit: options.exit };
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
