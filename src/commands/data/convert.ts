import { Args, Flags } from '@oclif/core';
import { benchmarks, SPLITS, writeTrainingFile } from '../../eval/index.ts';
import { BaseCommand } from '../base.ts';
import { prose } from '../shared/prose.ts';

export default class DataConvert extends BaseCommand {
  static override summary = 'Make training data of a published benchmark.';
  static override description =
    prose(`Writes JSON Lines of {"prompt", "completion"}: the prompt as mft eval --task shows a question, the right answer
behind it. mft train learns the answers alone, unless data.mask_prompt is false.`);
  static override examples = [
    '<%= config.bin %> data convert mmlu/ --task mmlu --split validation --out mmlu-val.jsonl',
    '<%= config.bin %> data convert mmlu/dev/*.csv --task mmlu --out mmlu-dev.jsonl',
    '<%= config.bin %> data convert QNLI/ --task qnli --split train --out qnli-train.jsonl',
  ];
  static override strict = false;
  static override args = {
    path: Args.string({
      required: true,
      description: 'folder of the benchmark, or a file of it; several may follow',
    }),
  };
  static override flags = {
    task: Flags.option({
      required: true,
      helpValue: [...benchmarks.keys()].join('|'),
      options: [...benchmarks.keys()],
      summary: 'Which benchmark it is.',
    })(),
    out: Flags.string({ char: 'o', required: true, helpValue: 'FILE', summary: 'The file to be made.' }),
    split: Flags.option({
      options: SPLITS,
      summary: 'Which questions of a folder; default: those that mft eval asks.',
    })(),
    limit: Flags.integer({ min: 1, summary: 'The first questions only, of each file.' }),
  };

  async run(): Promise<unknown> {
    const { argv, flags } = await this.parse(DataConvert);
    const benchmark = benchmarks.get(flags.task);
    if (!benchmark) throw new TypeError(flags.task); // the parser lets no other pass
    const { split, limit, out } = flags;
    const records = await writeTrainingFile({ benchmark, paths: argv.map(String), split, limit }, out);
    this.log(`${records} questions of ${benchmark.title} in ${out}`);
    return { task: flags.task, records, out };
  }
}
