import { ExitCode, MftError } from '../base/errors.ts';
import type { FaultKind, FaultOptions } from './types.ts';

/** The parts of a phone that can go wrong; each make has its own. */
export interface Faultable {
  /** Bytes on their way. */
  readonly conditions: { stall(): void; clear(): void; bytesPerSecond: number | undefined };
  readonly world: {
    plug(plugged: boolean): void;
    setBattery(percent: number): void;
    setTemperature(celsius: number): void;
    reboot(): void;
  };
  /** Drops every transport. */
  dropAll(): void;
  stopListening(): void | Promise<void>;
  listenAgain(): Promise<void>;
  /** Everything adbd ever started dies; adbd is back after `seconds`, having called `meanwhile`. */
  restart(seconds: number, meanwhile: () => void): Promise<void>;
  /** Bytes that can still be written; undefined: no limit. */
  limitSpace(bytes: number | undefined): void | Promise<void>;
}

/** Makes things go wrong with a phone, and right again after their time. What each fault is: types.ts. */
export class Faults {
  readonly #phone: Faultable;
  readonly #timers = new Map<FaultKind, NodeJS.Timeout>();

  constructor(phone: Faultable) {
    this.#phone = phone;
  }

  async inject(kind: FaultKind, options: FaultOptions): Promise<void> {
    const phone = this.#phone;
    const { conditions, world } = phone;
    switch (kind) {
      case 'disconnect':
        phone.dropAll();
        break;
      case 'stall':
        conditions.stall();
        this.#after(kind, options.seconds, () => conditions.clear());
        break;
      case 'slow':
        conditions.bytesPerSecond = positive(options.bytesPerSecond ?? 100_000, 'bytesPerSecond');
        this.#after(kind, options.seconds, () => conditions.clear());
        break;
      case 'refuse':
        await phone.stopListening();
        this.#after(kind, options.seconds, () => void phone.listenAgain());
        break;
      case 'adbd-restart':
        await phone.restart(options.seconds ?? 1, () => undefined);
        break;
      case 'reboot':
        await phone.restart(options.seconds ?? 3, () => world.reboot());
        break;
      case 'disk-full':
        await phone.limitSpace(Math.max(0, options.bytes ?? 0));
        break;
      case 'plug':
      case 'unplug':
        world.plug(kind === 'plug');
        break;
      case 'battery':
        world.setBattery(options.percent ?? 15);
        break;
      case 'heat':
        world.setTemperature(options.celsius ?? 45);
        break;
      case 'clear':
        this.cancel();
        conditions.clear();
        await phone.limitSpace(undefined);
        await phone.listenAgain();
        break;
    }
  }

  /** No fault ends by itself from now on. */
  cancel(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #after(kind: FaultKind, seconds: number | undefined, end: () => void): void {
    clearTimeout(this.#timers.get(kind));
    this.#timers.delete(kind);
    if (seconds !== undefined) this.#timers.set(kind, setTimeout(end, seconds * 1000));
  }
}

function positive(value: number, name: string): number {
  if (value > 0) return value;
  throw new MftError(`${name} must be greater than 0, not ${value}.`, {
    code: 'phone.bad-fault',
    exit: ExitCode.usage,
  });
}
