import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { AdbDevice, ExecResult, WaitOptions } from '../adb/index.ts';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { FrameDecoder, mft } from '../protocol/index.ts';
import { runtimeBinary } from './runtime-binary.ts';
import { DEVICE_ROOT, type DeviceStore } from './store.ts';
import type { Abi, RuntimeStart, StorePutOptions } from './types.ts';

/** Exit codes of mft-runtime (docs/protocol.md). */
const EXIT_BAD_REQUEST = 2;
const EXIT_ALREADY_RUNNING = 3;
/** The shell's: found but not executable, not found. */
const NOT_RUNNABLE = new Set([126, 127]);

export interface EventPosition {
  attempt: number;
  sequence: number;
}

/** The program mft-runtime on a phone, as commands that end. The live connection to a run is the session's matter. */
export class Runtime {
  readonly device: AdbDevice;
  /** Of the program, on the phone. */
  readonly path: string;
  readonly root: string;

  constructor(device: AdbDevice, path: string, root: string = DEVICE_ROOT) {
    this.device = device;
    this.path = path;
    this.root = root;
  }

  /** Puts the package's runtime into the phone's store, unless it is there. */
  static async deploy(
    store: DeviceStore,
    abi: Abi,
    options: Omit<StorePutOptions, 'mode'> = {},
  ): Promise<Runtime> {
    const binary = await runtimeBinary(abi);
    const sha256 = await hashFile(binary);
    await store.put(binary, sha256, { ...options, mode: 0o755 });
    return new Runtime(store.device, store.path(sha256), store.root);
  }

  async version(options: WaitOptions = {}): Promise<string> {
    return (await this.#run(['version'], options)).stdout.toString().trim();
  }

  /** What the phone is, as the runtime sees it. */
  async facts(options: WaitOptions = {}): Promise<mft.v1.DeviceFacts> {
    const result = await this.#run(['facts', '--root', this.root], options);
    return this.#decodeOne('facts', result.stdout, (bytes) => mft.v1.DeviceFacts.decode(bytes));
  }

  /** How a run on this phone is, without a session. */
  async status(runId: string, options: WaitOptions = {}): Promise<mft.v1.RunStatus> {
    const result = await this.#run(['status', '--root', this.root, '--run', runId], options);
    return this.#decodeOne('status', result.stdout, (bytes) => mft.v1.RunStatus.decode(bytes));
  }

  /**
   * Starts the run detached, or finds it running.
   * @param options.minAttempt the new attempt's number is at least this
   * @throws `runtime.bad-request` when there is no such run or its spec is wrong
   */
  async start(runId: string, options: WaitOptions & { minAttempt?: number } = {}): Promise<RuntimeStart> {
    const { minAttempt, ...wait } = options;
    const more = minAttempt === undefined ? [] : ['--min-attempt', String(minAttempt)];
    const argv = ['start', '--root', this.root, '--run', runId, ...more];
    const result = await this.#run(argv, wait, [0, EXIT_ALREADY_RUNNING]);
    const text = result.stdout.toString();
    const pid = Number(/\d+/.exec(text)?.[0]);
    if (!Number.isInteger(pid)) throw this.#malformed('start', text.slice(0, 200));
    return { pid, alreadyRunning: result.exitCode === EXIT_ALREADY_RUNNING };
  }

  /** SHA-256 of files on the phone, computed there. */
  async hash(paths: readonly string[], options: WaitOptions = {}): Promise<string[]> {
    const lines = (await this.#run(['hash', ...paths], options)).stdout.toString().trim().split('\n');
    const hashes = lines.flatMap((line) => /^([0-9a-f]{64}) {2}/.exec(line)?.[1] ?? []);
    if (hashes.length !== paths.length) throw this.#malformed('hash', lines.join(' ').slice(0, 200));
    return hashes;
  }

  /** Events of the journal after a position, for runs that have no process any more. */
  async *events(
    runId: string,
    after?: EventPosition,
    signal?: AbortSignal,
  ): AsyncGenerator<mft.v1.Event, void, void> {
    for await (const payload of this.eventFrames(runId, after, signal)) {
      const { event } = mft.v1.DeviceFrame.decode(payload);
      if (!event) throw this.#malformed('events', 'a frame without an event');
      yield event;
    }
  }

  /** The same as the payloads of DeviceFrames, byte for byte as the runtime wrote them. */
  async *eventFrames(
    runId: string,
    after?: EventPosition,
    signal?: AbortSignal,
  ): AsyncGenerator<Buffer, void, void> {
    const position = after === undefined ? [] : ['--after', `${after.attempt}:${after.sequence}`];
    const argv = [this.path, 'events', '--root', this.root, '--run', runId, ...position];
    const program = await this.device.execStream(argv, signal ? { signal } : {});
    const decoder = new FrameDecoder();
    try {
      for await (const chunk of program.stdout) {
        try {
          yield* decoder.push(chunk);
        } catch (error) {
          throw this.#malformed('events', messageOf(error));
        }
      }
      const { exitCode, stderr } = await program.exit;
      if (exitCode !== 0) throw this.#failure('events', { exitCode, stderr });
      if (decoder.buffered > 0) throw this.#malformed('events', 'the last frame is cut');
    } finally {
      program.kill();
    }
  }

  async #run(args: string[], options: WaitOptions, allowed: readonly number[] = [0]): Promise<ExecResult> {
    const result = await this.device.exec([this.path, ...args], options);
    if (allowed.includes(result.exitCode)) return result;
    throw this.#failure(args[0] ?? '', result);
  }

  #decodeOne<T>(command: string, stdout: Buffer, decode: (bytes: Uint8Array) => T): T {
    try {
      const decoder = new FrameDecoder();
      const [frame, ...others] = decoder.push(stdout);
      if (frame === undefined || others.length > 0 || decoder.buffered > 0)
        throw new Error(`${stdout.length} bytes that are not one frame`);
      return decode(frame);
    } catch (error) {
      throw this.#malformed(command, messageOf(error));
    }
  }

  #malformed(command: string, detail: string): MftError {
    return new MftError(`mft-runtime ${command} on ${this.device} answered what can't be read: ${detail}`, {
      code: 'runtime.malformed-answer',
      exit: ExitCode.internal,
    });
  }

  #failure(command: string, result: Pick<ExecResult, 'exitCode' | 'stderr'>): MftError {
    const said = result.stderr.toString().trim().slice(-2000) || `exit code ${result.exitCode}`;
    const message = `mft-runtime ${command} failed on ${this.device}: ${said}`;
    if (NOT_RUNNABLE.has(result.exitCode)) {
      return new MftError(message, {
        code: 'runtime.not-runnable',
        exit: ExitCode.incapable,
        suggestions: [`See whether the phone can run it: mft doctor --device ${this.device.serial}`],
      });
    }
    if (result.exitCode === EXIT_BAD_REQUEST)
      return new MftError(message, { code: 'runtime.bad-request', exit: ExitCode.usage });
    return new MftError(message, {
      code: 'runtime.failed',
      exit: ExitCode.internal,
      suggestions:
        result.exitCode > 128 ? [`It was ended by signal ${result.exitCode - 128} (9: memory).`] : [],
    });
  }
}

/** SHA-256 of a local file, 64 hex digits. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
