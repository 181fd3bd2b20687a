import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ExitCode, MftError } from '../base/errors.ts';
import { dataHome } from '../base/paths.ts';
import { askControl } from './control.ts';
import { idFile, ProcessTable } from './processes.ts';
import { releaseForeign } from './real/binfmt.ts';
import {
  type FaultKind,
  type FaultOptions,
  type Make,
  makes,
  type PhoneOptions,
  type PhoneRecord,
} from './types.ts';

/** Phones that run as processes of their own, each with a folder below `<data home>/phones`. */

const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 20_000;

export interface FleetOptions {
  /** Default: `dataHome()`. */
  dataFolder?: string;
}

/** What the daemon of a phone is told, and what it tells back. */
export type DaemonMessage =
  | { ready: Omit<PhoneRecord, 'alive'> }
  | { failed: { message: string; code: string; suggestions: string[] } };

function phonesFolder(options: FleetOptions): string {
  return join(options.dataFolder ?? dataHome(), 'phones');
}

export const stateFile = (folder: string): string => join(folder, 'state.json');
export const configFile = (folder: string): string => join(folder, 'config.json');
export const logFile = (folder: string): string => join(folder, 'log');

function checkName(name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) return name;
  throw new MftError(`"${name}" can't be a phone's name.`, {
    code: 'phone.bad-name',
    exit: ExitCode.usage,
    suggestions: ['Use up to 32 of a-z, 0-9 and -, not beginning with -.'],
  });
}

/** Starts a phone that outlives this process. A stopped phone of that name goes on with the files it had. */
export async function launchPhone(
  options: PhoneOptions = {},
  fleet: FleetOptions = {},
): Promise<PhoneRecord> {
  const name = checkName(options.name ?? `${options.profile ?? 'pixel-8'}-${randomBytes(2).toString('hex')}`);
  const folder = join(phonesFolder(fleet), name);
  mkdirSync(phonesFolder(fleet), { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (recordOf(folder)?.alive) {
    throw new MftError(`A phone called ${name} is running.`, {
      code: 'phone.name-taken',
      exit: ExitCode.usage,
      suggestions: [`mft phone stop ${name}`, 'Or give it another name with --name.'],
    });
  }
  await sweep(folder);
  writeFileSync(configFile(folder), JSON.stringify({ ...options, name, home: folder }));
  const log = openSync(logFile(folder), 'a', 0o600);
  // The daemon is this package: the .ts file in a checkout, the .js file in an installation.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const daemon = fileURLToPath(new URL(`./daemon.${extension}`, import.meta.url));
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [daemon, folder], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env,
    cwd: '/',
  });
  closeSync(log);
  const answer = await new Promise<DaemonMessage | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), START_TIMEOUT_MS);
    const settle = (message: DaemonMessage | undefined) => {
      clearTimeout(timer);
      resolve(message);
    };
    child.once('message', (message) => settle(message as DaemonMessage));
    child.once('exit', () => settle(undefined));
    child.once('error', () => settle(undefined));
  });
  if (child.connected) child.disconnect();
  child.unref();
  if (answer !== undefined && 'ready' in answer) return { ...answer.ready, alive: true };
  if (child.exitCode === null) child.kill('SIGTERM');
  // Nothing to keep of a phone that never was; its log stays if it did not say why.
  if (answer !== undefined && !existsSync(join(folder, 'root')))
    rmSync(folder, { recursive: true, force: true });
  throw failure(answer, name, folder);
}

function failure(answer: DaemonMessage | undefined, name: string, folder: string): MftError {
  if (answer !== undefined && 'failed' in answer) {
    const { message, code, suggestions } = answer.failed;
    return new MftError(message, { code, suggestions, exit: ExitCode.usage });
  }
  return new MftError(`The phone ${name} did not start.`, {
    code: 'phone.start-failed',
    exit: ExitCode.internal,
    suggestions: [`Read its log: ${logFile(folder)}`],
  });
}

function isRecord(value: unknown): value is Omit<PhoneRecord, 'alive'> {
  if (typeof value !== 'object' || value === null) return false;
  const { name, pid, port, make } = value as Record<string, unknown>;
  const known: readonly unknown[] = makes;
  return (
    typeof name === 'string' && typeof pid === 'number' && typeof port === 'number' && known.includes(make)
  );
}

function recordOf(folder: string): PhoneRecord | undefined {
  try {
    const held: unknown = JSON.parse(readFileSync(stateFile(folder), 'utf8'));
    return isRecord(held) ? { ...held, alive: isDaemon(held.pid, folder) } : undefined;
  } catch {
    return undefined;
  }
}

/** A pid is the daemon's only if its command line says so: pids are used again. */
function isDaemon(pid: number, folder: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(folder);
  } catch {
    return false;
  }
}

export function listPhones(fleet: FleetOptions = {}): PhoneRecord[] {
  let names: string[];
  try {
    names = readdirSync(phonesFolder(fleet)).sort();
  } catch {
    return [];
  }
  return names
    .map((name) => recordOf(join(phonesFolder(fleet), name)))
    .filter((record) => record !== undefined);
}

/** The phone of that name, or the only one. */
export function findPhone(name: string | undefined, fleet: FleetOptions = {}): PhoneRecord {
  const all = listPhones(fleet);
  const [only] = all;
  if (name === undefined && only !== undefined && all.length === 1) return only;
  const found = all.find((record) => record.name === name || record.serial === name);
  if (found !== undefined) return found;
  const names = all.map((record) => record.name).join(', ');
  const none = all.length === 0;
  const message =
    name === undefined
      ? none
        ? 'No virtual phone is running.'
        : 'There are several virtual phones.'
      : `No virtual phone is called ${name}.`;
  throw new MftError(message, {
    code: none ? 'phone.none' : name === undefined ? 'phone.several' : 'phone.unknown',
    exit: ExitCode.usage,
    suggestions: none ? ['mft phone start'] : [`Name one of: ${names}.`],
  });
}

/**
 * Ends a phone and everything it ever started, whatever became of its daemon.
 * @param keep leave its files for a later start under the same name
 */
export async function stopPhone(
  name: string,
  options: FleetOptions & { keep?: boolean } = {},
): Promise<void> {
  const record = findPhone(name, options);
  const folder = join(phonesFolder(options), record.name);
  if (record.alive) {
    process.kill(record.pid, 'SIGTERM');
    if (!(await gone(record.pid, folder, STOP_TIMEOUT_MS))) {
      process.kill(record.pid, 'SIGKILL');
      await gone(record.pid, folder, STOP_TIMEOUT_MS);
    }
  }
  await sweep(folder, record.make);
  rmSync(stateFile(folder), { force: true });
  if (!options.keep) rmSync(folder, { recursive: true, force: true });
}

async function gone(pid: number, folder: string, timeoutMs: number): Promise<boolean> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await delay(20)) {
    if (!isDaemon(pid, folder)) return true;
  }
  return !isDaemon(pid, folder);
}

/** Kills what a phone left behind when its daemon was killed. */
async function sweep(folder: string, make?: Make): Promise<void> {
  let id: string;
  try {
    id = readFileSync(idFile(folder), 'utf8').trim();
  } catch {
    return;
  }
  if (/^[0-9a-f]{12}$/.test(id)) await new ProcessTable(id).killAll();
  if (make === 'real') await releaseForeign();
}

/** Asks the daemon of a running phone for a fault. */
export async function faultPhone(
  name: string | undefined,
  kind: FaultKind,
  options: FaultOptions,
  fleet: FleetOptions = {},
): Promise<PhoneRecord> {
  const record = findPhone(name, fleet);
  if (!record.alive) {
    throw new MftError(`The phone ${record.name} has died.`, {
      code: 'phone.dead',
      exit: ExitCode.device,
      suggestions: [`mft phone stop ${record.name}`],
    });
  }
  await askControl(join(phonesFolder(fleet), record.name), { kind, options });
  return record;
}

export function writeState(folder: string, record: Omit<PhoneRecord, 'alive'>): void {
  writeFileSync(`${stateFile(folder)}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${stateFile(folder)}.new`, stateFile(folder));
}
