/**
 * The npm package as a user gets it: packed, installed in an empty folder, with nothing but Node, adb and (for the phone
 * of the foreign ABI) qemu on PATH — no compiler, no cmake, no Python — it trains on a virtual phone of each ABI.
 */
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readDataset } from '../../scripts/text.ts';

const root = join(import.meta.dirname, '..', '..');
const scratch = mkdtempSync(join(tmpdir(), 'mft-package-'));
const bin = join(scratch, 'bin');
const empty = join(scratch, 'empty');
const env: NodeJS.ProcessEnv = {
  HOME: scratch,
  MFT_HOME: join(scratch, 'home'),
  PATH: bin,
  TMPDIR: scratch,
};

const mft = (...args: string[]) =>
  execa(join(empty, 'node_modules', '.bin', 'mft'), args, {
    cwd: empty,
    env,
    extendEnv: false,
    stdin: 'ignore',
  });

beforeAll(async () => {
  mkdirSync(bin);
  mkdirSync(empty);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const tool of ['sh', 'env', 'adb', 'qemu-aarch64-static']) symlinkSync(which(tool), join(bin, tool));
  env.ANDROID_ADB_SERVER_PORT = String(await freePort());
  const packed = await execa('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch], {
    cwd: root,
  });
  const tarball = readdirSync(scratch).find((name) => name.endsWith('.tgz'));
  expect(packed.stdout).toContain('dist/runtime/arm64-v8a/mft-runtime');
  expect(packed.stdout).toContain('dist/runtime/x86_64/mft-runtime');
  writeFileSync(join(empty, 'package.json'), '{"private": true}\n');
  await execa(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', join(scratch, tarball ?? '')],
    {
      cwd: empty,
    },
  );
  writeFileSync(join(scratch, 'text.txt'), readDataset('moby-dick').slice(0, 60_000));
}, 300_000);

afterAll(async () => {
  await mft('phone', 'stop', '--all').catch(() => undefined);
  await execa('adb', ['kill-server'], { env, extendEnv: false, reject: false });
  rmSync(scratch, { recursive: true, force: true });
});

test('nothing to build with is on PATH', () => {
  for (const tool of ['cc', 'gcc', 'g++', 'clang', 'cmake', 'make', 'python', 'python3']) {
    expect(readdirSync(bin)).not.toContain(tool);
  }
});

for (const abi of ['x86_64', 'arm64-v8a']) {
  test(`trains on a virtual phone, ${abi}`, async () => {
    const model = [
      '--random',
      '--hidden',
      '32',
      '--layers',
      '2',
      '--heads',
      '2',
      '--positions',
      '64',
      '--seed',
      '1',
    ];
    const tokenizer = join(root, 'node_modules', '@lenml', 'tokenizer-gpt2', 'models');
    await mft(
      'model',
      'create',
      '--name',
      `tiny-${abi}`,
      '--family',
      'gpt2',
      ...model,
      '--tokenizer',
      tokenizer,
    );
    await mft('phone', 'start', '--name', 'packaged', '--abi', abi);
    const data = ['--data', join(scratch, 'text.txt')];
    const steps = ['--steps', '5', '--set', 'data.sequence_length=32', '--set', 'train.batch_size=2'];
    const { stdout } = await mft('train', '--json', '--model', `tiny-${abi}`, ...data, ...steps);
    expect(stdout).toContain('OUTCOME_COMPLETED');
    await mft('phone', 'stop', 'packaged');
  });
}

function which(tool: string): string {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, tool);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  throw new Error(`${tool} is not installed (${dirname(process.execPath)} has Node)`);
}

async function freePort(): Promise<number> {
  return await new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
