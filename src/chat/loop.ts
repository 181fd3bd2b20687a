/** A conversation from its first line to its end: what is typed, what is answered, what ^C means when. */
import { ExitCode, MftError } from '../base/errors.ts';
import { Conversation } from './conversation.ts';
import { parseLine } from './line.ts';
import type { RemoteChat } from './remote.ts';
import type { ChatRenderer } from './renderer.ts';
import type { Reply } from './reply.ts';

/** Who answers. */
export type Answerer = Pick<RemoteChat, 'start' | 'say' | 'interrupt'>;

/** Where lines come from. */
export interface LineSource {
  /** undefined: there are no more. */
  next(): Promise<string | undefined>;
  redraw(): void;
  close(): void;
}

/** Where answers go. */
export interface AnswerSink {
  text(piece: string): void;
  restarted(): void;
  answered(reply: Reply): void;
  /** It can't be done; the conversation goes on. */
  failed(error: MftError): void;
  note(text: string): void;
  help(): void;
}

export class ChatLoop {
  private readonly remote: Answerer;
  private readonly renderer: ChatRenderer;
  private readonly sink: AnswerSink;
  private readonly conversation: Conversation;
  private readonly leaving = Promise.withResolvers<'left'>();
  private lines: LineSource | undefined;
  private state: 'starting' | 'typing' | 'writing' | 'stopping' | 'over' = 'starting';
  private warned = false;
  private interrupted = false;

  constructor(
    remote: Answerer,
    renderer: ChatRenderer,
    sink: AnswerSink,
    options: { system?: string | undefined } = {},
  ) {
    this.remote = remote;
    this.renderer = renderer;
    this.sink = sink;
    this.conversation = new Conversation(options.system);
  }

  /** Gets the model ready, then calls `opened`. @throws MftError as RemoteChat.start; cancelled when left meanwhile. */
  async start(opened: () => void): Promise<void> {
    await this.renderer.render(this.conversation.with('?')); // a template that takes no system message says so at once
    const outcome = await Promise.race([this.remote.start(), this.leaving.promise]);
    if (outcome === 'left') throw cancelled();
    opened();
  }

  /** To the end of the lines, or /exit, or ^C. @throws MftError for what no next line can heal. */
  async run(lines: LineSource): Promise<ExitCode> {
    this.lines = lines;
    try {
      for (;;) {
        if (this.state === 'over') break;
        this.state = 'typing';
        const line = await Promise.race([lines.next(), this.leaving.promise.then(() => undefined)]);
        if (line === undefined || !(await this.obey(line))) break;
      }
    } finally {
      this.state = 'over';
      lines.close();
    }
    return this.interrupted ? ExitCode.interrupted : ExitCode.ok;
  }

  /** ^C: stops the answer that is being written; again, or at rest, ends. */
  interrupt(): void {
    if (this.state === 'writing') {
      this.state = 'stopping';
      void this.remote.interrupt();
    } else if (this.state === 'typing' && !this.warned) {
      this.warned = true;
      this.sink.note('(^C again ends, so does ^D)');
      this.lines?.redraw();
    } else {
      this.interrupted = true;
      this.leave();
    }
  }

  leave(): void {
    this.state = 'over';
    this.leaving.resolve('left');
  }

  /** False: that was the end. */
  private async obey(text: string): Promise<boolean> {
    this.warned = false;
    const line = parseLine(text);
    switch (line.kind) {
      case 'blank':
        return true;
      case 'exit':
        return false;
      case 'help':
        this.sink.help();
        return true;
      case 'reset':
        this.conversation.reset();
        this.sink.note('(a new conversation)');
        return true;
      case 'system':
        this.conversation.setSystem(line.text);
        this.sink.note(line.text === '' ? '(no system message)' : '(a system message)');
        return true;
      case 'unknown':
        this.sink.failed(unknownCommand(line.command));
        return true;
      case 'say':
        return this.say(line.text);
    }
  }

  private async say(text: string): Promise<boolean> {
    this.state = 'writing';
    try {
      const rendered = await this.renderer.render(this.conversation.with(text));
      const said = this.remote.say(rendered, {
        onText: (piece) => this.sink.text(piece),
        onRestart: () => this.sink.restarted(),
      });
      const reply = await Promise.race([said, this.leaving.promise]);
      if (reply === 'left') {
        said.catch(() => {}); // nobody waits for it any more
        return false;
      }
      if (reply.end === 'context_full' && reply.tokens === 0) throw contextFull(reply.prompt_tokens);
      const unsaid = reply.end === 'interrupted' && reply.text === '';
      if (!unsaid) this.conversation.answered(text, reply.text);
      this.sink.answered(reply);
    } catch (error) {
      if (!(error instanceof MftError) || !GOES_ON.has(error.code)) throw error;
      this.sink.failed(error);
    }
    return true;
  }
}

/** Errors of one message, after which the next may do. */
const GOES_ON: ReadonlySet<string> = new Set(['chat.refused', 'chat.context-full', 'data.chat-template']);

function contextFull(tokens: number): MftError {
  return new MftError(`the conversation has ${tokens} tokens now, more than the phone keeps of it`, {
    code: 'chat.context-full',
    exit: ExitCode.runFailed,
    suggestions: [
      '/reset begins a new one.',
      'mft chat --context TOKENS keeps more, if the model can see as many.',
    ],
  });
}

function unknownCommand(command: string): MftError {
  return new MftError(`there is no command ${command}`, {
    code: 'chat.unknown-command',
    exit: ExitCode.usage,
    suggestions: ['/help lists them.', 'A message that begins with / is written with //.'],
  });
}

function cancelled(): MftError {
  return new MftError('cancelled', { code: 'cancelled', exit: ExitCode.interrupted });
}
