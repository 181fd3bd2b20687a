'use strict';
// Loaded by mft.js once Node is known to be new enough. npm links bin/mft.js; Node gives __dirname without the link.
const { existsSync } = require('node:fs');
const { join, resolve } = require('node:path');
const { pathToFileURL } = require('node:url');

const root = resolve(__dirname, '..');
const entry = join(root, 'dist', 'src', 'commands', 'shared', 'start.js');
if (existsSync(entry)) {
  import(pathToFileURL(entry).href).then((module) => module.start(process.argv.slice(2), root));
} else {
  process.stderr.write(`Error: mft is not built: ${entry} is missing.\n  try: npm run build\n`);
  process.exitCode = 2;
}
