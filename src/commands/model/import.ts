import { basename, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { importModel, STORAGE_TYPES } from '../../model/index.ts';
import { BaseCommand } from '../base.ts';
import { describeModel, modelLines } from '../shared/model.ts';
import { withProgress } from '../shared/progress.ts';

export default class ModelImport extends BaseCommand {
  static override summary = 'Import a Hugging Face model folder or a GGUF file into the library.';
  static override description =
    `The folder holds config.json, model.safetensors (or its shards) and tokenizer.json, as
transformers' save_pretrained writes it or the Hub's download leaves it. Everything in it is understood or named in an error:
a field of config.json that changes the result, a tensor that is missing, superfluous or of the wrong shape. Matrices keep
their type unless --dtype says otherwise; int4 keeps the embedding and the head in int8 (docs/families.md). A GGUF file
brings its tokenizer; of its types Q8_0 and Q4_0 stay as they are, other quantised ones become f16.`;
  static override examples = [
    '<%= config.bin %> model import ~/models/gpt2',
    '<%= config.bin %> model import ./my-gpt2 --name mine --tokenizer ~/models/gpt2',
    '<%= config.bin %> model import ~/models/qwen2.5-0.5b --dtype int8 --name qwen-int8',
    '<%= config.bin %> model import ~/models/gemma-3-270m-Q8_0.gguf --name gemma',
  ];
  static override args = {
    folder: Args.string({ required: true, description: 'the Hugging Face folder or GGUF file' }),
  };
  static override flags = {
    dtype: Flags.option({ options: ['auto', ...STORAGE_TYPES] as const, default: 'auto' as const })({
      summary: 'How the matrices are stored; auto: as they are in the folder.',
    }),
    name: Flags.string({ char: 'n', summary: "Name in the library; default: the folder's." }),
    tokenizer: Flags.string({
      helpValue: 'DIR',
      summary: 'Take tokenizer.json from here; "none": a model that can not read text.',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ModelImport);
    const name = flags.name ?? basename(resolve(args.folder)).replace(/\.gguf$/i, '');
    const pack = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      importModel(args.folder, name, { ...operation, tokenizer: flags.tokenizer, dtype: flags.dtype }),
    );
    const model = describeModel(pack);
    for (const line of modelLines(model)) this.log(line);
    return model;
  }
}
