/**
 * The C++ half of the house rule: in device-runtime/, each room includes only rooms below it.
 * Reading no file at all, or no include, is a failure: a check that sees nothing proves nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

/** Rooms, highest first (docs/ARCHITECTURE.md). */
export const ROOMS = [
  'fuzz',
  'main',
  'bench',
  'session',
  'power',
  'train',
  'models',
  'nn',
  'store',
  'text',
  'kernels',
  'base',
] as const;

/** Folders of libraries whose headers are included in quotes. */
const LIBRARIES = ['gtest', 'hwy', 'google'];

export interface Violation {
  file: string;
  line: number;
  include: string;
}

/** Every include of a higher or equal-but-other room below `root`, and how many includes were read. */
export function checkIncludes(root: string): { includes: number; violations: Violation[] } {
  const violations: Violation[] = [];
  let includes = 0;
  for (const [level, room] of ROOMS.entries()) {
    for (const file of sources(join(root, room))) {
      for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
        const include = /^\s*#\s*include\s+"([^"]+)"/.exec(text)?.[1];
        const target = include?.split('/')[0] ?? '';
        if (include === undefined || LIBRARIES.includes(target)) continue;
        includes += 1;
        const generated = target === 'mft';
        const allowed = generated
          ? room !== 'kernels' && room !== 'base'
          : target === room || ROOMS.indexOf(target as (typeof ROOMS)[number]) > level;
        if (!allowed) violations.push({ file: relative(root, file), line: index + 1, include });
      }
    }
  }
  return { includes, violations };
}

function sources(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
  return entries.filter((name) => /\.(cc|h|inc)$/.test(name)).map((name) => join(folder, name));
}

if (import.meta.main) {
  const here = dirname(fileURLToPath(import.meta.url));
  new Command('check-includes')
    .description('check that each room of the runtime includes only rooms below it')
    .option('--root <folder>', 'the folder of the rooms', join(here, '..', 'device-runtime'))
    .action(({ root }: { root: string }) => {
      const { includes, violations } = checkIncludes(root);
      for (const { file, line, include } of violations)
        console.error(`${file}:${line}: may not include "${include}"`);
      if (includes === 0) console.error(`no include was read below ${root}`);
      if (includes === 0 || violations.length > 0) process.exit(1);
      console.log(`${includes} includes follow the house rule`);
    })
    .parse();
}
