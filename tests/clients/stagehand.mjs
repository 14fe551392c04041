// Stagehand, unchanged but for its base address, on a session of a service.
import assert from 'node:assert/strict';

import Browserbase from '@browserbasehq/sdk';
import * as stagehand from '@browserbasehq/stagehand';

import { apiKey, check, finish, until, withService } from './harness.mjs';

console.log(Object.keys(stagehand));
