import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import { Conversation } from '../chat/conversation.ts';
import { readPrompts } from '../chat/prompt-file.ts';
import { type ChatRenderer, noTemplate, openRenderer } from '../chat/renderer.ts';
import { type Reply, replyOf } from '../chat/reply.ts';
import { type ModelPack, openModel } from '../model/index.ts';
import { RunStore } from '../runs/index.ts';
import { DevicePhone, planGeneration, type RunSignal } from '../session/index.ts';
import { GeneratedTexts } from '../ui/generated.ts';
import { BaseCommand } from './base.ts';
import { openDevice, resolveModel } from './shared/context.ts';
import { adapterFlag, computeFlag, deviceFlag, dtypeFlag, threadsFlag, waitFlag } from './shared/flags.ts';
import { endingLines, exitCodeOf, FAREWELL_MS, followRun } from './shared/follow.ts';
import { withProgress } from './shared/progress.ts';
import { prose } from './shared/prose.ts';
import { samplingFlags, samplingOf, systemFlag, templateFlag } from './shared/sampling.ts';

export default class Generate extends BaseCommand {
  static override summary = 'Let a model write, on the phone.';
  static override description =
    prose(`Continues prompts with a model, or with a model and an adapter that was trained; shows the text as it is written.

With --chat each prompt is a message: the model's chat template is put around it, and its answer is shown.

Exit codes: 0 done, 5 failed, 6 contact lost (docs/errors.md). More: docs/generation.md`);
  static override examples = [
    '<%= config.bin %> generate --model gpt2 --prompt "The sea was"',
    '<%= config.bin %> generate --adapter gpt2-20261122-1a2b --prompt "Call me" --temperature 0',
    '<%= config.bin %> generate --model gpt2 --prompt-file prompts.txt --max-tokens 100 --stop "\\n\\n" --json',
    '<%= config.bin %> generate --model gemma-3-270m-it --chat --system "Be brief." --prompt "Why is the sea blue?"',
  ];
  static override flags = {
    device: deviceFlag,
    model: Flags.string({
      char: 'm',
      helpValue: 'NAME|DIR',
      summary: "The model, as mft train takes it; default: that of the adapter's run.",
    }),
    adapter: adapterFlag,
    prompt: Flags.string({
      char: 'p',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'TEXT',
      summary: 'The text to continue; may be given again.',
    }),
    'prompt-file': Flags.string({
      helpValue: 'FILE',
      summary: 'Prompts, one a line, or JSON Lines of {"prompt"}; - is standard input.',
    }),
    'max-tokens': Flags.integer({ min: 1, max: 65_536, default: 64, summary: 'Tokens to write, at most.' }),
    ...samplingFlags,
    'ignore-eos': Flags.boolean({ summary: "Go on beyond the model's end of text." }),
    seed: Flags.integer({ min: 0, default: 0, summary: 'Same seed, same text.' }),
    chat: Flags.boolean({ summary: "Put the model's chat template around each prompt." }),
    system: { ...systemFlag, dependsOn: ['chat'] },
    'chat-template': { ...templateFlag, dependsOn: ['chat'] },
    threads: threadsFlag,
    compute: computeFlag,
    dtype: dtypeFlag,
    wait: waitFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Generate);
    const file = flags['prompt-file'];
    const prompts = [...(flags.prompt ?? []), ...(file === undefined ? [] : await readPrompts(file))];
    if (prompts.length === 0 || prompts.includes('')) throw noPrompt();
    using store = RunStore.open();
    const { model, adapter } = resolveModel(store, flags);
    const device = await openDevice(flags);
    const { seed, threads, compute, dtype } = flags;
    const run = await withProgress({ quiet: this.jsonEnabled() }, async (operation) => {
      const pack = await openModel(model, { ...operation, home: store.home, dtype });
      const chat = flags.chat ? await render(pack, prompts, flags) : undefined;
      const sampling = { ...samplingOf(flags, seed), ignoreEos: flags['ignore-eos'], rendered: flags.chat };
      return planGeneration(
        {
          ...{ store, device, model, pack, adapter, dtype, threads, compute },
          prompts: chat?.texts ?? prompts,
          sampling: chat ? { ...sampling, stop: [...sampling.stop, ...chat.stop] } : sampling,
        },
        operation,
      );
    });
    const phone = new DevicePhone(device);
    const replies = new Map<number, Reply>();
    const shown = this.jsonEnabled()
      ? undefined
      : new GeneratedTexts(prompts, flags.chat, (text) => process.stdout.write(printable(text)));
    const followed = await followRun({
      store,
      phone,
      id: run.id,
      mode: 'silent',
      session: { contactMs: flags.wait * 1000 },
      onSignal: (signal) => take(signal, replies, shown),
    });
    shown?.close();
    if (followed.end.kind !== 'finished' || replies.size < prompts.length) {
      for (const line of endingLines(run.id, followed)) this.log(line);
      process.exitCode = exitCodeOf(followed);
      return undefined;
    }
    await phone.forget(run, FAREWELL_MS).catch(() => {}); // leaves nothing behind that anybody could want
    store.remove(run.id);
    return { model, seed, samples: prompts.map((prompt, at) => ({ prompt, ...replies.get(at) })) };
  }
}

function take(signal: RunSignal, replies: Map<number, Reply>, shown: GeneratedTexts | undefined): void {
  if (signal.type !== 'event') return;
  const { id, textDelta, sample } = signal.event;
  if (textDelta) shown?.push(textDelta.promptIndex, id?.attempt ?? 0, textDelta.text);
  if (!sample) return;
  replies.set(sample.promptIndex, replyOf(sample));
  shown?.finish(sample.promptIndex, sample.text);
}

/** The prompts as messages of conversations, each by itself. */
async function render(
  pack: ModelPack,
  prompts: readonly string[],
  flags: { system?: string | undefined; 'chat-template'?: string | undefined },
): Promise<{ texts: string[]; stop: readonly string[] }> {
  const renderer: ChatRenderer = await openRenderer(pack, flags['chat-template']);
  try {
    if (renderer.template === undefined) throw noTemplate(pack.name);
    const texts: string[] = [];
    for (const prompt of prompts)
      texts.push(await renderer.render(new Conversation(flags.system).with(prompt)));
    return { texts, stop: renderer.stop };
  } finally {
    renderer.close();
  }
}

function noPrompt(): MftError {
  return new MftError('there is no prompt', {
    code: 'usage.command-line',
    exit: ExitCode.usage,
    suggestions: ['--prompt TEXT', '--prompt-file FILE', 'mft chat is for conversations.'],
  });
}
