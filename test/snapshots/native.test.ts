import { testSnapshots } from './suite.ts';

testSnapshots('native');
