import type { AndOr, Command, Compound, List, Pipeline, Redirection, Simple, Word } from './ast.ts';
import { Scanner, SyntaxProblem } from './scanner.ts';

const closers = new Set(['then', 'else', 'elif', 'fi', 'do', 'done', 'esac', '}']);

/** Parses a script. @throws SyntaxProblem */
export function parse(source: string): List {
  const parser = new Parser(new Scanner(source));
  return parser.script();
}

/** A recursive descent over the characters; there are no tokens of their own, because in a shell words depend on where they stand. */
export class Parser {
  readonly #in: Scanner;

  constructor(scanner: Scanner) {
    this.#in = scanner;
    scanner.parseList = (end) => this.#listUntil(end);
    scanner.parseNested = (inner) => new Parser(inner).script();
  }

  script(): List {
    const list = this.#list();
    if (!this.#in.atEnd()) throw this.#in.unexpected();
    return list;
  }

  /** For `$( )`: up to the closing bracket, which is consumed. */
  #listUntil(end: string): List {
    const list = this.#list();
    this.#in.skipSpaceAndLines();
    if (!this.#in.take(end)) throw this.#in.unexpected();
    return list;
  }

  #list(): List {
    const items: List = [];
    for (;;) {
      this.#in.skipSpaceAndLines();
      if (this.#in.atEnd() || this.#in.looksAt(')') || this.#in.looksAt(';;') || this.#atCloser())
        return items;
      const andOr = this.#andOr();
      this.#in.skipSpace();
      let background = false;
      if (this.#in.looksAt(';;')) {
        items.push({ andOr, background });
        return items;
      }
      if (this.#in.looksAt('&') && !this.#in.looksAt('&&')) {
        this.#in.take('&');
        background = true;
      } else if (!this.#in.take(';') && !this.#in.looksAt('\n')) {
        items.push({ andOr, background });
        return items;
      }
      items.push({ andOr, background });
    }
  }

  #atCloser(): boolean {
    const word = this.#in.peekPlainWord();
    return word !== undefined && closers.has(word);
  }

  #andOr(): AndOr {
    const first = this.#pipeline();
    const rest: AndOr['rest'] = [];
    for (;;) {
      this.#in.skipSpace();
      const operator = this.#in.take('&&') ? '&&' : this.#in.take('||') ? '||' : undefined;
      if (operator === undefined) return { first, rest };
      this.#in.skipSpaceAndLines();
      rest.push({ operator, pipeline: this.#pipeline() });
    }
  }

  #pipeline(): Pipeline {
    let negated = false;
    this.#in.skipSpace();
    while (this.#in.takeWord('!')) {
      negated = !negated;
      this.#in.skipSpace();
    }
    const commands = [this.#command()];
    for (;;) {
      this.#in.skipSpace();
      if (!this.#in.looksAt('|') || this.#in.looksAt('||')) return { negated, commands };
      this.#in.take('|');
      this.#in.skipSpaceAndLines();
      commands.push(this.#command());
    }
  }

  #command(): Command {
    this.#in.skipSpace();
    const compound = this.#compound();
    if (compound === undefined) return this.#simple();
    for (;;) {
      this.#in.skipSpace();
      const redirection = this.#redirection();
      if (redirection === undefined) return compound;
      compound.redirections.push(redirection);
    }
  }

  #compound(): Compound | undefined {
    const redirections: Redirection[] = [];
    if (this.#in.take('(')) return { kind: 'subshell', body: this.#listUntil(')'), redirections };
    if (this.#in.takeWord('{')) return { kind: 'group', body: this.#body('}'), redirections };
    if (this.#in.takeWord('if')) return this.#if();
    const until = this.#in.takeWord('until');
    if (until || this.#in.takeWord('while')) {
      const condition = this.#body('do');
      return { kind: 'loop', until, condition, body: this.#body('done'), redirections };
    }
    if (this.#in.takeWord('for')) return this.#for();
    if (this.#in.takeWord('case')) return this.#case();
    const name = this.#in.takeFunctionHead();
    if (name === undefined) return undefined;
    this.#in.skipSpaceAndLines();
    return { kind: 'function', name, body: this.#command(), redirections };
  }

  /** A list and the reserved word that ends it. */
  #body(end: string): List {
    const list = this.#list();
    if (list.length === 0) throw this.#in.unexpected();
    this.#expect(end);
    return list;
  }

  #expect(word: string): void {
    this.#in.skipSpaceAndLines();
    if (!this.#in.takeWord(word)) throw this.#in.unexpected();
  }

  #if(): Compound {
    const branches = [{ condition: this.#body('then'), body: this.#list() }];
    let otherwise: List | undefined;
    for (;;) {
      this.#in.skipSpaceAndLines();
      if (this.#in.takeWord('elif')) branches.push({ condition: this.#body('then'), body: this.#list() });
      else if (this.#in.takeWord('else')) otherwise = this.#list();
      else break;
    }
    this.#expect('fi');
    return { kind: 'if', branches, otherwise, redirections: [] };
  }

  #for(): Compound {
    this.#in.skipSpace();
    const name = this.#in.takeName();
    if (name === undefined) throw this.#in.unexpected();
    this.#in.skipSpaceAndLines();
    let words: Word[] | undefined;
    if (this.#in.takeWord('in')) {
      words = [];
      for (;;) {
        this.#in.skipSpace();
        const word = this.#in.word();
        if (word === undefined) break;
        words.push(word);
      }
    }
    this.#in.skipSpace();
    this.#in.take(';');
    this.#expect('do');
    return { kind: 'for', name, words, body: this.#body('done'), redirections: [] };
  }

  #case(): Compound {
    this.#in.skipSpace();
    const subject = this.#in.word();
    if (subject === undefined) throw this.#in.unexpected();
    this.#expect('in');
    const items: { patterns: Word[]; body: List }[] = [];
    for (;;) {
      this.#in.skipSpaceAndLines();
      if (this.#in.takeWord('esac')) return { kind: 'case', subject, items, redirections: [] };
      this.#in.take('(');
      const patterns: Word[] = [];
      do {
        this.#in.skipSpace();
        const pattern = this.#in.word();
        if (pattern === undefined) throw this.#in.unexpected();
        patterns.push(pattern);
        this.#in.skipSpace();
      } while (this.#in.take('|'));
      if (!this.#in.take(')')) throw this.#in.unexpected();
      items.push({ patterns, body: this.#list() });
      this.#in.skipSpaceAndLines();
      this.#in.take(';;');
    }
  }

  #simple(): Simple {
    const simple: Simple = { kind: 'simple', assignments: [], words: [], redirections: [] };
    for (;;) {
      this.#in.skipSpace();
      const redirection = this.#redirection();
      if (redirection !== undefined) {
        simple.redirections.push(redirection);
        continue;
      }
      const assigned = simple.words.length === 0 ? this.#in.takeAssignmentHead() : undefined;
      if (assigned !== undefined) {
        simple.assignments.push({ name: assigned, value: this.#in.word() ?? { parts: [] } });
        continue;
      }
      const word = this.#in.word();
      if (word === undefined) break;
      simple.words.push(word);
    }
    if (simple.words.length + simple.assignments.length + simple.redirections.length === 0)
      throw this.#in.unexpected();
    return simple;
  }

  #redirection(): Redirection | undefined {
    const head = this.#in.takeRedirectionHead();
    if (head === undefined) return undefined;
    if (head.operator === '<<') throw new SyntaxProblem('here documents are not supported by this shell');
    this.#in.skipSpace();
    const target = this.#in.word();
    if (target === undefined) throw this.#in.unexpected();
    return { ...head, target };
  }
}
