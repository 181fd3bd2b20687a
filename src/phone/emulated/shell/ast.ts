/** The shell's syntax tree, after POSIX 1003.1 chapter 2 (the part that phones' scripts use). */

export type WordPart =
  | { kind: 'text'; text: string; quoted: boolean }
  | { kind: 'parameter'; name: string; operator: string; argument: Word | undefined; quoted: boolean }
  | { kind: 'command'; body: List; quoted: boolean }
  | { kind: 'arithmetic'; expression: Word; quoted: boolean };

export interface Word {
  parts: WordPart[];
}

export interface Redirection {
  fd: number;
  operator: '<' | '>' | '>>' | '<>' | '>|' | '>&' | '<&' | '<<' | '<<<';
  target: Word;
}

export interface Simple {
  kind: 'simple';
  assignments: { name: string; value: Word }[];
  words: Word[];
  redirections: Redirection[];
}

export type Compound =
  | { kind: 'subshell'; body: List; redirections: Redirection[] }
  | { kind: 'group'; body: List; redirections: Redirection[] }
  | {
      kind: 'if';
      branches: { condition: List; body: List }[];
      otherwise: List | undefined;
      redirections: Redirection[];
    }
  | { kind: 'loop'; until: boolean; condition: List; body: List; redirections: Redirection[] }
  | { kind: 'for'; name: string; words: Word[] | undefined; body: List; redirections: Redirection[] }
  | { kind: 'case'; subject: Word; items: { patterns: Word[]; body: List }[]; redirections: Redirection[] }
  | { kind: 'function'; name: string; body: Command; redirections: Redirection[] };

export type Command = Simple | Compound;

export interface Pipeline {
  negated: boolean;
  commands: Command[];
}

export interface AndOr {
  first: Pipeline;
  rest: { operator: '&&' | '||'; pipeline: Pipeline }[];
}

export interface ListItem {
  andOr: AndOr;
  background: boolean;
}

export type List = ListItem[];
