import { closeSync, openSync, statSync } from 'node:fs';
import { codeOf, describe, FileError } from '../../files.ts';
import type { AppletContext } from '../context.ts';
import { FileDescription } from '../io.ts';

/** Splits arguments into single-letter flags, options with a value, and operands. Unknown flags are an error. */
export function parseArguments(
  args: string[],
  flags: string,
  withValue = '',
): { flags: Set<string>; values: Map<string, string>; operands: string[] } {
  const found = { flags: new Set<string>(), values: new Map<string, string>(), operands: [] as string[] };
  for (let at = 0; at < args.length; at += 1) {
    const argument = args[at] ?? '';
    if (argument === '--') {
      found.operands.push(...args.slice(at + 1));
      break;
    }
    if (!argument.startsWith('-') || argument === '-') {
      found.operands.push(argument);
      continue;
    }
    for (let letter = 1; letter < argument.length; letter += 1) {
      const flag = argument[letter] ?? '';
      if (withValue.includes(flag)) {
        const attached = argument.slice(letter + 1);
        if (attached === '') at += 1;
        const value = attached === '' ? args[at] : attached;
        if (value === undefined) throw new UsageError(`Needs argument to -${flag}`);
        found.values.set(flag, value);
        break;
      }
      if (!flags.includes(flag)) throw new UsageError(`Unknown option '${flag}'`);
      found.flags.add(flag);
    }
  }
  return found;
}

/** The command line of an applet is wrong; its message goes to stderr, exit code 1. */
export class UsageError extends FileError {
  constructor(message: string) {
    super('EINVAL');
    this.message = message;
  }
}

/** Reads an operand (`-` is standard input) piece by piece. */
export async function* piecesOf(context: AppletContext, operand: string): AsyncGenerator<Buffer> {
  if (operand === '-') {
    for (let data = await context.read(); data !== null; data = await context.read()) yield data;
    return;
  }
  const { host } = context.host.files.resolve(operand, context.cwd);
  if (statSync(host).isDirectory()) throw new FileError('EISDIR');
  const file = new FileDescription(openSync(host, 'r'), context.host.files);
  try {
    for (let data = await file.read(); data !== null; data = await file.read()) {
      context.job.check();
      yield data;
    }
  } finally {
    file.release();
  }
}

/** Does something for each operand, reporting `name: operand: why` and going on after a failure. */
export async function forEach(
  context: AppletContext,
  operands: string[],
  action: (operand: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const operand of operands) {
    try {
      context.job.check();
      await action(operand);
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error;
      await context.err(
        `${operand}: ${error instanceof FileError ? error.message : describe(codeOf(error))}`,
      );
      status = 1;
    }
  }
  return status;
}

/** A longer line is not taken into memory. */
const MAX_LINE = 64 * 1024 * 1024;

/** Lines without their newline; the last one may lack it. */
export async function* linesOf(context: AppletContext, operand: string): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of piecesOf(context, operand)) {
    const parts = (rest + piece.toString('latin1')).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > MAX_LINE) throw new FileError('ENOMEM');
    yield* parts;
  }
  if (rest !== '') yield rest;
}

/** Lines are carried as latin1 so that any bytes survive. */
export function bytesOf(line: string): Buffer {
  return Buffer.from(line, 'latin1');
}

export function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // already closed
  }
}
