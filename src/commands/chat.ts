import { randomInt } from 'node:crypto';
import { Flags } from '@oclif/core';
import { ChatLoop } from '../chat/loop.ts';
import { RemoteChat } from '../chat/remote.ts';
import { openRenderer } from '../chat/renderer.ts';
import { openModel } from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import { type RunRecord, RunStore } from '../runs/index.ts';
import { DevicePhone, planChat, type RunSignal } from '../session/index.ts';
import { type ChatInput, pipedInput, terminalInput } from '../ui/chat/input.ts';
import { type ChatOutput, jsonOutput, plainOutput } from '../ui/chat/output.ts';
import { BaseCommand } from './base.ts';
import { openDevice, resolveModel } from './shared/context.ts';
import { adapterFlag, computeFlag, deviceFlag, dtypeFlag, threadsFlag, waitFlag } from './shared/flags.ts';
import { FAREWELL_MS } from './shared/follow.ts';
import { withProgress } from './shared/progress.ts';
import { prose } from './shared/prose.ts';
import { samplingFlags, samplingOf, systemFlag, templateFlag } from './shared/sampling.ts';

/** How long the phone may take to end its process when the conversation is over. */
const END_MS = 15_000;

export default class Chat extends BaseCommand {
  static override summary = 'Talk with a model, on the phone.';
  static override description =
    prose(`Keeps the model in the phone's memory and answers line by line, with what it has computed of the conversation kept.
Lines come from the terminal, or from a pipe. A line that begins with a slash is a command: /help lists them.

^C stops an answer, twice (or ^D, or /exit) ends. What is said is on the phone and in mft's record only as long as the
conversation lasts. Without this computer the phone ends it by itself, after --idle seconds.

Exit codes: 0 ended, 5 failed, 6 contact lost, 130 ended with ^C (docs/errors.md). More: docs/generation.md`);
  static override examples = [
    '<%= config.bin %> chat --model gemma-3-270m-it',
    '<%= config.bin %> chat --adapter gemma-20261122-1a2b --system "You are a pirate." --temperature 0.5',
    'echo "Why is the sea blue?" | <%= config.bin %> chat --model gemma-3-270m-it --json',
  ];
  static override flags = {
    device: deviceFlag,
    model: Flags.string({
      char: 'm',
      helpValue: 'NAME|DIR',
      summary: "The model, as mft train takes it; default: that of the adapter's run.",
    }),
    adapter: adapterFlag,
    system: systemFlag,
    'chat-template': templateFlag,
    'max-tokens': Flags.integer({
      min: 1,
      max: 65_536,
      default: 512,
      summary: 'Tokens of an answer, at most.',
    }),
    context: Flags.integer({
      min: 2,
      helpValue: 'TOKENS',
      summary: 'Of the whole conversation; default: what the model can see, at most 4096.',
    }),
    ...samplingFlags,
    seed: Flags.integer({ min: 0, summary: 'Same seed, same answers; default: by chance.' }),
    idle: Flags.integer({
      min: 1,
      max: 604_800,
      default: 600,
      helpValue: 'SECONDS',
      summary: 'Without this computer for so long, the phone ends the conversation.',
    }),
    threads: threadsFlag,
    compute: computeFlag,
    dtype: dtypeFlag,
    wait: waitFlag,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Chat);
    using store = RunStore.open();
    const { model, adapter } = resolveModel(store, flags);
    const device = await openDevice(flags);
    const { threads, compute, dtype, context, idle, seed = randomInt(2 ** 32) } = flags;
    const pack = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      openModel(model, { ...operation, home: store.home, dtype }),
    );
    const renderer = await openRenderer(pack, flags['chat-template']);
    try {
      const sampling = { ...samplingOf(flags, seed), rendered: renderer.rendered };
      const request = {
        ...{ store, device, model, pack, adapter, dtype, threads, compute },
        sampling: { ...sampling, stop: [...sampling.stop, ...renderer.stop] },
        contextLength: context,
        idleSeconds: idle,
      };
      const run = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
        planChat(request, operation),
      );
      const phone = new DevicePhone(device);
      const output = this.output();
      const progress = new PhoneProgress(output);
      const remote = new RemoteChat(store, phone, run.id, {
        contactMs: flags.wait * 1000,
        onSignal: (signal) => progress.take(signal),
      });
      const loop = new ChatLoop(remote, renderer, output, { system: flags.system });
      const interrupt = () => loop.interrupt();
      const leave = () => loop.leave();
      process.on('SIGINT', interrupt).on('SIGTERM', leave).on('SIGHUP', leave);
      try {
        await loop.start(() => output.opened(opening(run, pack.name, renderer.template)));
        process.exitCode = await loop.run(this.input(interrupt));
      } finally {
        await this.clearAway(store, phone, run, remote); // the signals stay taken: one more must not leave half of it
      }
      output.closed();
    } finally {
      renderer.close();
    }
  }

  private input(interrupt: () => void): ChatInput {
    const { stdin, stdout } = process;
    const terminal = stdin.isTTY && stdout.isTTY && process.env.TERM !== 'dumb' && !this.jsonEnabled();
    return terminal ? terminalInput(stdin, stdout, '> ', interrupt) : pipedInput(stdin);
  }

  private output(): ChatOutput {
    const out = (text: string) => void process.stdout.write(text);
    if (this.jsonEnabled()) return jsonOutput(out);
    return plainOutput(out, (text) => void process.stderr.write(text), {
      verbose: this.argv.some((word) => word === '-v' || word === '--verbose'),
      interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
    });
  }

  /** Leaves nothing of what was said behind, neither there nor here; where the phone is out of reach, says what is left. */
  private async clearAway(
    store: RunStore,
    phone: DevicePhone,
    run: RunRecord,
    remote: RemoteChat,
  ): Promise<void> {
    await remote.end(END_MS);
    try {
      await phone.forget(run, FAREWELL_MS);
      store.remove(run.id);
    } catch {
      this.logToStderr(
        `${run.id} is left on the phone, which ends it by itself. Later: mft runs rm ${run.id} --phone`,
      );
    }
  }
}

function opening(run: RunRecord, model: string, template: string | undefined) {
  const { chat } = mft.v1.RunSpec.decode(run.spec);
  return {
    ...{ run: run.id, model, device: run.deviceName },
    context_length: chat?.contextLength ?? 0,
    seed: chat?.sampling?.seed ?? 0,
    template: template ?? null,
  };
}

/** What a person waits for, and what happened to the connection. */
class PhoneProgress {
  private lost = false;
  private readonly output: ChatOutput;

  constructor(output: ChatOutput) {
    this.output = output;
  }

  take(signal: RunSignal): void {
    if (signal.type === 'transition' && !signal.replayed) {
      if (signal.state === 'lost' && !this.lost)
        this.output.note('(contact to the phone is lost; trying to get it back)');
      if (signal.state === 'attached' && this.lost) this.output.note('(the phone is back)');
      this.lost = signal.state === 'lost' || (this.lost && signal.state !== 'attached');
    }
    if (signal.type === 'event' && signal.event.warning && !signal.replayed)
      this.output.note(`(${signal.event.warning.code}: ${signal.event.warning.message})`);
  }
}
