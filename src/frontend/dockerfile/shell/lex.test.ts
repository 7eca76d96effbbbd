import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LexOptions } from './contract.ts';
import { EMPTY_ENV, envFromList, Lex } from './lex.ts';

const env = envFromList(['A=1', 'B=', 'F=foo/bar.tar.gz', 'S=a b  c', 'D=x$0y', 'U=äö€😀', 'N=a\nfoo']);

function expand(word: string, options: LexOptions = {}, escape: '\\' | '`' = '\\'): string {
  const { result, error } = new Lex(escape, options).tryWord(word, env);
  return error === undefined ? result : `error: ${error.message}`;
}

test('processWord replaces variables, with every modifier', () => {
  const table: [string, string][] = [
    ['$A-${A}x$A', '1-1x1'],
    ['$AB', ''],
    ['$', '$'],
    ['a$', 'a$'],
    ['$1x$@$#', 'x'],
    ['$12', ''],
    ['${NO:-d}|${NO-d}|${B:-d}|${B-d}|${A:-d}', 'd|d|d||1'],
    ['${NO:+s}|${NO+s}|${B:+s}|${B+s}|${A:+s}', '|||s|s'],
    ['${A:?x}${B?x}', '1'],
    ['${NO:-${NO2:-${A}}}', '1'],
    ['${F#*/}|${F##*o}|${F#x}', 'bar.tar.gz|/bar.tar.gz|foo/bar.tar.gz'],
    ['${F%.*}|${F%%.*}|${F%?}', 'foo/bar.tar|foo/bar|foo/bar.tar.g'],
    ['${F/o/0}|${F//o/0}|${F//o/}|${F/\\/*/}', 'f0o/bar.tar.gz|f00/bar.tar.gz|f/bar.tar.gz|foo'],
    ['${U#?}|${U%?}|${U//?/<}', 'ö€😀|äö€|<<<<'],
    ['${N#*o}|${N##*o}|${N/*/x}', 'a\nfoo|a\nfoo|x\nfoo'],
    ["${F//o/'[$0]'}|${F//o/$D}|${F/o/$D}", 'f[o][o]/bar.tar.gz|fxx/bar.tar.gz|fx$0yo/bar.tar.gz'],
    ["${F//o/'$$'}|${F//o/'${0}${x}$'}", 'f$$/bar.tar.gz|fo$o$/bar.tar.gz'],
    ['${S//\\*/x}|${A/\\?/x}', 'a b  c|1'],
    ['${A//*/x}|${B//*/x}', 'x|x'],
  ];
  for (const [word, want] of table) assert.equal(expand(word), want, word);
});

test('processWord resolves quotes and escapes', () => {
  const table: [string, string][] = [
    [`"a $A" 'b $A'`, 'a 1 b $A'],
    ['\\$A \\a \\\\', '$A a \\'],
    ['"\\$A \\a \\\\ \\""', '$A \\a \\ "'],
    ['a\\', 'a'],
    ['\ufeff$A\ufeff', '1\ufeff'],
    ['a<b << c<<  d', 'a<b << c<<  d'],
  ];
  for (const [word, want] of table) assert.equal(expand(word), want, word);
  assert.equal(expand('c:\\$A`$A"`""', {}, '`'), 'c:\\1$A"');
});

test('processWord follows its options', () => {
  assert.equal(expand(`"$A"'b'`, { rawQuotes: true }), `"1"'b'`);
  assert.equal(expand('\\a"\\$"\\', { rawEscapes: true }), '\\a\\$\\');
  assert.equal(expand(`"'$A`, { skipProcessQuotes: true }), `"'1`);
  const unset = '$NO ${NO} ${NO:-x$A} ${NO%y} ${NO//a/b}';
  assert.equal(expand(unset, { skipUnsetEnv: true }), '$NO ${NO} ${NO:-x1} ${NO%y} ${NO/a/b}');
});

test('processWord fails with the texts of BuildKit', () => {
  const table: [string, string][] = [
    ['${', "syntax error: missing '}'"],
    ['${}', 'syntax error: bad substitution'],
    ['${:A}', 'syntax error: bad substitution'],
    ['${{A}}', 'syntax error: bad substitution'],
    ['${A', 'unsupported modifier (\ufffd) in substitution'],
    ['${A:', "syntax error: missing '}'"],
    ['${A:-', "syntax error: missing '}'"],
    ['${A:x}', 'unsupported modifier (:x) in substitution'],
    ['${A:#x}', 'unsupported modifier (:#) in substitution'],
    ['${A!}', 'unsupported modifier (!) in substitution'],
    ['${A/b', "syntax error: missing '/' in ${}"],
    ['${A/b}', "syntax error: missing '/' in ${}"],
    ['${A/b/', "syntax error: missing '}'"],
    ['${A/\\b/}', "invalid pattern (\\b) in substitution: invalid escape '\\b'"],
    ['${A%b\\c}', "invalid pattern (\\cb) in substitution: invalid escape '\\c'"],
    ['${NO?}', 'NO: is not allowed to be unset'],
    ['${NO:?}', 'NO: is not allowed to be unset'],
    ['${B:?}', 'B: is not allowed to be empty'],
    ['${B:?give B}', 'B: give B'],
    ["'a", 'unexpected end of statement while looking for matching single-quote'],
    ['"a', 'unexpected end of statement while looking for matching double-quote'],
  ];
  for (const [word, want] of table) {
    assert.equal(expand(word), `error: failed to process ${JSON.stringify(word)}: ${want}`, word);
  }
});

test('processWords splits after expansion, not inside quotes', () => {
  const lex = new Lex('\\');
  assert.deepEqual(lex.processWords(`a "b c" $S '' d"e f"g\\ h`, env), [
    'a',
    'b c',
    'a',
    'b',
    'c',
    'de fg h',
  ]);
  assert.deepEqual(lex.processWords('  ', env), []);
});

test('processWords loses what precedes a modifier in the same word, as BuildKit does', () => {
  assert.deepEqual(new Lex('\\').processWords('80${NO:-80} x', env), ['80', 'x']);
});

test('tryWord tells which names were looked up, also when it fails', () => {
  const ok = new Lex('\\').tryWord('$A $NO ${B:-$X} ${A+$Y}', env);
  assert.deepEqual([...ok.matched], ['A', 'B']);
  assert.deepEqual([...ok.unmatched], ['NO', 'X', 'Y']);
  const failed = new Lex('\\').tryWord('$NO $A ${', env);
  assert.deepEqual([[...failed.matched], [...failed.unmatched]], [['A'], ['NO']]);
  assert.ok(failed.error !== undefined);
});

test('processWord refuses what would not end', () => {
  const deep = '${a:-'.repeat(2000) + '}'.repeat(2000);
  assert.throws(() => new Lex('\\').processWord(deep, EMPTY_ENV), /nested more than/);
  const big = new Map([['X', 'x'.repeat(1024 * 1024)]]);
  assert.throws(() => new Lex('\\').processWord('"' + '$X'.repeat(20) + '"', big), /longer than/);
  const stars = `\${X/${'*x'.repeat(200)}y/}`;
  assert.equal(new Lex('\\').processWord(stars, new Map([['X', 'x'.repeat(2000)]])).result.length, 2000);
});

test('envFromList lets the last of equal names win', () => {
  const list = envFromList(['A=1', 'A=2=3', 'B']);
  assert.deepEqual([list.get('A'), list.get('B'), [...list.keys()]], ['2=3', '', ['A', 'B']]);
});
