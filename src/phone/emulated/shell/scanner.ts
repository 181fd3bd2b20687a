import type { List, Redirection, Word, WordPart } from './ast.ts';

/** What the shell says before it exits with 1. */
export class SyntaxProblem extends Error {}

const META = new Set([' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')']);

/** Reads words with their quotes and expansions from the source text. */
export class Scanner {
  readonly #text: string;
  #at = 0;
  /** Set by the parser: parses the list inside `$( )`. */
  parseList: (end: string) => List = () => [];
  /** Set by the parser: parses another source. */
  parseNested: (inner: Scanner) => List = () => [];

  constructor(text: string) {
    // A backslash before a newline is nothing, everywhere but in single quotes, where nobody has it.
    this.#text = text.replaceAll('\\\n', '');
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  looksAt(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  take(text: string): boolean {
    if (!this.looksAt(text)) return false;
    this.#at += text.length;
    return true;
  }

  unexpected(): SyntaxProblem {
    const rest = this.#text.slice(this.#at, this.#at + 20).split('\n')[0];
    return new SyntaxProblem(
      this.atEnd() ? 'syntax error: unexpected EOF' : `syntax error: unexpected '${rest}'`,
    );
  }

  skipSpace(): void {
    while (this.looksAt(' ') || this.looksAt('\t')) this.#at += 1;
    if (!this.looksAt('#')) return;
    while (!this.atEnd() && !this.looksAt('\n')) this.#at += 1;
  }

  skipSpaceAndLines(): void {
    for (;;) {
      this.skipSpace();
      if (!this.take('\n')) return;
    }
  }

  /** The unquoted word that starts here, without consuming it. */
  peekPlainWord(): string | undefined {
    return /^[^\s;&|<>()"'\\$`]+(?=[\s;&|<>()]|$)/.exec(this.#text.slice(this.#at))?.[0];
  }

  takeWord(word: string): boolean {
    return this.peekPlainWord() === word && this.take(word);
  }

  takeName(): string | undefined {
    return this.#match(/[A-Za-z_][A-Za-z0-9_]*/y);
  }

  takeFunctionHead(): string | undefined {
    return this.#match(/[A-Za-z_][A-Za-z0-9_]*[ \t]*\([ \t]*\)/y)?.replace(/[ \t()]/g, '');
  }

  takeAssignmentHead(): string | undefined {
    return this.#match(/[A-Za-z_][A-Za-z0-9_]*=/y)?.slice(0, -1);
  }

  takeRedirectionHead(): { fd: number; operator: Redirection['operator'] } | undefined {
    const found = this.#match(/[0-9]?(?:<<<|<<|<>|<&|>>|>&|>\||<|>)/y);
    if (found === undefined) return undefined;
    const [, digit = '', operator = ''] = /^([0-9]?)(.*)$/.exec(found) ?? [];
    const fallback = operator.startsWith('<') ? 0 : 1;
    return { fd: digit === '' ? fallback : Number(digit), operator: operator as Redirection['operator'] };
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** The word that starts here, or undefined if none does. */
  word(): Word | undefined {
    const parts: WordPart[] = [];
    const start = this.#at;
    while (!this.atEnd()) {
      const character = this.#text[this.#at] ?? '';
      if (META.has(character)) break;
      this.#part(parts, character);
    }
    return this.#at === start ? undefined : { parts };
  }

  #part(parts: WordPart[], character: string): void {
    if (character === "'") {
      const end = this.#text.indexOf("'", this.#at + 1);
      if (end < 0) throw new SyntaxProblem('no closing quote');
      parts.push({ kind: 'text', text: this.#text.slice(this.#at + 1, end), quoted: true });
      this.#at = end + 1;
    } else if (character === '"') {
      this.#at += 1;
      this.#doubleQuoted(parts);
    } else if (character === '\\') {
      parts.push({ kind: 'text', text: this.#text[this.#at + 1] ?? '\\', quoted: true });
      this.#at += 2;
    } else if (character === '$' || character === '`') {
      this.#expansion(parts, false);
    } else {
      parts.push({ kind: 'text', text: character, quoted: false });
      this.#at += 1;
    }
  }

  #doubleQuoted(parts: WordPart[]): void {
    // "" is an empty field, not no field.
    parts.push({ kind: 'text', text: '', quoted: true });
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) throw new SyntaxProblem('no closing quote');
      if (character === '"') {
        this.#at += 1;
        return;
      }
      if (character === '\\') {
        const next = this.#text[this.#at + 1] ?? '';
        const escaped = '$`"\\'.includes(next) && next !== '';
        parts.push({ kind: 'text', text: escaped ? next : `\\${next}`, quoted: true });
        this.#at += 2;
      } else if (character === '$' || character === '`') this.#expansion(parts, true);
      else {
        parts.push({ kind: 'text', text: character, quoted: true });
        this.#at += 1;
      }
    }
  }

  #expansion(parts: WordPart[], quoted: boolean): void {
    if (this.looksAt('`')) {
      parts.push({ kind: 'command', body: this.#backquoted(), quoted });
    } else if (this.looksAt('$((')) {
      this.#at += 3;
      parts.push({ kind: 'arithmetic', expression: this.#arithmetic(), quoted });
    } else if (this.take('$(')) {
      parts.push({ kind: 'command', body: this.parseList(')'), quoted });
    } else if (this.take('${')) {
      parts.push(this.#braced(quoted));
    } else {
      this.#at += 1;
      const name = this.takeName() ?? this.#match(/[0-9@*#?$!-]/y);
      if (name === undefined) parts.push({ kind: 'text', text: '$', quoted });
      else parts.push({ kind: 'parameter', name, operator: '', argument: undefined, quoted });
    }
  }

  #backquoted(): List {
    const end = this.#text.indexOf('`', this.#at + 1);
    if (end < 0) throw new SyntaxProblem('no closing quote');
    const inner = new Scanner(this.#text.slice(this.#at + 1, end).replace(/\\([$`\\])/g, '$1'));
    this.#at = end + 1;
    return this.parseNested(inner);
  }

  /** Up to `))`; inner brackets are counted. */
  #arithmetic(): Word {
    const parts: WordPart[] = [];
    for (let depth = 0; ; ) {
      const character = this.#text[this.#at];
      if (character === undefined) throw new SyntaxProblem('no closing quote');
      if (depth === 0 && this.take('))')) return { parts };
      if (character === '(') depth += 1;
      if (character === ')') depth -= 1;
      if (character === '$' || character === '`') this.#expansion(parts, true);
      else {
        parts.push({ kind: 'text', text: character, quoted: true });
        this.#at += 1;
      }
    }
  }

  #braced(quoted: boolean): WordPart {
    const length = this.looksAt('#') && !this.looksAt('#}') && this.take('#');
    const name = this.takeName() ?? this.#match(/[0-9]+|[@*#?$!-]/y);
    if (name === undefined) throw new SyntaxProblem('bad substitution');
    if (length) {
      if (!this.take('}')) throw new SyntaxProblem('bad substitution');
      return { kind: 'parameter', name, operator: 'length', argument: undefined, quoted };
    }
    const operator = this.#match(/:?[-=?+]|%%|%|##|#/y) ?? '';
    const argument = this.#untilBrace();
    if (operator === '' && argument.parts.length > 0) throw new SyntaxProblem('bad substitution');
    return { kind: 'parameter', name, operator, argument, quoted };
  }

  #untilBrace(): Word {
    const parts: WordPart[] = [];
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) throw new SyntaxProblem('no closing brace');
      if (this.take('}')) return { parts };
      if (META.has(character)) {
        parts.push({ kind: 'text', text: character, quoted: false });
        this.#at += 1;
      } else this.#part(parts, character);
    }
  }
}
