import { lstatSync, type Stats, statSync } from 'node:fs';
import type { Applet, AppletContext } from '../context.ts';
import { UsageError } from './support.ts';

function statAt(context: AppletContext, path: string, follow = true): Stats | undefined {
  try {
    const { host } = context.host.files.resolve(path, context.cwd, follow);
    return follow ? statSync(host) : lstatSync(host);
  } catch {
    return undefined;
  }
}

function unary(context: AppletContext, operator: string, operand: string): boolean {
  const stat = operator === 'h' || operator === 'L' ? statAt(context, operand, false) : undefined;
  switch (operator) {
    case 'n':
      return operand !== '';
    case 'z':
      return operand === '';
    case 'h':
    case 'L':
      return stat?.isSymbolicLink() ?? false;
    case 't':
      return false;
    default:
      return fileTest(context, operator, operand, statAt(context, operand));
  }
}

function fileTest(
  context: AppletContext,
  operator: string,
  operand: string,
  stat: Stats | undefined,
): boolean {
  if (stat === undefined) return false;
  switch (operator) {
    case 'e':
    case 'r':
      return true;
    case 'f':
      return stat.isFile();
    case 'd':
      return stat.isDirectory();
    case 's':
      return stat.size > 0;
    case 'p':
      return stat.isFIFO();
    case 'S':
      return stat.isSocket();
    case 'c':
      return stat.isCharacterDevice();
    case 'b':
      return stat.isBlockDevice();
    case 'w':
      return context.host.files.isWritable(context.host.files.resolve(operand, context.cwd).path);
    case 'x': {
      const { path } = context.host.files.resolve(operand, context.cwd);
      return (stat.mode & 0o111) !== 0 && (stat.isDirectory() || context.host.files.isExecutablePlace(path));
    }
    default:
      throw new UsageError(`unknown test -${operator}`);
  }
}

function binary(context: AppletContext, left: string, operator: string, right: string): boolean {
  switch (operator) {
    case '=':
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '>':
      return left > right;
    case '-nt':
    case '-ot': {
      const a = statAt(context, left)?.mtimeMs ?? 0;
      const b = statAt(context, right)?.mtimeMs ?? 0;
      return operator === '-nt' ? a > b : a < b;
    }
  }
  const [a, b] = [left, right].map((text) => {
    if (!/^\s*-?[0-9]+\s*$/.test(text)) throw new UsageError(`${text}: unexpected operator/operand`);
    return BigInt(text.trim());
  });
  if (a === undefined || b === undefined) return false;
  const compare: Record<string, boolean> = {
    '-eq': a === b,
    '-ne': a !== b,
    '-lt': a < b,
    '-le': a <= b,
    '-gt': a > b,
    '-ge': a >= b,
  };
  return compare[operator] ?? false;
}

const binaries = /^(=|==|!=|<|>|-nt|-ot|-eq|-ne|-lt|-le|-gt|-ge)$/;

/** POSIX test: decided by the number of arguments, then `!`, `( )`, -a and -o. */
function evaluate(context: AppletContext, args: string[]): boolean {
  let at = 0;
  const or = (): boolean => {
    let value = and();
    while (args[at] === '-o') {
      at += 1;
      const right = and();
      value = value || right;
    }
    return value;
  };
  const and = (): boolean => {
    let value = term();
    while (args[at] === '-a') {
      at += 1;
      const right = term();
      value = value && right;
    }
    return value;
  };
  const term = (): boolean => {
    const first = args[at] ?? '';
    const left = args.length - at;
    if (left >= 3 && binaries.test(args[at + 1] ?? '')) {
      at += 3;
      return binary(context, first, args[at - 2] ?? '', args[at - 1] ?? '');
    }
    if (first === '!' && left > 1) {
      at += 1;
      return !term();
    }
    if (first === '(' && left > 2) {
      at += 1;
      const value = or();
      if (args[at] !== ')') throw new UsageError('missing )');
      at += 1;
      return value;
    }
    if (/^-[a-zA-Z]$/.test(first) && left >= 2) {
      at += 2;
      return unary(context, first[1] ?? '', args[at - 1] ?? '');
    }
    at += 1;
    return first !== '';
  };
  if (args.length === 0) return false;
  const value = or();
  if (at < args.length) throw new UsageError(`${args[at]}: unexpected operator/operand`);
  return value;
}

const test: Applet = async (context) => {
  try {
    return evaluate(context, context.args) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await context.err(error.message);
    return 2;
  }
};

const bracket: Applet = async (context) => {
  if (context.args.at(-1) === ']') return await test({ ...context, args: context.args.slice(0, -1) });
  await context.err('missing ]');
  return 2;
};

/** `[[ ]]` without patterns: the same tests, && and || being the shell's. */
export const tests: Record<string, Applet> = { test, '[': bracket };
