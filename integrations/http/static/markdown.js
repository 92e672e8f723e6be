// The Markdown of answers: paragraphs, lists, bold and [1] markers. Everything else stays the text it is.

import { el } from "/static/dom.js";

const ITEM = /^(?:[-*+]|(\d{1,3})[.)])\s+(.*)$/;

/**
 * Nodes for a Markdown text.
 *
 * `marker(number)` returns the node for [number], or null where that is no marker.
 */
export function render(text, marker) {
  const fragment = document.createDocumentFragment();
  for (const block of text.split(/\n{2,}/)) {
    let paragraph = null;
    for (const line of block.split("\n").map((each) => each.trim()).filter(Boolean)) {
      const item = ITEM.exec(line);
      if (item) {
        const kind = item[1] ? "OL" : "UL";
        let list = fragment.lastElementChild; // items of one list may come as blocks of their own
        if (list?.tagName !== kind) {
          list = el(kind, { start: item[1] });
          fragment.append(list);
        }
        list.append(el("li", { dir: "auto" }, ...inline(item[2], marker)));
        paragraph = null;
      } else if (paragraph) {
        paragraph.append(el("br"), ...inline(line, marker));
      } else {
        paragraph = el("p", { dir: "auto" }, ...inline(line, marker));
        fragment.append(paragraph);
      }
    }
  }
  return fragment;
}

function inline(text, marker) {
  return text.split(/(\*\*[^*]+\*\*)/).flatMap((part) => {
    const bold = /^\*\*([^*]+)\*\*$/.exec(part);
    return bold ? [el("strong", {}, ...marked(bold[1], marker))] : marked(part, marker);
  });
}

function marked(text, marker) {
  return text
    .split(/(\s?\[\d{1,3}\])/)
    .map((part) => {
      const number = /^\s?\[(\d{1,3})\]$/.exec(part);
      return (number && marker(Number(number[1]))) || part;
    })
    .filter((part) => part !== "");
}

/** The text as it is read aloud: without markers and signs of Markdown. */
export function spoken(text) {
  return text.replace(/\s?\[\d{1,3}\]/g, "").replaceAll("**", "").replace(/^[-*+] /gm, "");
}
