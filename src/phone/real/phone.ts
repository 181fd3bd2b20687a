import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode, MftError } from '../../base/errors.ts';
import { connectAdb } from '../adb.ts';
import { hostAbi, qemuFor } from '../emulated/executable.ts';
import { Faults } from '../faults.ts';
import { listenOnFreePort } from '../ports.ts';
import { idFile, MARKER, ProcessTable } from '../processes.ts';
import type { Abi, FaultKind, FaultOptions, Phone, PhoneOptions } from '../types.ts';
import type { Profile } from '../world/profile.ts';
import { profileNamed } from '../world/profiles/index.ts';
import { World } from '../world/world.ts';
import { type Adbd, startAdbd } from './adbd.ts';
import { holdForeign, releaseForeign } from './binfmt.ts';
import { Cable } from './cable.ts';
import { createImage, Disk } from './disk.ts';
import { isAttached, Namespace, pidNamespaceOf } from './namespace.ts';
import { adbdPackages } from './packages.ts';
import { ADBD_PORT, buildRoot, PROC_FILES, SHELL_ID, WORLD_FOLDER } from './root.ts';
import { firstLine, spawnLogged } from './spawn.ts';
import { unavailable } from './unavailable.ts';
import { serveWorld } from './world-service.ts';

/** Starts a phone with AOSP's own adbd. @throws MftError `phone.real-unavailable` where that can't be */
export async function startReal(options: PhoneOptions): Promise<Phone> {
  const native = hostAbi();
  if (process.getuid?.() !== 0) {
    throw unavailable('it needs root, to make namespaces and mount file systems in them.', {
      suggestions: ['Run it as root.'],
    });
  }
  // What this process writes from now on, once a second too, is to be read by another user: the phone's.
  process.umask(0o022);
  const abi = options.abi ?? native;
  const phone = new RealPhone(options, abi, qemuFor(abi));
  try {
    await phone.start(options.port);
  } catch (error) {
    await phone.stop();
    phone.discard();
    throw error;
  }
  return phone;
}

const LOOP_TIMEOUT_MS = 10_000;
/** Never all of the host's disk, whatever the phone's size. */
const HOST_RESERVE = 256 * 1024 * 1024;

/** The processes in the pid namespace of the present adbd. */
class NamespaceProcesses extends ProcessTable {
  namespace: string | undefined;

  override owns(pid: number): boolean {
    return this.namespace !== undefined && pidNamespaceOf(pid) === this.namespace;
  }
}

const place = (path: string) => (path.startsWith('/proc/') ? WORLD_FOLDER + path : path);

class RealPhone implements Phone {
  readonly make = 'real';
  readonly name: string;
  readonly profile: string;
  readonly abi: Abi;
  readonly #qemu: string | undefined;
  readonly #home: string;
  readonly #ownsHome: boolean;
  readonly #tree: string;
  readonly #image: string;
  /** Whether it has been started before. */
  readonly #isOld: boolean;
  readonly #profile: Profile;
  readonly #processes: NamespaceProcesses;
  readonly #world: World;
  readonly #log: number;
  /** Sockets that lead into the phone: for nobody else's eyes. */
  readonly #sockets: string;
  readonly #socketsFd: number;
  readonly #cable: Cable;
  readonly #environment: Record<string, string>;
  readonly #faults: Faults;
  #namespace: Namespace | undefined;
  #worldServer: Server | undefined;
  #disk: Disk | undefined;
  #adbd: Adbd | undefined;
  /** Changes of adbd's life, one after the other. */
  #life: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: PhoneOptions, abi: Abi, qemu: string | undefined) {
    const profile = profileNamed(options.profile ?? 'pixel-8');
    this.#profile = profile;
    this.profile = profile.name;
    this.abi = abi;
    this.#qemu = qemu;
    const id = randomBytes(6).toString('hex');
    this.name = options.name ?? `${profile.name}-${id.slice(0, 4)}`;
    this.#ownsHome = options.home === undefined;
    this.#home = realpathSync(options.home ?? mkdtempSync(join(tmpdir(), 'mft-phone-')));
    writeFileSync(idFile(this.#home), `${id}\n`);
    this.#tree = join(this.#home, 'root');
    this.#image = join(this.#home, 'data.img');
    this.#isOld = existsSync(this.#image);
    this.#log = openSync(join(this.#home, 'adbd.log'), 'a', 0o600);
    this.#sockets = join(this.#home, 'sockets');
    mkdirSync(this.#sockets, { recursive: true, mode: 0o700 });
    // A socket's path may have 107 bytes; through the folder's descriptor it is always short.
    this.#socketsFd = openSync(this.#sockets, 'r');
    this.#environment = {
      [MARKER]: id,
      ...(qemu === undefined ? {} : { QEMU_CPU: options.cpu ?? 'max' }),
    };
    this.#processes = new NamespaceProcesses(id);
    this.#world = new World({
      profile,
      abi,
      root: this.#tree,
      home: this.#home,
      serialNumber: id.toUpperCase(),
      processes: this.#processes,
      timeScale: options.timeScale ?? 1,
      battery: options.battery ?? 80,
      charging: options.charging ?? true,
      place,
      inPlace: new Set(PROC_FILES.map(place)),
    });
    this.#cable = new Cable(join(this.#shortSockets, 'adbd'), this.#world.properties());
    this.#faults = new Faults({
      conditions: this.#cable.conditions,
      world: this.#world,
      dropAll: () => this.#cable.dropAll(),
      stopListening: () => this.#cable.stopListening(),
      listenAgain: () => this.#listenAgain(),
      restart: (seconds, meanwhile) => this.#inTurn(() => this.#restart(seconds, meanwhile)),
      limitSpace: (bytes) => (bytes === undefined ? this.#disk?.clear() : this.#disk?.limit(bytes)),
    });
  }

  get #shortSockets(): string {
    return `/proc/self/fd/${this.#socketsFd}`;
  }

  async start(port: number | undefined): Promise<void> {
    buildRoot(this.#tree, await adbdPackages());
    await createImage(this.#image, this.#profile.storage.totalKb);
    this.#world.start();
    this.#worldServer = await serveWorld(this.#sockets, this.#shortSockets, this.#world);
    const namespace = await Namespace.create({
      root: this.#tree,
      image: this.#image,
      worldSocket: join(this.#sockets, 'world'),
      foreign: this.#qemu !== undefined,
      uid: SHELL_ID,
      env: this.#environment,
    });
    this.#namespace = namespace;
    this.#holdForeign();
    this.#disk = new Disk(namespace.root);
    await this.#disk.occupy(Math.max(0, this.#world.storage(undefined).freeKb * 1024 - HOST_RESERVE));
    await Promise.all([this.#startRelay(namespace), this.#startAdbd()]);
    this.#holdForeign();
    await listenOnFreePort(port, async (candidate) => await this.#cable.listen(candidate));
  }

  #holdForeign(): void {
    if (this.#qemu === undefined || this.#namespace === undefined) return;
    holdForeign(this.abi, this.#qemu, this.#namespace.root, this.#namespace.pid);
  }

  /** Lives until the namespaces end. */
  async #startRelay(namespace: Namespace): Promise<void> {
    const script = join(import.meta.dirname, `relay${extname(import.meta.filename)}`);
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawnLogged(
      'nsenter',
      [
        ...(['net', 'pid'] as const).map((kind) => `--${kind}=${namespace.file(kind)}`),
        ...['--', process.execPath, script, this.#sockets, String(ADBD_PORT)],
      ],
      this.#log,
      { ...env, ...this.#environment },
    );
    if ((await firstLine(child.stdout)) === 'ready') return;
    throw new MftError("The relay to the phone's adbd did not start.", {
      code: 'phone.relay-failed',
      exit: ExitCode.internal,
    });
  }

  async #startAdbd(): Promise<void> {
    if (this.#namespace === undefined || this.#stopped) return;
    const adbd = await startAdbd(this.#namespace, this.#environment, this.#log);
    this.#adbd = adbd;
    this.#processes.namespace = pidNamespaceOf(adbd.pid);
    void adbd.ended.then(() => {
      // Nobody asked it to: Android's init starts it again.
      if (this.#adbd === adbd) void this.#inTurn(async () => await this.#restart(1, () => undefined));
    });
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#life.then(change);
    this.#life = turn.catch(() => undefined);
    return turn;
  }

  get port(): number {
    return this.#cable.port;
  }

  get serial(): string {
    return `127.0.0.1:${this.port}`;
  }

  get root(): string {
    return this.#namespace?.root ?? this.#tree;
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

  /** adbd ends, and with its pid namespace whatever it ever started; it comes back on the same port, with the same files. */
  async #restart(seconds: number, meanwhile: () => void): Promise<void> {
    this.#cable.stopListening();
    await this.#killAdbd();
    this.#cable.dropAll();
    meanwhile();
    await delay(seconds * 1000);
    await this.#startAdbd();
    await this.#listenAgain();
  }

  async #killAdbd(): Promise<void> {
    const adbd = this.#adbd;
    this.#adbd = undefined;
    await adbd?.kill();
  }

  async #listenAgain(): Promise<void> {
    if (this.#stopped || this.#cable.listening) return;
    await this.#cable.listen(this.#cable.port);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#faults.cancel();
    this.#cable.conditions.clear();
    this.#cable.stopListening();
    this.#cable.dropAll();
    await this.#life;
    await this.#killAdbd();
    await this.#namespace?.destroy();
    this.#worldServer?.close();
    this.#world.stop();
    if (this.#namespace !== undefined) {
      // The kernel unmounts on its own time.
      for (const end = Date.now() + LOOP_TIMEOUT_MS; isAttached(this.#image) && Date.now() < end; )
        await delay(10);
      if (this.#qemu !== undefined) await releaseForeign(this.#namespace.pid);
    }
    closeSync(this.#socketsFd);
    closeSync(this.#log);
    rmSync(this.#sockets, { recursive: true, force: true });
    if (this.#ownsHome) rmSync(this.#home, { recursive: true, force: true });
  }

  /** After a start that failed: nothing stays of a phone that never was. What an earlier life has left stays. */
  discard(): void {
    if (this.#ownsHome || this.#isOld) return;
    for (const path of [this.#tree, this.#image]) rmSync(path, { recursive: true, force: true });
  }
}
