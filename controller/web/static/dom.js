// Small helpers for the document: nothing is written that does not change, and nothing told is ever taken as HTML.

export const $ = (id) => document.getElementById(id);

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Build a node's children anew, but only when what they are made from has changed.
export function rebuild(node, from, build) {
  const key = JSON.stringify(from);
  if (node.builtFrom === key) return;
  node.builtFrom = key;
  const held = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...build());
  if (held !== undefined) node.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}

// Rows of [label, value, bad?] as a list of terms.
export function facts(node, rows) {
  rebuild(node, rows.map(([label]) => label), () => rows.map(([label]) => el("div", {}, el("dt", {}, label), el("dd"))));
  rows.forEach(([, value, bad], index) => {
    const told = node.children[index].lastChild;
    put(told, value);
    told.classList.toggle("bad", Boolean(bad));
  });
}

export function head(table, titles) {
  table.tHead.replaceChildren(el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title))));
}

export const number = (value, digits, unknown) =>
  (typeof value === "number" && Number.isFinite(value) ? value.toFixed(digits) : unknown);
