import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { Description } from './io.ts';
import type { Job } from './job.ts';

export interface ProgramOptions {
  command: string;
  args: string[];
  /** argv[0] as the program sees it. */
  argv0: string;
  /** A folder of the host. */
  cwd: string;
  env: Record<string, string>;
  stdin: Description;
  stdout: Description;
  stderr: Description;
  job: Job;
  /** Name for a private abstract socket, without its leading NUL. */
  socketName: string;
}

/** After a program's end, its output is complete when nothing more came for so long (a grandchild may hold the pipe for ever). */
const QUIET_MS = 15;

/** Starts a program of the phone's on the host. Resolves with its pid and a promise of its exit code (128 + n for signal n). */
export async function startProgram(
  options: ProgramOptions,
): Promise<{ pid: number; exited: Promise<number> }> {
  const { stdin, stdout, stderr, job } = options;
  const merged =
    stdout === stderr && stdout.fd === undefined ? await socketPair(options.socketName) : undefined;
  const stdio: StdioOptions =
    merged === undefined
      ? [stdin.fd ?? 'pipe', stdout.fd ?? 'pipe', stderr.fd ?? 'pipe']
      : [stdin.fd ?? 'pipe', merged.theirs, merged.theirs];
  let child: ChildProcess;
  try {
    child = spawn(options.command, options.args, {
      argv0: options.argv0,
      cwd: options.cwd,
      env: options.env,
      stdio,
      // A session of its own, as adbd gives to its children; also makes it a process group that can be signalled.
      detached: true,
    });
  } finally {
    merged?.theirs.destroy();
  }
  const exit = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
  const { pid } = child;
  if (pid === undefined) {
    merged?.ours.destroy();
    await exit;
    throw new Error('program did not start');
  }
  job.addProgram(pid);
  const pumps: Pump[] = [];
  if (merged !== undefined) pumps.push(new Pump(merged.ours, stdout));
  if (child.stdout !== null) pumps.push(new Pump(child.stdout, stdout));
  if (child.stderr !== null) pumps.push(new Pump(child.stderr, stderr));
  const feeding = new AbortController();
  if (child.stdin !== null) void feed(stdin.retain(), child.stdin, feeding.signal);
  const exited = exit.then(async (code) => {
    job.removeProgram(pid);
    feeding.abort();
    await drained(pumps);
    return code;
  });
  return { pid, exited };
}

/** Carries a program's output to a description, which it holds until the output ends. */
class Pump {
  lastData = 0;
  done = false;
  readonly finished: Promise<void>;

  constructor(from: Readable, to: Description) {
    to.retain();
    this.finished = this.#run(from, to).finally(() => {
      this.done = true;
      to.release();
    });
  }

  async #run(from: Readable, to: Description): Promise<void> {
    try {
      for await (const chunk of from) {
        this.lastData = performance.now();
        await to.write(chunk);
        this.lastData = performance.now();
      }
    } catch {
      // Nobody reads any more: closing our end gives the program its SIGPIPE.
      from.destroy();
    }
  }
}

async function drained(pumps: Pump[]): Promise<void> {
  const all = Promise.all(pumps.map((pump) => pump.finished));
  const ended = performance.now();
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const wait = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, QUIET_MS);
    });
    await Promise.race([all, wait]);
    clearTimeout(timer);
    const last = Math.max(ended, ...pumps.filter((pump) => !pump.done).map((pump) => pump.lastData));
    if (pumps.every((pump) => pump.done) || performance.now() - last >= QUIET_MS) return;
  }
}

/** Carries input to a program. What was read when the program had ended already goes back. */
async function feed(from: Description, to: Writable, stopped: AbortSignal): Promise<void> {
  to.on('error', () => undefined);
  const closed = new Promise<true>((resolve) => to.once('close', () => resolve(true)));
  try {
    while (!stopped.aborted) {
      const data = await from.read();
      if (data === null) break;
      if (stopped.aborted) {
        from.unread(data);
        break;
      }
      const written = new Promise<boolean>((resolve) =>
        to.write(data, (error) => resolve(error instanceof Error)),
      );
      const failed = await Promise.race([written, closed]);
      if (failed) break;
    }
  } catch {
    // the input is gone: the program sees its end
  }
  to.end();
  from.release();
}

/** A connected pair of sockets: one end becomes stdout and stderr together, so that their order is kept. */
function socketPair(name: string): Promise<{ ours: Socket; theirs: Socket }> {
  return new Promise((resolve, reject) => {
    let theirs: Socket | undefined;
    let ours: Socket | undefined;
    const ready = () => {
      if (ours === undefined || theirs === undefined || theirs.connecting) return;
      server.close();
      resolve({ ours, theirs });
    };
    const server = createServer((socket) => {
      ours = socket;
      ready();
    });
    server.on('error', reject);
    server.listen(`\0${name}`, () => {
      theirs = connect(`\0${name}`, ready);
      theirs.on('error', reject);
    });
  });
}
