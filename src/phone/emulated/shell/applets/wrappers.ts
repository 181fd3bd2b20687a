import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Applet, AppletContext } from '../context.ts';
import type { Job } from '../job.ts';
import { piecesOf, UsageError } from './support.ts';

/** Scripts longer than this are refused. */
const MAX_SCRIPT = 4 * 1024 * 1024;

const sh: Applet = async (context) => {
  const args = [...context.args];
  let first = args[0];
  let strict = '';
  while (first !== undefined && /^-[a-z]+$/.test(first)) {
    args.shift();
    strict += [...first].filter((letter) => letter === 'e' || letter === 'x').join('');
    if (first.includes('c')) {
      const [script, name = '/system/bin/sh', ...positional] = args;
      if (script === undefined) throw new UsageError('-c requires an argument');
      return await context.script(strict === '' ? script : `set -${strict}\n${script}`, name, positional);
    }
    first = args[0];
  }
  const prefix = strict === '' ? '' : `set -${strict}\n`;
  if (first !== undefined) {
    const { host } = context.host.files.resolve(first, context.cwd);
    return await context.script(prefix + readFileSync(host, 'utf8'), first, args.slice(1));
  }
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of piecesOf(context, '-')) {
    pieces.push(piece);
    size += piece.length;
    if (size > MAX_SCRIPT) throw new UsageError('script too long');
  }
  return await context.script(prefix + Buffer.concat(pieces).toString('utf8'), '/system/bin/sh', []);
};

/** Runs the rest of the line in a job that does not belong to this shell's, so that it outlives the connection. */
async function runDetached(context: AppletContext, argv: string[]): Promise<number> {
  const job: Job = context.host.jobs.create(argv, undefined);
  const held = Object.values(context.streams).map((description) => description.retain());
  const done = context.run(argv, { job }).finally(() => {
    for (const description of held) description.release();
    job.finish();
  });
  // When this shell dies, nobody waits any more; the job goes on.
  done.catch(() => undefined);
  return await context.job.interruptible(done);
}

const setsid: Applet = async (context) => {
  const argv = context.args.filter((argument, index) => !(index === 0 && /^-[cdwf]+$/.test(argument)));
  if (argv.length === 0) throw new UsageError('Needs 1 argument');
  return await runDetached(context, argv);
};

const nohup: Applet = async (context) => {
  if (context.args.length === 0) throw new UsageError('Needs 1 argument');
  return await runDetached(context, context.args);
};

const env: Applet = async (context) => {
  const args = [...context.args];
  let variables = new Map(context.env);
  for (let first = args[0]; first !== undefined; first = args[0]) {
    if (first === '-i') variables = new Map();
    else if (first === '-u') variables.delete(args.splice(1, 1)[0] ?? '');
    else if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(first)) {
      const at = first.indexOf('=');
      variables.set(first.slice(0, at), first.slice(at + 1));
    } else break;
    args.shift();
  }
  if (args.length > 0) return await context.run(args, { env: variables });
  await context.out([...variables].map(([name, value]) => `${name}=${value}\n`).join(''));
  return 0;
};

const nice: Applet = async (context) => {
  const args = [...context.args];
  if (args[0] === '-n') args.splice(0, 2);
  return await context.run(args);
};

const time: Applet = async (context) => {
  const started = performance.now();
  const code = await context.run(context.args);
  const seconds = ((performance.now() - started) / 1000).toFixed(2);
  await context.streams.stderr.write(
    Buffer.from(`    0m${seconds}s real     0m0.00s user     0m0.00s system\n`),
  );
  return code;
};

const timeout: Applet = async (context) => {
  const args = context.args.filter((argument) => !/^-[fv]$/.test(argument));
  if (args[0] === '-s' || args[0] === '-k') args.splice(0, 2);
  const seconds = Number((args.shift() ?? '').replace(/s$/, ''));
  if (!Number.isFinite(seconds) || args.length === 0) throw new UsageError('Needs 2 arguments');
  const job = context.host.jobs.create(args, context.job);
  const over = new AbortController();
  const run = context.run(args, { job }).catch(() => 143);
  const late = delay(seconds * 1000, 'late' as const, { signal: over.signal }).catch(() => 'never' as const);
  const first = await context.job.interruptible(Promise.race([run, late]));
  over.abort();
  if (first !== 'late' && first !== 'never') {
    job.finish();
    return first;
  }
  job.kill(15);
  await context.job.interruptible(run);
  job.finish();
  return 124;
};

const xargs: Applet = async (context) => {
  const args = [...context.args];
  let most = Number.POSITIVE_INFINITY;
  let separator: RegExp | string = /\s+/;
  for (let first = args[0]; first?.startsWith('-'); first = args[0]) {
    args.shift();
    if (first === '-0') separator = '\0';
    else if (first === '-n') most = Number(args.shift());
    else if (first !== '-r') throw new UsageError(`Unknown option '${first}'`);
  }
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(context, '-')) pieces.push(piece);
  const words = Buffer.concat(pieces)
    .toString('utf8')
    .split(separator)
    .filter((word) => word !== '');
  let status = 0;
  while (words.length > 0)
    status =
      (await context.run([...(args.length > 0 ? args : ['echo']), ...words.splice(0, most)])) || status;
  return status === 0 ? 0 : 123;
};

export const wrappers: Record<string, Applet> = { env, nice, nohup, setsid, sh, time, timeout, xargs };
