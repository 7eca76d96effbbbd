import type { SchemaPart } from '../../src/store/contract.ts';

export const PARTS: SchemaPart[] = [
  { room: 'test', create: 'CREATE TABLE IF NOT EXISTS pair (left TEXT NOT NULL, right INTEGER NOT NULL)' },
];
