/** Hugging Face folders in, model packs, PEFT, safetensors and GGUF out. Other rooms import from here alone. */
export type { CreateOptions } from './create.ts';
export { readEndTokens } from './end-tokens.ts';
export { type ExportOptions, exportModel, exportResult, openAdapter } from './export/index.ts';
export { openResult } from './export/result.ts';
export { familyNames, sizeNames } from './families/index.ts';
export { type Leftover, listDownloads, removeDownloads } from './hub/leftovers.ts';
export { type PulledModel, type PullOptions, pullModel } from './hub/pull.ts';
export type { ImportOptions } from './import.ts';
export {
  checkModelName,
  createModel,
  importModel,
  inspectModel,
  type LibraryPlace,
  listModels,
  modelsFolder,
  type OpenOptions,
  openModel,
  removeModel,
} from './library.ts';
export {
  ALL_LINEAR,
  adaptedModules,
  adapterTensorNames,
  countAdapterElements,
  resolveLoraTargets,
} from './lora.ts';
export { summarizeAdapters } from './lora-summary.ts';
export { countParameters } from './pack/layout.ts';
export { openPack, verifyFiles } from './pack/read.ts';
export { hashFile } from './pack/segment-file.ts';
export { STORAGE_TYPES, summarizeStorage } from './pack/storage.ts';
export type * from './types.ts';
