/** Where a model's chat template is: chat_template.jinja, or chat_template in tokenizer_config.json. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, MftError, messageOf } from '../../base/errors.ts';

export interface TemplateSource {
  text: string;
  /** Where it stands, for people: "chat_template.jinja". */
  place: string;
  /** bos_token and the like by name, for the template. */
  tokens: Record<string, string>;
  /** Special tokens, by their text. */
  special: string[];
}

const MAX_TEMPLATE_BYTES = 1 << 20;
const MAX_JSON_BYTES = 256 << 20;
const TOKEN_NAMES = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map((name) => `${name}_token`);

type Json = { [key: string]: unknown };

/**
 * Of a model's folder; `override` is a file that stands in place of the model's own. undefined: there is none.
 * @throws MftError data.chat-template
 */
export async function readTemplate(folder: string, override?: string): Promise<TemplateSource | undefined> {
  const config = await readJson(join(folder, 'tokenizer_config.json'));
  const own = await readText(join(folder, 'chat_template.jinja'), MAX_TEMPLATE_BYTES);
  const found =
    override !== undefined
      ? { text: await readOverride(override), place: override }
      : own !== undefined
        ? { text: own, place: 'chat_template.jinja' }
        : fromConfig(config);
  if (found === undefined) return undefined;
  const tokens = {
    ...tokensOf(await readJson(join(folder, 'special_tokens_map.json'))),
    ...tokensOf(config),
  };
  const special = new Set([...Object.values(tokens), ...addedIn(config)]);
  if (addedIn(config).length === 0)
    for (const token of addedOf(await readJson(join(folder, 'tokenizer.json')))) special.add(token);
  return { ...found, tokens, special: [...special] };
}

/** A text, or a list of named ones of which "default" counts. */
function fromConfig(config: Json): { text: string; place: string } | undefined {
  const value = config.chat_template;
  if (typeof value === 'string') return { text: value, place: 'tokenizer_config.json' };
  if (!Array.isArray(value)) return undefined;
  const named = value.filter(isJson).find(({ name }) => name === 'default')?.template;
  if (typeof named === 'string') return { text: named, place: 'tokenizer_config.json (default)' };
  throw unreadable('tokenizer_config.json', 'chat_template has several templates, but no default');
}

/** As transformers gives them to a template: those that are set. */
function tokensOf(json: Json): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of TOKEN_NAMES) {
    const text = tokenText(json[name]);
    if (text !== undefined) tokens[name] = text;
  }
  return tokens;
}

function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isJson(value) && typeof value.content === 'string' ? value.content : undefined;
}

function addedIn({ added_tokens_decoder: added }: Json): string[] {
  return isJson(added) ? specialAmong(Object.values(added)) : [];
}

function addedOf({ added_tokens: added }: Json): string[] {
  return Array.isArray(added) ? specialAmong(added) : [];
}

function specialAmong(entries: unknown[]): string[] {
  return entries
    .filter(isJson)
    .filter(({ special }) => special === true)
    .map(tokenText)
    .filter((text) => text !== undefined && text !== '')
    .map(String);
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readJson(path: string): Promise<Json> {
  const text = await readText(path, MAX_JSON_BYTES);
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (isJson(value)) return value;
  } catch (cause) {
    throw unreadable(path, messageOf(cause).slice(0, 200));
  }
  throw unreadable(path, 'it is not a JSON object');
}

async function readOverride(path: string): Promise<string> {
  const text = await readText(path, MAX_TEMPLATE_BYTES);
  if (text !== undefined) return text;
  throw unreadable(path, 'there is no such file', ['Check data.chat_template.']);
}

/** undefined: there is no such file. */
async function readText(path: string, limit: number): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isFile()) throw unreadable(path, 'it is not a file');
  if (found.size > limit) throw unreadable(path, `it has ${found.size} bytes, more than ${limit}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    throw unreadable(path, messageOf(cause));
  }
}

function unreadable(path: string, why: string, suggestions?: string[]): MftError {
  return new MftError(`the chat template in ${path} can't be read: ${why}`, {
    code: 'data.chat-template',
    exit: ExitCode.usage,
    suggestions: suggestions ?? ['Name a Jinja file of its own: --set data.chat_template=FILE.jinja'],
  });
}
