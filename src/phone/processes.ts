import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Every process a phone starts inherits this variable, so that it is found whatever it did to its session or parent. */
export const MARKER = 'MFT_PHONE_ID';

/** Where a phone's folder keeps the value of that variable, for whoever has to clean up after its daemon. */
export const idFile = (folder: string): string => join(folder, 'id');

/** Clock ticks a second in /proc/<pid>/stat: USER_HZ is 100 on every Linux port of Node. */
const USER_HZ = 100;
const PAGE_KB = 4;

export interface ProcessInfo {
  pid: number;
  ppid: number;
  name: string;
  state: string;
  arguments: string[];
  rssKb: number;
  cpuSeconds: number;
}

/** The host processes that belong to one phone. */
export class ProcessTable {
  readonly #marker: string;
  /** pid -> start time; a pid with another start time is another process. */
  readonly #foreign = new Map<number, string>();
  readonly #cpu = new Map<string, number>();
  #cpuTotal = 0;

  constructor(id: string) {
    this.#marker = `${MARKER}=${id}`;
  }

  owns(pid: number): boolean {
    return environmentOf(pid).includes(this.#marker);
  }

  pids(): number[] {
    return allPids().filter((pid) => this.owns(pid));
  }

  list(): ProcessInfo[] {
    return this.pids()
      .map(infoOf)
      .filter((info) => info !== undefined);
  }

  /**
   * CPU seconds used since the last call and memory in use now. Meant to be called about once a second, so it remembers which
   * processes are not the phone's.
   */
  usage(): { cpuSeconds: number; rssKb: number; processes: number } {
    let rssKb = 0;
    let used = 0;
    let processes = 0;
    const alive = new Set<string>();
    const pids = allPids();
    for (const pid of pids) {
      const stat = statOf(pid);
      if (stat === undefined || this.#foreign.get(pid) === stat.startTime) continue;
      if (!this.owns(pid)) {
        this.#foreign.set(pid, stat.startTime);
        continue;
      }
      processes += 1;
      const key = `${pid}:${stat.startTime}`;
      alive.add(key);
      used += Math.max(0, stat.cpuSeconds - (this.#cpu.get(key) ?? 0));
      this.#cpu.set(key, stat.cpuSeconds);
      rssKb += stat.rssKb;
    }
    for (const key of this.#cpu.keys()) if (!alive.has(key)) this.#cpu.delete(key);
    const present = new Set(pids);
    for (const pid of this.#foreign.keys()) if (!present.has(pid)) this.#foreign.delete(pid);
    this.#cpuTotal += used;
    return { cpuSeconds: used, rssKb, processes };
  }

  get cpuTotal(): number {
    return this.#cpuTotal;
  }

  /** SIGKILLs all of them, until two looks in a row find none (a fork may slip through one). */
  async killAll(): Promise<void> {
    const deadline = Date.now() + 10_000;
    for (let empty = 0; empty < 2 && Date.now() < deadline; ) {
      const pids = this.pids();
      empty = pids.length === 0 ? empty + 1 : 0;
      for (const pid of pids) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // gone by itself
        }
      }
      await delay(10);
    }
  }
}

function allPids(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^[0-9]+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function environmentOf(pid: number): string[] {
  return read(`/proc/${pid}/environ`).split('\0');
}

interface Stat {
  name: string;
  state: string;
  ppid: number;
  startTime: string;
  cpuSeconds: number;
  rssKb: number;
}

/** /proc/<pid>/stat: the name may hold spaces and brackets, so fields are counted from its last `)`. */
function statOf(pid: number): Stat | undefined {
  const text = read(`/proc/${pid}/stat`);
  const close = text.lastIndexOf(')');
  if (close < 0) return undefined;
  const fields = text.slice(close + 2).split(' ');
  const field = (number: number): string => fields[number - 3] ?? '0';
  return {
    name: text.slice(text.indexOf('(') + 1, close),
    state: field(3),
    ppid: Number(field(4)),
    startTime: field(22),
    cpuSeconds: (Number(field(14)) + Number(field(15))) / USER_HZ,
    rssKb: Number(field(24)) * PAGE_KB,
  };
}

function infoOf(pid: number): ProcessInfo | undefined {
  const stat = statOf(pid);
  if (stat === undefined || stat.state === 'Z') return undefined;
  const words = read(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
  const guest = withoutQemu(words);
  const name = guest === words ? stat.name : (guest[0] ?? stat.name).split('/').at(-1)?.slice(0, 15);
  const { ppid, state, rssKb, cpuSeconds } = stat;
  return { pid, ppid, name: name ?? stat.name, state, arguments: guest, rssKb, cpuSeconds };
}

/** `qemu-aarch64-static -cpu X -0 NAME /host/path ARGS` -> `NAME ARGS`. */
function withoutQemu(words: string[]): string[] {
  if (!/(^|\/)qemu-[a-z0-9_]+(-static)?$/.test(words[0] ?? '')) return words;
  const zero = words.indexOf('-0');
  const name = words[zero + 1];
  return zero < 0 || name === undefined ? words : [name, ...words.slice(zero + 3)];
}
