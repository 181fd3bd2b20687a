/**
 * A Hugging Face hub on this computer: the parts of its API that a download needs, with its headers and error codes, large
 * files on another origin as its CDN serves them, and faults on request.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubModel {
  commit: string;
  branches: string[];
  files: Map<string, Uint8Array>;
  /** Who may read its files; absent: anybody. */
  tokens?: string[];
  gated?: boolean;
}

export interface HubFaults {
  /** Ends the connection after so many bytes of a large file; taken from the front, one an answer. */
  cuts: number[];
  /** Keeps the connection open without a byte; one an answer. */
  stalls: number;
  /** Answers with this status; taken from the front. */
  statuses: number[];
  /** Sends whole files whatever part is asked for. */
  ignoreRanges: boolean;
  /** Sends other bytes than it has the hash of: of the right length. */
  corrupt: Set<string>;
}

export interface HubRequest {
  path: string;
  range: string | undefined;
  authorization: string | undefined;
  onCdn: boolean;
}

export interface FakeHub {
  url: string;
  models: Map<string, HubModel>;
  faults: HubFaults;
  requests: HubRequest[];
  close(): Promise<void>;
}

/** Files from here on are on the CDN, with a SHA-256; smaller ones have git's hash. */
const LARGE = 4 << 20;
const PAGE = 3;

export const gitBlobHash = (bytes: Uint8Array) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export async function startFakeHub(): Promise<FakeHub> {
  const hub: FakeHub = {
    url: '',
    models: new Map(),
    faults: { cuts: [], stalls: 0, statuses: [], ignoreRanges: false, corrupt: new Set() },
    requests: [],
    close: async () => {},
  };
  const blobs = new Map<string, Uint8Array>();
  let cdnUrl = '';
  const record = (request: IncomingMessage, onCdn: boolean) => {
    const { range, authorization } = request.headers;
    hub.requests.push({ path: request.url ?? '', range, authorization, onCdn });
  };
  const cdn = createServer((request, response) => {
    record(request, true);
    const bytes = blobs.get(new URL(request.url ?? '', cdnUrl).pathname.slice(1));
    if (bytes === undefined) refuse(response, 404, '');
    else sendBytes(request, response, bytes, hub.faults);
  });
  const api = createServer((request, response) => {
    record(request, false);
    const status = hub.faults.statuses.shift();
    if (status !== undefined) refuse(response, status, '');
    else
      answer(hub, request, response, (name, bytes) => {
        const key = sha256(bytes);
        blobs.set(key, hub.faults.corrupt.has(name) ? bytes.map((byte) => byte ^ 1) : bytes);
        return `${cdnUrl}/${key}?Signature=secret`;
      });
  });
  cdnUrl = await listen(cdn);
  hub.url = await listen(api);
  hub.close = async () => {
    for (const server of [api, cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  };
  return hub;
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}

function answer(
  hub: FakeHub,
  request: IncomingMessage,
  response: ServerResponse,
  toCdn: (path: string, bytes: Uint8Array) => string,
): ServerResponse {
  const url = new URL(request.url ?? '', hub.url);
  const parts = url.pathname.slice(1).split('/').map(decodeURIComponent);
  const isApi = parts[0] === 'api';
  const [org, name, verb, revision = '', ...rest] = isApi ? parts.slice(2) : parts;
  const model = hub.models.get(`${org}/${name}`);
  const token = request.headers.authorization?.replace('Bearer ', '');
  const known = [...hub.models.values()].flatMap(({ tokens = [] }) => tokens);
  const mayRead = model?.tokens === undefined || (token !== undefined && model.tokens.includes(token));
  if (token !== undefined && known.length > 0 && !known.includes(token)) return refuse(response, 401, '');
  // A gated model shows what it has to everybody, a private one nothing.
  if (model === undefined || (!mayRead && model.gated !== true))
    return refuse(response, token === undefined ? 401 : 404, 'RepoNotFound');
  if (revision !== model.commit && !model.branches.includes(revision))
    return refuse(response, 404, 'RevisionNotFound');
  if (isApi && verb === 'revision')
    return sendJson(response, { _id: '1', id: `${org}/${name}`, sha: model.commit, lastModified: 0 });
  if (isApi && verb === 'tree') return sendTree(hub, model, url, rest.join('/'), response);
  if (!mayRead) return refuse(response, token === undefined ? 401 : 403, 'GatedRepo');
  const bytes = model.files.get(rest.join('/'));
  if (verb !== 'resolve' || bytes === undefined) return refuse(response, 404, 'EntryNotFound');
  if (bytes.length >= LARGE) return response.writeHead(302, { location: toCdn(rest.join('/'), bytes) }).end();
  const sent = hub.faults.corrupt.has(rest.join('/')) ? bytes.map((byte) => byte ^ 1) : bytes;
  return sendBytes(request, response, sent, { ...hub.faults, cuts: [], stalls: 0 });
}

function sendTree(
  hub: FakeHub,
  model: HubModel,
  url: URL,
  folder: string,
  response: ServerResponse,
): ServerResponse {
  const prefix = folder === '' ? '' : `${folder}/`;
  const below = [...model.files].filter(([path]) => path.startsWith(prefix));
  const files = below.filter(([path]) => !path.slice(prefix.length).includes('/'));
  const folders = new Set(
    below.flatMap(([path]) => path.slice(prefix.length).split('/').slice(0, -1).slice(0, 1)),
  );
  const entries = [
    ...[...folders].map((name) => ({ type: 'directory', oid: '0'.repeat(40), size: 0, path: prefix + name })),
    ...files.map(([path, bytes]) =>
      bytes.length < LARGE
        ? { type: 'file', oid: gitBlobHash(bytes), size: bytes.length, path }
        : {
            type: 'file',
            oid: '1'.repeat(40),
            size: bytes.length,
            path,
            lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 },
          },
    ),
  ];
  const at = Number(url.searchParams.get('cursor') ?? 0);
  const next = new URL(url);
  next.searchParams.set('cursor', String(at + PAGE));
  if (at + PAGE < entries.length)
    response.setHeader('link', `<${hub.url}${next.pathname}${next.search}>; rel="next"`);
  return sendJson(response, entries.slice(at, at + PAGE));
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  faults: HubFaults,
): ServerResponse {
  if (faults.stalls > 0) {
    faults.stalls -= 1;
    response.writeHead(200, { 'content-length': bytes.length }).flushHeaders();
    return response;
  }
  const range = faults.ignoreRanges ? null : /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const [begin, end] = range === null ? [0, bytes.length] : [Number(range[1]), Number(range[2]) + 1];
  const part = bytes.subarray(begin, end);
  response.writeHead(range === null ? 200 : 206, {
    'content-length': part.length,
    ...(range === null ? {} : { 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}` }),
  });
  const cut = faults.cuts.shift();
  if (cut === undefined || cut >= part.length) return response.end(part);
  response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), 10));
  return response;
}

function sendJson(response: ServerResponse, value: unknown): ServerResponse {
  return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, code: string): ServerResponse {
  return response
    .writeHead(status, {
      'content-type': 'application/json',
      ...(code === '' ? {} : { 'x-error-code': code }),
    })
    .end(JSON.stringify({ error: 'no' }));
}
