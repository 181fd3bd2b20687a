import { createServer, type Server, type Socket } from 'node:net';
import { ReverseForwards } from './services/reverse.ts';
import { parseShellService, serveShell } from './services/shell.ts';
import { connectTarget, join } from './services/sockets.ts';
import { serveSync } from './services/sync.ts';
import type { ShellHost } from './shell/context.ts';
import { LineConditions } from './wire/line.ts';
import type { AdbStream } from './wire/stream.ts';
import { Transport } from './wire/transport.ts';

/** Only what is implemented: adb uses whatever is named here. */
const FEATURES = [
  'shell_v2',
  'stat_v2',
  'ls_v2',
  'sendrecv_v2',
  'fixed_push_mkdir',
  'fixed_push_symlink_timestamp',
];

export interface AdbdOptions {
  host: ShellHost;
  socketPrefix: string;
  /** `adb reboot`, `adb tcpip`, `adb usb`. */
  onRestart(kind: 'reboot' | 'adbd-restart'): void;
}

/** The phone's adbd: its TCP port and the connections on it. */
export class Adbd {
  readonly conditions = new LineConditions();
  readonly #options: AdbdOptions;
  readonly #transports = new Map<Transport, ReverseForwards>();
  #server: Server | undefined;
  #port = 0;

  constructor(options: AdbdOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  get listening(): boolean {
    return this.#server !== undefined;
  }

  /** Listens on 127.0.0.1. @throws the system's error, EADDRINUSE among them */
  async listen(port: number): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = port;
  }

  /** New connections are refused; those that are open stay. */
  async stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    // `close` waits for open connections; not listening is immediate.
    server?.close();
  }

  dropAll(): void {
    for (const transport of this.#transports.keys()) transport.drop();
  }

  #accept(socket: Socket): void {
    const { host, socketPrefix } = this.#options;
    const properties = host.world.properties();
    const named = ['ro.product.name', 'ro.product.model', 'ro.product.device'];
    const about = named.map((name) => `${name}=${properties.get(name) ?? ''};`).join('');
    const transport: Transport = new Transport(socket, {
      banner: `device::${about}features=${FEATURES.join(',')}`,
      conditions: this.conditions,
      open: async (service, stream) => await this.#open(service, stream, transport),
      closed: () => this.#transports.delete(transport),
    });
    this.#transports.set(transport, new ReverseForwards(transport, socketPrefix));
  }

  async #open(service: string, stream: AdbStream, transport: Transport): Promise<boolean> {
    const { host, socketPrefix } = this.#options;
    const shell = parseShellService(service);
    if (shell !== undefined) {
      void serveShell(stream, shell, host);
      return true;
    }
    const [, name = '', rest = ''] = /^([a-z-]+):([\s\S]*)$/.exec(service) ?? [];
    switch (name) {
      case 'sync':
        void serveSync(stream, host.files);
        return true;
      case 'localabstract':
      case 'tcp': {
        const socket = await connectTarget(service, socketPrefix);
        if (socket === undefined) return false;
        void join(stream, socket);
        return true;
      }
      case 'reverse':
        void this.#transports
          .get(transport)
          ?.serve(rest, stream)
          .catch(() => stream.end());
        return true;
      case 'root':
        void say(stream, 'adbd cannot run as root in production builds\n');
        return true;
      case 'unroot':
        void say(stream, 'adbd not running as root\n');
        return true;
      case 'remount':
        void say(stream, 'Not running as root. Try "adb root" first.\n');
        return true;
      case 'reboot':
        this.#options.onRestart('reboot');
        return true;
      case 'tcpip':
      case 'usb':
        void say(stream, `restarting in ${name === 'usb' ? 'USB mode' : `TCP mode port: ${rest}`}\n`);
        this.#options.onRestart('adbd-restart');
        return true;
      default:
        return false;
    }
  }
}

async function say(stream: AdbStream, text: string): Promise<void> {
  await stream.write(Buffer.from(text)).catch(() => undefined);
  stream.end();
}
