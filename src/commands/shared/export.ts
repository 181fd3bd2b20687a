/** What the commands that export models and results share. */
import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../../base/errors.ts';
import { formatBytes, parseBytes } from '../../base/units.ts';
import type { ExportReport } from '../../model/index.ts';

export const exportFlags = {
  dtype: Flags.option({
    helpValue: 'f32|bf16|f16|q8_0',
    options: ['f32', 'bf16', 'f16', 'q8_0'] as const,
    summary: 'Type of the exported weights; default: f16 for gguf, f32 otherwise. q8_0: GGUF alone.',
  })(),
  'max-shard-size': Flags.custom<number>({
    helpValue: '5GB',
    summary: 'Largest safetensors file of a Hugging Face folder; default: 5GB.',
    parse: async (text) => {
      const bytes = parseBytes(text);
      if (bytes !== undefined && bytes > 0) return bytes;
      throw new MftError(`--max-shard-size ${text.slice(0, 80)} is no size`, {
        code: 'usage.command-line',
        exit: ExitCode.usage,
        suggestions: ['Write it as 500MB, 5GB or 4GiB.'],
      });
    },
  })(),
};

/** The report for people. */
export function exportLines({ path, format, files, notes }: ExportReport): string[] {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return [`Exported as ${format}: ${path} (${formatBytes(bytes)})`, ...notes];
}
