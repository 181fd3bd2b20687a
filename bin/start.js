'use strict';
// Loaded by mft.js once Node is known to be new enough. npm links bin/mft.js; Node gives __dirname without the link.
const { existsSync } = require('node:fs');
const { join, resolve } = require('node:path');
const { pathToFileURL } = require('node:url');

// Node 22 calls node:sqlite experimental, on every start; all other warnings are shown.
const emitWarning = process.emitWarning;
process.emitWarning = (warning, ...rest) => {
  if (!String(warning).startsWith('SQLite is an experimental feature'))
    emitWarning.call(process, warning, ...rest);
};

const root = resolve(__dirname, '..');
const entry = join(root, 'dist', 'src', 'commands', 'shared', 'start.js');
if (existsSync(entry)) {
  import(pathToFileURL(entry).href).then((module) => module.start(process.argv.slice(2), root));
} else {
  process.stderr.write(`Error: mft is not built: ${entry} is missing.\n  try: npm run build\n`);
  process.exitCode = 2;
}
