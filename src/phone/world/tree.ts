import { closeSync, ftruncateSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
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
    if (this.#inPlace.has(path)) overwrite(host, Buffer.from(text));
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

/** Never empty in between, as truncating it first would make it. */
function overwrite(path: string, data: Buffer): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, data, 0, data.length, 0);
    ftruncateSync(fd, data.length);
  } finally {
    closeSync(fd);
  }
}
