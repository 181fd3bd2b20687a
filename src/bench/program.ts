/** The programs that measure on this computer: one that can load OpenBLAS, or the runtime as it goes to phones. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { runtimeBinary } from '../device/index.ts';
import { FrameDecoder, mft } from '../protocol/index.ts';

const ROOT = join(import.meta.dirname, '../..');
const BUILDS = [join(ROOT, 'build/bench/bench/mft-bench'), join(ROOT, '../build/bench/bench/mft-bench')];
/** The idle threads of the one must be asleep before the other is measured. */
const REST_MS = 200;
const EXIT_BAD_REQUEST = 2;

export interface Program {
  argv: readonly string[];
  /** Whether it can load a yardstick. */
  loads: boolean;
}

/** @throws MftError runtime.not-built when neither is there. */
export async function localProgram(): Promise<Program> {
  const built = BUILDS.find((path) => existsSync(path));
  if (built !== undefined) return { argv: [built], loads: true };
  const runtime = await runtimeBinary(process.arch === 'arm64' ? 'arm64-v8a' : 'x86_64');
  return { argv: [runtime, 'bench'], loads: false };
}

/**
 * Runs a measurement to its end and gives its last frame.
 * @param turn called before each step of a paced run; its end starts the step
 * @throws MftError bench.failed, bench.bad-request with the program's own words
 */
export async function runProgram(
  program: Program,
  spec: mft.v1.IBenchSpec,
  options: { signal?: AbortSignal | undefined; turn?: (round: number) => Promise<void> },
): Promise<mft.v1.IBenchFrame> {
  const folder = await mkdtemp(join(tmpdir(), 'mft-bench-'));
  try {
    const path = join(folder, 'spec.pb');
    await writeFile(path, mft.v1.BenchSpec.encode(spec).finish());
    const [file, ...args] = [...program.argv, path];
    const child = execa(file as string, args, {
      encoding: 'buffer',
      buffer: { stdout: false },
      reject: false,
      ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    });
    const last = await converse(child, options.turn);
    const { exitCode, signal, stderr } = await child;
    options.signal?.throwIfAborted();
    if (exitCode !== 0 || last === undefined) throw failure(exitCode, Buffer.from(stderr).toString(), signal);
    return last;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Conversing {
  stdin: NodeJS.WritableStream;
  stdout: AsyncIterable<Uint8Array>;
}

async function converse(
  child: Conversing,
  turn: ((round: number) => Promise<void>) | undefined,
): Promise<mft.v1.IBenchFrame | undefined> {
  child.stdin.on('error', () => {}); // a program that has ended says why on stderr
  let rounds = 0;
  const next = async () => {
    await turn?.(rounds);
    await sleep(REST_MS);
    child.stdin.write('\n');
  };
  const decoder = new FrameDecoder();
  if (turn === undefined) child.stdin.end();
  else await next();
  for await (const chunk of child.stdout)
    for (const payload of decoder.push(chunk)) {
      const frame = decodeFrame(payload);
      if (!frame.round) return frame;
      rounds += 1;
      await sleep(REST_MS);
      await next();
    }
  return undefined;
}

/** @throws MftError bench.failed */
export function decodeFrame(payload: Uint8Array): mft.v1.IBenchFrame {
  try {
    return mft.v1.BenchFrame.decode(payload);
  } catch (error) {
    throw failure(0, `an answer that can't be read: ${messageOf(error)}`);
  }
}

export function failure(exitCode: number | undefined, stderr: string, signal?: string): MftError {
  const said = stderr.trim().slice(-2000) || `it ended with ${signal ?? `exit code ${exitCode}`}`;
  const refused = exitCode === EXIT_BAD_REQUEST;
  return new MftError(`the measurement failed: ${said}`, {
    code: refused ? 'bench.bad-request' : 'bench.failed',
    exit: refused ? ExitCode.usage : ExitCode.internal,
    suggestions: signal === 'SIGKILL' ? ['Measure a smaller model or batch: memory may have run out.'] : [],
  });
}
