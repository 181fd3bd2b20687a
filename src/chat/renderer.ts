/** How a conversation becomes the text that a model continues: by its chat template, or, without one, as one text. */
import { ExitCode, MftError } from '../base/errors.ts';
import { type ChatMessage, openChatTemplate } from '../data/index.ts';
import type { ModelPack } from '../model/index.ts';

export interface ChatRenderer {
  /** The text has what begins one in it: the phone puts no BOS before it. */
  readonly rendered: boolean;
  /** Where the template stands; undefined: there is none, the model just goes on writing. */
  readonly template: string | undefined;
  /** Texts that end an answer beside the model's own tokens: what the template puts behind an assistant's message. */
  readonly stop: readonly string[];
  /** @throws MftError data.chat-template when the template refuses the conversation. */
  render(messages: readonly ChatMessage[]): Promise<string>;
  close(): void;
}

/** @param file a Jinja file in place of the model's own template */
export async function openRenderer(pack: Pick<ModelPack, 'dir'>, file?: string): Promise<ChatRenderer> {
  const template = await openChatTemplate(pack.dir, file);
  if (template === undefined) return plainRenderer;
  const end = (await template.compile()).pieces?.assistant.end.trim();
  return {
    rendered: true,
    template: template.place,
    stop: end !== undefined && template.special.includes(end) ? [end] : [],
    render: (messages) => template.render(messages, { addGenerationPrompt: true }),
    close: () => template.close(),
  };
}

/** Of a model that knows no roles: what was said and what it wrote, one after the other; a new line before each turn of ours. */
const plainRenderer: ChatRenderer = {
  rendered: false,
  template: undefined,
  stop: [],
  async render(messages) {
    if (messages.some(({ role }) => role === 'system')) throw noSystem();
    return messages
      .map(({ role, content }, at) => (role === 'user' && at > 0 ? `\n${content}` : content))
      .join('');
  },
  close() {},
};

export function noTemplate(model: string): MftError {
  return new MftError(`the model ${model} has no chat template`, {
    code: 'data.chat-template',
    exit: ExitCode.usage,
    suggestions: [
      'Name one: --chat-template FILE.jinja',
      'Models that were tuned for conversation have one (their names end in -it, -Instruct, -Chat).',
    ],
  });
}

function noSystem(): MftError {
  return new MftError('without a chat template there is no system message', {
    code: 'data.chat-template',
    exit: ExitCode.usage,
    suggestions: ['Name a template: --chat-template FILE.jinja'],
  });
}
