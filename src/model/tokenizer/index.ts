/** `tokenizer.json` in, tokenizer.bin out (docs/tokenizer-format.md). */
export { type CompileOptions, compileTokenizer } from './compile.ts';
export { describeTokenizer, type TokenizerDescription } from './describe.ts';
export { parseTokenizerJson, type TokenizerJson } from './tokenizer-json.ts';
