// oidc-provider on a free port of this machine, with an interaction that needs no browser: whoever arrives is signed in
// as the login_hint (alice without one) and consents to everything; the hint "deny" refuses.
//
//   node oidc_provider.mjs <folder with node_modules> [<folder with server.pem and ca.pem>]
//
// The first line on standard output is a JSON object with the issuer. It ends when its standard input does.
// With certificates it speaks TLS, and at a second port (`mtls`) it asks its clients for theirs (RFC 8705).
// INITIAL_ACCESS_TOKEN: what it wants to see before it registers a client, which can then be managed (RFC 7592).
// PAGES: it reads client id metadata documents, and what the world calls https://app.example is there.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { pathToFileURL } from 'node:url';

const folder = pathToFileURL(`${process.argv[2]}/node_modules/oidc-provider/lib/index.js`);
const { Provider } = await import(folder.href);

const redirect_uris = ['https://app.example/callback/peer'];
const grant_types = ['authorization_code', 'refresh_token'];
const client = (client_id, token_endpoint_auth_method, client_secret) => ({
  client_id,
  redirect_uris,
  grant_types,
  token_endpoint_auth_method,
  ...(client_secret && { client_secret }),
});

// What it signs with: keys of its own, made anew at every start.
const jwks = {
  keys: [generateKeyPairSync('rsa', { modulusLength: 2048 }), generateKeyPairSync('ec', { namedCurve: 'P-256' })].map(
    ({ privateKey }) => privateKey.export({ format: 'jwk' }),
  ),
};

const tls = process.argv[3] && {
  key: readFileSync(`${process.argv[3]}/server.pem`),
  cert: readFileSync(`${process.argv[3]}/server.pem`),
  ca: readFileSync(`${process.argv[3]}/ca.pem`),
};
const listening = (one) => new Promise((resolve) => one.listen(0, '127.0.0.1', () => resolve(one.address().port)));
const server = tls ? createTlsServer({ key: tls.key, cert: tls.cert }) : createServer();
// Nobody is turned away in TLS: a certificate that nobody vouches for may be a registered one.
const asking = tls && createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false });
const port = await listening(server);
const issuer = tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
const mtls = tls && `https://localhost:${await listening(asking)}`;

const mTLS = {
  enabled: true,
  certificateBoundAccessTokens: true,
  selfSignedTlsClientAuth: true,
  tlsClientAuth: true,
  getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
  certificateAuthorized: (ctx) => ctx.socket.authorized,
  certificateSubjectMatches: (ctx, property, expected) =>
    property === 'tls_client_auth_subject_dn' && ctx.socket.getPeerCertificate().subject.CN === expected.slice('CN='.length),
};
const aliases = tls && {
  token_endpoint: `${mtls}/token`,
  revocation_endpoint: `${mtls}/token/revocation`,
  introspection_endpoint: `${mtls}/token/introspection`,
  pushed_authorization_request_endpoint: `${mtls}/request`,
  device_authorization_endpoint: `${mtls}/device/auth`,
  userinfo_endpoint: `${mtls}/me`,
};

const scopeOf = (resource) => (resource.endsWith('/notes') ? 'notes:read notes:write' : 'api');
const { INITIAL_ACCESS_TOKEN: token, PAGES: pages } = process.env;
const registration = token
  ? { registration: { enabled: true, initialAccessToken: token }, registrationManagement: { enabled: true } }
  : { registration: { enabled: true } };
const documents = pages && { clientIdMetadataDocument: { enabled: true, ack: 'draft-02' } };

const granted = (ctx) => JSON.parse(ctx.oidc.params.authorization_details).map((one) => ({ ...one, consent: 'c-1' }));

const provider = new Provider(issuer, {
  clients: [
    client('basic', 'client_secret_basic', 'basic-secret'),
    client('post', 'client_secret_post', 'post-secret'),
    client('web:colon%20', 'client_secret_basic', 'p+w %/~*:&='),
    client('public', 'none'),
  ],
  jwks,
  scopes: ['openid', 'offline_access', 'api'],
  responseTypes: ['code', 'id_token token'], // the second only for clients that register it, with https redirect URIs
  cookies: { keys: ['a key for a provider that lives for one test run'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    introspection: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    ...registration,
    ...documents,
    ...(tls && { mTLS }),
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
    jwtResponseModes: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    // Grants what is asked for, enriched (RFC 9396 section 7.1); a code's and a refresh token's details go on as they are.
    richAuthorizationRequests: {
      enabled: true,
      types: { payment_initiation: { validate() {} } },
      authorizationDetailsForGrantSource: (ctx) => granted(ctx),
      authorizationDetailsForAccessToken: (ctx, _, source) => source?.rar ?? granted(ctx),
      authorizationDetailsForIntrospection: (_, token) => token.rar,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: scopeOf(resource),
        audience: resource,
        accessTokenFormat: resource.endsWith('/notes') ? 'jwt' : 'opaque',
      }),
    },
  },
  ...(tls && {
    discovery: { mtls_endpoint_aliases: aliases },
    clientAuthMethods: [
      'none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth',
    ],
  }),
  // Without its own guard, which rightly takes no document from this machine.
  ...(pages && {
    fetch: (url, { dispatcher, ...options }) => fetch(String(url).replace('https://app.example', pages), options),
  }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (_, who) => who.grantTypeAllowed('refresh_token'),
  pkce: { required: (ctx) => ctx.oidc.params.response_type === 'code' },
  renderError: (ctx, out) => {
    ctx.type = 'json';
    ctx.body = out;
  },
  clockTolerance: 15_000, // tests set our clock forward, and what we sign says its time
  rotateRefreshToken: true,
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 86400, Session: 86400 },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const accountId = params.login_hint ?? 'alice';
  if (accountId === 'deny') {
    const refusal = { error: 'access_denied', error_description: 'The resource owner <b>said no</b>' };
    return provider.interactionFinished(ctx.req, ctx.res, refusal);
  }
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? '');
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, scopeOf(resource));
  const answer = { login: { accountId }, consent: { grantId: await grant.save() } };
  return provider.interactionFinished(ctx.req, ctx.res, answer);
});

server.on('request', provider.callback());
asking?.on('request', provider.callback());
console.log(JSON.stringify({ issuer, mtls }));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
