import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Files whose text changes: each is replaced as a whole, by a rename, and only when its text is another. */
export class TextTree {
  readonly #root: string;
  readonly #written = new Map<string, string>();
  readonly #inPlace: ReadonlySet<string>;

  /** @param inPlace files that are bind-mounted somewhere and must keep their inode */
  constructor(root: string, inPlace: ReadonlySet<string> = new Set()) {
    this.#root = root;
    this.#inPlace = inPlace;
  }

  write(path: string, text: string): void {
    if (this.#written.get(path) === text) return;
    const host = this.#root + path;
    if (!this.#written.has(path)) mkdirSync(dirname(host), { recursive: true });
    if (this.#inPlace.has(path)) writeFileSync(host, text, { flag: 'r+' });
    else {
      writeFileSync(`${host}.new~`, text, { mode: 0o644 });
      renameSync(`${host}.new~`, host);
    }
    this.#written.set(path, text);
  }

  writeAll(files: ReadonlyMap<string, string>): void {
    for (const [path, text] of files) this.write(path, text);
  }

  /** Forgets what was written, so that all of it is written again. */
  reset(): void {
    this.#written.clear();
  }
}
