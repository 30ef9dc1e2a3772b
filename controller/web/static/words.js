// The catalogue of words and limits, as the daemon gives it; the page has no others.

let catalogue = { labels: {}, states: {}, interlocks: [], faults: {}, flags: {}, checklist: [], service: [], effects: [], mistakes: [], unjudged: [], limits: {} };

export async function load() {
  const answer = await fetch("/words", { signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`/words: ${answer.status}`);
  catalogue = await answer.json();
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = t(node.dataset.word);
}

export const book = () => catalogue;
export const limit = (name) => catalogue.limits[name];

export function t(key, ...told) {
  let text = catalogue.labels[key] ?? key;
  for (const one of told) text = text.replace("{}", () => String(one));
  return text;
}

export const plain = (name) => String(name).toLowerCase().replaceAll("_", " ");
