import { Readable } from 'node:stream';
import { ExitCode, MftError } from '../base/errors.ts';
import { encodeShellPacket, ShellDecoder, ShellId, type ShellOutput } from './shell-v2.ts';
import type { ExecResult, ExecStream } from './types.ts';
import type { Wire } from './wire.ts';

/** What a packet of stdin carries at most; adbd's own buffer is larger. */
const STDIN_PACKET_BYTES = 32 * 1024;
/** Of a stream's stderr, the end is kept: it says why a program failed. */
const STDERR_TAIL_BYTES = 64 * 1024;

/** Makes the error for a stream that ended without an exit packet. */
export type LostError = (cause?: unknown) => MftError;

/**
 * The program's outputs as they come; the last one is its exit. `adb shell` reports 0 when the transport was lost:
 * here an end without an exit packet is always an error.
 */
export async function* shellOutputs(
  wire: Wire,
  stdin: Uint8Array | Readable | undefined,
  lost: LostError,
): AsyncGenerator<ShellOutput, void, void> {
  const decoder = new ShellDecoder();
  let inputError: unknown;
  const feeding = feedStdin(wire, stdin).catch((error: unknown) => {
    inputError = error;
    wire.close();
  });
  try {
    for await (const chunk of wire.socket) {
      for (const output of decoder.push(chunk)) {
        yield output;
        if (output.kind === 'exit') return;
      }
    }
  } catch (error) {
    throw inputError ?? lost(error);
  } finally {
    wire.close();
    await feeding;
  }
  throw inputError ?? lost();
}

/** @throws only what the source of the input throws; a program that stops reading is no error. */
async function feedStdin(wire: Wire, stdin: Uint8Array | Readable | undefined): Promise<void> {
  for await (const chunk of stdin === undefined ? [] : stdin instanceof Readable ? stdin : [stdin]) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array);
    for (let at = 0; at < bytes.length; at += STDIN_PACKET_BYTES) {
      const packet = encodeShellPacket(ShellId.stdin, bytes.subarray(at, at + STDIN_PACKET_BYTES));
      if (!(await accepted(wire, packet))) return;
    }
  }
  await accepted(wire, encodeShellPacket(ShellId.closeStdin));
}

async function accepted(wire: Wire, packet: Buffer): Promise<boolean> {
  try {
    await wire.write(packet);
    return true;
  } catch {
    return false; // The reading side sees the same end and says what it means.
  }
}

/** Collects everything. @throws `adb.output-limit` instead of filling the host's memory. */
export async function collect(
  outputs: AsyncIterable<ShellOutput>,
  program: string,
  maxOutput: number,
): Promise<ExecResult> {
  const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  let bytes = 0;
  for await (const output of outputs) {
    if (output.kind === 'exit') {
      const { stdout, stderr } = chunks;
      return { exitCode: output.code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
    }
    bytes += output.data.length;
    if (bytes > maxOutput) {
      throw new MftError(`${program} on the phone wrote more than ${maxOutput} bytes`, {
        code: 'adb.output-limit',
        exit: ExitCode.internal,
      });
    }
    chunks[output.kind].push(output.data);
  }
  throw new Error('unreachable: outputs end with an exit or throw');
}

/**
 * A source that fails before anybody reads it must not be an uncaught exception; reading it still throws its error.
 */
export function expectFailure(source: unknown): void {
  if (source instanceof Readable) source.on('error', () => {});
}

/** stdout as a stream under back-pressure; everything else through `exit`. */
export function stream(outputs: AsyncIterable<ShellOutput>, wire: Wire): ExecStream {
  const { promise, resolve, reject } = Promise.withResolvers<{ exitCode: number; stderr: Buffer }>();
  promise.catch(() => {}); // Whoever only reads stdout gets the same error there.
  async function* chunks(): AsyncGenerator<Buffer, void, void> {
    let stderr = Buffer.alloc(0);
    try {
      for await (const output of outputs) {
        if (output.kind === 'stdout') yield output.data;
        else if (output.kind === 'stderr')
          stderr = Buffer.concat([stderr, output.data]).subarray(-STDERR_TAIL_BYTES);
        else resolve({ exitCode: output.code, stderr });
      }
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      reject(new Error('the output of the program was not read to its end')); // No effect once settled.
    }
  }
  const stdout = Readable.from(chunks(), { objectMode: false });
  stdout.on('error', () => {}); // `exit` and whoever reads stdout have the error; it must not end the process.
  return { stdout, exit: promise, kill: () => wire.close() };
}
