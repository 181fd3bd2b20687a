/** What leaves mft (PEFT and Hugging Face folders), and adapters that come back in. */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ExitCode, MftError } from '../../base/errors.ts';
import { dataHome } from '../../base/paths.ts';
import type { Operation } from '../../base/progress.ts';
import { packTensors, verifyFiles } from '../pack/read.ts';
import { exists, stageFolder } from '../staging.ts';
import type {
  AdapterInit,
  ExportFormat,
  ExportReport,
  FloatType,
  ModelConfig,
  ModelPack,
  TrainedResult,
} from '../types.ts';
import { writeHuggingFace } from './hf.ts';
import { mergedTensors } from './merge.ts';
import { ADAPTER_CONFIG, readPeft } from './peft-read.ts';
import { type PeftOptions, writePeft } from './peft-write.ts';
import { adapterTensors, checkAdapterSegment, fullTensors, openResult, RESULT_MANIFEST } from './result.ts';

export interface ExportOptions extends Operation, PeftOptions {
  /** Folder to be made; must not exist. */
  out: string;
  format: ExportFormat;
  /** Type of exported weights ('hf' only); 'f32' when absent. */
  dtype?: FloatType | undefined;
}

/** Exports a verified copy of a result. @throws MftError result.damaged, export.*, file.exists. */
export async function exportResult(
  result: TrainedResult,
  pack: ModelPack,
  options: ExportOptions,
): Promise<ExportReport> {
  if (options.format === 'peft' && result.method === 'full')
    throw new MftError('a full fine-tuning has no adapter to export', {
      code: 'export.no-adapter',
      exit: ExitCode.usage,
      suggestions: ['Export it as a Hugging Face folder: --format hf'],
    });
  if (options.format === 'peft' && options.dtype !== undefined && options.dtype !== 'f32')
    throw new MftError('adapters are exported in f32', { code: 'export.dtype', exit: ExitCode.usage });
  const out = resolve(options.out);
  await verifyFiles(result.files, options.signal === undefined ? {} : { signal: options.signal });
  const tensors = await stageFolder(out, (dir) => fill(dir, result, pack, options));
  const files = await Promise.all(
    (await readdir(out)).sort().map(async (name) => ({ name, bytes: (await stat(join(out, name))).size })),
  );
  return { dir: out, format: options.format, files, tensors, notes: notesOn(result, pack, options) };
}

/** An adapter merged into blocks of small integers is merged into what they stand for, not into the original weights. */
function notesOn(result: TrainedResult, pack: ModelPack, { format }: ExportOptions): string[] {
  const blocks = pack.storage.map(({ type }) => type).filter((type) => type === 'int8' || type === 'int4');
  if (format !== 'hf' || result.method !== 'lora' || blocks.length === 0) return [];
  return [
    `The base weights are those of the pack, stored as ${blocks.join(' and ')}: they are not exactly the original ones. To merge into those, export the adapter (--format peft) and merge it there.`,
  ];
}

async function fill(
  dir: string,
  result: TrainedResult,
  pack: ModelPack,
  options: ExportOptions,
): Promise<number> {
  const type = options.dtype ?? 'f32';
  if (result.method === 'full') {
    const weights = fullTensors(result, pack.config);
    try {
      return await writeHuggingFace(dir, pack, weights, type, options);
    } finally {
      await weights.close();
    }
  }
  const adapter = adapterTensors(result, pack.config);
  try {
    if (options.format === 'peft')
      return await writePeft(dir, pack, adapter, result.manifest.loraTargets, options);
    const weights = await mergedTensors(packTensors(pack), adapter, result.manifest.loraTargets, pack.config);
    try {
      return await writeHuggingFace(dir, pack, weights, type, options);
    } finally {
      await weights.close();
    }
  } finally {
    await adapter.close();
  }
}

/**
 * An adapter from a PEFT folder or from a pulled LoRA result, for `RunSpec.adapter` or `LoraConfig.init_segment`.
 * @param cacheDir where a converted PEFT adapter is kept, `<data home>/adapters` when absent
 * @throws MftError model.bad-adapter, result.damaged.
 */
export async function openAdapter(
  dir: string,
  config: ModelConfig,
  cacheDir: string = join(dataHome(), 'adapters'),
): Promise<AdapterInit> {
  if (await exists(join(dir, ADAPTER_CONFIG))) return readPeft(resolve(dir), config, cacheDir);
  if (!(await exists(join(dir, RESULT_MANIFEST))))
    throw new MftError(
      `${dir} is neither a PEFT folder (${ADAPTER_CONFIG}) nor a result (${RESULT_MANIFEST})`,
      {
        code: 'model.bad-adapter',
        exit: ExitCode.usage,
        suggestions: [
          ...((await exists(join(dir, 'config.json'))) ? ['It is a whole model: give it with --model.'] : []),
          'Give the folder of an adapter, or pull one: mft runs pull RUN',
        ],
      },
    );
  const result = await openResult(resolve(dir));
  const [segment] = result.manifest.weights;
  const [file] = result.files;
  if (result.method !== 'lora' || segment === undefined || file === undefined)
    throw new MftError(`${dir} is of a full fine-tuning: all weights were trained, there is no adapter`, {
      code: 'model.bad-adapter',
      exit: ExitCode.usage,
      suggestions: ['mft runs pull RUN --out DIR makes a model of it, for --model DIR.'],
    });
  checkAdapterSegment(segment, result.manifest.loraTargets, config, dir);
  await verifyFiles([file]);
  return { targets: result.manifest.loraTargets, segment, file };
}
