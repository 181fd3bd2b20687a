/**
 * Conversations as tokens: templates compiled here and the runtime's tokenization together, against what transformers'
 * apply_chat_template gives (fixtures of scripts/oracle/chat_templates.py). With learn_all a conversation is one text and
 * its tokens are transformers'; otherwise what is learned is encoded by itself, as a model that answers has it before
 * itself.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ChatTemplate, openChatTemplate, renderConversations } from '../../src/data/index.ts';
import { compileTokenizer } from '../../src/model/tokenizer/index.ts';
import { mft } from '../../src/protocol/index.ts';
import { modelFolder } from '../tokenizer/models.ts';
import { textTool } from '../tokenizer/support.ts';

const fixtures = join(import.meta.dirname, '../fixtures/chat');
const names = readdirSync(fixtures).filter((name) => name.endsWith('.json'));

const fixtureSchema = z.object({
  tokenizer: z.string(),
  template: z.string(),
  tokens: z.record(z.string(), z.string()),
  special: z.array(z.string()),
  conversations: z.array(
    z.object({
      messages: z.array(z.object({ role: z.string(), content: z.string() })),
      error: z.string().optional(),
      text: z.string().optional(),
      asked: z.string().optional(),
      ids: z.array(z.int()).default([]),
      stretches: z.array(z.tuple([z.boolean(), z.array(z.int())])).optional(),
    }),
  ),
});
type Conversation = z.infer<typeof fixtureSchema>['conversations'][number];
type Tokens = [ids: number[], learned: number[]];

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'mft-chat-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const { DATA_FORMAT_MESSAGES, DATA_FORMAT_SEGMENTS } = mft.v1.DataFormat;
const lines = (conversations: readonly Conversation[]): string =>
  conversations.map(({ messages }) => `${JSON.stringify({ messages })}\n`).join('');

/** What a stretch that is learned holds; all the others not. Neighbours of one kind are one stretch on the phone. */
function expectedOf({ stretches = [] }: Conversation): Tokens {
  const ids = stretches.flatMap(([, part]) => part);
  return [ids, stretches.flatMap(([learned, part]) => part.map(() => Number(learned)))];
}

describe.each(names)('%s', (name) => {
  const fixture = fixtureSchema.parse(JSON.parse(readFileSync(join(fixtures, name), 'utf8')));
  const folder = () => join(scratch, name);
  // A system message alone is nothing to learn from: the phone may refuse it where the template does not.
  const spoken = fixture.conversations.filter(({ messages }) =>
    messages.some(({ role }) => role !== 'system'),
  );
  const taken = spoken.filter(({ error }) => error === undefined);
  const refused = spoken.filter(({ error }) => error !== undefined);
  const answered = taken.filter(({ stretches }) => stretches?.some(([learned]) => learned) ?? false);
  let template: ChatTemplate;

  beforeAll(async () => {
    mkdirSync(folder());
    const json = readFileSync(join(await modelFolder(fixture.tokenizer), 'tokenizer.json'));
    writeFileSync(join(folder(), 'tokenizer.bin'), compileTokenizer(json));
    writeFileSync(join(folder(), 'tokenizer.json'), json);
    writeFileSync(join(folder(), 'chat_template.jinja'), fixture.template);
    writeFileSync(join(folder(), 'tokenizer_config.json'), JSON.stringify(fixture.tokens));
    const opened = await openChatTemplate(folder());
    if (opened === undefined) throw new Error('the template is not there');
    template = opened;
  });
  afterAll(() => template.close());

  function tokenize(path: string, data: mft.v1.IDataConfig): Tokens[] {
    const config = join(folder(), 'data.pb');
    writeFileSync(config, mft.v1.DataConfig.encode({ sequenceLength: 4096, ...data }).finish());
    const out = textTool(
      'records',
      join(folder(), 'tokenizer.bin'),
      config,
      path,
      join(folder(), 'out.tokens'),
    );
    return out
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Tokens);
  }

  function write(conversations: readonly Conversation[]): string {
    const path = join(folder(), 'data.jsonl');
    writeFileSync(path, lines(conversations));
    return path;
  }

  test('has conversations with and without an answer', () => {
    expect(answered.length).toBeGreaterThan(8);
    expect(taken.length).toBeGreaterThan(answered.length);
  });

  // A template that always asks for an answer can't be cut there: its pieces alone can learn from it.
  const alwaysAsks = taken.every(({ text, asked }) => text === asked);
  async function compareSegments() {
    const target = join(folder(), 'rendered.jsonl');
    await renderConversations(write(answered), template, target, { vocabSize: 1 << 20 });
    const found = tokenize(target, { format: DATA_FORMAT_SEGMENTS });
    expect(found).toHaveLength(answered.length);
    for (const [i, conversation] of answered.entries()) expect(found[i]).toEqual(expectedOf(conversation));
  }
  if (!alwaysAsks) test('rendered here, as segments', compareSegments);

  test('rendered on the phone, by the pieces', async () => {
    const { pieces, refusal } = await template.compile();
    expect(refusal).toBeUndefined();
    if (pieces === undefined) return;
    const chat = { format: DATA_FORMAT_MESSAGES, chat: pieces };
    const found = tokenize(write(answered), chat);
    expect(found).toHaveLength(answered.length);
    for (const [i, conversation] of answered.entries()) expect(found[i]).toEqual(expectedOf(conversation));

    const whole = tokenize(write(taken), { ...chat, learnAll: true });
    expect(whole).toHaveLength(taken.length);
    for (const [i, { ids, text, asked }] of taken.entries()) {
      const [found = [], learned = []] = whole[i] ?? [];
      // A template that always asks for an answer: what asks is no part of a conversation that is learned.
      if (text !== asked) expect(found).toEqual(ids);
      else expect(found).toEqual(ids.slice(0, ids.lastIndexOf(found[found.length - 1] ?? -1) + 1));
      expect(learned).toEqual(found.map(() => 1));
    }

    for (const conversation of refused)
      expect(() => tokenize(write([conversation]), chat)).toThrow(/line 1: expected/);
  });
});
