import type { ShellHost } from '../shell/context.ts';
import { BrokenPipe, type Description, InputDescription, OutputDescription } from '../shell/io.ts';
import { SHELL, Shell } from '../shell/shell.ts';
import type { AdbStream } from '../wire/stream.ts';
import { StreamReader } from './stream-reader.ts';
import { Terminal } from './terminal.ts';

/** Packets of shell protocol v2: id u8, length u32 LE, data. AOSP: shell_protocol.h. */
const Packet = { stdin: 0, stdout: 1, stderr: 2, exit: 3, closeStdin: 4, windowSize: 5 } as const;
/** A longer packet is refused before memory is taken; adb sends at most its payload size. */
const MAX_PACKET = 2 * 1024 * 1024;
const SHELL_FOLDER = '/';

export interface ShellRequest {
  /** Undefined: an interactive shell. */
  command: string | undefined;
  /** v2 packets, or bare bytes with stderr mixed in and no exit code. */
  protocol: 'v2' | 'none';
  terminal: boolean;
  /** TERM */
  kind: string;
}

/** `shell,v2,TERM=xterm,raw:CMD`, `shell:CMD`, `exec:CMD`; undefined if the service is another. */
export function parseShellService(service: string): ShellRequest | undefined {
  const found = /^(shell|exec)((?:,[^:]*)?):([\s\S]*)$/.exec(service);
  if (found === null) return undefined;
  const [, name = '', options = '', command = ''] = found;
  const list = options.split(',');
  const v2 = name === 'shell' && list.includes('v2');
  const terminal =
    name === 'shell' && !list.includes('raw') && (v2 ? list.includes('pty') || command === '' : true);
  return {
    command: command === '' ? undefined : command,
    protocol: v2 ? 'v2' : 'none',
    terminal,
    kind: list.find((option) => option.startsWith('TERM='))?.slice(5) ?? 'dumb',
  };
}

/** Serves one shell until its command and everything that holds its output have ended, or the stream is lost. */
export async function serveShell(stream: AdbStream, request: ShellRequest, host: ShellHost): Promise<void> {
  const label = request.command === undefined ? ['-/system/bin/sh'] : [SHELL, '-c', request.command];
  const job = host.jobs.create(label, undefined);
  const onLost = () => job.hangUp();
  stream.signal.addEventListener('abort', onLost, { once: true });
  const input = request.protocol === 'v2' ? new PacketInput(stream) : new RawInput(stream);
  const send = async (id: number, data: Buffer): Promise<void> => {
    try {
      if (request.protocol === 'none') await stream.write(data);
      else for (const piece of packets(id, data)) await stream.write(piece);
    } catch {
      throw new BrokenPipe();
    }
  };
  let open = 0;
  let allClosed: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    allClosed = resolve;
  });
  const output = (id: number): Description => {
    open += 1;
    return new OutputDescription(
      async (data) => await send(id, data),
      () => {
        open -= 1;
        if (open === 0) allClosed();
      },
    );
  };
  const terminal = request.terminal
    ? new Terminal(input, async (data) => await send(Packet.stdout, data))
    : undefined;
  if (terminal !== undefined) terminal.onInterrupt = () => job.kill(2);
  const stdout =
    terminal === undefined ? output(Packet.stdout) : new OutputDescription(terminal.print, allClosed);
  const mixed = terminal !== undefined || request.protocol === 'none';
  const stderr = mixed ? stdout.retain() : output(Packet.stderr);
  const stdin = new InputDescription(async () => await (terminal ?? input).read());
  const shell = new Shell({
    host,
    job,
    cwd: SHELL_FOLDER,
    variables: environmentOf(host, request.kind),
    functions: new Map(),
    name: SHELL,
    positional: [],
    options: new Set(),
    depth: 0,
  });
  const streams = { stdin, stdout, stderr };
  try {
    const code =
      request.command !== undefined
        ? await shell.runScript(request.command, streams)
        : await interactive(shell, streams, terminal, host);
    stdout.release();
    stderr.release();
    input.discard();
    await Promise.race([closed, lost(stream)]);
    if (request.protocol === 'v2' && !stream.signal.aborted) {
      const end = Buffer.from([Packet.exit, 1, 0, 0, 0, code & 255]);
      await stream.write(end);
    }
  } catch {
    // The stream is lost or the shell failed inside: an end without an exit packet is how adb learns of it.
  } finally {
    stream.signal.removeEventListener('abort', onLost);
    job.finish();
    stream.end();
  }
}

function lost(stream: AdbStream): Promise<void> {
  if (stream.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => stream.signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Line by line, with a prompt if there is a terminal. Each line is a job of its own: ^C ends it and not the shell. */
async function interactive(
  shell: Shell,
  streams: { stdin: Description; stdout: Description; stderr: Description },
  terminal: Terminal | undefined,
  host: ShellHost,
): Promise<number> {
  const { device } = host.world.profile;
  const own = shell.job;
  let rest = '';
  for (;;) {
    if (terminal !== undefined && rest === '') {
      const mark = shell.status === 0 ? '' : `${shell.status}|`;
      await streams.stdout.write(Buffer.from(`${mark}${device}:${shell.cwd} $ `));
    }
    const data = await own.interruptible(streams.stdin.read());
    if (data === null && rest === '') return shell.status;
    rest += data === null ? '\n' : data.toString('utf8');
    const end = rest.indexOf('\n');
    if (end < 0) continue;
    // What follows the line stays for the commands that read standard input.
    const line = rest.slice(0, end);
    streams.stdin.unread(Buffer.from(rest.slice(end + 1)));
    rest = '';
    const ended = { now: false };
    const job = host.jobs.create([line], own);
    job.hidden = true;
    shell.job = job;
    if (terminal !== undefined) terminal.onInterrupt = () => job.kill(2);
    shell.status = await shell.runScript(line, streams, ended);
    shell.job = own;
    if (terminal !== undefined) terminal.onInterrupt = () => undefined;
    job.finish();
    if (ended.now || own.signal.aborted) return shell.status;
  }
}

function environmentOf(host: ShellHost, kind: string): Map<string, { value: string; exported: boolean }> {
  const bins = [
    '/product/bin',
    '/apex/com.android.runtime/bin',
    '/apex/com.android.art/bin',
    '/system_ext/bin',
    '/system/bin',
  ];
  const values: Record<string, string> = {
    PATH: [...bins, '/system/xbin', '/odm/bin', '/vendor/bin', '/vendor/xbin'].join(':'),
    HOME: '/',
    USER: 'shell',
    LOGNAME: 'shell',
    SHELL: '/bin/sh',
    TERM: kind,
    HOSTNAME: host.world.profile.device,
    ANDROID_ROOT: '/system',
    ANDROID_DATA: '/data',
    ANDROID_STORAGE: '/storage',
    ANDROID_BOOTLOGO: '1',
    EXTERNAL_STORAGE: '/sdcard',
  };
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, exported: true }]));
}

function* packets(id: number, data: Buffer): Generator<Buffer> {
  const limit = 256 * 1024;
  for (let at = 0; at < data.length; at += limit) {
    const piece = data.subarray(at, at + limit);
    const head = Buffer.allocUnsafe(5);
    head.writeUInt8(id, 0);
    head.writeUInt32LE(piece.length, 1);
    yield head;
    yield piece;
  }
}

/** Standard input of a v2 shell: its packets are read even while nobody asks, because they also say that input has ended. */
class PacketInput {
  readonly #reader: StreamReader;
  #left = 0;
  #ended = false;

  constructor(stream: AdbStream) {
    this.#reader = new StreamReader(stream);
  }

  async read(): Promise<Buffer | null> {
    while (!this.#ended) {
      if (this.#left > 0) {
        const piece = await this.#reader.some(this.#left);
        if (piece === null) break;
        this.#left -= piece.length;
        return piece;
      }
      const head = await this.#reader.exactly(5);
      if (head === null) break;
      const length = head.readUInt32LE(1);
      if (length > MAX_PACKET) break;
      const id = head.readUInt8(0);
      if (id === Packet.stdin) this.#left = length;
      else if (id === Packet.closeStdin) break;
      else if (length > 0) await this.#reader.exactly(length);
    }
    this.#ended = true;
    return null;
  }

  /** Nobody will read any more; what still comes must not hold up the host. */
  discard(): void {
    void drain(this);
  }
}

class RawInput {
  readonly #stream: AdbStream;

  constructor(stream: AdbStream) {
    this.#stream = stream;
  }

  async read(): Promise<Buffer | null> {
    return await this.#stream.read();
  }

  discard(): void {
    void drain(this);
  }
}

async function drain(input: { read(): Promise<Buffer | null> }): Promise<void> {
  while ((await input.read()) !== null) {
    // thrown away
  }
}
