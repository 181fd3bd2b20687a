/** What data files hold, and the chat templates that show conversations. Other rooms import from here alone. */
export type { ChatMessage } from './chat/jinja.ts';
export type { Pieces } from './chat/pieces.ts';
export { type ChatTemplate, type Compiled, openChatTemplate } from './chat/template.ts';
export {
  type DataFile,
  type DataRules,
  formatOf,
  inspectDataFile,
  type RenamedFields,
} from './data-file.ts';
export type { DataFormat, RecordFormat } from './records/formats.ts';
export { renderConversations } from './render-file.ts';
export { inspectTextFile, type TextFile } from './text-file.ts';
