/** A host that is killed says nothing any more: the record must not go on calling its run attached. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rig, startRig } from '../support/rig.ts';
import { mftProcess, SETTINGS, type Workbench, workbench } from '../support/training.ts';

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

async function stateOf(id: string): Promise<string> {
  const { runs } = JSON.parse(String((await mft('runs', 'ls', '--json')).stdout));
  return runs.find(({ run }: { run: string }) => run.startsWith(`${id}-`))?.state ?? 'none';
}

async function becomes(id: string, wanted: string): Promise<void> {
  while ((await stateOf(id)) !== wanted) await sleep(100);
}

test('a run whose host was killed is detached, goes on, and is attached to again', async () => {
  const settings = [...SETTINGS, 'train.steps=100000'].flatMap((setting) => ['--set', setting]);
  const host = mft('train', '--model', bench.model, '--data', bench.data, '--name', 'left', ...settings);
  await becomes('left', 'attached');
  host.kill('SIGKILL');
  await host;
  expect(await stateOf('left')).toBe('detached');
  expect(String((await mft('runs', 'show', 'left')).stdout)).toMatch(/^left-\S+ {2}detached/);
  const again = mft('attach', 'left', '--json');
  await becomes('left', 'attached');
  expect((await mft('stop', 'left')).exitCode).toBe(0);
  expect((await again).exitCode).toBe(7);
  expect(await stateOf('left')).toBe('stopped');
}, 120_000);
