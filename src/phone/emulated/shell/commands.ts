import { codeOf, describe, FileError, type PhoneFiles } from '../files.ts';
import { applets } from './applets/index.ts';
import { ExitShell } from './builtins.ts';
import type { AppletContext } from './context.ts';
import { BrokenPipe } from './io.ts';
import { Killed } from './job.ts';

export type Found = { kind: 'applet'; name: string } | { kind: 'file'; host: string; path: string };

/** Applets that exec the command they are given: the pid of `setsid prog &` is prog's. */
export const becomesAnother: ReadonlySet<string> = new Set(['env', 'nice', 'nohup', 'setsid']);

/** Where a command is: built in, or a file. @param path PATH */
export function findCommand(files: PhoneFiles, cwd: string, name: string, path: string): Found | undefined {
  if (name.includes('/')) {
    try {
      const resolved = files.resolve(name, cwd);
      const applet = /^\/system\/bin\/([^/]+)$/.exec(resolved.path)?.[1];
      if (applet !== undefined && applets[applet] !== undefined) return { kind: 'applet', name: applet };
      return files.exists(resolved.path) ? { kind: 'file', ...resolved } : undefined;
    } catch {
      return undefined;
    }
  }
  if (applets[name] !== undefined) return { kind: 'applet', name };
  for (const folder of path.split(':')) {
    const found = folder === '' || name === '' ? undefined : findCommand(files, cwd, `${folder}/${name}`, '');
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Runs an applet; what it throws becomes `name: why` and exit code 1. */
export async function runApplet(context: Omit<AppletContext, 'out' | 'err' | 'read'>): Promise<number> {
  const { name, job, streams } = context;
  const applet = applets[name];
  if (applet === undefined) return 127;
  const err = async (text: string) => await streams.stderr.write(Buffer.from(`${name}: ${text}\n`));
  try {
    return await applet({
      ...context,
      err,
      out: async (text) => {
        job.check();
        await streams.stdout.write(typeof text === 'string' ? Buffer.from(text) : text);
      },
      read: async () => await job.interruptible(streams.stdin.read()),
    });
  } catch (error) {
    if (error instanceof Killed || error instanceof BrokenPipe || error instanceof ExitShell) throw error;
    await err(error instanceof FileError ? error.message : describe(codeOf(error)));
    return 1;
  }
}
