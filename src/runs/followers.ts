/**
 * Which processes of this computer follow a run: a file with the process's id in the run's folder. One that was killed leaves its
 * file but no process; so a run that the record calls attached may have nobody any more.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = /^follower\.([1-9]\d{0,9})$/;

/** From now on this process follows the run, until it disposes of what it got. */
export function follow(folder: string): Disposable {
  const file = join(folder, `follower.${process.pid}`);
  writeFileSync(file, '', { mode: 0o600 });
  return { [Symbol.dispose]: () => rmSync(file, { force: true }) };
}

/** Whether any process does. Files of processes that are no more are removed. */
export function isFollowed(folder: string): boolean {
  let found = false;
  for (const name of readdirSync(folder)) {
    const pid = FILE.exec(name)?.[1];
    if (pid === undefined) continue;
    if (isAlive(Number(pid))) found = true;
    else rmSync(join(folder, name), { force: true });
  }
  return found;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's, but there
  }
}
