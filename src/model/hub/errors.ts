/** What a hub says no with, and what to do about it. Neither a token nor an address that was signed is ever in a message. */
import { ExitCode, MftError, messageOf } from '../../base/errors.ts';

/** An answer that is no success; its body is not kept. `reason` is the hub's header X-Error-Code. */
export class HubStatus extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string) {
    super(`status ${status}${reason === '' ? '' : ` (${reason})`}`);
    this.status = status;
    this.reason = reason;
  }
}

/** The connection ended, stalled or was never made. */
export class HubCut extends Error {}

/** Whether the same request may succeed a little later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof MftError) return false;
  if (error instanceof HubStatus) return [408, 425, 429].includes(error.status) || error.status >= 500;
  if (error instanceof DOMException) return error.name === 'TimeoutError';
  return error instanceof HubCut || isConnectionFailure(error);
}

/** undici's words for a connection that was not made or ended early; other TypeErrors are no matter of the network. */
function isConnectionFailure(error: unknown): error is TypeError {
  return error instanceof TypeError && /^(fetch failed|terminated)$/.test(error.message);
}

export interface Asked {
  endpoint: string;
  /** ORG/NAME */
  repo: string;
  revision: string;
  hasToken: boolean;
  /** When it is about one file. */
  file?: string;
}

export function hubError(message: string, options: { code: string; suggestions: string[] }): MftError {
  return new MftError(message, { ...options, exit: ExitCode.usage });
}

/** Anything that a request ended with, as an error a person can act on. */
export function explain(error: unknown, asked: Asked): unknown {
  if (error instanceof MftError) return error;
  if (error instanceof HubStatus) return explainStatus(error, asked);
  const isForeign = error instanceof SyntaxError || error instanceof TypeError; // not what the client can read
  if (!isTransient(error) && !isForeign) return error;
  const cause = isConnectionFailure(error) ? (error.cause ?? error) : error;
  const message = `${asked.endpoint} can't be read${about(asked)}: ${messageOf(cause).slice(0, 200)}`;
  return isTransient(error)
    ? hubError(message, {
        code: 'hub.unreachable',
        suggestions: [
          'Run the same command again: it goes on where it stopped.',
          'HF_ENDPOINT names another hub or a mirror; mft model import takes a folder that you have.',
        ],
      })
    : hubError(message, { code: 'hub.malformed', suggestions: ['Is HF_ENDPOINT a hub?'] });
}

function about({ file }: Asked): string {
  return file === undefined ? '' : ` (${file})`;
}

function explainStatus({ status, reason }: HubStatus, asked: Asked): MftError {
  const { endpoint, repo, revision, hasToken, file } = asked;
  const page = `${endpoint}/${repo}`;
  const tokens = `${endpoint}/settings/tokens`;
  if (reason === 'GatedRepo')
    return hubError(`${repo} is gated: its authors give it to those who accepted their terms`, {
      code: 'hub.gated',
      suggestions: hasToken
        ? [
            `Accept the terms at ${page} with the account that HF_TOKEN belongs to.`,
            'A fine-grained token must allow to read public gated repositories.',
          ]
        : [`Accept the terms at ${page}, make a read token at ${tokens}, and set HF_TOKEN to it.`],
    });
  if (reason === 'RevisionNotFound')
    return hubError(`${repo} has no revision "${revision}"`, {
      code: 'hub.no-revision',
      suggestions: [`Branches, tags and commits: ${page}/commits/main`],
    });
  if (reason === 'EntryNotFound')
    return hubError(`${repo} has no ${file ?? 'such file'} at ${revision}`, {
      code: 'hub.no-file',
      suggestions: [`Its files: ${page}/tree/main`],
    });
  if (status === 404 || reason === 'RepoNotFound' || (status === 401 && !hasToken))
    return hubError(`${endpoint} has no model ${repo}, or it is private`, {
      code: 'hub.no-model',
      suggestions: [
        'Check the name: ORG/NAME as in the address of its page.',
        hasToken
          ? 'If it is private, the account that HF_TOKEN belongs to must be allowed to read it.'
          : `If it is private, make a read token at ${tokens} and set HF_TOKEN to it.`,
      ],
    });
  if (status === 401 || status === 403)
    return hubError(`${endpoint} refuses to give ${repo}: status ${status}`, {
      code: 'hub.refused',
      suggestions: hasToken
        ? [`HF_TOKEN may have expired or lack the right to read it: ${tokens}`]
        : [`Make a read token at ${tokens} and set HF_TOKEN to it.`],
    });
  return hubError(`${endpoint} answers with status ${status}${about(asked)}`, {
    code: 'hub.unreachable',
    suggestions: ['Run the same command again later: it goes on where it stopped.'],
  });
}
