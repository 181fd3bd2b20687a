import { Flags } from '@oclif/core';
import { createModel } from '../../model/index.ts';
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
      description: 'GPT-2 at its true size (124M), to measure with:',
      command: '<%= config.bin %> model create --random --size gpt2 --tokenizer ./gpt2 --name gpt2-random',
    },
  ];
  static override flags = {
    random: Flags.boolean({ required: true, summary: 'Random weights (the only way to create a model).' }),
    family: Flags.string({ default: 'gpt2', summary: 'Model family.' }),
    size: Flags.string({ summary: 'Named size: distilgpt2, gpt2, gpt2-medium, gpt2-large, gpt2-xl.' }),
    hidden: size('Hidden size.'),
    layers: size('Blocks.'),
    heads: size('Attention heads.'),
    inner: size('MLP width; default: the usual multiple of the hidden size.'),
    positions: size('Longest sequence.'),
    vocab: size("Vocabulary; default: the tokenizer's."),
    tokenizer: Flags.string({ helpValue: 'DIR', summary: 'Folder with tokenizer.json.' }),
    seed: Flags.integer({ min: 0, default: 0, summary: 'Seed of the weights.' }),
    name: Flags.string({ char: 'n', summary: 'Name in the library; default: family or size, and seed.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(ModelCreate);
    const name = flags.name ?? `${flags.size ?? flags.family}-random-${flags.seed}`;
    const { family, hidden, layers, heads, inner, positions, vocab, tokenizer, seed } = flags;
    const shape = { family, size: flags.size, hidden, layers, heads, inner, positions, vocab };
    const pack = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      createModel(name, { ...shape, tokenizer, seed, ...operation }),
    );
    const model = describeModel(pack);
    for (const line of modelLines(model)) this.log(line);
    return model;
  }
}
