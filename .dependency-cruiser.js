// Who may import whom, type imports included: main → start → {http, realtime, bots, gateways, drivers, config} → chat →
// platform; edges, drivers and the sdk may use wire. Tests stand outside of this.

const TEST = '\\.test\\.ts$';
const NPM = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'];

/** A part, and the only parts of src that it may know besides itself. */
const PARTS = {
  platform: [],
  wire: [],
  chat: ['platform'],
  config: ['chat', 'platform'],
  drivers: ['chat', 'platform', 'wire'],
  http: ['chat', 'platform', 'wire'],
  realtime: ['chat', 'platform', 'wire'],
  bots: ['chat', 'platform', 'wire'],
  gateways: ['chat', 'platform', 'wire'],
  sdk: ['wire'],
  archive: ['chat', 'wire'],
  verify: [],
  web: ['sdk', 'wire'],
  start: ['archive', 'http', 'realtime', 'bots', 'gateways', 'drivers', 'config', 'chat', 'platform', 'wire'],
};

const known = Object.entries(PARTS).map(([part, others]) => ({
  name: `${part}-knows`,
  comment: `src/${part} may import ${others.length === 0 ? 'no other part' : others.join(', ')}`,
  severity: 'error',
  from: { path: `^src/${part}/`, pathNot: TEST },
  to: { path: '^src/', pathNot: `^src/(${[part, ...others].join('|')})/` },
}));

export default {
  forbidden: [
    ...known,
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'every-part-is-known',
      comment: 'a new folder of src needs a line in PARTS',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(${Object.keys(PARTS).join('|')})/|^src/(main|cli)\\.ts$` },
      to: {},
    },
    {
      name: 'chat-uses-no-packages',
      severity: 'error',
      from: { path: '^src/chat/', pathNot: TEST },
      to: { dependencyTypes: NPM },
    },
    {
      name: 'chat-does-no-io',
      comment: 'of Node, only what computes',
      severity: 'error',
      from: { path: '^src/chat/', pathNot: TEST },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'a-driver-knows-no-other',
      severity: 'error',
      from: { path: '^src/drivers/([^/]+)/([^/]+)/', pathNot: TEST },
      to: { path: '^src/drivers/', pathNot: '^src/drivers/$1/$2/' },
    },
    {
      name: 'nobody-imports-the-entries',
      severity: 'error',
      from: { path: '^(src|test)/' },
      to: { path: '^src/(main|cli)\\.ts$' },
    },
    {
      name: 'src-uses-no-tests',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { path: `^(test|scripts|bench)/|${TEST}` },
    },
    {
      name: 'src-uses-no-tools',
      comment: 'what runs is installed without the development packages',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    // TypeScript 7 has no API to parse with; swc sees type imports too.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json', '.d.ts'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
