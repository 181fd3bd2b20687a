/** Manifests: of packs in the library, and of results as phones send them. */
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fullTensors, openResult } from '../../../src/model/export/result.ts';
import { importSource } from '../../../src/model/import.ts';
import { openPack } from '../../../src/model/pack/read.ts';
import { mft } from '../../../src/protocol/index.ts';
import type { FuzzTarget } from '../target.ts';

const GPT2 = join(import.meta.dirname, '../../fixtures/hf-gpt2/single-f32');
const PACK = mkdtempSync(join(tmpdir(), 'mft-fuzz-pack-'));
process.once('exit', () => rmSync(PACK, { recursive: true, force: true }));
const dir = join(PACK, 'pack');
const manifest = await importSource(GPT2, dir, { tokenizer: 'none' });
const segmentFiles = readdirSync(dir).filter((name) => name.endsWith('.seg'));

function filesInto(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of segmentFiles) linkSync(join(dir, name), join(folder, name));
}

const pack: FuzzTarget = {
  name: 'pack',
  codes: /^model\.pack-(damaged|version)$/,
  seeds: [readFileSync(join(dir, 'pack.pb'))],
  place: (folder) => folder,
  async run(bytes, folder) {
    filesInto(folder);
    writeFileSync(join(folder, 'pack.pb'), bytes);
    await openPack(folder, 'damaged');
  },
};

const result: FuzzTarget = {
  name: 'result',
  codes: /^(result|model\.pack)[.-]damaged$/,
  seeds: [
    Buffer.from(
      mft.v1.CheckpointManifest.encode({
        format: 1,
        runId: 'r1',
        step: 7,
        weights: manifest.segments,
        files: Object.fromEntries(
          manifest.segments.map(({ name, sha256 }) => [name, `${Buffer.from(sha256).toString('hex')}.seg`]),
        ),
      }).finish(),
    ),
  ],
  place: (folder) => folder,
  async run(bytes, folder) {
    filesInto(folder);
    writeFileSync(join(folder, 'manifest.pb'), bytes);
    const opened = await openResult(folder);
    if (opened.method === 'full') await fullTensors(opened, manifest.config).close();
  },
};

export const packs: readonly FuzzTarget[] = [pack, result];
