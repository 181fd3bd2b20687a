import { Flags } from '@oclif/core';
import { createModel, familyNames, STORAGE_TYPES, sizeNames } from '../../model/index.ts';
import { BaseCommand } from '../base.ts';
import { describeModel, modelLines } from '../shared/model.ts';
import { withProgress } from '../shared/progress.ts';

const size = (summary: string) => Flags.integer({ min: 1, summary });

export default class ModelCreate extends BaseCommand {
  static override summary = 'Create a model with random weights.';
  static override description =
    'Weights as the family initializes them for pretraining. Same sizes and same seed, same bytes.';
  static override examples = [
    {
      description: 'A small model with the tokenizer of a model folder:',
      command:
        '<%= config.bin %> model create --family gpt2 --random --hidden 64 --layers 4 --heads 4 --positions 256 --tokenizer ./gpt2',
    },
    {
      description: 'Qwen2.5 at its true size, to measure with:',
      command: '<%= config.bin %> model create --random --size qwen2.5-0.5b --dtype bf16 --tokenizer ./qwen',
    },
  ];
  static override flags = {
    random: Flags.boolean({ required: true, summary: 'Random weights (the only way to create a model).' }),
    family: Flags.string({
      summary: `Model family: ${familyNames.join(', ')}; default: the size's, else gpt2.`,
    }),
    size: Flags.string({
      summary: `Published size: ${sizeNames.join(', ')}. Other sizes override it one by one.`,
    }),
    hidden: size('Hidden size.'),
    layers: size('Blocks.'),
    heads: size('Attention heads.'),
    'kv-heads': size('Key and value heads; default: as many as heads.'),
    'head-dim': size('Size of a head; default: hidden size / heads.'),
    inner: size('MLP width; default: the usual multiple of the hidden size.'),
    positions: size('Longest sequence.'),
    vocab: size("Vocabulary; default: the tokenizer's."),
    tokenizer: Flags.string({ helpValue: 'DIR', summary: 'Folder with tokenizer.json.' }),
    seed: Flags.integer({ min: 0, default: 0, summary: 'Seed of the weights.' }),
    dtype: Flags.option({ options: ['auto', ...STORAGE_TYPES] as const, default: 'auto' as const })({
      summary: 'How the matrices are stored; auto: f32.',
    }),
    name: Flags.string({ char: 'n', summary: 'Name in the library; default: family or size, and seed.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(ModelCreate);
    const { name: given, random: _, 'kv-heads': kvHeads, 'head-dim': headDim, json: __, ...options } = flags;
    const name = given ?? `${flags.size ?? flags.family ?? 'gpt2'}-random-${flags.seed}`;
    const pack = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      createModel(name, { ...options, kvHeads, headDim, ...operation }),
    );
    const model = describeModel(pack);
    for (const line of modelLines(model)) this.log(line);
    return model;
  }
}
