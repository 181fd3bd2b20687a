import { lstatSync, readFileSync } from 'node:fs';
import type { PhoneFiles } from '../files.ts';
import { codeOf, describe } from '../files.ts';
import type { Description } from './io.ts';
import type { Job } from './job.ts';

export class ExitShell extends Error {
  readonly code: number;
  constructor(code: number) {
    super('exit');
    this.code = code & 255;
  }
}

export class ReturnFrom extends Error {
  readonly code: number;
  constructor(code: number) {
    super('return');
    this.code = code & 255;
  }
}

export class LoopJump extends Error {
  readonly kind: 'break' | 'continue';
  readonly levels: number;
  constructor(kind: 'break' | 'continue', levels: number) {
    super(kind);
    this.kind = kind;
    this.levels = levels;
  }
}

/** Said by the shell itself; ends it with 1. */
export class BuiltinProblem extends Error {}

type Table = Map<number, Description>;

/** What builtins use of a shell. */
export interface BuiltinShell {
  readonly name: string;
  readonly files: PhoneFiles;
  readonly job: Job;
  readonly variables: Map<string, { value: string; exported: boolean }>;
  readonly functions: { has(name: string): boolean; delete(name: string): boolean };
  readonly options: Set<string>;
  readonly background: Set<Promise<number>>;
  readonly status: number;
  cwd: string;
  positional: string[];
  lookup(name: string): string | undefined;
  assign(name: string, value: string): void;
  environment(): Map<string, string>;
  runText(text: string, table: Table): Promise<number>;
  execute(argv: string[], table: Table, options: { env: ReadonlyMap<string, string> }): Promise<number>;
  find(
    name: string,
    path: string,
  ): { kind: 'applet'; name: string } | { kind: 'file'; path: string } | undefined;
}

interface BuiltinCall {
  shell: BuiltinShell;
  args: string[];
  table: Table;
}

type Builtin = (call: BuiltinCall) => Promise<number>;

const say = async (table: Table, fd: number, text: string) => await table.get(fd)?.write(Buffer.from(text));

function integer(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^[0-9]+$/.test(text)) throw new BuiltinProblem(`${text}: bad number`);
  return Number(text);
}

/** Commands that change the shell itself. */
export const builtins: Record<string, Builtin | undefined> = {
  ':': async () => 0,
  trap: async () => 0,
  umask: async ({ args, table }) => {
    if (args.length === 0) await say(table, 1, '000\n');
    return 0;
  },
  ulimit: async ({ table }) => {
    await say(table, 1, 'unlimited\n');
    return 0;
  },
  exit: async ({ shell, args }) => {
    throw new ExitShell(integer(args[0], shell.status));
  },
  return: async ({ shell, args }) => {
    throw new ReturnFrom(integer(args[0], shell.status));
  },
  break: async ({ args }) => {
    throw new LoopJump('break', integer(args[0], 1));
  },
  continue: async ({ args }) => {
    throw new LoopJump('continue', integer(args[0], 1));
  },
  cd: async ({ shell, args, table }) => {
    const target = args.filter((argument) => argument !== '--' && argument !== '-P' && argument !== '-L')[0];
    const wanted = target === '-' ? (shell.lookup('OLDPWD') ?? '/') : (target ?? shell.lookup('HOME') ?? '/');
    try {
      const resolved = shell.files.resolve(wanted === '' ? '.' : wanted, shell.cwd);
      const stat = lstatSync(resolved.host);
      if (!stat.isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
      shell.assign('OLDPWD', shell.cwd);
      shell.cwd = shell.files.normalize(wanted, shell.cwd);
      return 0;
    } catch (error) {
      await say(table, 2, `${shell.name}: cd: ${wanted}: ${describe(codeOf(error))}\n`);
      return 2;
    }
  },
  export: async ({ shell, args }) => {
    for (const argument of args) {
      const [, name = '', assigned, value = ''] =
        /^([A-Za-z_][A-Za-z0-9_]*)(=)?([\s\S]*)$/.exec(argument) ?? [];
      if (name === '') throw new BuiltinProblem(`${argument}: is not an identifier`);
      const now = assigned === undefined ? (shell.variables.get(name)?.value ?? '') : value;
      shell.variables.set(name, { value: now, exported: true });
    }
    return 0;
  },
  local: async ({ shell, args }) => {
    for (const argument of args) {
      const at = argument.indexOf('=');
      shell.assign(at < 0 ? argument : argument.slice(0, at), at < 0 ? '' : argument.slice(at + 1));
    }
    return 0;
  },
  unset: async ({ shell, args }) => {
    for (const name of args) {
      shell.variables.delete(name);
      shell.functions.delete(name);
    }
    return 0;
  },
  set: async ({ shell, args }) => {
    const rest = [...args];
    for (let next = rest[0]; next !== undefined && /^[-+][a-z]+$/.test(next); next = rest[0]) {
      rest.shift();
      const letters =
        next[1] === 'o' ? ({ errexit: 'e', xtrace: 'x' }[rest.shift() ?? ''] ?? '') : next.slice(1);
      for (const letter of letters) {
        if (next.startsWith('-')) shell.options.add(letter);
        else shell.options.delete(letter);
      }
    }
    const marked = rest[0] === '--';
    if (marked) rest.shift();
    if (marked || rest.length > 0) shell.positional = rest;
    return 0;
  },
  shift: async ({ shell, args }) => {
    const count = integer(args[0], 1);
    if (count > shell.positional.length) throw new BuiltinProblem('shift: nothing to shift');
    shell.positional = shell.positional.slice(count);
    return 0;
  },
  eval: async ({ shell, args, table }) => await shell.runText(args.join(' '), table),
  exec: async ({ shell, args, table }) => {
    if (args.length === 0) return 0;
    throw new ExitShell(await shell.execute(args, table, { env: shell.environment() }));
  },
  wait: async ({ shell }) => {
    while (shell.background.size > 0) await shell.job.interruptible(Promise.all([...shell.background]));
    return 0;
  },
  read: async ({ shell, args, table }) => {
    const names = args.filter((argument) => !argument.startsWith('-'));
    const input = table.get(0);
    let line = '';
    let ended = true;
    for (;;) {
      const data = input === undefined ? null : await shell.job.interruptible(input.read());
      if (data === null) break;
      const end = data.indexOf(10);
      line += data.toString('utf8', 0, end < 0 ? data.length : end);
      if (end < 0) continue;
      input?.unread(data.subarray(end + 1));
      ended = false;
      break;
    }
    const variables = names.length === 0 ? ['REPLY'] : names;
    let rest = line.replace(/^[ \t]+|[ \t]+$/g, '');
    for (const [index, name] of variables.entries()) {
      const cut = index === variables.length - 1 ? -1 : rest.search(/[ \t]/);
      shell.assign(name, cut < 0 ? rest : rest.slice(0, cut));
      rest = cut < 0 ? '' : rest.slice(cut).replace(/^[ \t]+/, '');
    }
    return ended && line === '' ? 1 : 0;
  },
  command: async ({ shell, args, table }) => {
    if (args[0] !== '-v' && args[0] !== '-V')
      return await shell.execute(args, table, { env: shell.environment() });
    return await locate(shell, args.slice(1), table);
  },
  type: async ({ shell, args, table }) => await locate(shell, args, table),
  pwd: async ({ shell, table }) => {
    await say(table, 1, `${shell.cwd}\n`);
    return 0;
  },
};
builtins['.'] = async ({ shell, args, table }) => await source(shell, args, table);
builtins.source = builtins['.'];

async function source(shell: BuiltinShell, args: string[], table: Table): Promise<number> {
  try {
    return await shell.runText(
      readFileSync(shell.files.resolve(args[0] ?? '', shell.cwd).host, 'utf8'),
      table,
    );
  } catch (error) {
    if (error instanceof ReturnFrom) return error.code;
    if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error;
    throw new BuiltinProblem(`.: ${args[0]}: ${describe(error.code)}`);
  }
}

async function locate(shell: BuiltinShell, names: string[], table: Table): Promise<number> {
  let status = 0;
  for (const name of names) {
    const found = shell.find(name, shell.lookup('PATH') ?? '');
    if (builtins[name] !== undefined || shell.functions.has(name)) await say(table, 1, `${name}\n`);
    else if (found === undefined) status = 1;
    else if (found.kind === 'applet') await say(table, 1, `/system/bin/${found.name}\n`);
    else await say(table, 1, `${found.path}\n`);
  }
  return status;
}
