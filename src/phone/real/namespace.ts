import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { execa } from 'execa';
import { ADBD_PORT } from './root.ts';
import { holderScript } from './scripts.ts';
import { firstLine } from './spawn.ts';
import { unavailable } from './unavailable.ts';

const START_TIMEOUT_MS = 60_000;

export interface NamespaceOptions {
  root: string;
  image: string;
  worldSocket: string;
  foreign: boolean;
  uid: number;
  /** Set in the processes, so that they can be found. */
  env: Record<string, string>;
}

/** The namespaces of a phone, and the process that keeps them. */
export class Namespace {
  /** Host pid of that process. */
  readonly pid: number;
  readonly #end: () => Promise<void>;

  private constructor(pid: number, end: () => Promise<void>) {
    this.pid = pid;
    this.#end = end;
  }

  /** The phone's `/`, seen from the host. */
  get root(): string {
    return `/proc/${this.pid}/root`;
  }

  file(kind: 'net' | 'uts' | 'ipc' | 'pid' | 'mnt'): string {
    return `/proc/${this.pid}/ns/${kind}`;
  }

  static async create(options: NamespaceOptions): Promise<Namespace> {
    const { root, image, worldSocket, foreign, uid, env } = options;
    const args = [root, image, worldSocket, foreign ? 'yes' : 'no', String(uid)];
    const child = execa(
      'unshare',
      [
        ...['--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--kill-child'],
        ...['--', '/bin/sh', '-c', holderScript, 'sh', ...args],
      ],
      { stdin: 'pipe', env: { ...env, LC_ALL: 'C' }, reject: false },
    );
    const ended = child.then(({ stderr }) => stderr);
    const end = async () => {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    };
    const pid = await Promise.race([
      readyPid(child.stdout),
      ended.then(() => undefined),
      new Promise<undefined>((resolve) => setTimeout(resolve, START_TIMEOUT_MS, undefined).unref()),
    ]);
    if (pid !== undefined) return new Namespace(pid, end);
    child.kill('SIGKILL');
    const stderr = await ended;
    throw unavailable(`its namespaces could not be made: ${lastLine(stderr)}`, {
      suggestions: [
        'It needs root with all capabilities and loop devices: in a container, a privileged one.',
      ],
    });
  }

  /** Ends everything in the namespaces, and waits until it has ended. */
  async destroy(): Promise<void> {
    await this.#end();
  }

  /** Whether somebody listens on adbd's port. Looks it up: a connection made for asking would disturb adbd. */
  isAdbdListening(): boolean {
    const port = `:${ADBD_PORT.toString(16).toUpperCase().padStart(4, '0')}`;
    return ['tcp', 'tcp6'].some((table) => {
      const lines = read(`/proc/${this.pid}/net/${table}`).split('\n').slice(1);
      // sl local_address rem_address st: 0A is TCP_LISTEN.
      return lines.some((line) => {
        const [, local = '', , state] = line.trim().split(/\s+/);
        return local.endsWith(port) && state === '0A';
      });
    });
  }
}

async function readyPid(stdout: NodeJS.ReadableStream): Promise<number | undefined> {
  const found = /^ready ([0-9]+)$/.exec((await firstLine(stdout)) ?? '');
  return found === null ? undefined : Number(found[1]);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The identity of a process's pid namespace; undefined if the process has ended. */
export function pidNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

/** Whether a file is still the backing of a loop device: its file system is being unmounted. */
export function isAttached(image: string): boolean {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .some((name) => read(`/sys/block/${name}/loop/backing_file`).trim() === image);
}
