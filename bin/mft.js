#!/usr/bin/env node
// Old JavaScript on purpose: an old Node must be able to read this file and say what is wrong. The rest is in start.js.
'use strict';
var needed = [22, 13];
var found = process.versions.node.split('.').map(Number);
if (found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])) {
  process.stderr.write(
    'Error: mft needs Node.js ' +
      needed.join('.') +
      ' or newer; this is ' +
      process.versions.node +
      ' (' +
      process.execPath +
      ').\n' +
      '  try: Install a current Node.js (https://nodejs.org), or put a newer one first in PATH, then run mft again.\n',
  );
  process.exitCode = 2;
} else {
  require('./start.js');
}
