// One request of the npm package oauth-1.0a, told on standard input, signed and sent; what was answered, on standard output.
//
//   node oauth_1_0a.mjs <folder with node_modules>
//   {"url", "method", "algorithm": "SHA1" | "SHA256", "client": {"key", "secret"}, "token": {"key", "secret"}, "form" | "json"}

import { createHash, createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const OAuth = createRequire(`${process.argv[2]}/package.json`)('oauth-1.0a');
const { url, method, algorithm, client, token, form, json } = JSON.parse(readFileSync(0, 'utf8'));

const oauth = OAuth({
  consumer: client,
  signature_method: `HMAC-${algorithm}`,
  hash_function: (text, key) => createHmac(algorithm, key).update(text).digest('base64'),
  body_hash_function: (text) => createHash(algorithm).update(text).digest('base64'),
});
const request = { url, method, data: form ? { ...form } : json, includeBodyHash: json !== undefined }; // it writes into data
const { Authorization } = oauth.toHeader(oauth.authorize(request, token));
const answer = await fetch(url, {
  method,
  headers: {
    Authorization,
    'Content-Type': form ? 'application/x-www-form-urlencoded' : 'application/json',
    Connection: 'close',
  },
  body: form ? new URLSearchParams(form).toString() : json,
});
console.log(JSON.stringify({ status: answer.status, text: await answer.text() }));
