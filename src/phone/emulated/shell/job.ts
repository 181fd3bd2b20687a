import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

/** Thrown inside the interpreter when its job has been killed. */
export class Killed extends Error {
  readonly signalNumber: number;
  constructor(signalNumber: number) {
    super(`killed by signal ${signalNumber}`);
    this.signalNumber = signalNumber;
  }
}

/** How long a process may live after SIGHUP. Phones take 1-2 s. */
const GRACE_MS = 1_000;

/**
 * What a process group is to a kernel: a piece of the interpreter with the programs it started. Killing a job kills what it started,
 * its jobs in the background included, but not what has left it by setsid or nohup: that runs in a job without a parent.
 */
export class Job {
  readonly pid: number;
  readonly label: string[];
  /** It has become a program, which `ps` shows in its place. */
  hidden = false;
  readonly #table: JobTable;
  readonly #controller = new AbortController();
  readonly #children = new Set<number>();
  readonly #programs = new Set<number>();

  /** @param pid a number that no process of the host has */
  constructor(table: JobTable, pid: number, label: string[], parent: Job | undefined) {
    this.#table = table;
    this.pid = pid;
    this.label = label;
    if (parent !== undefined) {
      parent.#children.add(pid);
      if (parent.signal.aborted) this.kill(9);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  addProgram(pid: number): void {
    this.#programs.add(pid);
    if (this.signal.aborted) signalGroup(pid, 'SIGKILL');
  }

  removeProgram(pid: number): void {
    this.#programs.delete(pid);
  }

  /** The terminal is gone: SIGHUP, and SIGKILL to what is still there a second later. */
  hangUp(): void {
    const programs = this.#signalAll('SIGHUP');
    this.#abort(constants.signals.SIGHUP);
    if (programs.length === 0) return;
    setTimeout(() => {
      for (const [job, pid] of programs) if (job.#programs.has(pid)) signalGroup(pid, 'SIGKILL');
    }, GRACE_MS).unref();
  }

  kill(signalNumber: number): void {
    const name = Object.entries(constants.signals).find(([, number]) => number === signalNumber)?.[0];
    if (name === undefined) return;
    this.#signalAll(name as NodeJS.Signals);
    if (![constants.signals.SIGCONT, constants.signals.SIGSTOP].includes(signalNumber))
      this.#abort(signalNumber);
  }

  finish(): void {
    this.#table.remove(this.pid);
  }

  /** @throws Killed if the job has been killed */
  check(): void {
    if (this.signal.aborted) throw this.signal.reason;
  }

  /** The promise's value, or Killed as soon as the job is killed. */
  async interruptible<T>(promise: Promise<T>): Promise<T> {
    this.check();
    let listener: (() => void) | undefined;
    const killed = new Promise<never>((_, reject) => {
      listener = () => reject(this.signal.reason);
      this.signal.addEventListener('abort', listener, { once: true });
    });
    try {
      return await Promise.race([promise, killed]);
    } finally {
      if (listener !== undefined) this.signal.removeEventListener('abort', listener);
    }
  }

  #family(): Job[] {
    const children = [...this.#children]
      .map((pid) => this.#table.get(pid))
      .filter((job) => job !== undefined);
    return [this, ...children.flatMap((job) => job.#family())];
  }

  #signalAll(signal: NodeJS.Signals): [Job, number][] {
    const programs = this.#family().flatMap((job) =>
      [...job.#programs].map((pid): [Job, number] => [job, pid]),
    );
    for (const [, pid] of programs) signalGroup(pid, signal);
    return programs;
  }

  #abort(signalNumber: number): void {
    for (const job of this.#family()) job.#controller.abort(new Killed(signalNumber));
  }
}

/** Every program is started as the leader of a process group of its own. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // gone
  }
}

/** The jobs of a phone, by pids that begin where the host's end. */
export class JobTable {
  readonly #jobs = new Map<number, Job>();
  #next = firstPid();

  create(label: string[], parent: Job | undefined): Job {
    const job = new Job(this, this.#next, label, parent);
    this.#next += 1;
    this.#jobs.set(job.pid, job);
    return job;
  }

  get(pid: number): Job | undefined {
    return this.#jobs.get(pid);
  }

  list(): Job[] {
    return [...this.#jobs.values()];
  }

  remove(pid: number): void {
    this.#jobs.delete(pid);
  }

  killAll(): void {
    for (const job of this.list()) job.kill(9);
  }
}

function firstPid(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')) + 1000;
  } catch {
    return 4_195_304;
  }
}
