import type { ProcessTable } from '../../processes.ts';
import type { World } from '../../world/world.ts';
import type { Launcher } from '../executable.ts';
import type { PhoneFiles } from '../files.ts';
import type { Description } from './io.ts';
import type { Job, JobTable } from './job.ts';

/** What the shell sees of the phone it runs on. */
export interface ShellHost {
  readonly files: PhoneFiles;
  readonly processes: ProcessTable;
  readonly jobs: JobTable;
  readonly launcher: Launcher;
  readonly world: World;
  /** Set in every program of the phone's, besides the shell's own exported variables. */
  readonly programEnvironment: Readonly<Record<string, string>>;
  /** A fresh name in the phone's part of the abstract socket namespace. */
  socketName(): string;
}

export interface Streams {
  stdin: Description;
  stdout: Description;
  stderr: Description;
}

/** What a command that is built in gets to work with. */
export interface AppletContext {
  readonly host: ShellHost;
  readonly job: Job;
  readonly name: string;
  readonly args: string[];
  readonly cwd: string;
  readonly env: ReadonlyMap<string, string>;
  readonly streams: Streams;
  /** Runs another command with the same streams. */
  run(argv: string[], options?: { job?: Job; env?: ReadonlyMap<string, string> }): Promise<number>;
  /** Runs a script in a new shell with the same streams. */
  script(text: string, name: string, positional: string[]): Promise<number>;
  /** The shell's own process id. */
  readonly shellPid: number;
  out(text: string | Buffer): Promise<void>;
  err(text: string): Promise<void>;
  /** Next bytes of standard input; null at the end. */
  read(): Promise<Buffer | null>;
}

export type Applet = (context: AppletContext) => Promise<number>;

/** What a command gets that only asks the phone's world: the real make serves these to its own shell. */
export interface WorldContext {
  readonly host: { readonly world: World };
  readonly args: string[];
  readonly streams: { readonly stderr: { write(data: Buffer): Promise<void> } };
  run(argv: string[]): Promise<number>;
  out(text: string | Buffer): Promise<void>;
}

export type WorldApplet = (context: WorldContext) => Promise<number>;
