// Adverse effects: shown before the next session of a subject, recorded and corrected by whoever is logged in.

import { $, el, put } from "./dom.js";
import { book, plain, t } from "./words.js";
import { tell } from "./asking.js";

// One effect in words; what was taken back stays on record, and is marked.
function effect(one, ...buttons) {
  const marks = [one.taken_back && t("effects.taken_back"), one.blocks && t("effects.blocks")].filter(Boolean);
  return el("li", { className: one.taken_back ? "taken-back" : one.blocks ? "bad" : "" },
    el("span", {}, `#${one.id}: ${one.text}${marks.length ? ` (${marks.join("; ")})` : ""}`), ...buttons);
}

// All that is on record of a subject, before a session with them begins.
export class Subject {
  constructor(asker) {
    this.asker = asker;
    this.name = "";
  }

  hide() {
    this.name = "";
    $("subject").hidden = true;
  }

  async show(name) {
    this.name = name;
    $("subject").hidden = !name;
    if (!name) return;
    put($("subject-title"), t("subject", name));
    $("subject-courses").replaceChildren();
    $("subject-effects").replaceChildren();
    const { ok, status, told } = await this.asker.get(`/courses/${encodeURIComponent(name)}`);
    if (this.name !== name) return; // another plan was looked at meanwhile
    if (!ok) return put($("subject-told"), status === 404 ? t("subject.new") : told.message ?? t("act.no_answer", t("subject", name)));
    $("subject-courses").replaceChildren(...told.courses.map((one) => el("li", {}, t("subject.course", plain(one.indication), one.sessions_done,
      one.sessions_planned ?? "?", one.last_session ?? t("subject.no_session"), one.earliest_next ?? t("subject.any_day")))));
    put($("subject-told"), t(told.effects.length ? "subject.effects" : "subject.no_effects"));
    $("subject-effects").replaceChildren(...told.effects.map((one) => effect(one)));
  }
}

// The effects of one session, and the form that tells of another, that one has gone, or that one was a mistake.
export class Effects {
  constructor(asker) {
    this.asker = asker;
    this.session = null;
    this.about = null;
    $("effect-kind").append(...book().effects.map(({ kind, name }) => el("option", { value: kind }, name)));
    $("effect-reason").append(...book().mistakes.map(({ key, name }) => el("option", { value: key }, name)));
    $("effect-kind").addEventListener("input", () => this.severities());
    $("effect-reason").addEventListener("input", () => this.fields());
    $("effect-cancel").addEventListener("click", () => this.ask("record"));
    $("effect-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  async open(session) {
    this.session = session;
    $("effects").hidden = false;
    put($("effects-title"), t("effects", [session.name, session.subject].filter(Boolean).join(", ")));
    put($("effects-told"), "");
    this.ask("record");
    $("effects-list").replaceChildren();
    await this.read();
    $("effects").scrollIntoView({ block: "nearest" });
  }

  async read() {
    const { session } = this;
    const answer = await this.asker.get(`/sessions/${encodeURIComponent(session.id)}/effects`);
    if (session !== this.session) return;
    if (!answer.ok) return tell(t("effects", session.name), answer, $("effects-told"), $("effects-reasons"));
    $("effects-list").replaceChildren(...(answer.told.length ? answer.told.map((one) => this.row(one)) : [el("li", {}, t("effects.none"))]));
  }

  row(one) {
    const act = (mode) => el("button", { type: "button", onclick: () => this.ask(mode, one), ariaLabel: `${t(`effects.${mode}`)} #${one.id}` }, t(`effects.${mode}`));
    return effect(one, one.resolved === null && !one.taken_back && act("gone"), !one.taken_back && act("correct"));
  }

  // The form in one of its three meanings: `record`, or `gone` and `correct` of one effect.
  ask(mode, one = null) {
    this.mode = mode;
    this.about = one;
    $("effect-form").reset();
    if (one) $("effect-kind").value = one.kind;
    this.severities();
    if (one) $("effect-severity").value = String(one.severity);
    put($("effect-what"), one ? `${t(`effects.${mode}`)} #${one.id}` : t("effects.record"));
    this.fields();
    if (one) $("effect-form").querySelector(mode === "gone" ? "#effect-resolved" : "#effect-reason").focus();
  }

  fields() {
    const wrongly = this.mode === "correct" && $("effect-reason").value === "recorded_wrongly";
    for (const [id, there] of [["reason", this.mode === "correct"], ["kind", this.mode === "record" || wrongly], ["severity", this.mode === "record" || wrongly],
      ["onset", this.mode === "record" || wrongly], ["resolved", this.mode !== "correct" || wrongly]]) $(`effect-${id}`).closest("label").hidden = !there;
    $("effect-cancel").hidden = this.mode === "record";
    this.wrongly = wrongly;
  }

  severities() {
    const kind = book().effects.find((one) => one.kind === $("effect-kind").value);
    $("effect-severity").replaceChildren(...kind.severities.map(({ severity, name }) => el("option", { value: String(severity) }, name)));
  }

  async send() {
    const day = (id) => $(`effect-${id}`).value || null;
    const found = { kind: $("effect-kind").value, severity: Number($("effect-severity").value), onset: day("onset"), resolved: day("resolved") };
    const [path, body] = {
      record: () => ["effects", { session: this.session.id, ...found }],
      gone: () => ["effects/resolve", { effect: this.about.id, on: day("resolved") }],
      correct: () => ["effects/correct", { effect: this.about.id, reason: $("effect-reason").value, instead: this.wrongly ? found : null }],
    }[this.mode]();
    if (!tell(t(`effects.${this.mode}`), await this.asker.post(`/act/${path}`, body), $("effects-told"), $("effects-reasons"))) return;
    this.ask("record");
    await this.read();
  }
}
