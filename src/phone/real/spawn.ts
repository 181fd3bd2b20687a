import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Child {
  stdout: NodeJS.ReadableStream;
  /** Resolves when it has ended, however it did, or could not be started. */
  ended: Promise<void>;
  kill(): void;
}

/** Starts a program that lives as long as the phone. @param log file descriptor that gets its standard error */
export function spawnLogged(program: string, args: string[], log: number, env: NodeJS.ProcessEnv): Child {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', log], env });
  if (child.stdout === null) throw new Error('no standard output');
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return { stdout: child.stdout, ended, kill: () => void child.kill('SIGKILL') };
}

/** Undefined if the stream ends without one. */
export async function firstLine(stream: NodeJS.ReadableStream): Promise<string | undefined> {
  for await (const line of createInterface({ input: stream })) return line;
  return undefined;
}
