import {
  chmodSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { FileError, openAs } from '../../files.ts';
import type { Applet, AppletContext } from '../context.ts';
import { FileDescription } from '../io.ts';
import { closeQuietly, forEach, parseArguments, UsageError } from './support.ts';

const resolveForWrite = (context: AppletContext, path: string, follow = true) =>
  context.host.files.resolveWritable(path, context.cwd, follow).host;

function makeFolder(host: string, mode: number): void {
  mkdirSync(host, mode);
  chmodSync(host, mode);
}

const mkdir: Applet = async (context) => {
  const { flags, values, operands } = parseArguments(context.args, 'pv', 'm');
  const mode = Number.parseInt(values.get('m') ?? '777', 8);
  return await forEach(context, operands, async (operand) => {
    const parts = operand.split('/');
    if (flags.has('p')) {
      for (let length = 1; length < parts.length; length += 1) {
        const parent = parts.slice(0, length).join('/');
        if (parent !== '' && !context.host.files.exists(parent, context.cwd))
          makeFolder(resolveForWrite(context, parent), 0o777);
      }
      const now = context.host.files.exists(operand, context.cwd)
        ? statSync(context.host.files.resolve(operand, context.cwd).host)
        : undefined;
      if (now?.isDirectory()) return;
    }
    const host = resolveForWrite(context, operand.replace(/\/+$/, ''));
    makeFolder(host, mode);
  });
};

const rmdir: Applet = async (context) =>
  await forEach(context, parseArguments(context.args, 'p').operands, async (operand) => {
    rmdirSync(resolveForWrite(context, operand, false));
  });

function removeTree(context: AppletContext, host: string): void {
  context.job.check();
  if (!lstatSync(host).isDirectory()) {
    unlinkSync(host);
    return;
  }
  for (const name of readdirSync(host)) removeTree(context, `${host}/${name}`);
  rmdirSync(host);
}

const rm: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'rRfiv');
  return await forEach(context, operands, async (operand) => {
    const resolved = context.host.files.resolve(operand.replace(/(.)\/+$/, '$1'), context.cwd, false);
    const found = lstatSync(resolved.host, { throwIfNoEntry: false });
    if (found === undefined) {
      if (flags.has('f')) return;
      throw new FileError('ENOENT');
    }
    const host = resolveForWrite(context, operand.replace(/(.)\/+$/, '$1'), false);
    if (found.isDirectory()) {
      if (!flags.has('r') && !flags.has('R')) throw new FileError('EISDIR');
      removeTree(context, host);
    } else unlinkSync(host);
  }).then((status) =>
    flags.has('f') && operands.every((operand) => !context.host.files.exists(operand, context.cwd))
      ? 0
      : status,
  );
};

/** Where a source goes: into the target if that is a folder. */
function destination(context: AppletContext, source: string, target: string): string {
  if (context.host.files.exists(target, context.cwd)) {
    const { host } = context.host.files.resolve(target, context.cwd);
    const found = lstatSync(host, { throwIfNoEntry: false });
    if (found?.isDirectory())
      return `${target.replace(/\/+$/, '')}/${source.replace(/\/+$/, '').split('/').at(-1)}`;
  }
  return target;
}

function sourcesAndTarget(operands: string[]): { sources: string[]; target: string } {
  const target = operands.at(-1);
  if (operands.length < 2 || target === undefined) throw new UsageError('Needs 2 arguments');
  return { sources: operands.slice(0, -1), target };
}

const mv: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'fnivT');
  const { sources, target } = sourcesAndTarget(operands);
  return await forEach(context, sources, async (source) => {
    const from = context.host.files.resolve(source, context.cwd, false);
    lstatSync(from.host);
    resolveForWrite(context, source, false);
    const to = flags.has('T') ? target : destination(context, source, target);
    if (flags.has('n') && context.host.files.exists(to, context.cwd)) return;
    renameSync(from.host, resolveForWrite(context, to, false));
  });
};

function copyTree(context: AppletContext, from: string, to: string, deep: boolean, keep: boolean): void {
  context.job.check();
  const found = lstatSync(from);
  if (found.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
  } else if (found.isDirectory()) {
    if (!deep) throw new FileError('EISDIR');
    mkdirSync(to, { recursive: true, mode: 0o777 });
    for (const name of readdirSync(from)) copyTree(context, `${from}/${name}`, `${to}/${name}`, deep, keep);
  } else {
    context.host.files.takeSpace(found.size);
    copyFileSync(from, to);
    if (keep) utimesSync(to, found.atime, found.mtime);
  }
}

const cp: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'rRafpdvHLP');
  const { sources, target } = sourcesAndTarget(operands);
  const deep = flags.has('r') || flags.has('R') || flags.has('a');
  return await forEach(context, sources, async (source) => {
    const from = context.host.files.resolve(source, context.cwd, !deep);
    const to = resolveForWrite(context, destination(context, source, target));
    copyTree(context, from.host, to, deep, flags.has('p') || flags.has('a'));
  });
};

const ln: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'sfnTv');
  const { sources, target } = sourcesAndTarget(operands.length === 1 ? [...operands, '.'] : operands);
  return await forEach(context, sources, async (source) => {
    const to = resolveForWrite(context, destination(context, source, target), false);
    if (flags.has('f') && lstatSync(to, { throwIfNoEntry: false }) !== undefined) unlinkSync(to);
    if (flags.has('s')) symlinkSync(source, to);
    else linkSync(resolveForWrite(context, source, false), to);
  });
};

/** Octal, or clauses such as `u+x,go-w`. */
function modeFrom(spec: string, before: number): number {
  if (/^[0-7]{1,4}$/.test(spec)) return Number.parseInt(spec, 8);
  let mode = before;
  for (const clause of spec.split(',')) {
    const [, who = '', operator = '', what = ''] = /^([ugoa]*)([-+=])([rwxX]*)$/.exec(clause) ?? [];
    if (operator === '') throw new UsageError(`bad mode '${spec}'`);
    let mask = 0;
    for (const letter of who === '' || who.includes('a') ? 'ugo' : who)
      mask |= { u: 0o700, g: 0o070, o: 0o007 }[letter] ?? 0;
    let bits = 0;
    for (const letter of what)
      bits |= { r: 0o444, w: 0o222, x: 0o111, X: (before & 0o111) !== 0 ? 0o111 : 0 }[letter] ?? 0;
    if (operator === '+') mode |= bits & mask;
    else if (operator === '-') mode &= ~(bits & mask);
    else mode = (mode & ~mask) | (bits & mask);
  }
  return mode;
}

const chmod: Applet = async (context) => {
  const args = [...context.args];
  const recursive = args[0] === '-R';
  if (recursive) args.shift();
  const [spec, ...operands] = args;
  if (spec === undefined || operands.length === 0) throw new UsageError('Needs 2 arguments');
  const change = (host: string): void => {
    const found = lstatSync(host);
    if (found.isSymbolicLink()) return;
    chmodSync(host, modeFrom(spec, found.mode & 0o7777));
    if (recursive && found.isDirectory()) for (const name of readdirSync(host)) change(`${host}/${name}`);
  };
  return await forEach(context, operands, async (operand) => change(resolveForWrite(context, operand)));
};

const touch: Applet = async (context) => {
  const { flags, values, operands } = parseArguments(context.args, 'cam', 'dt');
  return await forEach(context, operands, async (operand) => {
    const host = resolveForWrite(context, operand);
    const given = values.get('d');
    const time =
      given === undefined
        ? Date.now() / 1000
        : /^@/.test(given)
          ? Number(given.slice(1))
          : Date.parse(given) / 1000;
    if (Number.isNaN(time)) throw new UsageError(`bad '${given}'`);
    if (lstatSync(host, { throwIfNoEntry: false }) === undefined) {
      if (flags.has('c')) return;
      if (context.host.files.spaceLimit === 0) throw new FileError('ENOSPC');
      closeSync(openAs(host, 'a'));
    }
    utimesSync(host, time, time);
  });
};

const truncate: Applet = async (context) => {
  const { values, operands } = parseArguments(context.args, 'c', 's');
  return await forEach(context, operands, async (operand) => {
    const fd = openSync(resolveForWrite(context, operand), 'r+');
    try {
      ftruncateSync(fd, sizeOf(values.get('s') ?? '0'));
    } finally {
      closeSync(fd);
    }
  });
};

const sync: Applet = async () => 0;

const fsync: Applet = async (context) =>
  await forEach(context, parseArguments(context.args, 'd').operands, async (operand) => {
    const fd = openSync(context.host.files.resolve(operand, context.cwd).host, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });

/** 512, 4k, 1M, 1G, also 1kB. */
function sizeOf(text: string): number {
  const [, digits, unit = ''] = /^([0-9]+)([kKmMgGbc]?)/.exec(text) ?? [];
  if (digits === undefined) throw new UsageError(`bad number '${text}'`);
  const factor = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, b: 512, c: 1 }[unit.toLowerCase()] ?? 1;
  return Number(digits) * factor;
}

/** A dd block is taken into memory; a phone would refuse a bigger one as well. */
const DD_BLOCK_MAX = 64 * 1024 * 1024;

const dd: Applet = async (context) => {
  const settings = new Map(
    context.args.map((argument): [string, string] => {
      const at = argument.indexOf('=');
      return [argument.slice(0, at), argument.slice(at + 1)];
    }),
  );
  const size = sizeOf(settings.get('bs') ?? settings.get('ibs') ?? '512');
  if (size < 1 || size > DD_BLOCK_MAX) throw new UsageError(`bad bs=${size}`);
  const count = settings.has('count') ? sizeOf(settings.get('count') ?? '') : Number.POSITIVE_INFINITY;
  const skip = sizeOf(settings.get('skip') ?? '0') * size;
  const seek = sizeOf(settings.get('seek') ?? '0') * size;
  const input = settings.get('if');
  const output = settings.get('of');
  const keep = (settings.get('conv') ?? '').split(',').includes('notrunc');
  const from =
    input === undefined ? undefined : openSync(context.host.files.resolve(input, context.cwd).host, 'r');
  let to: number | undefined;
  let copied = 0;
  let blocks = 0;
  const started = performance.now();
  try {
    if (output !== undefined) {
      const host = resolveForWrite(context, output);
      const there = lstatSync(host, { throwIfNoEntry: false }) !== undefined;
      if (context.host.files.spaceLimit === 0 && !there) throw new FileError('ENOSPC');
      to = openAs(host, there && (keep || seek > 0) ? 'r+' : 'w');
    }
    const sink = to === undefined ? undefined : new FileDescription(to, context.host.files);
    let place = skip;
    for (; blocks < count; blocks += 1) {
      let block: Buffer | null;
      if (from === undefined) {
        block = await context.read();
        if (block !== null && block.length > size) {
          context.streams.stdin.unread(block.subarray(size));
          block = block.subarray(0, size);
        }
      } else {
        const buffer = Buffer.allocUnsafe(size);
        const device = (input ?? '').startsWith('/dev/');
        const read = readSync(from, buffer, 0, size, device ? null : place);
        place += read;
        block = read === 0 ? null : buffer.subarray(0, read);
      }
      if (block === null) break;
      if (to !== undefined && seek > 0) {
        context.host.files.takeSpace(block.length);
        writeSync(to, block, 0, block.length, seek + copied);
      } else await (sink ?? context.streams.stdout).write(block);
      copied += block.length;
      context.job.check();
      if (blocks % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    if (from !== undefined) closeQuietly(from);
    if (to !== undefined) closeQuietly(to);
  }
  const seconds = (performance.now() - started) / 1000;
  const speed = `${(copied / 1e6 / Math.max(seconds, 1e-6)).toFixed(1)} M/s`;
  const records = `${blocks}+0 records in\n${blocks}+0 records out\n`;
  await context.streams.stderr.write(
    Buffer.from(
      `${records}${copied} bytes (${(copied / 1e6).toFixed(1)} M) copied, ${seconds.toFixed(3)} s, ${speed}\n`,
    ),
  );
  return 0;
};

export const changeFiles: Record<string, Applet> = {
  chmod,
  cp,
  dd,
  fsync,
  ln,
  mkdir,
  mv,
  rm,
  rmdir,
  sync,
  touch,
  truncate,
};
