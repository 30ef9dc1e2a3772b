// Asking the daemon to do something: one way for all acts, and one way to tell what came of it.

import { el, put } from "./dom.js";
import { plain, t } from "./words.js";

const PATIENCE_MS = 30_000;

export class Asker {
  constructor() { this.csrf = ""; this.unauthorised = () => {}; }

  async get(path) { return this.send(path, { method: "GET" }); }

  async post(path, body) {
    const headers = { "X-CSRF": this.csrf };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return this.send(path, { method: "POST", headers, body: body === undefined ? undefined : JSON.stringify(body) });
  }

  // {ok, status, told}; status 0 when nobody answered.
  async send(path, request) {
    let answer;
    try {
      answer = await fetch(path, { ...request, credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS) });
    } catch {
      return { ok: false, status: 0, told: {} };
    }
    const told = await answer.json().catch(() => ({}));
    if (answer.status === 401 && path !== "/login") this.unauthorised(told);
    const refused = told.outcome !== undefined && told.outcome !== "done";
    return { ok: answer.ok && !refused, status: answer.status, told };
  }
}

// Say what became of `what`; true when it was done. Reasons go to the list, unless `place` takes one elsewhere.
export function tell(what, { ok, status, told }, where, list, place = () => false) {
  if (status === 0) put(where, t("act.no_answer", what));
  else if (ok) put(where, t("act.done", what));
  else put(where, told.message ? t("act.told", what, told.message) : told.text ? t("act.told", what, told.text) : t("act.refused", what));
  const reasons = ok ? [] : [...(told.reasons ?? []), ...(told.problems ?? []), ...(told.kept ?? []).flatMap((latch) => latch.reasons)];
  list?.replaceChildren(...reasons.filter((one) => !place(one)).map((one) => el("li", {}, reason(one))));
  return ok;
}

export function reason(one) {
  if (one.text !== undefined) return [one.text, one.action].filter(Boolean).join(": ");
  const value = one.value === null || one.value === undefined ? "" : ` = ${typeof one.value === "string" ? one.value : JSON.stringify(one.value)}`;
  return `${one.field || plain(one.code)}${value}: ${[t("plan.allowed", one.allowed), one.action].filter(Boolean).join("; ")}`;
}
