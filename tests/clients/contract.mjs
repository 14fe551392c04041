// Holds every answer that a client gets against tests/contract/browserbase.json.
import { readFileSync } from 'node:fs';

import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const file = new URL('../contract/browserbase.json', import.meta.url);
const contract = JSON.parse(readFileSync(file, 'utf8'));
const ajv = addFormats(new Ajv({ allErrors: true, strict: false }));
ajv.addSchema({ $id: 'contract', ...contract });

const inContract = (schema) =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/schemas/', '"contract#/schemas/'));
const isError = ajv.compile({ $ref: 'contract#/schemas/Error' });
const operations = Object.entries(contract.operations).map(([name, { answers }]) => {
  const [method, path] = name.split(' ');
  const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
  return { name, method, pattern, answers };
});

/** What did not fit, in words. */
export const violations = [];
/** Names of the operations that answered as the contract says. */
export const answered = new Set();

/** What is wrong with an answer; undefined when nothing is. */
function fault(operation, status, type, body) {
  if (status >= 400) {
    if (operation && type !== 'application/json') return `is ${type}`;
    return isError(JSON.parse(body)) ? undefined : ajv.errorsText(isError.errors);
  }
  const answer = operation.answers[status];
  if (!answer) return 'is no status of the contract';
  if (answer.empty) return body.length === 0 ? undefined : 'has a body';
  if (!answer[type]) return `is ${type}`;
  if (answer[type] === true) return undefined;
  const fits = ajv.compile(inContract(answer[type]));
  return fits(JSON.parse(body)) ? undefined : ajv.errorsText(fits.errors);
}

/** A `fetch` that takes note of every answer. */
export function checkedFetch() {
  return async (url, options = {}) => {
    // The SDK sends forms as a stream, for which the fetch of Node wants to be told so.
    const response = await fetch(url, { duplex: 'half', ...options });
    const method = (options.method ?? 'GET').toUpperCase();
    const { pathname } = new URL(url);
    const operation = operations.find((one) => one.method === method && one.pattern.test(pathname));
    if (!operation && response.status < 400) return response;
    const type = response.headers.get('content-type')?.split(';')[0];
    const body = await response.clone().text();
    const wrong = fault(operation, response.status, type, body);
    if (wrong) violations.push(`${method} ${pathname}: ${response.status} ${wrong}: ${body}`);
    else if (response.status < 400) answered.add(operation.name);
    return response;
  };
}
