import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode, MftError } from '../../base/errors.ts';
import type { Namespace } from './namespace.ts';
import { ADBD_PORT, ANDROID_PATH } from './root.ts';
import { firstLine, spawnLogged } from './spawn.ts';

const START_TIMEOUT_MS = 20_000;

/** One life of adbd, with all it starts, in a pid namespace of its own. */
export interface Adbd {
  /** Host pid of the namespace's first process. */
  readonly pid: number;
  /** Resolves when it has ended, and everything in its namespace with it. */
  readonly ended: Promise<void>;
  kill(): Promise<void>;
}

/**
 * Starts adbd and waits until it listens.
 * @param environment what everything that adbd starts will find in its environment
 * @param log file descriptor for what adbd says
 */
export async function startAdbd(
  namespace: Namespace,
  environment: Record<string, string>,
  log: number,
): Promise<Adbd> {
  const variables = {
    ADBD_PORT: String(ADBD_PORT),
    ANDROID_DATA: '/data',
    ANDROID_ROOT: '/system',
    EXTERNAL_STORAGE: '/sdcard',
    PATH: ANDROID_PATH,
    TMPDIR: '/data/local/tmp',
    ...environment,
  };
  const child = spawnLogged(
    'nsenter',
    [
      ...(['net', 'uts', 'ipc', 'pid'] as const).map((kind) => `--${kind}=${namespace.file(kind)}`),
      ...['--', 'unshare', '--pid', '--fork', '--kill-child', '--'],
      // The host's procfs is still in sight: the pid is the host's.
      ...['/bin/sh', '-c', 'read -r pid rest </proc/self/stat; echo "$pid"; exec "$@" >&2', 'sh'],
      ...['nsenter', `--mount=${namespace.file('mnt')}`, '--', '/system/bin/busybox', 'env', '-i'],
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      ...['/system/bin/busybox', 'unshare', '-m', '/system/bin/init', 'second_stage'],
    ],
    log,
    { ...process.env, ...environment },
  );
  let over = false;
  const ended = child.ended.then(() => {
    over = true;
  });
  const pid = Number(await Promise.race([firstLine(child.stdout), ended]));
  const kill = async () => {
    if (over) return;
    // As first process of its namespace it heeds no signal but this one; the kernel ends the others.
    if (Number.isInteger(pid)) process.kill(pid, 'SIGKILL');
    else child.kill();
    await ended;
  };
  for (const end = Date.now() + START_TIMEOUT_MS; !namespace.isAdbdListening(); await delay(10)) {
    if (!over && Date.now() < end) continue;
    await kill();
    throw new MftError("The phone's adbd did not start.", {
      code: 'phone.adbd-failed',
      exit: ExitCode.device,
      suggestions: ["Read adbd.log in the phone's folder (start it with --name, so that it has one)."],
    });
  }
  return { pid, ended, kill };
}
