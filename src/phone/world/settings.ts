import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** The settings provider's three tables, kept in one file of the phone's home. */
export class Settings {
  readonly #path: string;
  readonly #values = new Map<string, string>([
    ['system/screen_off_timeout', '60000'],
    ['system/screen_brightness', '102'],
    ['global/stay_on_while_plugged_in', '0'],
    ['global/adb_enabled', '1'],
    ['global/low_power', '0'],
    ['secure/android_id', 'f00dfacecafe0001'],
  ]);

  constructor(path: string) {
    this.#path = path;
    try {
      const held: unknown = JSON.parse(readFileSync(path, 'utf8'));
      if (typeof held !== 'object' || held === null) return;
      for (const [key, value] of Object.entries(held))
        if (typeof value === 'string') this.#values.set(key, value);
    } catch {
      // a new phone
    }
  }

  get(namespace: string, name: string): string | undefined {
    return this.#values.get(`${namespace}/${name}`);
  }

  put(namespace: string, name: string, value: string): void {
    this.#values.set(`${namespace}/${name}`, value);
    this.#save();
  }

  delete(namespace: string, name: string): boolean {
    const there = this.#values.delete(`${namespace}/${name}`);
    this.#save();
    return there;
  }

  list(namespace: string): [string, string][] {
    const prefix = `${namespace}/`;
    const own = [...this.#values].filter(([key]) => key.startsWith(prefix));
    return own.map(([key, value]): [string, string] => [key.slice(prefix.length), value]).sort();
  }

  #save(): void {
    writeFileSync(`${this.#path}.new`, JSON.stringify(Object.fromEntries(this.#values), null, 1));
    renameSync(`${this.#path}.new`, this.#path);
  }
}
