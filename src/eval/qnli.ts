/**
 * QNLI (GLUE, Wang et al., 2019): `dev.tsv` and `train.tsv` with the columns index, question, sentence, label, not quoted. Prompt:
 * `qnli` of lm-evaluation-harness 0.4.
 */
import { badRecord } from './bad-record.ts';
import { oneGroup } from './files.ts';
import { readLines } from './lines.ts';
import type { Benchmark } from './types.ts';

const FILES = { train: ['train.tsv'], validation: ['dev.tsv'], test: ['test.tsv'] };
const COLUMNS = ['question', 'sentence', 'label'] as const;
/** In the order of the choices yes and no. */
const LABELS = ['entailment', 'not_entailment'];

export const qnli: Benchmark = {
  name: 'qnli',
  title: 'QNLI',
  groups: (path, split = 'validation') => oneGroup(path, FILES, split),
  async *read(file) {
    let columns: number[] | undefined;
    let width = 0;
    for await (const { number, text } of readLines(file)) {
      const fields = text.split('\t');
      if (!columns) {
        columns = COLUMNS.map((name) => fields.indexOf(name));
        width = fields.length;
        const missing = COLUMNS.find((_, i) => columns?.[i] === -1);
        if (missing !== undefined)
          throw badRecord(
            file,
            number,
            'the names of the columns: index, question, sentence, label',
            missing === 'label' ? 'no label (the test split has no answers)' : 'others',
          );
        continue;
      }
      if (fields.length !== width) throw badRecord(file, number, `${width} columns`, `${fields.length}`);
      const [question = '', sentence = '', label = ''] = columns.map((column) => fields[column]);
      const answer = LABELS.indexOf(label);
      if (answer < 0) throw badRecord(file, number, 'the label entailment or not_entailment', 'another');
      const context = `${question}\n${sentence}\nQuestion: Does this response answer the question?\nAnswer:`;
      yield { context, choices: ['yes', 'no'], answer };
    }
  },
};
