/** Another program that trains the same model, one step at a time: it answers each line with what a step took. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { ExitCode, MftError } from '../base/errors.ts';
import { isObject } from '../model/json.ts';
import type { BenchModel } from './model.ts';
import type { EngineSettings, PeerSettings } from './types.ts';

const SCRIPTS = ['../../scripts/bench', '../../../scripts/bench'].map((path) =>
  join(import.meta.dirname, path),
);

export class Peer {
  readonly #child: ReturnType<typeof start>;
  readonly #lines: AsyncIterator<string>;
  readonly #folder: string;
  version = '';
  variant = '';
  tried: Record<string, number> = {};

  private constructor(child: ReturnType<typeof start>, folder: string) {
    this.#child = child;
    this.#folder = folder;
    child.stdin.on('error', () => {}); // it has ended: the next answer says why
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * Starts it and waits until it is warm.
   * @throws MftError bench.no-peer with its own words
   */
  static async start(
    peer: PeerSettings,
    model: BenchModel,
    settings: EngineSettings & { threads: number },
    signal?: AbortSignal,
  ): Promise<Peer> {
    const script = SCRIPTS.map((folder) => join(folder, `${peer.name}_engine.py`)).find((path) =>
      existsSync(path),
    );
    if (script === undefined)
      throw new MftError(`the script that runs ${peer.name} is not part of this installation`, {
        code: 'bench.no-peer',
        exit: ExitCode.usage,
        suggestions: ['Measure from a checkout of mft.'],
      });
    const folder = await mkdtemp(join(tmpdir(), 'mft-peer-'));
    const spec = join(folder, 'spec.json');
    const { method, batch, sequence, threads, dtype, rank, alpha } = settings;
    const asked = {
      config: model.hfConfig,
      modules: model.modules,
      method,
      batch,
      sequence,
      threads,
      dtype,
      rank,
      alpha,
    };
    await writeFile(spec, JSON.stringify(asked));
    const started = new Peer(start(peer.python, script, spec, threads, signal), folder);
    const ready = await started.#answer().catch(async (error: unknown) => {
      await started.stop();
      throw error;
    });
    started.version = String(ready.version);
    started.variant = String(ready.variant);
    started.tried = isObject(ready.tried) ? (ready.tried as Record<string, number>) : {};
    return started;
  }

  /** Seconds of one step. */
  async step(): Promise<number> {
    this.#child.stdin.write('step\n');
    return Number((await this.#answer()).seconds);
  }

  /** Ends it; bytes of memory that it had at most. */
  async finish(): Promise<number> {
    this.#child.stdin.end();
    return Number((await this.#answer()).peak_rss_bytes);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #answer(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next();
    if (done !== true) {
      const answer: unknown = JSON.parse(String(value));
      if (isObject(answer)) return answer;
    }
    const { stderr, exitCode, code } = await this.#child;
    const said = String(stderr).trim().split('\n').slice(-4).join('\n') || code || `exit code ${exitCode}`;
    throw new MftError(`the other program does not run: ${said}`, {
      code: 'bench.no-peer',
      exit: ExitCode.usage,
      suggestions: ['--python PATH names a Python that has torch, transformers and peft.'],
    });
  }
}

function start(
  python: string,
  script: string,
  spec: string,
  threads: number,
  signal: AbortSignal | undefined,
) {
  return execa(python, [script, spec], {
    reject: false,
    buffer: { stdout: false },
    // Its threads are bound to a core each, as ours are: some schedulers put them all onto one.
    env: {
      OMP_NUM_THREADS: String(threads),
      MKL_NUM_THREADS: String(threads),
      OMP_PROC_BIND: 'true',
      TOKENIZERS_PARALLELISM: 'false',
    },
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
}
