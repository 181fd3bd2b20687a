export type { ChatMessage } from './chat/jinja.ts';
export type { Pieces } from './chat/pieces.ts';
export { type ChatTemplate, type Compiled, openChatTemplate } from './chat/template.ts';
export { inspectTextFile, type TextFile } from './text-file.ts';
