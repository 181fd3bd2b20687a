import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Applet, AppletContext } from '../context.ts';
import { UsageError } from './support.ts';

interface Row {
  user: string;
  pid: number;
  ppid: number;
  rssKb: number;
  state: string;
  name: string;
  arguments: string[];
}

const ADBD_PID = 487;

/** What `ps` shows: init and adbd, the shell's jobs, and the phone's programs. */
function rows(context: AppletContext): Row[] {
  const visible = context.host.jobs.list().filter((job) => !job.hidden);
  const own = { rssKb: 3120, state: 'S', user: 'shell' };
  return [
    { ...own, user: 'root', pid: 1, ppid: 0, name: 'init', arguments: ['/system/bin/init', 'second_stage'] },
    {
      ...own,
      pid: ADBD_PID,
      ppid: 1,
      name: 'adbd',
      arguments: ['/apex/com.android.adbd/bin/adbd', '--root_seclabel=u:r:su:s0'],
    },
    ...visible.map((job) => ({
      ...own,
      pid: job.pid,
      ppid: ADBD_PID,
      name: (job.label[0] ?? 'sh').split('/').at(-1) ?? 'sh',
      arguments: job.label,
    })),
    ...context.host.processes.list().map((info) => ({ ...info, user: 'shell' })),
  ];
}

const columns: Record<string, { title: string; width: number; of(row: Row): string }> = {
  user: { title: 'USER', width: -14, of: (row) => row.user },
  pid: { title: 'PID', width: 7, of: (row) => String(row.pid) },
  ppid: { title: 'PPID', width: 7, of: (row) => String(row.ppid) },
  vsz: { title: 'VSZ', width: 9, of: (row) => String(row.rssKb * 3) },
  rss: { title: 'RSS', width: 6, of: (row) => String(row.rssKb) },
  wchan: { title: 'WCHAN', width: -17, of: () => '0' },
  addr: { title: 'ADDR', width: 9, of: () => '0' },
  s: { title: 'S', width: -1, of: (row) => row.state },
  stat: { title: 'STAT', width: -4, of: (row) => row.state },
  name: { title: 'NAME', width: 0, of: (row) => row.name },
  comm: { title: 'COMMAND', width: 0, of: (row) => row.name },
  cmd: { title: 'CMD', width: 0, of: (row) => row.name },
  args: { title: 'ARGS', width: 0, of: (row) => row.arguments.join(' ') },
};

const ps: Applet = async (context) => {
  const args = [...context.args];
  let fields = ['user', 'pid', 'ppid', 'vsz', 'rss', 'wchan', 'addr', 's', 'name'];
  let pids: number[] | undefined;
  let everyone = false;
  for (let argument = args.shift(); argument !== undefined; argument = args.shift()) {
    if (argument === '-o')
      fields = (args.shift() ?? '')
        .toLowerCase()
        .split(',')
        .map((field) => field.replace(/[=:].*/, ''));
    else if (argument === '-p') pids = (args.shift() ?? '').split(',').map(Number);
    else if (/^-?[Aaefxuw]+$/.test(argument)) everyone = true;
    else if (/^[0-9]+$/.test(argument)) pids = [...(pids ?? []), Number(argument)];
    else throw new UsageError(`Unknown option '${argument}'`);
  }
  const unknown = fields.find((field) => columns[field] === undefined);
  if (unknown !== undefined) throw new UsageError(`bad -o ${unknown}`);
  const shown = rows(context).filter((row) =>
    pids === undefined ? everyone || row.user === 'shell' : pids.includes(row.pid),
  );
  const line = (cell: (column: { title: string; of(row: Row): string }) => string): string =>
    fields
      .map((field) => columns[field])
      .filter((column) => column !== undefined)
      .map((column) =>
        column.width < 0 ? cell(column).padEnd(-column.width) : cell(column).padStart(column.width),
      )
      .join(' ');
  await context.out(`${line((column) => column.title)}\n`);
  for (const row of shown) await context.out(`${line((column) => column.of(row))}\n`);
  return pids !== undefined && shown.length === 0 ? 1 : 0;
};

const pidof: Applet = async (context) => {
  const names = context.args.filter((argument) => !argument.startsWith('-'));
  const found = rows(context).filter((row) =>
    names.some((name) => row.name === name.slice(0, 15) || row.arguments[0]?.split('/').at(-1) === name),
  );
  if (found.length === 0) return 1;
  await context.out(`${found.map((row) => row.pid).join(' ')}\n`);
  return 0;
};

const pgrep: Applet = async (context) => {
  const full = context.args.includes('-f');
  const pattern = new RegExp(context.args.filter((argument) => !argument.startsWith('-')).at(-1) ?? '');
  // The one that asks is not among the answers.
  const found = rows(context).filter(
    (row) => row.pid !== context.shellPid && pattern.test(full ? row.arguments.join(' ') : row.name),
  );
  for (const row of found) await context.out(`${row.pid}\n`);
  return found.length === 0 ? 1 : 0;
};

function signalFrom(text: string): number | undefined {
  if (/^[0-9]+$/.test(text)) return Number(text);
  const name = `SIG${text.replace(/^SIG/, '').toUpperCase()}`;
  const numbers: Record<string, number> = constants.signals;
  return numbers[name];
}

const kill: Applet = async (context) => {
  const args = [...context.args];
  let signal = 15;
  const first = args[0] ?? '';
  if (first === '-l') {
    await context.out(`${Object.keys(constants.signals).join(' ')}\n`);
    return 0;
  }
  if (/^-./.test(first) && first !== '--') {
    if (first === '-s') args.shift();
    const name = first === '-s' ? (args[0] ?? '') : first.slice(1);
    const number = signalFrom(name);
    if (number === undefined) throw new UsageError(`bad signal '${name}'`);
    signal = number;
    args.shift();
  }
  let status = 0;
  for (const text of args.filter((argument) => argument !== '--')) {
    const pid = Number(text);
    const problem = Number.isInteger(pid) && pid !== 0 ? killOne(context, pid, signal) : 'invalid pid';
    if (problem === undefined) continue;
    await context.err(problem === 'invalid pid' ? `bad pid '${text}'` : `${text}: ${problem}`);
    status = 1;
  }
  return status;
};

/** Only what is the phone's can be killed from within. */
function killOne(context: AppletContext, pid: number, signal: number): string | undefined {
  const job = context.host.jobs.get(Math.abs(pid));
  if (job !== undefined) {
    if (signal !== 0) job.kill(signal);
    return undefined;
  }
  if (pid === 1 || pid === ADBD_PID) return 'Operation not permitted';
  if (!context.host.processes.owns(Math.abs(pid))) return 'No such process';
  try {
    process.kill(pid, signal);
    return undefined;
  } catch {
    return 'No such process';
  }
}

const pkill: Applet = async (context) => {
  const args = [...context.args];
  let signal = 15;
  let full = false;
  for (let first = args[0]; first?.startsWith('-'); first = args[0]) {
    if (first === '-f') full = true;
    else signal = signalFrom(first.slice(1)) ?? 15;
    args.shift();
  }
  const pattern = new RegExp(args[0] ?? '');
  const found = rows(context).filter(
    (row) =>
      row.user === 'shell' &&
      row.pid !== context.shellPid &&
      row.pid !== ADBD_PID &&
      pattern.test(full ? row.arguments.join(' ') : row.name),
  );
  for (const row of found) killOne(context, row.pid, signal);
  return found.length === 0 ? 1 : 0;
};

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };

const sleep: Applet = async (context) => {
  let seconds = 0;
  for (const argument of context.args) {
    const [, number, unit = 's'] = /^([0-9]*\.?[0-9]+)([smhd]?)$/.exec(argument) ?? [];
    if (number === undefined) throw new UsageError(`bad '${argument}'`);
    seconds += Number(number) * (units[unit] ?? 1);
  }
  const over = new AbortController();
  try {
    // Timers of Node end at 2^31 ms.
    const ms = Math.min(seconds * 1000, 2 ** 31 - 1);
    await context.job.interruptible(delay(ms, undefined, { signal: over.signal }).catch(() => undefined));
  } finally {
    over.abort();
  }
  return 0;
};

export const processes: Record<string, Applet> = { kill, pgrep, pidof, pkill, ps, sleep };
