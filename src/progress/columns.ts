/** How many columns of a terminal a text takes (Unicode Standard Annex 11, as terminals practise it). */

/** East Asian wide and fullwidth characters, and what is drawn as a picture by itself. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Yi}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
/** Halfwidth forms of those scripts. */
const HALFWIDTH = /[\uff61-\uffdc\uffe8-\uffee]/u;
/** Marks on the character before, and characters that only say how others are joined. */
const NONE = /[\p{Mn}\p{Me}\p{Cf}]/u;
// oxlint-disable-next-line no-control-regex
const PLAIN = /^[\u0000-\u007f]*$/;

/** The longest beginning of `text` that takes at most `room` columns, and how many it takes. */
export function cutToColumns(text: string, room: number): { text: string; columns: number } {
  if (PLAIN.test(text)) {
    const cut = text.slice(0, room);
    return { text: cut, columns: cut.length };
  }
  let cut = '';
  let columns = 0;
  for (const character of text) {
    const more = columnsOf(character);
    if (columns + more > room) break;
    cut += character;
    columns += more;
  }
  return { text: cut, columns };
}

function columnsOf(character: string): number {
  if (NONE.test(character)) return 0;
  return WIDE.test(character) && !HALFWIDTH.test(character) ? 2 : 1;
}
