// An API of the npm package express-oauth2-jwt-bearer, on a free port of this machine: it takes the JWTs of one issuer that are for
// it, and says which scope it wants.
//
//   node notes_api.mjs <folder with node_modules> <issuer>
//
// The first line on standard output is a JSON object with its URL. It ends when its standard input does.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(`${process.argv[2]}/package.json`);
const express = require('express');
const { auth, requiredScopes } = require('express-oauth2-jwt-bearer');

const app = express();
const server = createServer(app);
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}/notes`;

app.use(auth({ issuerBaseURL: process.argv[3], audience: url }));
app.get('/notes', requiredScopes('notes:read'), (req, res) => res.json({ whose: req.auth.payload.sub }));
app.post('/notes', requiredScopes('notes:read notes:write'), (req, res) => res.status(201).json({ by: req.auth.payload.sub }));
app.use((error, req, res, next) => res.status(error.status ?? 500).set(error.headers ?? {}).end());

console.log(JSON.stringify({ url }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
