/** The way to a hub: its address, the user's token, and the only `fetch` that requests go through. */
import { log } from '../../base/log.ts';
import { HubStatus, hubError } from './errors.ts';

const PUBLIC_HUB = 'https://huggingface.co';

export interface Connection {
  /** Without a slash at its end. */
  endpoint: string;
  token: string | undefined;
}

/** HF_ENDPOINT and HF_TOKEN, as Hugging Face's own tools read them. @throws MftError hub.bad-endpoint, hub.bad-token. */
export function connectionOf(env: NodeJS.ProcessEnv = process.env): Connection {
  const endpoint = (env.HF_ENDPOINT || PUBLIC_HUB).replace(/\/+$/, '');
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username + url.password + url.search !== '')
    throw hubError('HF_ENDPOINT is no address of a hub', {
      code: 'hub.bad-endpoint',
      suggestions: [`It is like ${PUBLIC_HUB}: http or https, and without a name, a password or a query.`],
    });
  const token = env.HF_TOKEN?.trim() || undefined;
  if (token !== undefined && !/^hf_[\x21-\x7e]+$/.test(token))
    throw hubError('HF_TOKEN is no token of a hub', {
      code: 'hub.bad-token',
      suggestions: ['A token begins with hf_ and has no spaces. Leave HF_TOKEN away for a public model.'],
    });
  return { endpoint, token };
}

/**
 * `fetch` for the hub's client. The token goes to the endpoint alone, whatever links an answer holds (on a redirect to
 * another origin fetch itself drops it). An answer that is no success is a HubStatus, told to `onFailure` too: a stream of
 * the client passes on no more than its message. A part that was asked for and is not what comes is a failure as well.
 */
export function guardedFetch(
  { endpoint }: Connection,
  signal: AbortSignal | undefined,
  onFailure: (error: unknown) => void = () => {},
): typeof fetch {
  const { origin } = new URL(endpoint);
  return async (input, init) => {
    try {
      const url = new URL(input instanceof Request ? input.url : input);
      const headers = new Headers(init?.headers);
      if (url.origin !== origin) headers.delete('authorization');
      const range = headers.get('range');
      const response = await fetch(url, { ...init, headers, ...(signal === undefined ? {} : { signal }) });
      log('hub').debug({ path: url.pathname, range, status: response.status }, 'request');
      const fault = faultOf(response, range);
      if (fault === undefined) return response;
      await response.body?.cancel().catch(() => {});
      throw fault;
    } catch (error) {
      onFailure(error);
      throw error;
    }
  };
}

/** Status of an answer whose bytes are not those that were asked for. */
export const WRONG_RANGE = 416;

function faultOf(response: Response, range: string | null): HubStatus | undefined {
  if (!response.ok)
    return new HubStatus(
      response.status,
      (response.headers.get('x-error-code') ?? '').replace(/[^\w]/g, '').slice(0, 40),
    );
  if (range === null) return undefined;
  const asked = /^bytes=(\d+)-/.exec(range)?.[1];
  const given = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  return response.status === 206 && given === asked ? undefined : new HubStatus(WRONG_RANGE, '');
}
