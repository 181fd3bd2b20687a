import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/adb-server.ts';
import { type Rig, startRig } from '../support/rig.ts';
import { mftProcess, SETTINGS, type Workbench, workbench } from '../support/training.ts';

const root = join(import.meta.dirname, '../..');
let rig: Rig;
let bench: Workbench;
beforeAll(async () => {
  [rig, bench] = await Promise.all([startRig(), workbench()]);
});
afterAll(async () => {
  await rig?.stop();
  bench?.remove();
});

const mft = (...args: string[]) => mftProcess(bench, rig, args);
const set = (...settings: string[]) => [...SETTINGS, ...settings].flatMap((setting) => ['--set', setting]);
const train = (...more: string[]) => ['train', '--model', bench.model, '--data', bench.data, ...more];

interface Failure {
  exitCode: number | undefined;
  code: string;
  message: string;
  suggestions: string[];
}

/** Runs a command that must fail, and reads its error. */
async function failing(...args: string[]): Promise<Failure> {
  const result = await mft(...args, '--json');
  const { error } = JSON.parse(String(result.stdout).trim().split('\n').at(-1) ?? '');
  expect(error.exit).toBe(result.exitCode);
  return { exitCode: result.exitCode, ...error };
}

describe('errors say what happened and end with the documented code', () => {
  test('the command line', async () => {
    expect(await failing('train', '--bogus')).toMatchObject({ exitCode: 2, code: 'usage.command-line' });
    expect(await failing('train', '--data', bench.data)).toMatchObject({
      exitCode: 2,
      message: '--model is missing',
    });
    expect(await failing('devices', '--adb-server', 'nonsense')).toMatchObject({
      exitCode: 2,
      code: 'usage.adb-server',
    });
    expect(await failing('runs', 'show', 'nonsense')).toMatchObject({ exitCode: 2, code: 'run.unknown' });
  });

  test('the configuration: file, line and the key that was meant', async () => {
    const file = join(bench.home, 'typo.yaml');
    writeFileSync(file, '# mine\ntrain:\n  steps: 3\n  learnig_rate: 1\n');
    const typo = await failing(...train('--config', file));
    expect(typo).toMatchObject({ exitCode: 2, code: 'config.unknown-key' });
    expect(typo.message).toBe(`${file}:4: unknown key train.learnig_rate`);
    expect(typo.suggestions).toEqual(['Did you mean train.learning_rate?']);
    const plain = await mft(...train('--config', file));
    expect([plain.exitCode, plain.stdout]).toEqual([2, '']);
    expect(plain.stderr).toContain('code: config.unknown-key');
    expect(plain.stderr).toContain('try: Did you mean train.learning_rate?');
    expect(await failing(...train('--epochs', 'two'))).toMatchObject({ exitCode: 2, code: 'config.type' });
  });

  test('the model and the data', async () => {
    expect(await failing('train', '--model', 'smal', '--data', bench.data)).toMatchObject({
      exitCode: 2,
      code: 'model.unknown',
    });
    const bad = join(bench.home, 'latin1.txt');
    writeFileSync(bad, Buffer.from('gut\nschlecht \xfc\n', 'latin1'));
    const notUtf8 = await failing('train', '--model', bench.model, '--data', bad, ...set());
    expect(notUtf8).toMatchObject({ exitCode: 2, code: 'data.not-utf8' });
    expect(notUtf8.message).toContain('line 2');
    expect(await failing('train', '--model', bench.model, '--data', '/nonexistent', ...set())).toMatchObject({
      exitCode: 2,
      code: 'data.not-found',
    });
    expect(await failing(...train(...set('data.sequence_length=65')))).toMatchObject({
      code: 'config.value',
    });
    expect(await failing(...train(...set('lora.targets=[c_atn]')))).toMatchObject({
      code: 'model.unknown-module',
    });
    expect(
      await failing('train', '--model', bench.model, '--data', 'device:/sdcard/none.txt', ...set()),
    ).toMatchObject({
      exitCode: 2,
      code: 'data.not-found',
    });
    expect(bench.store.list()).toEqual([]);
  });

  test('no adb, no phone', async () => {
    const port = await freePort();
    const env = {
      MFT_HOME: bench.home,
      ANDROID_ADB_SERVER_PORT: String(port),
      PATH: '/nonexistent',
      HOME: bench.home,
    };
    const cli = join(root, 'test/support/cli.ts');
    const noAdb = await execa(process.execPath, [cli, 'devices'], { env, extendEnv: false, reject: false });
    expect(noAdb.exitCode).toBe(3);
    expect(noAdb.stderr).toMatch(/code: adb\.not-/);
    expect(await failing(...train('--device', 'nobody'))).toMatchObject({
      exitCode: 3,
      code: 'adb.device-not-found',
    });
  });
});

describe('bin/mft.js', () => {
  test('says plainly that Node is too old', async () => {
    const fake = join(bench.home, 'old.cjs');
    writeFileSync(fake, "Object.defineProperty(process.versions, 'node', { value: '18.19.0' });\n");
    const result = await execa(process.execPath, ['-r', fake, join(root, 'bin/mft.js'), 'devices'], {
      reject: false,
    });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain('mft needs Node.js 22.13 or newer; this is 18.19.0');
    expect(result.stdout).toBe('');
  });

  test('works through the link that npm makes, and names an unknown command', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mft-bin-'));
    symlinkSync(join(root, 'bin/mft.js'), join(folder, 'mft'));
    const version = await execa(join(folder, 'mft'), ['--version'], { reject: false });
    expect(version.stdout).toMatch(/^mft\/\d+\.\d+\.\d+ /);
    const typo = await execa(join(folder, 'mft'), ['trian'], { reject: false });
    expect(typo.exitCode).toBe(2);
    expect(typo.stderr).toContain('try: mft train');
    rmSync(folder, { recursive: true });
  });
});

describe('the road of a run', () => {
  test('train, show, generate, eval, pull, rm', async () => {
    const made = await mft(
      ...train('--json', '--name', 'road', ...set('train.steps=6', 'sample.prompt=The sea')),
    );
    expect(made.exitCode).toBe(0);
    const lines = String(made.stdout)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ type: 'run', config: { train: { steps: 6 } } });
    expect(lines.at(-1)).toMatchObject({ type: 'end', outcome: 'finished', step: 6 });
    expect(lines.filter((line) => line.kind === 'step').map((line) => line.data.step)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    const show = JSON.parse(String((await mft('runs', 'show', 'road', '--json')).stdout));
    expect(show).toMatchObject({ state: 'finished', step: 6, collected: true, method: 'lora' });
    expect(show.curve.map(({ loss }: { loss: number }) => loss)).toEqual(
      lines.filter((line) => line.kind === 'step').map((line) => line.data.loss),
    );
    expect(show.device).toMatchObject({ serial: rig.phone.serial });
    expect(show.device.usable_cpus).toBeGreaterThan(0);
    expect(show.samples).toHaveLength(2);
    expect(String((await mft('runs', 'show', 'road')).stdout)).toContain('validation');
    expect(String((await mft('runs', 'ls')).stdout)).toMatch(/road-\d{8}-[0-9a-f]{4}\s+finished/);
    const words = ['generate', '--adapter', 'road', '--prompt', 'Call me', '--max-tokens', '5', '--json'];
    const texts = await Promise.all([mft(...words), mft(...words)]);
    expect(JSON.parse(String(texts[0]?.stdout)).samples).toMatchObject([{ prompt: 'Call me', tokens: 5 }]);
    const [one, two] = texts.map(({ stdout }) => JSON.parse(String(stdout)).samples[0].text);
    expect(one).toBe(two);
    const short = join(bench.home, 'short.txt');
    writeFileSync(short, 'Call me Ishmael. Some years ago, never mind how long precisely. '.repeat(20));
    const evaluated = await mft(
      'eval',
      '--adapter',
      'road',
      '--data',
      short,
      '--sequence-length',
      '32',
      '--json',
    );
    const { loss, perplexity } = JSON.parse(String(evaluated.stdout));
    expect(perplexity).toBeCloseTo(Math.exp(loss), -1);
    const out = join(bench.home, 'merged');
    const pulled = await mft('runs', 'pull', 'road', '--out', out, '--format', 'hf', '--json');
    expect(JSON.parse(String(pulled.stdout)).exported).toMatchObject({ format: 'hf', path: out });
    expect(bench.store.list()).toHaveLength(1);
    expect((await mft('runs', 'rm', 'road', '--phone')).exitCode).toBe(0);
    expect(bench.store.list()).toEqual([]);
    const freed = JSON.parse(String((await mft('gc', '--json')).stdout));
    expect(freed.files).toBeGreaterThan(0);
    expect(freed.kept).toEqual([]);
  });

  test('^C leaves, says how to come back, and the run goes on; twice leaves at once', async () => {
    const host = mft(...train('--plain', '--name', 'leave', ...set('train.steps=40')));
    host.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.includes('step 3/')) host.kill('SIGINT');
    });
    const left = await host;
    expect(left.exitCode).toBe(130);
    expect(String(left.stdout)).toMatch(/mft attach leave-/);
    const again = mft('attach', 'leave', '--json');
    again.stdout?.on('data', (chunk: Buffer) => {
      if (!chunk.includes('"attached"')) return;
      again.kill('SIGINT');
      again.kill('SIGINT');
    });
    expect((await again).exitCode).toBe(130);
    const stopped = await mft('stop', 'leave', '--json');
    expect([0, 2]).toContain(stopped.exitCode); // 2: it has finished meanwhile
    const end = await mft('attach', 'leave', '--json');
    expect([0, 7]).toContain(end.exitCode);
    const [first] = bench.store.list();
    const numbers = [...bench.store.events(first?.id ?? '')].map(({ sequence }) => sequence);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  });
});
