// @cloudflare/workers-oauth-provider on a free port of this machine, as authorization server and resource in one Worker. It
// reads client id metadata documents, registers clients, and consents at once for whoever arrives.
//
//   node workers_oauth_provider.mjs <folder with node_modules> <base URL of the client's pages> <where they really are>
//
// The parts of Cloudflare's runtime that the library asks for stand in here: a KV namespace in memory, the base class of
// entry points, the compatibility flag that its documents need, and a fetch to which the client's https pages are another
// port of this machine. The first line on standard output is a JSON object with the URL. It ends when its input does.

import { createServer } from 'node:http';
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, pages, reallyAt] = process.argv.slice(2);
const entrypoint = 'data:text/javascript,export class WorkerEntrypoint { constructor(ctx, env) { this.ctx = ctx; this.env = env } }';
const hooks = `export const resolve = (specifier, context, next) =>
  specifier === 'cloudflare:workers' ? { url: ${JSON.stringify(entrypoint)}, shortCircuit: true } : next(specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
globalThis.Cloudflare = { compatibilityFlags: { global_fetch_strictly_public: true } };
const realFetch = globalThis.fetch;
const fetched = [];
globalThis.fetch = (url, options) => {
  const asked = String(url?.url ?? url);
  if (!asked.startsWith(pages)) throw new TypeError('only the pages of the client can be fetched here');
  fetched.push(asked);
  return realFetch(reallyAt + asked.slice(pages.length), options);
};
const library = pathToFileURL(`${folder}/node_modules/@cloudflare/workers-oauth-provider/dist/oauth-provider.js`);
const { OAuthProvider } = await import(library.href);

class Kv {
  rows = new Map();
  async get(key, options) {
    const text = this.rows.get(key) ?? null;
    return text !== null && (options === 'json' || options?.type === 'json') ? JSON.parse(text) : text;
  }
  async put(key, text) {
    this.rows.set(key, text);
  }
  async delete(key) {
    this.rows.delete(key);
  }
  async list({ prefix = '' } = {}) {
    return { keys: [...this.rows.keys()].filter((name) => name.startsWith(prefix)).map((name) => ({ name })), list_complete: true };
  }
}

const env = { OAUTH_KV: new Kv() };
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const provider = new OAuthProvider({
    apiRoute: '/mcp',
    apiHandler: {
      fetch: async (request, _, ctx) => Response.json({ userId: ctx.props.userId, scope: ctx.auth?.scope ?? null }),
    },
    defaultHandler: {
      fetch: async (request, { OAUTH_PROVIDER }) => {
        const url = new URL(request.url);
        if (url.pathname === '/fetched') return Response.json(fetched);
        if (url.pathname !== '/authorize') return new Response('not found', { status: 404 });
        const asked = await OAUTH_PROVIDER.parseAuthRequest(request);
        const { redirectTo } = await OAUTH_PROVIDER.completeAuthorization({
          request: asked,
          userId: 'alice',
          metadata: {},
          scope: asked.scope,
          props: { userId: 'alice' },
        });
        return Response.redirect(redirectTo, 302);
      },
    },
    authorizeEndpoint: '/authorize',
    tokenEndpoint: '/token',
    clientRegistrationEndpoint: '/register',
    scopesSupported: ['mcp:read', 'mcp:write', 'offline_access'],
    resourceMetadata: { resource: `${base}/mcp`, authorization_servers: [base] },
    requiredScopes: ['mcp:read'],
    clientIdMetadataDocumentEnabled: process.env.DOCUMENTS !== 'off',
  });
  server.on('request', async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = chunks.length ? Buffer.concat(chunks) : undefined;
    const request = new Request(base + incoming.url, {
      method: incoming.method,
      headers: Object.entries(incoming.headers).filter(([name]) => !['host', 'connection', 'content-length'].includes(name)),
      body: ['GET', 'HEAD'].includes(incoming.method) ? undefined : body,
    });
    let response;
    try {
      response = await provider.fetch(request, env, { waitUntil: () => {}, passThroughOnException: () => {} });
    } catch (error) {
      response = new Response(String(error?.stack ?? error), { status: 500 });
    }
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  console.log(JSON.stringify({ url: `${base}/mcp` }));
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
