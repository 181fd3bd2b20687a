/** What people write: configurations, texts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveConfig, setLayer, yamlLayer } from '../../../src/config/index.ts';
import { formatOf, inspectDataFile, inspectTextFile } from '../../../src/data/index.ts';
import type { FuzzTarget } from '../target.ts';

const config: FuzzTarget = {
  name: 'run-config',
  codes: /^config\./,
  seeds: [
    readFileSync(join(import.meta.dirname, '../../../configs/gpt2-lora.yaml')),
    Buffer.from('a: &a [1, 2]\nb: &b [*a, *a]\nc: [*b, *b]\n'),
    Buffer.from(
      'train: {steps: 1e99, learning_rate: .nan, seed: 0x1F, epochs: !!float 3}\n"__proto__": {x: 1}\n',
    ),
  ],
  sound: 1,
  place: (folder) => join(folder, 'run.yaml'),
  async run(bytes, folder) {
    writeFileSync(this.place(folder), bytes);
    resolveConfig([yamlLayer(this.place(folder))]);
  },
};

const assignment: FuzzTarget = {
  name: 'set',
  codes: /^config\./,
  seeds: [
    'train.steps=20',
    'lora.overrides.mlp.down_proj.r=4',
    'sample.prompt="Call: "',
    'lora.targets=[q, v]',
  ].map((text) => Buffer.from(text)),
  place: () => '--set ',
  async run(bytes) {
    resolveConfig([setLayer([bytes.toString()])]);
  },
};

const text: FuzzTarget = {
  name: 'text',
  codes: /^data\./,
  seeds: [Buffer.from('plain text\nof two lines, with é and 日本 and 😀\n')],
  place: (folder) => join(folder, 'notes.txt'),
  async run(bytes, folder) {
    writeFileSync(this.place(folder), bytes);
    await inspectTextFile(this.place(folder));
  },
};

const lines = (...values: unknown[]) =>
  Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));

/** JSON Lines of every format, recognised and checked as before a push. */
const records: FuzzTarget = {
  name: 'records',
  codes: /^data\./,
  seeds: [
    lines({ text: 'hello world' }, { text: 'é 日本 \ud83d\ude00', more: [1, { a: null }] }),
    lines({ prompt: 'a', completion: ' b' }, { completion: 'c', prompt: '' }),
    lines({
      messages: [
        { role: 'system', content: 'be' },
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'hello' },
      ],
    }),
    lines(
      { question: '2+2?', choices: ['3', '4'], answer: 1 },
      { question: 'x', choices: ['a', 'b'], answer: 'B' },
    ),
    lines({ input_ids: [1, 2, 3], labels: [-100, 2, 3] }, { input_ids: [7] }),
    lines({
      segments: [
        { text: 'a', label: false },
        { text: 'b', label: true },
      ],
    }),
  ],
  place: () => 'data.jsonl',
  async run(bytes, folder) {
    const path = join(folder, 'data.jsonl');
    writeFileSync(path, bytes);
    await inspectDataFile(path, await formatOf(path), { vocabSize: 300 });
  },
};

export const people: readonly FuzzTarget[] = [config, assignment, text, records];
