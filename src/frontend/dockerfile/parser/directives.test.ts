import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detectSyntax, parseDirective } from './directives.ts';

function syntaxOf(text: string): [string, string, number] | undefined {
  const match = detectSyntax(Buffer.from(text));
  return match && [match.value, match.cmdline, match.location[0]?.start.line ?? -1];
}

test('detectSyntax finds the directive in its three forms', () => {
  const table: [string, [string, string, number] | undefined][] = [
    ['# syntax=docker/dockerfile:1\nFROM a', ['docker/dockerfile:1', 'docker/dockerfile:1', 1]],
    ['\ufeff#SYNTAX = x/y   --opt z \t\r\nFROM a', ['x/y', 'x/y   --opt z', 1]],
    ['#!/usr/bin/env build\n# check=skip=all\n# syntax=a\n', ['a', 'a', 3]],
    ['// syntax=a b\n', ['a', 'a b', 1]],
    ['#!x\n{"syntax": "a b", "n": 1}', ['a b', 'a b', 1]],
    ['{"syntax": "a"}', ['a', 'a', 0]],
    ['{"syntax": "a", "n": 1e999}', undefined],
    ['{"syntax": 1}', undefined],
    ['["syntax"]', undefined],
    ['# syntax=\nFROM a', undefined],
    ['FROM a\n# syntax=b', undefined],
    ['# a comment\n# syntax=b', undefined],
    ['# escape=`\n# escape=`\n# syntax=b', undefined],
    ['', undefined],
  ];
  for (const [text, want] of table) assert.deepEqual(syntaxOf(text), want, text);
});

test('parseDirective looks at comments with # only', () => {
  const check = parseDirective('check', Buffer.from('# syntax=a\n# check=skip=A;error=true x\n'));
  assert.equal(check?.value, 'skip=A;error=true');
  assert.equal(check.cmdline, 'skip=A;error=true x');
  assert.equal(parseDirective('check', Buffer.from('// check=skip=A\n')), undefined);
  assert.equal(parseDirective('syntax', Buffer.from('{"syntax":"a"}')), undefined);
});
