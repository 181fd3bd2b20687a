import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package's own version: from the nearest package.json above, the same for sources and for dist/. */
function ownVersion(): string {
  for (let dir = import.meta.dirname; ; dir = dirname(dir)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
      if (name === 'mft' && typeof version === 'string') return version;
    } catch {
      // none here: go on upwards
    }
    if (dir === dirname(dir)) return 'unknown';
  }
}

export const version = ownVersion();
