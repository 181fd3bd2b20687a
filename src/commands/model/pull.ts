import { Args, Flags } from '@oclif/core';
import { formatBytes } from '../../base/units.ts';
import { pullModel, STORAGE_TYPES } from '../../model/index.ts';
import { BaseCommand } from '../base.ts';
import { describeModel, modelLines } from '../shared/model.ts';
import { withProgress } from '../shared/progress.ts';

export default class ModelPull extends BaseCommand {
  static override summary = 'Download a model from Hugging Face into the library.';
  static override description =
    `Takes config.json, the safetensors and the tokenizer's files of a repository (or one GGUF file, --file), checks each
against the hash that the hub gives, and imports them; what can be refused from the configuration is refused before the weights
are downloaded. A pull that was broken off goes on where it stopped when the same command is run again. HF_ENDPOINT names
another hub or a mirror; HF_TOKEN is sent for gated and private models, to that address alone.`;
  static override examples = [
    '<%= config.bin %> model pull Qwen/Qwen2.5-0.5B --name qwen',
    '<%= config.bin %> model pull openai-community/gpt2 --revision 607a30d783dfa663caf39e06633721c8d4cfcd7e',
    '<%= config.bin %> model pull HuggingFaceTB/SmolLM2-135M --dtype int8',
    '<%= config.bin %> model pull Qwen/Qwen2.5-0.5B-Instruct-GGUF --file qwen2.5-0.5b-instruct-q8_0.gguf',
  ];
  static override args = {
    repository: Args.string({ required: true, description: 'ORG/NAME, as in the address of its page' }),
  };
  static override flags = {
    revision: Flags.string({ default: 'main', summary: 'Branch, tag or commit.' }),
    file: Flags.string({
      helpValue: 'NAME.gguf',
      summary: 'Take this GGUF file instead of the safetensors.',
    }),
    dtype: Flags.option({ options: ['auto', ...STORAGE_TYPES] as const, default: 'auto' as const })({
      summary: 'How the matrices are stored; auto: as they are there.',
    }),
    name: Flags.string({
      char: 'n',
      summary: "Name in the library; default: the repository's or the GGUF file's.",
    }),
    tokenizer: Flags.string({
      helpValue: 'DIR',
      summary: 'Take tokenizer.json from here; "none": a model that can not read text.',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ModelPull);
    const { revision, file, dtype, name, tokenizer } = flags;
    const pulled = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      pullModel(args.repository, { ...operation, revision, file, dtype, name, tokenizer }),
    );
    const model = describeModel(pulled.pack);
    for (const line of modelLines(model)) this.log(line);
    this.log(`downloaded   ${formatBytes(pulled.bytes)}, hashes checked`);
    return { ...model, pulled: { repository: pulled.repo, commit: pulled.commit, bytes: pulled.bytes } };
  }
}
