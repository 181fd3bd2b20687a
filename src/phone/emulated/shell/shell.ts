import { openSync } from 'node:fs';
import { codeOf, describe } from '../files.ts';
import { ArithmeticProblem } from './arithmetic.ts';
import type { AndOr, Command, Compound, List, ListItem, Pipeline, Redirection, Simple } from './ast.ts';
import { BuiltinProblem, builtins, ExitShell, LoopJump, ReturnFrom } from './builtins.ts';
import { becomesAnother, type Found, findCommand, runApplet } from './commands.ts';
import type { ShellHost, Streams } from './context.ts';
import { type Expander, ExpansionProblem, expandPattern, expandString, expandWords } from './expand.ts';
import { BrokenPipe, type Description, FileDescription, OutputDescription, pipe } from './io.ts';
import { type Job, Killed } from './job.ts';
import { parse } from './parser.ts';
import { matches } from './patterns.ts';
import { startProgram } from './program.ts';
import { RedirectionProblem, redirect, streamsOf, type Table } from './redirections.ts';
import { SyntaxProblem } from './scanner.ts';

export const SHELL = '/system/bin/sh';
const MAX_DEPTH = 200;
/** What `$( )` may hold. */
const MAX_CAPTURE = 64 * 1024 * 1024;

export interface ShellState {
  host: ShellHost;
  job: Job;
  cwd: string;
  variables: Map<string, { value: string; exported: boolean }>;
  functions: Map<string, Command>;
  /** $0 */
  name: string;
  positional: string[];
  options: Set<string>;
  depth: number;
}

/** One shell: an interpreter of mksh's common ground over the phone's file tree. */
export class Shell implements Expander {
  readonly host: ShellHost;
  readonly variables: ShellState['variables'];
  readonly functions: ShellState['functions'];
  readonly options: Set<string>;
  readonly name: string;
  job: Job;
  cwd: string;
  positional: string[];
  status = 0;
  lastBackground: number | undefined;
  readonly background = new Set<Promise<number>>();
  readonly #depth: number;
  /** Whether the simple command at hand ran a command substitution. */
  #substituted = false;
  #table: Table = new Map();

  constructor(state: ShellState) {
    this.host = state.host;
    this.job = state.job;
    this.cwd = state.cwd;
    this.variables = state.variables;
    this.functions = state.functions;
    this.name = state.name;
    this.positional = state.positional;
    this.options = state.options;
    this.#depth = state.depth;
    if (this.#depth > MAX_DEPTH) throw new BuiltinProblem('too many nested shells');
  }

  get files() {
    return this.host.files;
  }

  /**
   * Runs a whole script with these streams (which stay the caller's) and returns its exit code.
   * @param ended is told whether the shell itself has ended by `exit`
   */
  async runScript(text: string, streams: Streams, ended?: { now: boolean }): Promise<number> {
    const table: Table = new Map([
      [0, streams.stdin.retain()],
      [1, streams.stdout.retain()],
      [2, streams.stderr.retain()],
    ]);
    try {
      return await this.#guard(table, async () => await this.runText(text, table), ended);
    } finally {
      for (const description of table.values()) description.release();
    }
  }

  /** @throws ExitShell and its like */
  async runText(text: string, table: Table = this.#table): Promise<number> {
    let list: List;
    try {
      list = parse(text);
    } catch (error) {
      // A RangeError is a nesting too deep for the parser.
      if (!(error instanceof SyntaxProblem || error instanceof RangeError)) throw error;
      await this.#complain(
        table,
        error instanceof SyntaxProblem ? error.message : 'syntax error: nested too deep',
      );
      this.status = 1;
      return 1;
    }
    return await this.runList(list, table);
  }

  /** Turns the ways in which a shell can end into its exit code. */
  async #guard(table: Table, body: () => Promise<number>, ended = { now: false }): Promise<number> {
    try {
      return await body();
    } catch (error) {
      ended.now = error instanceof ExitShell;
      if (error instanceof ExitShell) return error.code;
      if (error instanceof ReturnFrom) return error.code;
      if (error instanceof LoopJump) return 0;
      if (error instanceof Killed) return 128 + error.signalNumber;
      if (error instanceof BrokenPipe) return 141;
      if (
        error instanceof ExpansionProblem ||
        error instanceof ArithmeticProblem ||
        error instanceof BuiltinProblem ||
        error instanceof SyntaxProblem
      ) {
        await this.#complain(table, error.message);
        return 1;
      }
      throw error;
    }
  }

  async #complain(table: Table, message: string): Promise<void> {
    try {
      await table.get(2)?.write(Buffer.from(`${this.name}: ${message}\n`));
    } catch {
      // nobody to complain to
    }
  }

  lookup(name: string): string | undefined {
    if (/^[0-9]+$/.test(name)) return name === '0' ? this.name : this.positional[Number(name) - 1];
    switch (name) {
      case '?':
        return String(this.status);
      case '$':
        return String(this.job.pid);
      case '!':
        return this.lastBackground === undefined ? undefined : String(this.lastBackground);
      case '#':
        return String(this.positional.length);
      case '-':
        return [...this.options].join('');
      case 'PWD':
        return this.cwd;
      case 'RANDOM':
        return String(Math.floor(Math.random() * 32768));
      default:
        return this.variables.get(name)?.value;
    }
  }

  assign(name: string, value: string): void {
    const before = this.variables.get(name);
    this.variables.set(name, { value, exported: before?.exported ?? this.options.has('a') });
  }

  environment(): Map<string, string> {
    const exported = [...this.variables].filter(([, variable]) => variable.exported);
    return new Map([
      ...exported.map(([name, { value }]): [string, string] => [name, value]),
      ['PWD', this.cwd],
    ]);
  }

  /** A copy, as fork makes one. */
  fork(job = this.job): Shell {
    const shell = new Shell({
      host: this.host,
      job,
      cwd: this.cwd,
      variables: new Map(this.variables),
      functions: new Map(this.functions),
      name: this.name,
      positional: this.positional,
      options: new Set(this.options),
      depth: this.#depth + 1,
    });
    shell.status = this.status;
    shell.lastBackground = this.lastBackground;
    return shell;
  }

  async capture(body: List): Promise<string> {
    const pieces: Buffer[] = [];
    let finish: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let bytes = 0;
    const output = new OutputDescription(async (data) => {
      bytes += data.length;
      if (bytes > MAX_CAPTURE) throw new BrokenPipe();
      pieces.push(data);
    }, finish);
    const table = new Map(this.#table).set(1, output);
    const shell = this.fork();
    this.status = await shell.#guard(table, async () => await shell.runList(body, table));
    this.#substituted = true;
    output.release();
    await this.job.interruptible(closed);
    if (bytes > MAX_CAPTURE) throw new ExpansionProblem('out of memory');
    return Buffer.concat(pieces).toString('utf8');
  }

  async runList(list: List, table: Table): Promise<number> {
    for (const item of list) {
      this.job.check();
      this.#table = table;
      if (item.background) await this.#startBackground(item, table);
      else await this.#andOr(item.andOr, table);
    }
    return this.status;
  }

  async #startBackground(item: ListItem, table: Table): Promise<void> {
    const nothing = new FileDescription(openSync('/dev/null', 'r'), this.files);
    const own: Table = new Map(table);
    for (const [fd, description] of own) if (fd !== 0) description.retain();
    own.set(0, nothing);
    const job = this.host.jobs.create(labelOf(item), this.job);
    const shell = this.fork(job);
    let known: (pid: number) => void = () => undefined;
    const pid = new Promise<number>((resolve) => {
      known = resolve;
    });
    shell.#onPid = known;
    const single = item.andOr.rest.length === 0 && item.andOr.first.commands.length === 1;
    if (single) shell.#ownTable = own;
    const done = shell
      .#guard(own, async () => {
        await shell.#andOr(item.andOr, own);
        return shell.status;
      })
      .catch(() => 1)
      .finally(() => {
        known(job.pid);
        for (const description of own.values()) description.release();
        job.finish();
      });
    // $! is the program's own pid where there is one.
    this.lastBackground = single ? await pid : job.pid;
    if (this.lastBackground !== job.pid) job.hidden = true;
    this.background.add(done);
    void done.then(() => this.background.delete(done));
    this.status = 0;
  }

  /**
   * The table of a forked shell that runs one command: what the command redirects is then held by nobody here, so that
   * `program >log 2>&1 &` does not keep the connection waiting.
   */
  #ownTable: Table | undefined;

  /** Told once, when the shell of a background job knows which process it has become. */
  #onPid: ((pid: number) => void) | undefined;

  async #andOr(andOr: AndOr, table: Table): Promise<void> {
    const last = andOr.rest.length === 0;
    await this.#pipeline(andOr.first, table, last);
    for (const { operator, pipeline } of andOr.rest) {
      if ((this.status === 0) === (operator === '&&')) await this.#pipeline(pipeline, table, false);
    }
  }

  async #pipeline(pipeline: Pipeline, table: Table, exits: boolean): Promise<void> {
    const [only] = pipeline.commands;
    if (pipeline.commands.length === 1 && only !== undefined) this.status = await this.command(only, table);
    else this.status = await this.#pipes(pipeline.commands, table);
    if (pipeline.negated) this.status = this.status === 0 ? 1 : 0;
    else if (exits && this.status !== 0 && this.options.has('e')) throw new ExitShell(this.status);
  }

  async #pipes(commands: Command[], table: Table): Promise<number> {
    let input: Description | undefined;
    const stages: Promise<number>[] = [];
    for (const [index, command] of commands.entries()) {
      const own: Table = new Map(table);
      for (const description of own.values()) description.retain();
      const replace = (fd: number, description: Description) => {
        own.get(fd)?.release();
        own.set(fd, description);
      };
      if (input !== undefined) replace(0, input);
      if (index < commands.length - 1) {
        const ends = pipe();
        replace(1, ends.writer);
        input = ends.reader;
      }
      const shell = this.fork();
      shell.#ownTable = own;
      const stage = shell.#guard(own, async () => await shell.command(command, own));
      stages.push(
        stage.finally(() => {
          for (const description of own.values()) description.release();
        }),
      );
    }
    const codes = await Promise.all(stages);
    this.job.check();
    return codes.at(-1) ?? 0;
  }

  async command(command: Command, table: Table): Promise<number> {
    this.job.check();
    this.#table = table;
    if (command.kind === 'simple') return await this.#simple(command, table);
    return await this.#redirected(
      command.redirections,
      table,
      async (own) => await this.#compound(command, own),
    );
  }

  /** Runs the body with redirections applied; they end with it. */
  async #redirected(
    redirections: Redirection[],
    table: Table,
    body: (own: Table) => Promise<number>,
  ): Promise<number> {
    if (redirections.length === 0) return await body(table);
    const own: Table = new Map(table);
    for (const description of own.values()) description.retain();
    try {
      for (const redirection of redirections) await redirect(redirection, own, this);
      if (this.#ownTable === table) {
        for (const description of table.values()) description.release();
        table.clear();
      }
      return await body(own);
    } catch (error) {
      if (!(error instanceof RedirectionProblem)) throw error;
      await this.#complain(own, error.message);
      return 1;
    } finally {
      for (const description of own.values()) description.release();
      this.#table = table;
    }
  }

  /** `exec >log`: the redirection stays. */
  async #redirectForGood(redirections: Redirection[], table: Table): Promise<number> {
    try {
      for (const redirection of redirections) await redirect(redirection, table, this);
      return 0;
    } catch (error) {
      if (!(error instanceof RedirectionProblem)) throw error;
      throw new BuiltinProblem(error.message);
    }
  }

  async #compound(command: Compound, table: Table): Promise<number> {
    switch (command.kind) {
      case 'group':
        return await this.runList(command.body, table);
      case 'subshell': {
        const shell = this.fork();
        const code = await shell.#guard(table, async () => await shell.runList(command.body, table));
        this.job.check();
        return code;
      }
      case 'if':
        for (const branch of command.branches) {
          if ((await this.#condition(branch.condition, table)) === 0)
            return await this.#body(branch.body, table);
        }
        return command.otherwise === undefined ? 0 : await this.#body(command.otherwise, table);
      case 'loop': {
        let code = 0;
        await this.#loop(async () => {
          if (((await this.#condition(command.condition, table)) === 0) === command.until) return false;
          code = await this.#body(command.body, table);
          return true;
        });
        return code;
      }
      case 'for': {
        const words =
          command.words === undefined ? [...this.positional] : await expandWords(command.words, this);
        let code = 0;
        await this.#loop(async () => {
          const word = words.shift();
          if (word === undefined) return false;
          this.assign(command.name, word);
          code = await this.#body(command.body, table);
          return true;
        });
        return code;
      }
      case 'case': {
        const subject = await expandString(command.subject, this);
        for (const item of command.items) {
          for (const pattern of item.patterns) {
            if (matches(await expandPattern(pattern, this), subject))
              return await this.#body(item.body, table);
          }
        }
        return 0;
      }
      case 'function':
        this.functions.set(command.name, command.body);
        return 0;
    }
  }

  async #body(list: List, table: Table): Promise<number> {
    this.status = 0;
    return await this.runList(list, table);
  }

  /** A condition does not end a shell under `set -e`. */
  async #condition(list: List, table: Table): Promise<number> {
    const strict = this.options.delete('e');
    try {
      return await this.runList(list, table);
    } finally {
      if (strict) this.options.add('e');
    }
  }

  async #loop(turn: () => Promise<boolean>): Promise<void> {
    for (;;) {
      this.job.check();
      try {
        if (!(await turn())) return;
      } catch (error) {
        if (!(error instanceof LoopJump)) throw error;
        if (error.levels > 1) throw new LoopJump(error.kind, error.levels - 1);
        if (error.kind === 'break') return;
      }
      // Loops of built-in commands alone must not starve the phone.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #simple(command: Simple, table: Table): Promise<number> {
    this.#substituted = false;
    const argv = await expandWords(command.words, this);
    if (argv.length === 1 && argv[0] === 'exec')
      return await this.#redirectForGood(command.redirections, table);
    return await this.#redirected(command.redirections, table, async (own) => {
      const values: [string, string][] = [];
      for (const { name, value } of command.assignments) values.push([name, await expandString(value, this)]);
      const [name] = argv;
      if (name === undefined) {
        for (const [variable, value] of values) this.assign(variable, value);
        // `x=$?` sees the command before; the assignment's own status is its last substitution's, or 0.
        return this.#substituted ? this.status : 0;
      }
      if (this.options.has('x')) await own.get(2)?.write(Buffer.from(`+ ${argv.join(' ')}\n`));
      const body = this.functions.get(name);
      if (body !== undefined) return await this.#call(body, argv.slice(1), own);
      const builtin = builtins[name];
      if (builtin !== undefined) {
        for (const [variable, value] of values) this.assign(variable, value);
        this.#table = own;
        return await builtin({ shell: this, args: argv.slice(1), table: own });
      }
      return await this.execute(argv, own, { env: new Map([...this.environment(), ...values]) });
    });
  }

  async #call(body: Command, args: string[], table: Table): Promise<number> {
    const before = this.positional;
    this.positional = args;
    try {
      return await this.command(body, table);
    } catch (error) {
      if (error instanceof ReturnFrom) return error.code;
      throw error;
    } finally {
      this.positional = before;
    }
  }

  /** Runs a command that is no part of the shell: an applet, a program or a script. */
  async execute(
    argv: string[],
    table: Table,
    options: { job?: Job; env: ReadonlyMap<string, string> },
  ): Promise<number> {
    const [name = ''] = argv;
    const job = options.job ?? this.job;
    const streams = streamsOf(table);
    const found = this.find(name, options.env.get('PATH') ?? '');
    if (found === undefined) {
      await streams.stderr.write(Buffer.from(`${this.name}: ${name}: inaccessible or not found\n`));
      return 127;
    }
    if (found.kind === 'applet') {
      if (!becomesAnother.has(found.name)) this.#onPid?.(job.pid);
      return await runApplet({
        host: this.host,
        job,
        name: found.name,
        args: argv.slice(1),
        cwd: this.cwd,
        env: options.env,
        streams,
        shellPid: this.job.pid,
        run: async (next, other) => {
          const shell = other?.job === undefined ? this : this.fork(other.job);
          if (shell !== this) shell.#onPid = this.#onPid;
          return await shell.execute(next, table, { job: other?.job ?? job, env: other?.env ?? options.env });
        },
        script: async (text, script, positional) =>
          await this.#script(text, script, positional, streams, job, options.env),
      });
    }
    const executable = this.host.files.isExecutablePlace(found.path)
      ? this.host.launcher.inspect(found.host, argv[0] ?? '')
      : { kind: 'refused' as const, reason: "can't execute: Permission denied" };
    if (executable.kind === 'refused') {
      await streams.stderr.write(Buffer.from(`${this.name}: ${name}: ${executable.reason}\n`));
      return 126;
    }
    if (executable.kind === 'script')
      return await this.#script(executable.text, name, argv.slice(1), streams, job, options.env);
    let program: { pid: number; exited: Promise<number> };
    try {
      program = await startProgram({
        command: executable.command,
        args: [...executable.prefix, ...argv.slice(1)],
        argv0: executable.prefix.length > 0 ? executable.command : name,
        cwd: this.files.resolve(this.cwd).host,
        env: { ...Object.fromEntries(options.env), ...this.host.programEnvironment },
        ...streams,
        job,
        socketName: this.host.socketName(),
      });
    } catch (error) {
      const reason = `can't execute: ${describe(codeOf(error))}`;
      await streams.stderr.write(Buffer.from(`${this.name}: ${name}: ${reason}\n`));
      return 126;
    }
    this.#onPid?.(program.pid);
    if (options.job !== undefined && job.label[0] === name) job.hidden = true;
    return await job.interruptible(program.exited);
  }

  /** What a shell needs to begin as this one is. */
  state(): ShellState {
    return {
      host: this.host,
      job: this.job,
      cwd: this.cwd,
      variables: this.variables,
      functions: this.functions,
      name: this.name,
      positional: this.positional,
      options: this.options,
      depth: this.#depth,
    };
  }

  find(name: string, path: string): Found | undefined {
    return findCommand(this.files, this.cwd, name, path);
  }

  /** Runs a script in a new shell that inherits the environment and nothing else. */
  async #script(
    text: string,
    name: string,
    positional: string[],
    streams: Streams,
    job: Job,
    env: ReadonlyMap<string, string>,
  ): Promise<number> {
    const variables = new Map([...env].map(([key, value]) => [key, { value, exported: true }]));
    const state = { ...this.fork(job).state(), variables, functions: new Map(), options: new Set<string>() };
    return await new Shell({ ...state, name, positional }).runScript(text, streams);
  }
}

function labelOf(item: ListItem): string[] {
  const [command] = item.andOr.first.commands;
  if (command?.kind !== 'simple') return ['sh'];
  const words = command.words.map((word) =>
    word.parts.map((part) => (part.kind === 'text' ? part.text : '?')).join(''),
  );
  return words.length === 0 ? ['sh'] : words;
}
