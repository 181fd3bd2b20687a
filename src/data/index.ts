export { inspectTextFile, type TextFile } from './text-file.ts';
