import { createServer, type Server } from 'node:net';
import type { AdbStream } from '../wire/stream.ts';
import type { Transport } from '../wire/transport.ts';
import { join } from './sockets.ts';

/**
 * `reverse:` (AOSP: services.cpp, reverse_service): sockets on the phone that lead to the host. They belong to the transport that asked
 * for them and end with it.
 */
export class ReverseForwards {
  readonly #transport: Transport;
  readonly #socketPrefix: string;
  readonly #listeners = new Map<string, { server: Server; remote: string }>();

  constructor(transport: Transport, socketPrefix: string) {
    this.#transport = transport;
    this.#socketPrefix = socketPrefix;
    transport.signal.addEventListener('abort', () => this.#closeAll());
  }

  /** Answers one request: OKAY once (the host's own forwards say it twice), or FAIL with words. */
  async serve(request: string, stream: AdbStream): Promise<void> {
    await stream.write(Buffer.from(await this.#answer(request)));
    stream.end();
  }

  async #answer(request: string): Promise<string> {
    if (request === 'list-forward') {
      const lines = [...this.#listeners].map(
        ([local, { remote }]) => `host-${process.pid} ${local} ${remote}\n`,
      );
      return withLength(lines.join(''));
    }
    if (request === 'killforward-all') {
      this.#closeAll();
      return 'OKAY';
    }
    const [, kill] = /^killforward:(.+)$/.exec(request) ?? [];
    if (kill !== undefined) return this.#close(kill) ? 'OKAY' : failure(`listener '${kill}' not found`);
    const [, norebind, local = '', remote = ''] = /^forward:(norebind:)?([^;]+);(.+)$/.exec(request) ?? [];
    if (local === '') return failure(`bad forward: ${request}`);
    if (this.#listeners.has(local)) {
      if (norebind !== undefined) return failure(`cannot rebind existing socket`);
      this.#close(local);
    }
    try {
      const port = await this.#listen(local, remote);
      return local === 'tcp:0' ? `OKAY${withLength(String(port))}` : 'OKAY';
    } catch {
      return failure(`cannot bind listener: ${local}`);
    }
  }

  async #listen(local: string, remote: string): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      void (async () => {
        const stream = await this.#transport.openTowardsHost(remote);
        if (stream === undefined) socket.destroy();
        else await join(stream, socket);
      })();
    });
    const [, kind, name = ''] = /^(tcp|localabstract):(.+)$/.exec(local) ?? [];
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      if (kind === 'tcp' && /^[0-9]{1,5}$/.test(name)) server.listen(Number(name), '127.0.0.1', resolve);
      else if (kind === 'localabstract') server.listen(`\0${this.#socketPrefix}${name}`, resolve);
      else reject(new Error('unknown kind'));
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#listeners.set(local === 'tcp:0' ? `tcp:${port}` : local, { server, remote });
    return port;
  }

  #close(local: string): boolean {
    const found = this.#listeners.get(local);
    found?.server.close();
    return this.#listeners.delete(local);
  }

  #closeAll(): void {
    for (const local of [...this.#listeners.keys()]) this.#close(local);
  }
}

function withLength(text: string): string {
  return Buffer.byteLength(text).toString(16).padStart(4, '0') + text;
}

function failure(message: string): string {
  return `FAIL${withLength(message)}`;
}
