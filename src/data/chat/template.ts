/** A model's chat template, opened: what renders conversations here, and its pieces for the phone. */
import { ExitCode, MftError } from '../../base/errors.ts';
import { checkPieces } from './check.ts';
import { compilePieces, type Render } from './compile.ts';
import { Inexpressible } from './inexpressible.ts';
import { type ChatMessage, JinjaTemplate, TemplateRunsAway } from './jinja.ts';
import type { Pieces } from './pieces.ts';
import { readTemplate, type TemplateSource } from './source.ts';

/** What a template is on the phone: its pieces, or why it has none (a clause). */
export type Compiled = { pieces: Pieces; refusal?: undefined } | { pieces?: undefined; refusal: string };

export class ChatTemplate {
  readonly #jinja: JinjaTemplate;
  readonly #source: TemplateSource;
  #compiled: Promise<Compiled> | undefined;

  constructor(source: TemplateSource) {
    this.#source = source;
    this.#jinja = new JinjaTemplate(source.text, source.tokens);
  }

  /** Where it stands, for people: "chat_template.jinja", or a file that the user named. */
  get place(): string {
    return this.#source.place;
  }

  /** Texts of the tokenizer's special tokens. */
  get special(): readonly string[] {
    return this.#source.special;
  }

  /**
   * A conversation as transformers' apply_chat_template renders it. A content's text may be the template's markup: whoever
   * encodes it sees special tokens in it, as there.
   *
   * @throws MftError data.chat-template with the template's own words when it refuses the conversation, or runs away.
   */
  async render(
    messages: readonly ChatMessage[],
    { addGenerationPrompt }: { addGenerationPrompt: boolean },
  ): Promise<string> {
    const rendering = await this.#run(messages, addGenerationPrompt);
    if (rendering.refused === undefined) return rendering.text;
    throw this.#failure(`refuses the conversation: ${rendering.refused}`);
  }

  /** Compiled and checked once. */
  compile(): Promise<Compiled> {
    this.#compiled ??= this.#compile();
    return this.#compiled;
  }

  /** Ends the process that renders. The next rendering begins another. */
  close(): void {
    this.#jinja.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #compile(): Promise<Compiled> {
    const { text, special, tokens } = this.#source;
    const render: Render = (messages, asks = false) => this.#jinja.render(messages, asks);
    const longAgo: Render = (messages, asks = false) => this.#jinja.render(messages, asks, true);
    try {
      const compiled = await compilePieces(render, { special, bos: tokens.bos_token });
      await checkPieces(compiled, text, render, longAgo);
      return { pieces: compiled.pieces };
    } catch (error) {
      if (error instanceof Inexpressible || error instanceof TemplateRunsAway)
        return { refusal: error.message };
      throw error;
    }
  }

  async #run(messages: readonly ChatMessage[], asks: boolean) {
    try {
      return await this.#jinja.render(messages, asks);
    } catch (error) {
      if (!(error instanceof TemplateRunsAway)) throw error;
      throw this.#failure(`was stopped: ${error.message}`);
    }
  }

  #failure(what: string): MftError {
    return new MftError(`the chat template (${this.place}) ${what}`, {
      code: 'data.chat-template',
      exit: ExitCode.usage,
      suggestions: ['Another template can be named: --set data.chat_template=FILE.jinja'],
    });
  }
}

/**
 * The chat template of a model by its folder (a pack's `dir`); `override` names a Jinja file in its place. undefined: it
 * has none. Close it.
 * @throws MftError data.chat-template
 */
export async function openChatTemplate(folder: string, override?: string): Promise<ChatTemplate | undefined> {
  const source = await readTemplate(folder, override);
  return source === undefined ? undefined : new ChatTemplate(source);
}
