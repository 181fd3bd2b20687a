/** Hugging Face folders in, model packs, PEFT and safetensors out. Other rooms import from here alone. */
export type * from './types.ts';
