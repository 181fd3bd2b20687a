import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RemoteChat } from '../../src/chat/remote.ts';
import { createModel } from '../../src/model/index.ts';
import { DevicePhone, planChat } from '../../src/session/index.ts';
import { type Rig, startRig } from '../support/rig.ts';
import { SIZES, type Workbench, workbench } from '../support/training.ts';

let rig: Rig;
let bench: Workbench;
let template: string;
beforeAll(async () => {
  [rig, bench] = await Promise.all([startRig(), workbench()]);
  // Sees enough for an answer that is long enough to be disturbed in.
  await createModel('talker', { ...SIZES, positions: 2048, home: bench.home, seed: 5 });
  template = join(bench.home, 'template.jinja');
  writeFileSync(
    template,
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('too late') }}{% endif %}" +
      '[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}',
  );
});
afterAll(async () => {
  await rig?.stop();
  bench?.remove();
});

/** The command line as a process of its own, whose standard input is open. */
function start(words: string[]) {
  const cli = join(import.meta.dirname, '../support/cli.ts');
  return execa(process.execPath, [cli, ...words], {
    env: { ...rig.adb.env, MFT_HOME: bench.home, MFT_ADB_SERVER: `127.0.0.1:${rig.adb.port}` },
    extendEnv: false,
    reject: false,
    stdin: 'pipe',
  });
}

async function mft(words: string[], input = '') {
  const process = start(words);
  process.stdin.end(input);
  return await process;
}

const json = (text: unknown) =>
  String(text)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const runFolders = () => {
  const folder = join(rig.phone.root, 'data/local/tmp/mft/runs');
  return existsSync(folder) ? readdirSync(folder) : [];
};

/** Nothing of a run is left, here or on the phone. */
function expectNoTrace(): void {
  expect(bench.store.list().map(({ id, state }) => `${id} ${state}`)).toEqual([]);
  expect(runFolders()).toEqual([]);
}

describe('mft generate', () => {
  const generate = async (words: string[], input?: string) => {
    const made = await mft(['generate', '--model', 'talker', '--json', ...words], input);
    expect(made.exitCode, String(made.stderr)).toBe(0);
    return JSON.parse(String(made.stdout)).samples;
  };

  test('several prompts, from the line, a file and standard input; each as if alone', async () => {
    const file = join(bench.home, 'prompts.jsonl');
    writeFileSync(file, '{"prompt":"Call me"}\n{"prompt":"The sea\\nwas"}\n');
    const greedy = ['--temperature', '0', '--max-tokens', '6'];
    const all = await generate([...greedy, '--prompt', 'Ishmael', '--prompt-file', file]);
    expect(all.map(({ prompt }: { prompt: string }) => prompt)).toEqual([
      'Ishmael',
      'Call me',
      'The sea\nwas',
    ]);
    expect(all[1]).toMatchObject({ tokens: 6, end: 'max_tokens', prompt_tokens: 2, reused_tokens: 0 });
    const [alone] = await generate([...greedy, '--prompt-file', '-'], 'Call me\n');
    expect(alone.text).toBe(all[1].text);
    expectNoTrace();
  });

  test('seeds, penalty and stop texts change what they should', async () => {
    const drawn = (seed: string, ...more: string[]) =>
      generate(['--prompt', 'Call me', '--max-tokens', '12', '--seed', seed, '--top-k', '0', ...more]);
    const [[a], [b], [c]] = await Promise.all([drawn('1'), drawn('1'), drawn('2')]);
    expect(a.text).toBe(b.text);
    expect(a.text).not.toBe(c.text);
    const stop = a.text.slice(8, 11);
    const [cut] = await drawn('1', '--stop', 'never in it', '--stop', stop);
    expect(cut).toMatchObject({ end: 'stop', text: a.text.slice(0, a.text.indexOf(stop)) });
    // A penalty that no score survives: no token comes twice, where without it one repeats itself.
    const greedy = ['--prompt', 'Call me', '--max-tokens', '40', '--temperature', '0'];
    const [[plain], [penal]] = await Promise.all([
      generate(greedy),
      generate([...greedy, '--repetition-penalty', '100']),
    ]);
    expect(penal.text).not.toBe(plain.text);
  });

  test('a chat template is put around each prompt, and a model without one says so', async () => {
    const words = ['--chat', '--chat-template', template, '--system', 'Be brief.', '--prompt', 'Hello'];
    const [sample] = await generate([...words, '--temperature', '0', '--max-tokens', '5']);
    const plain = await generate([
      ...['--prompt', '[system] Be brief.\n[user] Hello\n[assistant]'],
      ...['--temperature', '0', '--max-tokens', '5'],
    ]);
    expect(sample).toMatchObject({ prompt: 'Hello', text: plain[0].text });
    expect(sample.prompt_tokens).toBe(plain[0].prompt_tokens);
    const refused = await mft(['generate', '--model', 'talker', '--chat', '--prompt', 'Hello', '--json']);
    expect(refused.exitCode).toBe(2);
    expect(JSON.parse(String(refused.stdout)).error).toMatchObject({ code: 'data.chat-template' });
    expect((await mft(['generate', '--model', 'talker'])).exitCode).toBe(2);
    expectNoTrace();
  });

  test('people see each prompt with its text', async () => {
    const made = await mft([
      ...['generate', '--model', 'talker', '--prompt', 'One', '--prompt', 'Two'],
      ...['--temperature', '0', '--max-tokens', '3'],
    ]);
    const [one, two] = await generate([
      ...['--prompt', 'One', '--prompt', 'Two'],
      ...['--temperature', '0', '--max-tokens', '3'],
    ]);
    expect(made.stdout).toBe(`One${one.text}\n\nTwo${two.text}`);
  });
});

describe('mft chat', () => {
  const words = ['chat', '--model', 'talker', '--seed', '7', '--max-tokens', '5'];

  test('answers line by line, keeps what it computed, and leaves no trace', async () => {
    const lines = 'Call me\n/system Be brief.\n\n//slash\n/nonsense\n/reset\nCall me\n';
    const made = await mft([...words, '--chat-template', template, '--json', '--system', 'Hm.'], lines);
    expect(made.exitCode, String(made.stderr)).toBe(0);
    const said = json(made.stdout);
    expect(said[0]).toMatchObject({ type: 'chat', template, context_length: 2048, seed: 7 });
    expect(said.at(-1)).toEqual({ type: 'end', outcome: 'ended' });
    const answers = said.filter(({ type }) => type === 'answer');
    expect(answers).toHaveLength(3);
    for (const answer of answers) expect(answer).toMatchObject({ tokens: 5, end: 'max_tokens' });
    expect(answers[0].reused_tokens).toBe(0);
    const streamed = said.slice(1, said.indexOf(answers[0])).map(({ text }) => text);
    expect(streamed.join('')).toBe(answers[0].text);
    expect(said.filter(({ type }) => type === 'error')).toMatchObject([{ code: 'chat.unknown-command' }]);
    expectNoTrace();
  });

  test('a model without a template goes on with what is there', async () => {
    const made = await mft([...words, '--verbose'], 'Call me\nand\n/help\n/exit\nnever said\n');
    expect(made.exitCode, String(made.stderr)).toBe(0);
    expect(String(made.stdout).split('\n').length).toBeGreaterThanOrEqual(2);
    expect(made.stderr).toContain('It has no chat template');
    // The second prompt begins with the first and its answer.
    expect(made.stderr).toMatch(/prompt 2 tokens, 0 of them in the cache/);
    expect(made.stderr).toMatch(/prompt (?:8|9) tokens, [5-7] of them in the cache/);
    expect(made.stderr).toContain('/reset');
    const refused = await mft([...words, '--system', 'Be brief.', '--json'], 'Hello\n');
    expect(refused.exitCode).toBe(2);
    expectNoTrace();
  });

  test('a full context is an error, and the conversation goes on', async () => {
    const long = 'word '.repeat(60);
    const made = await mft([...words, '--context', '32', '--json'], `${long}\nCall me\n`);
    expect(made.exitCode, String(made.stderr)).toBe(0);
    const said = json(made.stdout);
    expect(said.find(({ type }) => type === 'error')).toMatchObject({
      code: 'chat.context-full',
      message: expect.stringMatching(/has 6\d tokens/),
    });
    expect(said.find(({ type }) => type === 'answer')).toMatchObject({ prompt_tokens: 2, tokens: 5 });
    const wider = await mft([...words, '--context', '5000', '--json'], '');
    expect(wider.exitCode).toBe(2);
    expect(JSON.parse(String(wider.stdout)).error).toMatchObject({ code: 'config.value' });
  });

  /** A conversation in the middle of a long answer. */
  async function inAnAnswer(more = ['--max-tokens', '2000']) {
    const process = start(['chat', '--model', 'talker', '--seed', '7', '--json', ...more]);
    const seen: { type: string; end?: string; tokens?: number; text?: string; run?: string }[] = [];
    const first = Promise.withResolvers<void>();
    let rest = '';
    process.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) seen.push(JSON.parse(line));
      if (seen.some(({ type }) => type === 'text')) first.resolve();
    });
    process.stdin.write('Call me\n');
    await Promise.race([first.promise, process]);
    let over = false;
    void process.then(() => {
      over = true;
    });
    const until = async (type: string) => {
      while (!over && !seen.some((line) => line.type === type))
        await new Promise((resolve) => setTimeout(resolve, 20));
    };
    return { process, seen, until, ended: () => over };
  }

  test('^C stops the answer, and what was written of it is part of the conversation', async () => {
    const { process, seen, until } = await inAnAnswer();
    process.kill('SIGINT');
    await until('answer');
    process.stdin.end('and\n');
    const { exitCode } = await process;
    expect(exitCode).toBe(0);
    const [cut] = seen.filter(({ type }) => type === 'answer');
    expect(cut?.end).toBe('interrupted');
    expect(cut?.tokens).toBeGreaterThan(0);
    expect(cut?.tokens).toBeLessThan(2000);
    expect(seen.at(-1)?.type).toBe('end');
    expectNoTrace();
  });

  test('^C twice ends', async () => {
    const { process, ended } = await inAnAnswer();
    // Signals that come close together are delivered as one.
    while (!ended()) {
      process.kill('SIGINT');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect((await process).exitCode).toBe(130);
    expectNoTrace();
  });

  test('without its host the phone ends it; it can be taken up again', async () => {
    const { process, seen } = await inAnAnswer(['--idle', '1', '--max-tokens', '300']);
    process.kill('SIGKILL');
    await process;
    const run = bench.store.find(seen[0]?.run ?? '');
    expect(run.task).toBe('chat');
    const phone = new DevicePhone(rig.device);
    await expect.poll(async () => (await phone.status(run)).alive, { timeout: 60_000 }).toBe(false);
    expect((await phone.status(run)).ended).toBe(true);
    const log = readFileSync(join(rig.phone.root, 'data/local/tmp/mft/runs', run.id, 'log'), 'utf8');
    expect(log).not.toContain('Call me');
    const remote = new RemoteChat(bench.store, phone, run.id, { contactMs: 60_000 });
    const quiet = { onText: () => {}, onRestart: () => {} };
    expect(await remote.say('Call me', quiet)).toMatchObject({ tokens: 300, reused_tokens: 0 });
    expect(await remote.say('Call me', quiet)).toMatchObject({ tokens: 300, reused_tokens: 1 });
    expect(await remote.end(20_000)).toBe(true);
    await phone.forget(run, 10_000);
    bench.store.remove(run.id);
    expectNoTrace();
  });
});

describe('whatever happens in the middle of an answer, it comes whole and once', () => {
  const sampling = { maxTokens: 400, temperature: 1, topK: 0, topP: 0, seed: 3, ignoreEos: true };
  let undisturbed: string;

  /** An answer, and what happens when its first piece is there. */
  async function answer(
    disturb: (pid: number) => Promise<unknown>,
  ): Promise<{ text: string; attempts: number }> {
    const run = await planChat({
      ...{ store: bench.store, device: rig.device, model: 'talker', sampling, idleSeconds: 60 },
    });
    const phone = new DevicePhone(rig.device);
    let pid = 0;
    const remote = new RemoteChat(bench.store, phone, run.id, {
      contactMs: 60_000,
      onSignal: (signal) => {
        if (signal.type === 'event' && signal.event.attemptStarted) pid = signal.event.attemptStarted.pid;
      },
    });
    await remote.start();
    let shown = '';
    let disturbed: Promise<unknown> | undefined;
    const reply = await remote.say('Call me', {
      onText: (piece) => {
        shown += piece;
        disturbed ??= disturb(pid);
      },
      onRestart: () => {
        shown = '';
      },
    });
    await disturbed;
    expect(shown).toBe(reply.text);
    expect(reply).toMatchObject({ tokens: 400, end: 'max_tokens', prompt_tokens: 2 });
    const samples = [...bench.store.events(run.id)].filter(({ event }) => event.sample);
    expect(samples).toHaveLength(1);
    // And it goes on.
    const next = await remote.say(`Call me${reply.text} and`, { onText: () => {}, onRestart: () => {} });
    expect(next.tokens).toBe(400);
    const attempts = bench.store.lastEvent(run.id)?.attempt ?? 0;
    expect(await remote.end(20_000)).toBe(true);
    await phone.forget(run, 10_000);
    bench.store.remove(run.id);
    expectNoTrace();
    return { text: reply.text, attempts };
  }

  beforeAll(async () => {
    const calm = await answer(async () => {});
    expect(calm.attempts).toBe(1);
    undisturbed = calm.text;
  });

  test('the connection is lost', async () => {
    const { text, attempts } = await answer(() => rig.phone.fault('disconnect'));
    expect(text).toBe(undisturbed);
    expect(attempts).toBe(1);
  });

  test('the process is killed', async () => {
    const { text, attempts } = await answer((pid) => rig.device.exec(['kill', '-9', String(pid)]));
    expect(text).toBe(undisturbed);
    expect(attempts).toBe(2);
  });

  test('the phone reboots', async () => {
    const { text, attempts } = await answer(() => rig.phone.fault('reboot'));
    expect(text).toBe(undisturbed);
    expect(attempts).toBe(2);
  });
});
