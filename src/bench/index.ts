/** How fast this computer or a phone is: what `mft bench` measures. */
export { measureEngine, measurePhone } from './engine.ts';
export { measureGemm } from './gemm.ts';
export { STORAGE_NAMES } from './names.ts';
export { findOpenBlas } from './openblas.ts';
export { localProgram } from './program.ts';
export type * from './types.ts';
