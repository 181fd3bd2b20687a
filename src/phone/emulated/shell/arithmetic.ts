/** `$(( ))`: signed 64-bit integers, the operators of C without assignment. */

export interface Variables {
  lookup(name: string): string | undefined;
}

export class ArithmeticProblem extends Error {}

const levels: string[][] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

export function evaluate(text: string, variables: Variables): bigint {
  const tokens =
    text.match(
      /0[xX][0-9a-fA-F]+|[0-9]+|[A-Za-z_][A-Za-z0-9_]*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^?:()]|\S/g,
    ) ?? [];
  let at = 0;
  const value = ternary();
  if (at < tokens.length) throw new ArithmeticProblem(`${text}: unexpected '${tokens[at]}'`);
  return BigInt.asIntN(64, value);

  function ternary(): bigint {
    const condition = binary(0);
    if (tokens[at] !== '?') return condition;
    at += 1;
    const yes = ternary();
    if (tokens[at] !== ':') throw new ArithmeticProblem(`${text}: missing ':'`);
    at += 1;
    const no = ternary();
    return condition !== 0n ? yes : no;
  }

  function binary(level: number): bigint {
    const operators = levels[level];
    if (operators === undefined) return unary();
    let left = binary(level + 1);
    for (;;) {
      const operator = tokens[at];
      if (operator === undefined || !operators.includes(operator)) return left;
      at += 1;
      left = BigInt.asIntN(64, apply(operator, left, binary(level + 1)));
    }
  }

  function unary(): bigint {
    const token = tokens[at];
    at += 1;
    if (token === undefined) return 0n;
    if (token === '-') return -unary();
    if (token === '+') return unary();
    if (token === '~') return ~unary();
    if (token === '!') return unary() === 0n ? 1n : 0n;
    if (token === '(') {
      const inner = ternary();
      if (tokens[at] !== ')') throw new ArithmeticProblem(`${text}: missing ')'`);
      at += 1;
      return inner;
    }
    if (/^[0-9]/.test(token)) return BigInt(/^0[0-7]+$/.test(token) ? `0o${token.slice(1)}` : token);
    if (/^[A-Za-z_]/.test(token)) {
      const held = variables.lookup(token) ?? '';
      if (/^-?[0-9]+$/.test(held)) return BigInt(held);
      if (held === '') return 0n;
    }
    throw new ArithmeticProblem(`${text}: unexpected '${token}'`);
  }
}

function apply(operator: string, left: bigint, right: bigint): bigint {
  const truth = (yes: boolean) => (yes ? 1n : 0n);
  switch (operator) {
    case '||':
      return truth(left !== 0n || right !== 0n);
    case '&&':
      return truth(left !== 0n && right !== 0n);
    case '|':
      return left | right;
    case '^':
      return left ^ right;
    case '&':
      return left & right;
    case '==':
      return truth(left === right);
    case '!=':
      return truth(left !== right);
    case '<=':
      return truth(left <= right);
    case '>=':
      return truth(left >= right);
    case '<':
      return truth(left < right);
    case '>':
      return truth(left > right);
    case '<<':
      return left << (right & 63n);
    case '>>':
      return left >> (right & 63n);
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    default:
      if (right === 0n) throw new ArithmeticProblem('divide by zero');
      return operator === '/' ? left / right : left % right;
  }
}
