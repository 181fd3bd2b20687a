import { Args, Flags } from '@oclif/core';
import { exportModel, openModel } from '../../model/index.ts';
import { BaseCommand } from '../base.ts';
import { exportFlags, exportLines } from '../shared/export.ts';
import { withProgress } from '../shared/progress.ts';
import { prose } from '../shared/prose.ts';

export default class ModelExport extends BaseCommand {
  static override summary = 'Write a model as a Hugging Face folder or a GGUF file.';
  static override description =
    prose(`Any model that mft reads: of the library, or a folder or GGUF file by its path. A Hugging Face folder has the tokenizer's files,
the chat template and the generation settings that the model came with; a GGUF file has what llama.cpp needs of them. What a model
trained on a phone has learned is exported by mft runs pull.`);
  static override examples = [
    '<%= config.bin %> model export qwen --format gguf --dtype q8_0 --out qwen-Q8_0.gguf',
    '<%= config.bin %> model export gemma --format hf --dtype bf16 --out ./gemma-hf',
  ];
  static override args = {
    model: Args.string({ required: true, description: 'name in the library, or a path' }),
  };
  static override flags = {
    out: Flags.string({
      char: 'o',
      required: true,
      helpValue: 'PATH',
      summary: 'The folder (hf) or file (gguf) to be made.',
    }),
    format: Flags.option({ options: ['hf', 'gguf'] as const, default: 'hf' as const })({
      summary: 'A Hugging Face folder, or one GGUF file.',
    }),
    ...exportFlags,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ModelExport);
    const { out, format, dtype } = flags;
    const report = await withProgress({ quiet: this.jsonEnabled() }, async (operation) => {
      const pack = await openModel(args.model, operation);
      const maxShardBytes = flags['max-shard-size'];
      return await exportModel(pack, { ...operation, out, format, dtype, maxShardBytes });
    });
    for (const line of exportLines(report)) this.log(line);
    return { model: args.model, exported: report };
  }
}
