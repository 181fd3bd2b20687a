/** What leaves mft (PEFT and Hugging Face folders, GGUF files), and adapters that come back in. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ExitCode, MftError } from '../../base/errors.ts';
import { dataHome } from '../../base/paths.ts';
import type { Operation } from '../../base/progress.ts';
import { packTensors, verifyFiles } from '../pack/read.ts';
import { exists, stageFile, stageFolder } from '../staging.ts';
import type {
  AdapterInit,
  ExportFormat,
  ExportReport,
  ExportType,
  ModelConfig,
  ModelPack,
  TensorReader,
  TrainedResult,
} from '../types.ts';
import { type Written, writeGgufAdapter, writeGgufModel } from './gguf.ts';
import { writeHuggingFace } from './hf.ts';
import { mergedTensors } from './merge.ts';
import { ADAPTER_CONFIG, readPeft } from './peft-read.ts';
import { type PeftOptions, writePeft } from './peft-write.ts';
import { adapterTensors, checkAdapterSegment, fullTensors, openResult, RESULT_MANIFEST } from './result.ts';

export interface ExportOptions extends Operation, PeftOptions {
  /** Folder or file to be made; must not exist. */
  out: string;
  format: ExportFormat;
  /** Type of exported weights; when absent f16 for 'gguf', f32 otherwise. */
  dtype?: ExportType | undefined;
  /** Largest safetensors file, in bytes ('hf' only). */
  maxShardBytes?: number | undefined;
}

/** Exports a model as it is. @throws MftError export.*, file.exists, model.pack-damaged. */
export async function exportModel(
  pack: ModelPack,
  options: ExportOptions & { format: 'hf' | 'gguf' },
): Promise<ExportReport> {
  checkType(options);
  await verifyFiles(pack.files, options.signal === undefined ? {} : { signal: options.signal });
  return await write(options, (path) => writeModel(path, pack, packTensors(pack), options), []);
}

/** Exports a verified copy of a result. @throws MftError result.damaged, export.*, file.exists. */
export async function exportResult(
  result: TrainedResult,
  pack: ModelPack,
  options: ExportOptions,
): Promise<ExportReport> {
  const { format } = options;
  if (isAdapter(format) && result.method === 'full')
    throw new MftError('a full fine-tuning has no adapter to export', {
      code: 'export.no-adapter',
      exit: ExitCode.usage,
      suggestions: ['Export it as a model: --format hf or --format gguf'],
    });
  checkType(options);
  await verifyFiles(result.files, options.signal === undefined ? {} : { signal: options.signal });
  return await write(options, (path) => fill(path, result, pack, options), notesOn(result, pack, format));
}

function isAdapter(format: ExportFormat): boolean {
  return format === 'peft' || format === 'gguf-adapter';
}

function checkType({ format, dtype }: ExportOptions): void {
  const refuse = (message: string, suggestion: string) =>
    new MftError(message, { code: 'export.dtype', exit: ExitCode.usage, suggestions: [suggestion] });
  if (format === 'peft' && dtype !== undefined && dtype !== 'f32')
    throw refuse('PEFT adapters are exported in f32', 'Leave --dtype away.');
  if (format === 'hf' && dtype === 'q8_0')
    throw refuse('a Hugging Face folder has no q8_0', 'Choose f32, bf16 or f16, or --format gguf.');
}

/** Makes the folder or file. */
async function write(
  options: ExportOptions,
  make: (path: string) => Promise<Written>,
  notes: readonly string[],
): Promise<ExportReport> {
  const path = resolve(options.out);
  const isFile = options.format === 'gguf' || options.format === 'gguf-adapter';
  const written = await (isFile ? stageFile(path, make) : stageFolder(path, make));
  const names = isFile ? [''] : (await readdir(path)).sort();
  const files = await Promise.all(
    names.map(async (name) => ({ name: name || basename(path), bytes: (await stat(join(path, name))).size })),
  );
  return {
    path,
    format: options.format,
    files,
    tensors: written.tensors,
    notes: [...notes, ...written.notes],
  };
}

/** An adapter merged into blocks of small integers is merged into what they stand for, not into the original weights. */
function notesOn(result: TrainedResult, pack: ModelPack, format: ExportFormat): string[] {
  const blocks = pack.storage.map(({ type }) => type).filter((type) => type === 'int8' || type === 'int4');
  if (isAdapter(format) || result.method !== 'lora' || blocks.length === 0) return [];
  return [
    `The base weights are those of the pack, stored as ${blocks.join(' and ')}: they are not exactly the original ones. To merge into those, export the adapter (--format peft) and merge it there.`,
  ];
}

async function fill(
  path: string,
  result: TrainedResult,
  pack: ModelPack,
  options: ExportOptions,
): Promise<Written> {
  if (result.method === 'full')
    return await writeModel(path, pack, fullTensors(result, pack.config), options);
  const adapter = adapterTensors(result, pack.config);
  const targets = result.manifest.loraTargets;
  try {
    if (options.format === 'peft')
      return { tensors: await writePeft(path, pack, adapter, targets, options), notes: [] };
    if (options.format === 'gguf-adapter')
      return await writeGgufAdapter(path, pack, adapter, targets, options.dtype ?? 'f32', options);
    const weights = await mergedTensors(packTensors(pack), adapter, targets, pack.config);
    return await writeModel(path, pack, weights, options);
  } finally {
    await adapter.close();
  }
}

/** Closes `weights`. */
async function writeModel(
  path: string,
  pack: ModelPack,
  weights: TensorReader,
  options: ExportOptions,
): Promise<Written> {
  const { format, dtype } = options;
  try {
    if (format === 'gguf') return await writeGgufModel(path, pack, weights, dtype ?? 'f16', options);
    const type = dtype === undefined || dtype === 'q8_0' ? 'f32' : dtype;
    return { tensors: await writeHuggingFace(path, pack, weights, type, options), notes: [] };
  } finally {
    await weights.close();
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
