import { testSnapshots } from './suite.ts';

testSnapshots('overlay');
