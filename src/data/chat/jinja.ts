/** Renders conversations with a Jinja chat template, which is not trusted: in a process of its own, for a time, in bounded memory. */
import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../base/errors.ts';
import { printableLine } from '../../base/printable.ts';
import type { Answer, Job, Setup } from './jinja-process.ts';

export interface ChatMessage {
  role: string;
  content: string;
}

/** What a template made of a conversation: a text, or why it refuses (its own raise_exception, or a mistake in it). */
export type Rendering = { text: string; refused?: undefined } | { refused: string };

/** A template that does not end by itself. */
export class TemplateRunsAway extends Error {}

/** Of one conversation; a long one (by characters) may take longer. */
const RENDER_MS = 700;
const CHARACTERS_PER_MS = 10_000;
/** Until the process runs: Node itself takes its time on a busy computer. */
const START_MS = 30_000;
const MEMORY_MB = 256;
const MAX_SOURCE = 1 << 20;

/** Sources lie beside this one as .ts, builds as .js. */
const PROGRAM = fileURLToPath(new URL(`./jinja-process${extname(import.meta.url)}`, import.meta.url));

export class JinjaTemplate {
  readonly #setup: Setup;
  #child: ChildProcess | undefined;
  /** Jobs go one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param tokens bos_token and the like, by name */
  constructor(source: string, tokens: Record<string, string>) {
    this.#setup = { source, tokens };
  }

  /** @throws TemplateRunsAway */
  render(
    messages: readonly ChatMessage[],
    addGenerationPrompt: boolean,
    longAgo = false,
  ): Promise<Rendering> {
    const job = {
      messages: messages.map(({ role, content }) => ({ role, content })),
      addGenerationPrompt,
      longAgo,
    };
    const result = this.#last.then(() => this.#run(job));
    this.#last = result.catch(() => {});
    return result;
  }

  close(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  async #run(job: Job): Promise<Rendering> {
    if (this.#child === undefined) {
      if (this.#setup.source.length > MAX_SOURCE) return { refused: `it has over ${MAX_SOURCE} characters` };
      this.#child = await startProcess();
      const answer = await this.#ask(this.#child, this.#setup, RENDER_MS);
      if ('error' in answer) {
        this.close();
        return { refused: printableLine(answer.error) };
      }
    }
    const size = job.messages.reduce((sum, { content }) => sum + content.length, 0);
    const answer = await this.#ask(this.#child, job, RENDER_MS + size / CHARACTERS_PER_MS);
    return 'error' in answer ? { refused: printableLine(answer.error) } : { text: answer.text };
  }

  /** A process that does not answer in time, or dies of its memory, is gone afterwards. */
  #ask(child: ChildProcess, message: Setup | Job, milliseconds: number): Promise<Answer> {
    child.ref();
    child.channel?.ref();
    return new Promise<Answer>((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        child.off('message', answered).off('exit', died);
        child.unref();
        child.channel?.unref();
      };
      const answered = (answer: unknown) => {
        end();
        resolve(answer as Answer);
      };
      const died = () => {
        end();
        this.close();
        reject(new TemplateRunsAway(`it takes over ${MEMORY_MB} MB of memory`));
      };
      const timer = setTimeout(() => {
        end();
        this.close();
        reject(new TemplateRunsAway('it does not end'));
      }, milliseconds);
      child.on('message', answered).on('exit', died);
      child.send(message, (error) => {
        if (error) died();
      });
    });
  }
}

async function startProcess(): Promise<ChildProcess> {
  const { SystemRoot, PATH } = process.env;
  const child = fork(PROGRAM, [], {
    execArgv: [`--max-old-space-size=${MEMORY_MB}`, '--disable-warning=ExperimentalWarning'],
    // Months are English ones, as transformers writes them; nothing else of the environment is the template's business.
    env: { LC_ALL: 'en_US.UTF-8', TZ: process.env.TZ, SystemRoot, PATH },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  });
  await new Promise<void>((resolve, reject) => {
    const end = (why: string) => {
      clearTimeout(timer);
      child.removeAllListeners();
      if (why === '') return resolve();
      child.kill('SIGKILL');
      reject(new Error(`the process that renders chat templates ${why}`));
    };
    const timer = setTimeout(() => end(`did not start in ${START_MS} ms`), START_MS);
    child.once('error', (error) => end(`can't be started: ${messageOf(error)}`));
    child.once('exit', (code, signal) => end(`ended with ${signal ?? code}`));
    child.once('message', () => end(''));
  });
  return child;
}
