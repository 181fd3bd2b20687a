import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode, MftError } from '../../base/errors.ts';
import { connectAdb } from '../adb.ts';
import { Faults } from '../faults.ts';
import { listenOnFreePort } from '../ports.ts';
import { idFile, MARKER, ProcessTable } from '../processes.ts';
import type { Abi, FaultKind, FaultOptions, Phone, PhoneOptions } from '../types.ts';
import { profileNamed } from '../world/profiles/index.ts';
import { World } from '../world/world.ts';
import { hostAbi, Launcher } from './executable.ts';
import { PhoneFiles } from './files.ts';
import { layOut } from './layout.ts';
import { Adbd } from './server.ts';
import type { ShellHost } from './shell/context.ts';
import { JobTable } from './shell/job.ts';

/** Starts an emulated phone in this process. */
export async function startEmulated(options: PhoneOptions): Promise<Phone> {
  const phone = new EmulatedPhone(options);
  await phone.start(options.port);
  return phone;
}

class EmulatedPhone implements Phone {
  readonly make = 'emulated';
  readonly name: string;
  readonly profile: string;
  readonly abi: Abi;
  readonly root: string;
  readonly #home: string;
  readonly #ownsHome: boolean;
  readonly #processes: ProcessTable;
  readonly #jobs = new JobTable();
  readonly #files: PhoneFiles;
  readonly #world: World;
  readonly #adbd: Adbd;
  readonly #faults: Faults;
  #stopped = false;
  #sockets = 0;

  constructor(options: PhoneOptions) {
    const profile = profileNamed(options.profile ?? 'pixel-8');
    this.profile = profile.name;
    this.abi = options.abi ?? hostAbi();
    // Also part of the phone's prefix in the host's abstract namespace, which has 107 bytes for a name.
    const id = randomBytes(6).toString('hex');
    this.name = options.name ?? `${profile.name}-${id.slice(0, 4)}`;
    const launcher = new Launcher(this.abi, options.cpu ?? 'max');
    this.#ownsHome = options.home === undefined;
    this.#home = options.home ?? mkdtempSync(join(tmpdir(), 'mft-phone-'));
    this.root = join(this.#home, 'root');
    mkdirSync(this.root, { recursive: true });
    layOut(this.root);
    writeFileSync(idFile(this.#home), `${id}\n`);
    this.#processes = new ProcessTable(id);
    this.#files = new PhoneFiles(this.root, (pid) => this.#processes.owns(pid));
    this.#world = new World({
      profile,
      abi: this.abi,
      root: this.root,
      home: this.#home,
      serialNumber: id.toUpperCase(),
      processes: this.#processes,
      timeScale: options.timeScale ?? 1,
      battery: options.battery ?? 80,
      charging: options.charging ?? true,
    });
    const socketPrefix = `mft-${id}/`;
    const host: ShellHost = {
      files: this.#files,
      processes: this.#processes,
      jobs: this.#jobs,
      launcher,
      world: this.#world,
      programEnvironment: { [MARKER]: id, MFT_SYSROOT: this.root, MFT_SOCKET_PREFIX: socketPrefix },
      socketName: () => {
        this.#sockets += 1;
        return `${socketPrefix}#${this.#sockets}`;
      },
    };
    this.#adbd = new Adbd({
      host,
      socketPrefix,
      onRestart: (kind) => void delay(100).then(() => this.fault(kind)),
    });
    this.#faults = new Faults({
      conditions: this.#adbd.conditions,
      world: this.#world,
      dropAll: () => this.#adbd.dropAll(),
      stopListening: () => this.#adbd.stopListening(),
      listenAgain: () => this.#listenAgain(),
      restart: (seconds, meanwhile) => this.#restart(seconds, meanwhile),
      limitSpace: (bytes) => this.#files.limitSpace(bytes),
    });
  }

  async start(port: number | undefined): Promise<void> {
    this.#world.start();
    try {
      await listenOnFreePort(port, async (candidate) => await this.#adbd.listen(candidate));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  get port(): number {
    return this.#adbd.port;
  }

  get serial(): string {
    return `127.0.0.1:${this.port}`;
  }

  async connect(adbServerPort: number): Promise<void> {
    await connectAdb(this.serial, adbServerPort);
  }

  async fault(kind: FaultKind, options: FaultOptions = {}): Promise<void> {
    if (this.#stopped)
      throw new MftError(`Phone ${this.name} has been stopped.`, {
        code: 'phone.stopped',
        exit: ExitCode.device,
      });
    await this.#faults.inject(kind, options);
  }

  /** adbd ends, and with it whatever is in its cgroup; it comes back on the same port. */
  async #restart(seconds: number, meanwhile: () => void): Promise<void> {
    await this.#adbd.stopListening();
    this.#adbd.dropAll();
    await this.#killEverything();
    meanwhile();
    await delay(seconds * 1000);
    await this.#listenAgain();
  }

  async #killEverything(): Promise<void> {
    this.#jobs.killAll();
    await this.#processes.killAll();
  }

  async #listenAgain(): Promise<void> {
    if (this.#stopped || this.#adbd.listening) return;
    await this.#adbd.listen(this.#adbd.port);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#faults.cancel();
    this.#adbd.conditions.clear();
    await this.#adbd.stopListening();
    this.#adbd.dropAll();
    await this.#killEverything();
    this.#world.stop();
    if (this.#ownsHome) rmSync(this.#home, { recursive: true, force: true });
  }
}
