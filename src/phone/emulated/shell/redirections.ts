import { closeSync, statSync } from 'node:fs';
import { codeOf, describe, FileError, openAs, type PhoneFiles } from '../files.ts';
import type { Redirection } from './ast.ts';
import type { Streams } from './context.ts';
import { type Expander, expandString } from './expand.ts';
import { type Description, FileDescription, OutputDescription, pipe } from './io.ts';

/** Open descriptions by number. The holder of a table releases them when it is done. */
export type Table = Map<number, Description>;

/** Said by the shell; the command is not run. */
export class RedirectionProblem extends Error {}

/** Changes a table, whose holder holds what comes in and releases what goes out. @throws RedirectionProblem */
export async function redirect(redirection: Redirection, table: Table, shell: Expander): Promise<void> {
  const { fd, operator } = redirection;
  const target = await expandString(redirection.target, shell);
  const replace = (description: Description | undefined) => {
    table.get(fd)?.release();
    if (description === undefined) table.delete(fd);
    else table.set(fd, description);
  };
  if (operator === '<<<') {
    const ends = pipe();
    const feeding = ends.writer.write(Buffer.from(`${target}\n`));
    feeding.catch(() => undefined).finally(() => ends.writer.release());
    replace(ends.reader);
  } else if (operator === '>&' || operator === '<&') {
    if (target === '-') return replace(undefined);
    const source = table.get(Number(target));
    if (source === undefined) throw new RedirectionProblem(`${target}: bad file descriptor`);
    replace(source.retain());
  } else replace(new FileDescription(openFile(operator, target, shell.files, shell.cwd), shell.files));
}

function openFile(operator: string, target: string, files: PhoneFiles, cwd: string): number {
  const flags: Record<string, string> = { '<': 'r', '<>': 'a+', '>>': 'a' };
  const flag = flags[operator] ?? 'w';
  try {
    const where = flag === 'r' ? files.resolve(target, cwd) : files.resolveWritable(target, cwd);
    if (flag !== 'r' && files.spaceLimit === 0 && !files.exists(target, cwd)) throw new FileError('ENOSPC');
    const fd = openAs(where.host, flag);
    if (flag === 'r' && statSync(where.host).isDirectory()) {
      closeSync(fd);
      throw new FileError('EISDIR');
    }
    return fd;
  } catch (error) {
    const verb = flag === 'r' ? 'open' : 'create';
    throw new RedirectionProblem(`can't ${verb} ${target}: ${describe(codeOf(error))}`);
  }
}

/** What `>&-` leaves behind. */
const closedDescription = new OutputDescription(async () => {
  throw new FileError('EBADF');
}).retain();

export function streamsOf(table: Table): Streams {
  const [stdin, stdout, stderr] = [0, 1, 2].map((fd) => table.get(fd) ?? closedDescription);
  return {
    stdin: stdin ?? closedDescription,
    stdout: stdout ?? closedDescription,
    stderr: stderr ?? closedDescription,
  };
}
