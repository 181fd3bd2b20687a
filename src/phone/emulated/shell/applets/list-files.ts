import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { FileError } from '../../files.ts';
import type { Applet, AppletContext } from '../context.ts';
import { matches } from '../patterns.ts';
import { forEach, parseArguments } from './support.ts';

function typeLetter(stat: Stats): string {
  if (stat.isDirectory()) return 'd';
  if (stat.isSymbolicLink()) return 'l';
  if (stat.isCharacterDevice()) return 'c';
  if (stat.isSocket()) return 's';
  return stat.isFIFO() ? 'p' : '-';
}

function permissions(stat: Stats): string {
  const bits = 'rwxrwxrwx';
  return (
    typeLetter(stat) +
    [...bits].map((letter, index) => ((stat.mode >> (8 - index)) & 1 ? letter : '-')).join('')
  );
}

const two = (value: number) => String(value).padStart(2, '0');

function minute(date: Date): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Follows a link in the last place within the phone. */
function statOf(
  context: AppletContext,
  path: string,
  follow: boolean,
): { stat: Stats; path: string; host: string } {
  const resolved = context.host.files.resolve(path, context.cwd, follow);
  return { stat: follow ? statSync(resolved.host) : lstatSync(resolved.host), ...resolved };
}

const ls: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, '1AadlhinrStLZ');
  const paths = operands.length === 0 ? ['.'] : operands;
  const plain: string[] = [];
  const folders: string[] = [];
  let status = await forEach(context, paths, async (path) => {
    const follow = !flags.has('l') || path.endsWith('/');
    const { stat } = statOf(context, path, follow);
    (stat.isDirectory() && !flags.has('d') ? folders : plain).push(path);
  });
  for (const path of plain) await context.out(`${lineOf(context, path, path, flags)}\n`);
  for (const [index, folder] of folders.entries()) {
    if (paths.length > 1) await context.out(`${index + plain.length > 0 ? '\n' : ''}${folder}:\n`);
    status ||= await listFolder(context, folder, flags);
  }
  return status;
};

async function listFolder(context: AppletContext, folder: string, flags: Set<string>): Promise<number> {
  return await forEach(context, [folder], async () => {
    const names = readdirSync(context.host.files.resolve(folder, context.cwd).host).sort();
    const shown = names.filter((name) => flags.has('a') || flags.has('A') || !name.startsWith('.'));
    if (flags.has('a')) shown.unshift('.', '..');
    const entries = shown.filter((name) => context.host.files.exists(`${folder}/${name}`, context.cwd));
    const stat = (name: string) => statOf(context, `${folder}/${name}`, false).stat;
    if (flags.has('t')) entries.sort((a, b) => stat(b).mtimeMs - stat(a).mtimeMs);
    if (flags.has('S')) entries.sort((a, b) => stat(b).size - stat(a).size);
    if (flags.has('r')) entries.reverse();
    if (flags.has('l')) {
      const blocks = entries.reduce((sum, name) => sum + stat(name).blocks, 0);
      await context.out(`total ${Math.ceil(blocks / 2)}\n`);
    }
    for (const name of entries) await context.out(`${lineOf(context, `${folder}/${name}`, name, flags)}\n`);
  });
}

function lineOf(context: AppletContext, path: string, name: string, flags: Set<string>): string {
  if (!flags.has('l')) return name;
  const { stat, path: canonical, host } = statOf(context, path, false);
  const owner = context.host.files.ownerOf(canonical);
  const who = flags.has('n') ? [owner.uid, owner.gid] : [owner.user, owner.group];
  const target = stat.isSymbolicLink() ? ` -> ${readlinkSync(host)}` : '';
  return `${permissions(stat)} ${stat.nlink} ${who.join(' ')} ${stat.size} ${minute(stat.mtime)} ${name}${target}`;
}

/** stat -c FORMAT with the letters that scripts use; without -c a block like toybox's. */
const stat: Applet = async (context) => {
  const { flags, values, operands } = parseArguments(context.args, 'Lf', 'c');
  if (flags.has('f')) throw new FileError('EINVAL');
  return await forEach(context, operands, async (operand) => {
    const found = statOf(context, operand, flags.has('L'));
    const format = values.get('c');
    const owner = context.host.files.ownerOf(found.path);
    const fields: Record<string, string | number> = {
      n: operand,
      N: operand,
      s: found.stat.size,
      a: (found.stat.mode & 0o7777).toString(8),
      A: permissions(found.stat),
      f: found.stat.mode.toString(16),
      F: found.stat.isDirectory()
        ? 'directory'
        : found.stat.isSymbolicLink()
          ? 'symbolic link'
          : found.stat.isFile()
            ? 'regular file'
            : 'character device',
      u: owner.uid,
      g: owner.gid,
      U: owner.user,
      G: owner.group,
      h: found.stat.nlink,
      i: found.stat.ino,
      b: found.stat.blocks,
      B: 512,
      o: found.stat.blksize,
      X: Math.floor(found.stat.atimeMs / 1000),
      Y: Math.floor(found.stat.mtimeMs / 1000),
      Z: Math.floor(found.stat.ctimeMs / 1000),
      x: found.stat.atime.toISOString(),
      y: found.stat.mtime.toISOString(),
      z: found.stat.ctime.toISOString(),
    };
    const template =
      format ??
      '  File: %n\n  Size: %s\tBlocks: %b\t IO Blocks: %o\t%F\nAccess: (%a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\nModify: %y';
    await context.out(`${template.replace(/%(.)/g, (whole, letter) => String(fields[letter] ?? whole))}\n`);
  });
};

const readlink: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'fenq');
  let status = 0;
  for (const operand of operands) {
    try {
      const follow = flags.has('f') || flags.has('e');
      const { path, host } = context.host.files.resolve(operand, context.cwd, follow);
      const text = follow ? path : readlinkSync(host);
      await context.out(flags.has('n') ? text : `${text}\n`);
    } catch {
      status = 1;
    }
  }
  return status;
};

const realpath: Applet = async (context) =>
  await forEach(context, parseArguments(context.args, '').operands, async (operand) => {
    const found = statOf(context, operand, true);
    await context.out(`${found.path}\n`);
  });

const basename: Applet = async (context) => {
  const [path = '', suffix = ''] = context.args;
  const name = path.replace(/\/+$/, '').split('/').at(-1) || '/';
  await context.out(
    `${suffix !== '' && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name}\n`,
  );
  return 0;
};

const dirname: Applet = async (context) => {
  const path = (context.args[0] ?? '').replace(/\/+$/, '');
  const at = path.lastIndexOf('/');
  await context.out(`${at < 0 ? '.' : at === 0 ? '/' : path.slice(0, at)}\n`);
  return 0;
};

/** Kilobytes (1024) in use below each operand. */
const du: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'akbshcmx', 'd');
  const unit = flags.has('b') ? 1 : flags.has('m') ? 1024 * 1024 : 1024;
  const scale = (bytes: number) => (flags.has('h') ? human(bytes) : String(Math.ceil(bytes / unit)));
  return await forEach(context, operands.length === 0 ? ['.'] : operands, async (operand) => {
    const lines: string[] = [];
    const walk = (path: string, depth: number): number => {
      context.job.check();
      const { stat: found, host } = statOf(context, path, false);
      let bytes = flags.has('b') ? found.size : found.blocks * 512;
      if (found.isDirectory())
        for (const name of readdirSync(host).sort()) bytes += walk(`${path}/${name}`, depth + 1);
      const most = flags.has('s') ? 0 : Number(values(context) ?? Number.POSITIVE_INFINITY);
      if (depth <= most && (found.isDirectory() || flags.has('a') || depth === 0))
        lines.push(`${scale(bytes)}\t${path}\n`);
      return bytes;
    };
    walk(operand, 0);
    await context.out(lines.join(''));
  });
};

function values(context: AppletContext): string | undefined {
  return parseArguments(context.args, 'akbshcmx', 'd').values.get('d');
}

function human(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)}${'BKMGT'[unit]}`;
}

/** The phone's storage, whatever the host's is, as long as the host has that much. */
const df: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'kPhmia');
  const head = flags.has('h')
    ? 'Filesystem      Size Used Avail Use% Mounted on'
    : `Filesystem     ${flags.has('P') ? '1024-blocks' : '1K-blocks'}     Used Available Use% Mounted on`;
  await context.out(`${head}\n`);
  return await forEach(context, operands.length === 0 ? ['/data'] : operands, async (operand) => {
    const { path } = statOf(context, operand, true);
    const shared = path.startsWith('/storage');
    const { totalKb, usedKb, freeKb } = context.host.world.storage(context.host.files.spaceLimit);
    const show = (kb: number) => (flags.has('h') ? human(kb * 1024) : String(kb));
    const percent = `${Math.ceil((usedKb * 100) / Math.max(1, usedKb + freeKb))}%`;
    const [device, mount] = shared ? ['/dev/fuse', '/storage/emulated'] : ['/dev/block/dm-50', '/data'];
    const cells = [
      device,
      show(totalKb).padStart(9),
      show(usedKb).padStart(8),
      show(freeKb).padStart(9),
      percent.padStart(4),
      mount,
    ];
    await context.out(`${cells.join(' ')}\n`);
  });
};

/** find PATH... with -name, -type, -maxdepth and -print. */
const find: Applet = async (context) => {
  const split = context.args.findIndex((argument) => argument.startsWith('-'));
  const roots = split < 0 ? context.args : context.args.slice(0, split);
  const rules = split < 0 ? [] : context.args.slice(split);
  let most = Number.POSITIVE_INFINITY;
  const tests: ((name: string, found: Stats) => boolean)[] = [];
  for (let at = 0; at < rules.length; at += 1) {
    const [rule, value = ''] = [rules[at], rules[at + 1]];
    if (rule === '-print') continue;
    at += 1;
    if (rule === '-name') tests.push((name) => matches(value, name));
    else if (rule === '-type') tests.push((_, found) => typeLetter(found).replace('-', 'f') === value);
    else if (rule === '-maxdepth') most = Number(value);
    else throw new FileError('EINVAL');
  }
  return await forEach(context, roots.length === 0 ? ['.'] : roots, async (root) => {
    const walk = async (path: string, depth: number): Promise<void> => {
      context.job.check();
      const { stat: found, host } = statOf(context, path, false);
      if (tests.every((test) => test(path.split('/').at(-1) ?? '', found))) await context.out(`${path}\n`);
      if (!found.isDirectory() || depth >= most) return;
      for (const name of readdirSync(host).sort())
        await walk(`${path === '/' ? '' : path}/${name}`, depth + 1);
    };
    await walk(root, 0);
  });
};

export const listFiles: Record<string, Applet> = {
  basename,
  df,
  dirname,
  du,
  find,
  ls,
  readlink,
  realpath,
  stat,
};
