/* The house rule: each floor imports only from floors below it. docs/ARCHITECTURE.md lists the floors. */
const floors = [
  ['commands'],
  ['ui'],
  ['sweep', 'farm'],
  ['chat'],
  ['session', 'bench'],
  ['runs'],
  ['plan'],
  ['device'],
  ['adb'],
  ['model', 'data', 'eval'],
  ['protocol'],
  ['config'],
  ['base'],
];

const forbidden = floors.flatMap((floor, level) =>
  floor.map((room) => {
    const allowed = [room, ...floors.slice(level + 1).flat()];
    const extra = room === 'commands' ? ['phone'] : [];
    return {
      name: `${room}-imports-only-lower-floors`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[...allowed, ...extra].join('|')})/` },
    };
  }),
);

module.exports = {
  forbidden: [
    ...forbidden,
    {
      name: 'phone-stands-apart',
      severity: 'error',
      from: { path: '^src/phone/' },
      to: { path: '^src/', pathNot: '^src/(phone|base)/' },
    },
    { name: 'no-cycles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    {
      name: 'adbkit-stays-in-adb',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/adb/' },
      to: { path: 'node_modules/@devicefarmer' },
    },
    {
      name: 'src-imports-no-tests',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.tsx?$' },
      to: { path: '^(test|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    exclude: { path: '^(dist|build)/' },
  },
};
